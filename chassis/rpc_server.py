"""A gRPC server as every service runs it: errors as statuses, health, reflection, an end without a cut."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from itertools import accumulate
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import logs
from chassis.errors import BadRequest, ServoirError

log = logs.logger()
ERROR_NAME = "servoir-error"
RETRY_AFTER = "retry-after-s"
MAX_MESSAGE_BYTES = 512 * 2**20
MAX_DETAIL_BYTES = 4096
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    # Clients ping every 10 s (rpc_client.py); a server that does not expect that ends quiet streams as abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # The other way round: the streams of a client that vanished end, too.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


class CannotBind(Exception):
    """The address is taken, or is none of this machine's."""


def _abort(context: grpc.ServicerContext, error: ServoirError) -> NoReturn:
    metadata = [(ERROR_NAME, type(error).__name__)]
    if error.retry_after_s is not None:
        metadata.append((RETRY_AFTER, f"{error.retry_after_s:.3f}"))
    context.set_trailing_metadata(tuple(metadata))
    context.abort(error.grpc_status, _short(error.detail))
    raise AssertionError("abort returned")


def _short(detail: str) -> str:
    """Return *detail*, cut where it is more than a status may carry.

    It is sent as a header. A client reads 8 KB of headers, 16 KB at the most; more than that ends its connection, with
    all other calls on it.
    """
    sent_bytes = list(accumulate(map(_sent_bytes, detail[: MAX_DETAIL_BYTES + 1])))
    fitting = bisect_right(sent_bytes, MAX_DETAIL_BYTES)
    return detail if fitting == len(detail) else detail[:fitting] + " …"


def _sent_bytes(character: str) -> int:
    """Return the bytes of a character in a status: what is not plain ASCII goes as %XX for each of its bytes."""
    return 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())


_MALFORMED = object()


def _lenient(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return *deserialize* giving ``_MALFORMED`` instead of raising, which gRPC answers with a leak of 20 KB a call."""

    def read(message: bytes) -> Any:
        try:
            return deserialize(message)
        except DecodeError:
            return _MALFORMED

    return read


def _read(request: Any) -> Any:
    """Return *request*; raises BadRequest where it could not be read."""
    if request is _MALFORMED:
        raise BadRequest("the message is no protobuf of this method's type")
    return request


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return *method* (unary) with its ServoirErrors told to the caller, and its bugs logged and told as INTERNAL."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(_read(request), context)
        except ServoirError as error:
            _abort(context, error)
        except Exception:
            log.exception("rpc_failed")
            context.abort(grpc.StatusCode.INTERNAL, "internal error")

    return call


def _told_streaming(method: Callable[..., Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the same of a method that yields answers; *read* is what it takes, a request or a stream of them."""

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            yield from method(read(request), context)
        except ServoirError as error:
            _abort(context, error)
        except grpc.RpcError:  # the client is gone, and with it what it would have sent
            return
        except Exception:
            log.exception("rpc_failed")
            context.abort(grpc.StatusCode.INTERNAL, "internal error")

    return call


def _read_each(requests: Iterable[Any]) -> Iterator[Any]:
    return map(_read, requests)


class ErrorsAsStatuses(grpc.ServerInterceptor):
    """Turns what a servicer raises into a gRPC status (chassis/errors.py has the table)."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap the handler's one method; requests as a stream with a single answer are not used in this project."""
        handler = continuation(details)
        if handler is None or handler.stream_unary:
            return handler
        coders = _lenient(handler.request_deserializer), handler.response_serializer
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(_told_streaming(handler.stream_stream, _read_each), *coders)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(_told_streaming(handler.unary_stream, _read), *coders)
        return grpc.unary_unary_rpc_method_handler(_told(handler.unary_unary), *coders)


class RpcServer:
    """A gRPC server on one port with the services that *register* adds, health and reflection.

    Health says NOT_SERVING until ``serving(True)``. ``start`` raises CannotBind.
    """

    def __init__(
        self,
        address: str,
        register: Callable[[grpc.Server], None],
        *,
        service_names: Sequence[str],
        threads: int = 16,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
            interceptors=[ErrorsAsStatuses()],
            options=[*OPTIONS, *options],
        )
        self._names = ["", *service_names]
        self._health = health.HealthServicer()
        self._address = address
        register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        self.serving(False)

    def start(self) -> int:
        """Bind and start; return the port (the given one, or the one that the system chose for port 0)."""
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise CannotBind(f"cannot listen on {self._address}: taken, or not an address of this machine") from error
        self._server.start()
        return port

    def serving(self, ready: bool) -> None:
        """Say through grpc.health.v1 whether calls are welcome."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            self._health.set(name, status)

    def stop(self, grace_s: float) -> None:
        """Take no new call, let those at hand finish for *grace_s*, and end."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._server.wait_for_termination()
