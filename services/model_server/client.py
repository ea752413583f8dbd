"""The door to a model server, for the dispatcher: batches over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import grpc
import grpc.aio

from chassis.errors import DeadlineExceeded, Unavailable
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc
from chassis.rpc_client import aio_channel, error_of
from chassis.rpc_server import ERROR_NAME

__all__ = ["Lost", "ModelServerClient", "NotReached", "Refused"]


class Lost(Unavailable):
    """The connection broke while the batch may have been running: the server, most likely, has ended."""


class Refused(Unavailable):
    """The server lives and said no before it ran anything: it drains, or is not ready yet."""


class NotReached(Unavailable):
    """Nobody listens at the address, or the client is closed: the batch was never sent."""


def _unavailable(failure: grpc.RpcError) -> Unavailable:
    """Tell the three kinds of UNAVAILABLE apart; only the server itself sends the name of an error."""
    call = cast(grpc.aio.AioRpcError, failure)
    detail = call.details() or ""
    if ERROR_NAME in dict(call.trailing_metadata() or ()):
        return Refused(detail)
    if "failed to connect" in detail.lower():
        return NotReached(detail)
    return Lost(detail)


class ModelServerClient:
    """Calls to the model server at *address* (``host:port``); create it inside the event loop.

    Each call raises what the server raised (chassis/errors.py); UNAVAILABLE is Lost, Refused or NotReached. Batches go
    through streams that stay open, as many as are under way at a time: a call for each would cost twice as much.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = aio_channel(address)
        self._stub: Any = model_server_pb2_grpc.ModelServerStub(self._channel)
        self._idle: list[Any] = []

    async def predict(self, request: pb.PredictRequest, timeout_s: float) -> pb.PredictResponse:
        """Run one batch; raises DeadlineExceeded where no answer came within *timeout_s*."""
        with _told():
            try:
                async with asyncio.timeout(timeout_s):
                    stream = await self._sent(request)
                    with _open_or_cancelled(stream):
                        answer = await stream.read()
            except TimeoutError as late:
                raise DeadlineExceeded(f"no answer within {timeout_s:.3g} s") from late
        if answer is grpc.aio.EOF:
            raise Lost("the server ended the stream without an answer")
        self._idle.append(stream)
        return cast(pb.PredictResponse, answer)

    async def _sent(self, request: pb.PredictRequest) -> Any:
        """Return the stream on which *request* was sent: the one used last, or a new one where all ended meanwhile."""
        while self._idle:
            stream = self._idle.pop()
            with suppress(grpc.RpcError, asyncio.InvalidStateError), _open_or_cancelled(stream):
                await stream.write(request)
                return stream
        stream = self._stub.Predict()
        with _open_or_cancelled(stream):
            await stream.write(request)
        return stream

    async def drain(self) -> int:
        """Ask the server to finish what it has and end; return how many batches that is."""
        with _told():
            return int((await self._stub.Drain(pb.DrainRequest(), timeout=5.0)).batches_left)

    async def describe(self, timeout_s: float = 1.0) -> pb.Description:
        """Return what the server is, has measured and uses: also the probe of whether it lives."""
        with _told():
            return cast(pb.Description, await self._stub.Describe(pb.DescribeRequest(), timeout=timeout_s))

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        await self._channel.close()


@contextmanager
def _open_or_cancelled(stream: Any) -> Iterator[None]:
    """Cancel *stream* where something goes wrong inside; the server gives up what it does for it."""
    try:
        yield
    except BaseException:
        stream.cancel()
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Raise what a call inside fails with as the error that it stands for."""
    try:
        yield
    except grpc.RpcError as failure:
        if cast(grpc.aio.AioRpcError, failure).code() is grpc.StatusCode.UNAVAILABLE:
            raise _unavailable(failure) from failure
        raise error_of(failure) from failure
    except grpc.aio.UsageError as failure:  # the channel is closed
        raise NotReached(str(failure)) from failure
