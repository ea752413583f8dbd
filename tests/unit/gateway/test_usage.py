"""Usage as JSON and CSV."""

from __future__ import annotations

import csv

import pytest

from chassis.rpc.registry_pb2 import UsageRow
from services.gateway.usage import moment_ms
from services.registry.client import LATENCY_BOUNDS_S
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V3


def row(**group: str) -> UsageRow:
    histogram = [0] * (len(LATENCY_BOUNDS_S) + 1)
    histogram[40] = 10
    return UsageRow(
        group=group, requests=7, images=10, statuses={200: 8, 504: 2}, payload_bytes=500, service_s=1.5,
        latency_histogram=histogram,
    )  # fmt: skip


def test_usage_is_one_row_for_each_group(gateway: Gateway) -> None:
    gateway.registry.rows = [row(model="acme-a-1", day="2026-01-02")]

    answer = gateway.client.get(f"{V3}/usage?by=model,day&from=2026-01-01&to=2026-02-01T00:00Z&model=acme-a-1").json

    assert answer is not None
    [found] = answer["rows"]
    assert (found["model"], found["day"]) == ("acme-a-1", "2026-01-02")
    assert (found["requests"], found["images"], found["failed"]) == (7, 10, 2)
    assert found["statuses"] == {"200": 8, "504": 2}
    assert found["latency_histogram"] == [[round(LATENCY_BOUNDS_S[40], 6), 10]]
    assert LATENCY_BOUNDS_S[39] <= found["latency_p50_s"] <= LATENCY_BOUNDS_S[40]
    assert gateway.registry.calls == [
        ("usage", {"by": "model,day", "client_id": "", "model_key": "acme-a-1",
                   "from_ms": 1_767_225_600_000, "to_ms": 1_769_904_000_000})
    ]  # fmt: skip


@pytest.mark.parametrize("how", [{"query_string": "format=csv"}, {"headers": {"Accept": "text/csv"}}])
def test_usage_is_csv_where_that_is_wanted(gateway: Gateway, how: dict[str, dict[str, str]]) -> None:
    gateway.registry.rows = [row(model="acme-a-1"), row(model="=1+1")]

    response = gateway.client.get(f"{V3}/usage", **how)  # type: ignore[arg-type]

    assert response.mimetype == "text/csv"
    first, second = csv.DictReader(response.text.splitlines())
    assert (first["model"], first["images"], first["failed"]) == ("acme-a-1", "10", "2")
    assert second["model"] == "'=1+1"


def test_csv_of_no_usage_still_has_its_line_of_names(gateway: Gateway) -> None:
    text = gateway.client.get(f"{V3}/usage?format=csv&by=client").text

    assert text.splitlines() == [
        "client,requests,images,failed,payload_bytes,service_s,latency_p50_s,latency_p95_s,latency_p99_s"
    ]


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "١٢٣٤٥٦٧٨٩", "0001-01-01T00:00+23:59", "1e99"])
def test_a_moment_that_is_none_is_a_bad_request(gateway: Gateway, moment: str) -> None:
    response = gateway.client.get(f"{V3}/usage", query_string={"from": moment})

    assert response.status_code in (200, 400)
    assert response.status_code == 400 or moment.startswith("0001")


def test_moments_are_dates_times_and_milliseconds() -> None:
    assert moment_ms("from", "") == 0
    assert moment_ms("from", "1970-01-02") == 86_400_000
    assert moment_ms("from", "1970-01-02T00:00+01:00") == 82_800_000
    assert moment_ms("from", "1767225600000") == 1_767_225_600_000
