"""The one tree of errors: each class has one HTTP status and one gRPC status.

Raise the class that reads right: ``raise NotFound(f"no such model: {key}")``. The gateway turns it
into a problem+json answer, a gRPC server into a status with the class's name in its trailing
metadata, and a gRPC client turns that back into the same class. Anything else that is raised is a bug of
ours: a traceback in the log, a bare 500 outside.
"""

from __future__ import annotations

from typing import ClassVar

import grpc


class ServoirError(Exception):
    """Anything that a caller may be told; *detail* is one sentence without paths or stacks.

    *retry_after_s* says how long to wait before another try makes sense, where that is known.
    """

    status: ClassVar[int] = 500
    grpc_status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class BadRequest(ServoirError):
    """The request itself is wrong: a missing part, a malformed key, a task the model cannot do."""

    status = 400
    grpc_status = grpc.StatusCode.INVALID_ARGUMENT
    title = "Bad request"


class Unauthorized(ServoirError):
    """No API key, or one that is not known."""

    status = 401
    grpc_status = grpc.StatusCode.UNAUTHENTICATED
    title = "Unauthorized"


class Forbidden(ServoirError):
    """A known API key that may not do this."""

    status = 403
    grpc_status = grpc.StatusCode.PERMISSION_DENIED
    title = "Forbidden"


class NotFound(ServoirError):
    """No such model, job, or other named thing."""

    status = 404
    grpc_status = grpc.StatusCode.NOT_FOUND
    title = "Not found"


class Conflict(ServoirError):
    """Something else is there already under this name."""

    status = 409
    grpc_status = grpc.StatusCode.ALREADY_EXISTS
    title = "Conflict"


class WrongState(ServoirError):
    """The thing is there, but not in a state that allows this."""

    status = 409
    grpc_status = grpc.StatusCode.FAILED_PRECONDITION
    title = "Wrong state"


class TooLarge(ServoirError):
    """More bytes than this deployment takes."""

    status = 413
    grpc_status = grpc.StatusCode.OUT_OF_RANGE
    title = "Too large"


class UnsupportedMedia(ServoirError):
    """Not an image of a type that we read, judged by its content."""

    status = 415
    grpc_status = grpc.StatusCode.INVALID_ARGUMENT
    title = "Unsupported media type"


class Undecodable(ServoirError):
    """An image by its first bytes, but broken, or with more pixels than allowed."""

    status = 422
    grpc_status = grpc.StatusCode.INVALID_ARGUMENT
    title = "Undecodable image"


class TooBusy(ServoirError):
    """Refused at the door: a queue is full, a deadline could not be met, or a quota is used up."""

    status = 429
    grpc_status = grpc.StatusCode.RESOURCE_EXHAUSTED
    title = "Too many requests"


class ModelFailed(ServoirError):
    """The model ended, or gave nonsense, on this input alone, every time it was tried."""

    status = 500
    grpc_status = grpc.StatusCode.INTERNAL
    title = "Model failed on this input"


class Unavailable(ServoirError):
    """A part that is needed is away; it is worth trying again."""

    status = 503
    grpc_status = grpc.StatusCode.UNAVAILABLE
    title = "Service unavailable"


class DeadlineExceeded(ServoirError):
    """The answer would have come, or came, too late to be of use."""

    status = 504
    grpc_status = grpc.StatusCode.DEADLINE_EXCEEDED
    title = "Deadline exceeded"


def _tree(root: type[ServoirError]) -> list[type[ServoirError]]:
    return [root, *(error for child in root.__subclasses__() for error in _tree(child))]


BY_NAME: dict[str, type[ServoirError]] = {error.__name__: error for error in _tree(ServoirError)}
_BY_GRPC_STATUS: dict[grpc.StatusCode, type[ServoirError]] = {
    error.grpc_status: error for error in reversed(_tree(ServoirError))
}


def error_for(
    code: grpc.StatusCode, detail: str, *, name: str = "", retry_after_s: float | None = None
) -> ServoirError:
    """Return the error that a gRPC status stands for; *name*, where the server sent it, picks the exact class."""
    kind = BY_NAME.get(name) or _BY_GRPC_STATUS.get(code, ServoirError)
    return kind(detail, retry_after_s=retry_after_s)
