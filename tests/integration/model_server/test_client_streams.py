"""Batches travel through streams that stay open: when one is used again, and when it is not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chassis.errors import BadRequest, DeadlineExceeded
from chassis.rpc import model_server_pb2 as pb
from services.model_server.client import Lost, ModelServerClient, NotReached, Refused
from services.model_server.exits import Exit
from tests.fakes import MODEL, FakeModelServer, HashServicer, prediction_of
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import Server, free_port, until, wait_until

KEY = "acme-echo-1"


@pytest.fixture
def fake() -> Iterator[FakeModelServer]:
    """A model server inside the test."""
    server = FakeModelServer(HashServicer(concurrency=8))
    yield server
    server.servicer.gate.set()
    server.stop()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Serving]:
    """A model server as a process."""
    serving = Serving(echo_folder(tmp_path), "--tune", "off")
    yield serving
    serving.stop()


def batch(payload: bytes, model: str = MODEL) -> pb.PredictRequest:
    return pb.PredictRequest(model_key=model, items=[pb.Item(id="0", task="bbox", payload=payload)])


def with_client(address: str, steps: Callable[[ModelServerClient], Awaitable[None]]) -> None:
    """Take *steps* with a client of the server at *address*, in an event loop of their own."""

    async def run() -> None:
        client = ModelServerClient(address)
        try:
            await steps(client)
        finally:
            await client.close()

    asyncio.run(run())


async def answer(client: ModelServerClient, payload: bytes, timeout_s: float = 20.0) -> bytes:
    return (await client.predict(batch(payload), timeout_s)).outcomes[0].prediction


async def reached(client: ModelServerClient, payload: bytes) -> bytes:
    """Return the answer once the server is reached; a channel takes a moment to connect again."""
    while True:
        with suppress(NotReached):
            return await answer(client, payload)
        await asyncio.sleep(0.05)


def test_there_are_as_many_streams_as_batches_under_way(fake: FakeModelServer) -> None:
    async def steps(client: ModelServerClient) -> None:
        for number in range(5):
            assert await answer(client, b"%d" % number) == prediction_of(b"%d" % number)
        assert fake.servicer.streams == 1

        payloads = [b"hold%d" % number for number in range(3)]
        at_once = asyncio.gather(*(answer(client, payload) for payload in payloads))
        await until(lambda: len(fake.servicer.batches) == 5 + 3, what="all three are under way")
        fake.servicer.gate.set()
        assert await at_once == [prediction_of(payload) for payload in payloads]
        assert fake.servicer.streams == 3

    with_client(fake.address, steps)


def test_a_batch_without_an_answer_in_time_takes_its_stream_with_it(fake: FakeModelServer) -> None:
    async def steps(client: ModelServerClient) -> None:
        with pytest.raises(DeadlineExceeded, match="no answer within"):
            await answer(client, b"hold", timeout_s=0.2)
        fake.servicer.gate.set()

        assert await answer(client, b"next") == prediction_of(b"next")
        assert fake.servicer.streams == 2

    with_client(fake.address, steps)


def test_a_server_that_is_there_again_gets_the_next_batch(fake: FakeModelServer) -> None:
    async def steps(client: ModelServerClient) -> None:
        await answer(client, b"before")
        await asyncio.to_thread(fake.stop)
        with pytest.raises(NotReached):
            await answer(client, b"nobody is there")

        again = FakeModelServer(HashServicer(), fake.address)
        assert await reached(client, b"after") == prediction_of(b"after")
        await asyncio.to_thread(again.stop)

    with_client(fake.address, steps)


def test_a_server_that_is_killed_takes_what_it_ran_and_nothing_else(tmp_path: Path) -> None:
    address, journal, log = f"127.0.0.1:{free_port()}", tmp_path / "ran", tmp_path / "log"
    command = [sys.executable, "-m", "tests.fakes", "--address", address, "--journal", str(journal), "--delay-s", "20"]
    server = Server(command, lambda: b"listening" in log.read_bytes(), log)

    async def steps(client: ModelServerClient) -> None:
        running = asyncio.ensure_future(answer(client, b"x"))
        await asyncio.to_thread(wait_until, lambda: journal.read_text(), what="a batch at work")
        server.kill()
        with pytest.raises(Lost):
            await running
        with pytest.raises(NotReached):
            await answer(client, b"nobody is there")

    with_client(address, steps)


def test_what_is_wrong_with_a_batch_is_told_and_the_next_one_is_answered(echo: Serving) -> None:
    async def steps(client: ModelServerClient) -> None:
        for _ in range(2):
            with pytest.raises(BadRequest, match="this server has"):
                await client.predict(batch(b"x", MODEL), 20.0)
            assert (await client.predict(batch(b"x", KEY), 20.0)).outcomes[0].prediction

    with_client(echo.address, steps)


def test_a_server_drains_and_ends_though_a_stream_is_open(echo: Serving) -> None:
    async def steps(client: ModelServerClient) -> None:
        await client.predict(batch(b"x", KEY), 20.0)
        await client.drain()
        with pytest.raises((Refused, NotReached)):
            await client.predict(batch(b"x", KEY), 20.0)

        assert await asyncio.to_thread(echo.exit_code) == Exit.DRAINED

    with_client(echo.address, steps)
