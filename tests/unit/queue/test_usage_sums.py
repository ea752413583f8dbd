"""Usage, summed before it leaves: exact for each client, model, status, second and bucket of latency."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.queue.usage import UsageRow, summed
from services.registry.client import latency_bucket

ROWS = st.builds(
    UsageRow,
    request_id=st.just("r"),
    client_id=st.sampled_from(["", "ann"]),
    model_key=st.sampled_from(["a-b-1", "a-b-2"]),
    task=st.just("bbox"),
    status=st.sampled_from([200, 504]),
    answered_at_ms=st.integers(1_700_000_000_000, 1_700_000_003_000),
    payload_bytes=st.integers(0, 10**6),
    wait_s=st.sampled_from([0.0, 0.5]),
    service_s=st.sampled_from([0.25, 2.0]),
    batch_size=st.just(1),
    attempts=st.just(1),
    image_index=st.integers(0, 2),
)


@given(st.lists(ROWS, max_size=60))
def test_sums_are_exact_and_each_is_there_once(rows: list[UsageRow]) -> None:
    expected = Counter(
        (
            row.client_id,
            row.model_key,
            row.status,
            row.answered_at_ms // 1000,
            latency_bucket(row.wait_s + row.service_s),
        )
        for row in rows
    )
    sums = summed(rows)

    assert {
        (one.client_id, one.model_key, one.status, one.answered_at_ms // 1000, one.bucket): one.images for one in sums
    } == expected
    assert len(sums) == len(expected)
    assert all(one.answered_at_ms % 1000 == 0 for one in sums)
    assert sum(one.requests for one in sums) == sum(row.image_index == 0 for row in rows)
    assert sum(one.payload_bytes for one in sums) == sum(row.payload_bytes for row in rows)
    assert sum(one.service_s for one in sums) == sum(row.service_s for row in rows)


def test_nothing_comes_to_nothing() -> None:
    assert summed([]) == []
