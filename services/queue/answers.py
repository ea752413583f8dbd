"""What comes back for one item, and how it travels: a line of JSON, then the body as it is."""

from __future__ import annotations

import msgspec

CANCELLED = 409
"""The status of an item that was cancelled while it waited."""


class Answer(msgspec.Struct, frozen=True):
    """The one answer of an item; times in seconds.

    *body* is what the model server predicted (status 200), else JSON with ``title`` and ``detail``.
    *batch_size* counts the items that shared its batch, 0 where it never ran; *attempts* how often it was at a server.
    """

    status: int
    body: bytes
    wait_s: float = 0.0
    service_s: float = 0.0
    batch_size: int = 0
    attempts: int = 0
    decode_s: float = 0.0
    infer_s: float = 0.0
    postprocess_s: float = 0.0


class Result(msgspec.Struct, omit_defaults=True):
    """An answer on its way into Redis, without its body; *failed* is the history of an item that is given up."""

    id: str
    status: int = msgspec.field()
    wait_s: float = msgspec.field()
    service_s: float = msgspec.field()
    batch_size: int = msgspec.field()
    attempts: int = msgspec.field()
    decode_s: float = msgspec.field()
    infer_s: float = msgspec.field()
    postprocess_s: float = msgspec.field()
    failed: str = ""


class _Head(msgspec.Struct, array_like=True):
    request: int
    index: int
    status: int
    wait_s: float
    service_s: float
    batch_size: int
    attempts: int
    decode_s: float
    infer_s: float
    postprocess_s: float


_HEADS = msgspec.json.Decoder(_Head)


def problem(title: str, detail: str) -> bytes:
    """Return the body of an answer that is not a prediction."""
    return msgspec.json.encode({"title": title, "detail": detail})


def read_reply(frame: bytes) -> tuple[int, int, Answer]:
    """Return which request of its gateway a reply is for, which payload of it, and the answer."""
    line, _, body = frame.partition(b"\n")
    head = _HEADS.decode(line)
    return (
        head.request,
        head.index,
        Answer(
            status=head.status,
            body=body,
            wait_s=head.wait_s,
            service_s=head.service_s,
            batch_size=head.batch_size,
            attempts=head.attempts,
            decode_s=head.decode_s,
            infer_s=head.infer_s,
            postprocess_s=head.postprocess_s,
        ),
    )


def result_of(item_id: str, answer: Answer, *, failed: str = "") -> Result:
    """Return *answer* as the script ``finish`` takes it."""
    return Result(
        id=item_id,
        status=answer.status,
        wait_s=answer.wait_s,
        service_s=answer.service_s,
        batch_size=answer.batch_size,
        attempts=answer.attempts,
        decode_s=answer.decode_s,
        infer_s=answer.infer_s,
        postprocess_s=answer.postprocess_s,
        failed=failed,
    )
