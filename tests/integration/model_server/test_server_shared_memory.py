"""A model server that reads payloads in memory which its clients share with it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.rpc import model_server_pb2 as pb
from chassis.shared_memory import FOLDER, Region, Spot
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import wait_until

KEY = "acme-echo-1"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(echo_folder(tmp_path_factory.mktemp("echo"), max_batch_size=4), "--tune", "off")
    yield serving
    serving.stop()


@pytest.fixture
def region() -> Iterator[Region]:
    region = Region(FOLDER, 2**20)
    yield region
    region.close()


def at(region: Region, data: bytes) -> Spot:
    spot = region.put(data)
    assert spot
    return spot


def ran(echo: Serving) -> list[list[str]]:
    """Return the ids of the requests of each batch that ran."""
    return [line["request_ids"] for line in echo.log("batch_answered")]


def item(payload: bytes | Spot, request_id: str = "", **changed: Any) -> pb.Item:
    """Return an item that brings its payload, or says where it is."""
    if isinstance(payload, bytes):
        return pb.Item(id="0", request_id=request_id, task="bbox", payload=payload, time_left_s=30.0)
    where = pb.Spot(region=payload.region, offset=payload.offset, size=payload.size, number=payload.number)
    for name, value in changed.items():
        setattr(where, name, value)
    return pb.Item(id="0", request_id=request_id, task="bbox", spot=where, time_left_s=30.0)


def sums(echo: Serving, *items: pb.Item) -> list[int]:
    """Return the checksums that the model answers."""
    outcomes = echo.run_batch(pb.PredictRequest(model_key=KEY, items=items)).outcomes
    return [int(json.loads(outcome.prediction)["classes"][0]["label"], 16) for outcome in outcomes]


def test_payloads_in_memory_are_answered_beside_those_that_are_sent(echo: Serving, region: Region) -> None:
    payloads = [bytes([number]) * 60_000 for number in range(4)]

    answered = sums(echo, *(item(at(region, data) if place % 2 else data) for place, data in enumerate(payloads)))

    assert answered == [zlib.crc32(payload) for payload in payloads]


def test_where_one_is_gone_its_neighbours_are_answered(echo: Serving, region: Region) -> None:
    first, gone, last = at(region, b"first"), at(region, b"gone"), at(region, b"last")
    region.free(gone)
    at(region, b"else")
    items = [item(first, "first"), item(gone, "gone"), item(last, "last")]

    outcomes = echo.run_batch(pb.PredictRequest(model_key=KEY, items=items)).outcomes

    assert [outcome.WhichOneof("result") for outcome in outcomes] == ["prediction", "gone", "prediction"]
    assert outcomes[1].gone
    wait_until(lambda: ["first", "last"] in ran(echo), what="what ran")
    assert not any("gone" in batch for batch in ran(echo))


@pytest.mark.parametrize(
    "wrong",
    [{"region": "../../etc/passwd"}, {"region": "\x00"}, {"offset": 2**64 - 1}, {"size": 2**64 - 1}, {"number": 1}],
    ids=str,
)
def test_at_a_spot_that_nobody_made_there_is_nothing(echo: Serving, region: Region, wrong: dict[str, Any]) -> None:
    spot = at(region, b"x" * 1000)

    [outcome] = echo.run_batch(pb.PredictRequest(model_key=KEY, items=[item(spot, **wrong)])).outcomes

    assert outcome.gone
    assert sums(echo, item(spot)) == [zlib.crc32(b"x" * 1000)]


def test_memory_that_is_read_does_not_count_as_the_servers_own(echo: Serving) -> None:
    region = Region(FOLDER, 2**27)
    before = echo.stub.Describe(pb.DescribeRequest()).resident_bytes

    for number in range(60):
        data = bytes([number]) * 2**20
        assert sums(echo, item(at(region, data))) == [zlib.crc32(data)]

    assert echo.stub.Describe(pb.DescribeRequest()).resident_bytes < before + 30 * 2**20
    region.close()
