"""Usage: the histogram's error stays within what is promised, and sums fold into rows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import BadRequest
from chassis.rpc.registry_pb2 import GetUsageRequest, UsageBatch, UsageSum
from services.registry.usage import (
    BUCKETS,
    LATENCY_BOUNDS_S,
    PERCENTILE_ERROR,
    check_batch,
    latency_bucket,
    parse_groups,
    percentile_s,
    usage_documents,
    usage_pipeline,
    usage_rows,
)


def histogram(latencies_s: list[float]) -> list[int]:
    counts = [0] * BUCKETS
    for latency_s in latencies_s:
        counts[latency_bucket(latency_s)] += 1
    return counts


def part(bucket: int = 0, status: int = 200, *, images: int = 1, **group: object) -> dict[str, object]:
    key = {"status": status, "bucket": bucket, **group}
    return {"_id": key, "images": images, "requests": images, "payload_bytes": 10 * images, "service_s": 0.5 * images}


@given(
    st.lists(st.floats(LATENCY_BOUNDS_S[0], LATENCY_BOUNDS_S[-1] * 0.999), min_size=1, max_size=200),
    st.floats(0.0, 1.0),
)
def test_a_percentile_is_off_by_no_more_than_is_promised(latencies_s: list[float], share: float) -> None:
    exact = sorted(latencies_s)[max(1, math.ceil(share * len(latencies_s))) - 1]
    assert percentile_s(histogram(latencies_s), share) == pytest.approx(exact, rel=PERCENTILE_ERROR + 1e-9)


def test_the_promised_error_is_below_a_twentieth() -> None:
    assert 0.04 < PERCENTILE_ERROR < 0.045


def test_latencies_beyond_the_bounds_are_counted_at_the_ends() -> None:
    assert latency_bucket(0.0) == 0
    assert latency_bucket(1e9) == BUCKETS - 1
    assert percentile_s(histogram([0.0]), 0.5) == 0.0005
    assert percentile_s(histogram([1e9]), 0.5) == LATENCY_BOUNDS_S[-1]


def test_a_bound_belongs_to_the_bucket_above_it() -> None:
    assert latency_bucket(LATENCY_BOUNDS_S[3]) == 4


def test_no_latencies_have_no_percentile() -> None:
    assert percentile_s([0] * BUCKETS, 0.95) == 0.0
    assert percentile_s([], 0.95) == 0.0


def test_groups_are_read_in_their_order() -> None:
    assert parse_groups("model, hour") == ("model", "hour")
    assert parse_groups("") == ()


@pytest.mark.parametrize("text", ["models", "client,,hour", "client,client", "$where"])
def test_unknown_groups_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="cannot group by"):
        parse_groups(text)


def test_parts_of_one_group_fold_into_one_row() -> None:
    rows = usage_rows([part(3, 200, images=2, model="m"), part(5, 504, model="m"), part(3, 200, model="n")], ["model"])
    assert [dict(row.group) for row in rows] == [{"model": "m"}, {"model": "n"}]
    assert dict(rows[0].statuses) == {200: 2, 504: 1}
    assert (rows[0].images, rows[0].payload_bytes, rows[0].service_s) == (3, 30, 1.5)
    assert (rows[0].latency_histogram[3], rows[0].latency_histogram[5]) == (2, 1)


def test_hours_and_days_are_named_in_utc() -> None:
    rows = usage_rows([part(hour=1_700_002_800_000, day=1_699_920_000_000)], ["hour", "day"])
    assert dict(rows[0].group) == {"hour": "2023-11-14T23:00Z", "day": "2023-11-14"}


def test_nothing_used_gives_no_row() -> None:
    assert usage_rows([], []) == []


def test_only_what_is_asked_is_looked_for() -> None:
    assert "$match" not in usage_pipeline(GetUsageRequest(), [])[0]
    stages = usage_pipeline(GetUsageRequest(client_id="c", from_ms=5, to_ms=9), [])
    wanted = {"client_id": "c", "answered_at_ms": {"$gte": 5, "$lt": 9}}
    assert stages[0] == {"$match": {"sums": {"$elemMatch": wanted}}}


def test_sums_are_kept_as_they_are() -> None:
    one = UsageSum(model_key="m", status=200, answered_at_ms=1000, bucket=3, images=2, service_s=0.5)
    [document] = usage_documents(UsageBatch(sums=[one]))
    assert UsageSum(**document) == one
    assert set(document) == {field.name for field in UsageSum.DESCRIPTOR.fields}


def test_every_bad_field_of_a_batch_is_named() -> None:
    good = UsageSum(model_key="m", status=200, answered_at_ms=1)
    with pytest.raises(BadRequest) as raised:
        check_batch(UsageBatch(sums=[good, UsageSum(status=7, service_s=float("nan"), bucket=BUCKETS)]))
    for field in ("model_key", "status", "answered_at_ms", "service_s", "bucket"):
        assert f"sums[1].{field}: " in raised.value.detail
    assert "batch_id: missing" in raised.value.detail
    assert "sums[0]" not in raised.value.detail


def test_a_batch_without_a_sum_is_none() -> None:
    with pytest.raises(BadRequest, match="sums: none"):
        check_batch(UsageBatch(batch_id="batch"))
