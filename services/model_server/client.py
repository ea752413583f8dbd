"""The door to a model server, for the dispatcher: batches over gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc
import grpc.aio

from chassis.errors import ServoirError, Unavailable
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

    Each call raises what the server raised (chassis/errors.py); UNAVAILABLE is Lost, Refused or NotReached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = aio_channel(address)
        self._stub = model_server_pb2_grpc.ModelServerStub(self._channel)

    async def predict(self, request: pb.PredictRequest, timeout_s: float) -> pb.PredictResponse:
        """Run one batch; raises DeadlineExceeded where no answer came within *timeout_s*."""
        return cast(pb.PredictResponse, await self._answer_to(self._stub.Predict, request, timeout_s))

    async def drain(self) -> int:
        """Ask the server to finish what it has and end; return how many batches that is."""
        return int((await self._answer_to(self._stub.Drain, pb.DrainRequest(), 5.0)).batches_left)

    async def describe(self, timeout_s: float = 1.0) -> pb.Description:
        """Return what the server is, has measured and uses: also the probe of whether it lives."""
        return cast(pb.Description, await self._answer_to(self._stub.Describe, pb.DescribeRequest(), timeout_s))

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        await self._channel.close()

    @staticmethod
    async def _answer_to(method: Callable[..., Any], request: Any, timeout_s: float) -> Any:
        try:
            return await method(request, timeout=timeout_s)
        except grpc.RpcError as failure:
            raise _error(failure) from failure
        except grpc.aio.UsageError as failure:  # the channel is closed
            raise NotReached(str(failure)) from failure


def _error(failure: grpc.RpcError) -> ServoirError:
    if cast(grpc.aio.AioRpcError, failure).code() is grpc.StatusCode.UNAVAILABLE:
        return _unavailable(failure)
    return error_of(failure)
