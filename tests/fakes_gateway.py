"""What a gateway talks to, written by hand: a queue that answers at once, and models that are simply there."""

from __future__ import annotations

import asyncio
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from chassis.errors import BadRequest, DeadlineExceeded, NotFound, ServoirError, WrongState
from chassis.rpc import inference_pb2
from chassis.rpc import registry_pb2 as pb
from services.queue.client import Answer, AsyncJob, PredictCall, QuarantinedItem, QueueView, Standing
from services.registry.client import ApiKey, Modelinfo, Report, Terms, parse_key

RECT = {
    "region_attributes": {"label": "bicycle", "score": 0.9995},
    "shape_attributes": {"name": "rect", "x": 335, "y": 426, "width": 108, "height": 332},
}


def model(key: str = "acme-coco_things-1", task: str = "bbox", **fields: Any) -> Modelinfo:
    org, problem, rel = key.split("-")
    known = {"dnnarch": "ssd_mobilenet_v2", "framework_type": "tensorflow", "status": "released"} | fields
    return Modelinfo(org_name=org, problem_id=problem, rel_num=rel, task=task, **known)


def answer(status: int = 200, body: bytes = b"", **fields: Any) -> Answer:
    known = {"wait_s": 0.01, "service_s": 0.05, "batch_size": 4, "attempts": 1}
    parts = {"decode_s": 0.004, "infer_s": 0.04, "postprocess_s": 0.001}
    return Answer(status=status, body=body, **(known | parts | fields))


def prediction(regions: Sequence[Any] = (RECT,), *, width: int = 1920, height: int = 1080, **more: Any) -> bytes:
    return msgspec.json.encode(
        {"width": width, "height": height, "orientation_applied": False, "regions": list(regions)} | more
    )


def problem(title: str, detail: str) -> bytes:
    return msgspec.json.encode({"title": title, "detail": detail})


def tensors(payload: bytes) -> Answer:
    """Answer a request of the Open Inference Protocol with how long it was."""
    asked = inference_pb2.ModelInferRequest.FromString(payload)
    told = inference_pb2.ModelInferResponse(id=asked.id, model_name=asked.model_name, model_version=asked.model_version)
    told.outputs.add(name="length", datatype="INT32", shape=[1])
    told.raw_output_contents.append(struct.pack("<i", len(payload)))
    return answer(body=told.SerializeToString())


class FakeQueue:
    """Answers each payload with what *answer_to* says, and remembers the calls."""

    def __init__(self, answer_to: Callable[[bytes], Answer] = lambda _: answer(body=prediction())) -> None:
        self.answer_to = answer_to
        self.calls: list[PredictCall] = []
        self.payloads: list[list[bytes]] = []
        self.refusal: ServoirError | None = None
        self.away: ServoirError | None = None
        self.gate: threading.Event | None = None
        self.jobs: dict[tuple[str, str], AsyncJob] = {}
        self.waits = False
        self.standing: Standing | None = None

    def start(self) -> None: ...

    def start_in(self, loop: asyncio.AbstractEventLoop) -> None: ...

    def close(self) -> None: ...

    @property
    def asynchronous(self) -> AsynchronousFakeQueue:
        return AsynchronousFakeQueue(self)

    def ready(self) -> bool:
        return self.away is None

    def predict(self, payloads: Sequence[bytes], call: PredictCall) -> list[Answer]:
        if not payloads:
            return []
        self.calls.append(call)
        self.payloads.append(list(payloads))
        if call.claim:
            call.claim.standing = self.standing
        if call.timeout_s <= 0:
            raise DeadlineExceeded("the deadline passed before the request was whole")
        if self.refusal or self.away:
            raise self.refusal or self.away or AssertionError
        if self.gate:
            self.gate.wait(30)
        return [tensors(payload) if call.task == "tensor" else self.answer_to(payload) for payload in payloads]

    def submit(self, payloads: Sequence[bytes], call: PredictCall, *, about: bytes, keep_s: float) -> str:
        """Make a job that is answered at once, or where it *waits* never."""
        made = f"{len(self.jobs):032x}"
        answers: list[Answer | None] = list(self.predict(payloads, call))
        job = AsyncJob(made, call.model_key, about, 1e9, 1e9 + keep_s, answers, done_s=1e9 + 2)
        if self.waits:
            count = len(payloads)
            nothing: list[Answer | None] = [None] * count
            job = replace(job, answers=nothing, done_s=None, waiting=count, place=7, left_s=1.5)
        self.jobs[call.client_id, made] = job
        return made

    def job(self, id: str, *, client_id: str) -> AsyncJob:
        if self.away:
            raise self.away
        if (client_id, id) not in self.jobs:
            raise NotFound("no such job")
        return self.jobs[client_id, id]

    def cancel(self, id: str, *, client_id: str) -> AsyncJob:
        job = self.job(id, client_id=client_id)
        if not job.waiting:
            raise WrongState("it is answered already")
        gone: list[Answer | None] = [answer(409, problem("Cancelled", "as asked"))] * job.waiting
        self.jobs[client_id, id] = replace(job, answers=gone, done_s=1e9, waiting=0, place=None, left_s=None)
        return self.jobs[client_id, id]


class AsynchronousFakeQueue:
    """The same queue, for an event loop."""

    def __init__(self, queue: FakeQueue) -> None:
        self._queue = queue

    async def close(self) -> None: ...

    async def predict(self, payloads: Sequence[bytes], call: PredictCall) -> list[Answer]:
        return await asyncio.to_thread(self._queue.predict, payloads, call)


class FakeOperator:
    """Shows the queues and quarantines that it was given."""

    def __init__(self, views: Sequence[QueueView] = (), items: Sequence[QuarantinedItem] = ()) -> None:
        self.views = list(views)
        self.items = list(items)

    def close(self) -> None: ...

    def overview(self) -> list[QueueView]:
        return self.views

    def quarantine(self, model: str, *, most: int = 100) -> list[QuarantinedItem]:
        return [item for item in self.items if item.model == model][:most]

    def quarantined(self, model: str, id: str) -> QuarantinedItem:
        for item in self.quarantine(model):
            if item.id == id:
                return item
        raise NotFound(f"no such item in the quarantine of {model}: {id}")

    def replay(self, queue: FakeQueue, item: QuarantinedItem, *, request_id: str, timeout_s: float) -> Answer:
        call = PredictCall(model_key=item.model, task="bbox", request_id=request_id, timeout_s=timeout_s)
        [answer] = queue.predict([item.payload], call)
        if answer.status not in (503, 504):
            self.drop(item.model, [item.id])
        return answer

    def drop(self, model: str, ids: list[str] | None = None) -> int:
        gone = [item for item in self.quarantine(model) if ids is None or item.id in ids]
        self.items = [item for item in self.items if item not in gone]
        return len(gone)


class FakeCatalogue:
    """Knows the models it was given."""

    def __init__(self, *models: Modelinfo, **defaults: str) -> None:
        self.known = list(models)
        self.default_keys = defaults
        self.away: ServoirError | None = None

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self, timeout_s: float) -> bool:
        return True

    def models(self) -> list[Modelinfo]:
        if self.away:
            raise self.away
        return list(self.known)

    def defaults(self) -> dict[str, str]:
        return dict(self.default_keys)

    def find(self, q: str | None, task: str) -> Modelinfo:
        if self.away:
            raise self.away
        key = q or self.default_keys.get(task, "")
        if not key:
            raise BadRequest(f"no default model for {task}: name one with q=<org>-<problem>-<rel>")
        if len(key.split("-")) not in (2, 3) or not all(key.split("-")):
            raise BadRequest(f"malformed model key: {key!r}")
        found = [known for known in self.known if known.key == key or known.key.rpartition("-")[0] == key]
        if not found:
            raise NotFound(f"no such model: {key}")
        if task not in found[-1].tasks:
            raise BadRequest(f"{found[-1].key} cannot do {task}; it can do {', '.join(found[-1].tasks)}")
        return found[-1]


class FakeKeyRing:
    """Opens for the tokens it was given."""

    def __init__(self) -> None:
        self.known: dict[str, ApiKey] = {}
        self.away: ServoirError | None = None

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self, timeout_s: float) -> bool:
        return True

    def give(self, token: str, **terms: Any) -> ApiKey:
        """Make a key that *token* opens."""
        known = {"client_id": "ann", "id": f"id-{token}", "created_at_ms": 1, "created_by": "root"}
        self.known[token] = ApiKey(**(known | terms))
        return self.known[token]

    def find(self, token: str) -> ApiKey | None:
        if self.away:
            raise self.away
        return self.known.get(token)


class FakeRegistry:
    """Takes every change and remembers it; answers usage with the rows it was given."""

    def __init__(self, *rows: pb.UsageRow) -> None:
        self.rows = list(rows)
        self.calls: list[tuple[Any, ...]] = []
        self.error: ServoirError | None = None
        self.state = pb.Readiness()
        self.known_reports: list[Report] = []
        self.entries: list[pb.HistoryEntry] = []

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error:
            raise self.error

    def publish(self, modelinfo: Modelinfo, *, actor: str) -> Modelinfo:
        self._note("publish", modelinfo.key, actor)
        return modelinfo

    def set_status(self, key: str, status: str, *, actor: str, **demands: Any) -> Modelinfo:
        self._note("set_status", key, status, actor, *([demands] if demands else []))
        if not parse_key(key).rel_num:
            raise BadRequest(f"not a whole key: {key}")
        return model(key, status=status)

    def set_default(self, task: str, key: str, *, actor: str) -> None:
        self._note("set_default", task, key, actor)

    def reports(self, model_key: str = "", *, limit: int = 100) -> list[Report]:
        self._note("reports", model_key)
        return self.known_reports

    def report(self, id: str) -> Report:
        self._note("report", id)
        if not self.known_reports:
            raise NotFound("no such report")
        return self.known_reports[0]

    def acceptance(self, key: str, require: Sequence[str], *, on_set: str = "") -> pb.Acceptance:
        self._note("acceptance", key, list(require), on_set)
        return pb.Acceptance(report_id="evaluate-1", set_name=on_set or "street", met=["mAP 0.3 >= 0.2"])

    def history(self, key: str = "", *, limit: int = 100) -> list[pb.HistoryEntry]:
        self._note("history", key)
        return self.entries

    def create_api_key(self, terms: Terms, *, actor: str) -> tuple[ApiKey, str]:
        self._note("create_api_key", terms, actor)
        return ApiKey(client_id=terms.client_id, id="made", created_at_ms=1, created_by=actor), "sv_made_secret"

    def api_keys(self, client_id: str = "") -> list[ApiKey]:
        self._note("api_keys", client_id)
        return [ApiKey(client_id="ann", id="made", created_at_ms=1, created_by="root")]

    def revoke_api_key(self, id: str, *, actor: str) -> ApiKey:
        self._note("revoke_api_key", id, actor)
        return ApiKey(client_id="ann", id=id, created_at_ms=1, created_by="root", revoked_at_ms=2)

    def rotate_api_key(self, id: str, *, grace_s: float, actor: str) -> tuple[ApiKey, str]:
        self._note("rotate_api_key", id, grace_s, actor)
        return ApiKey(client_id="ann", id=id, created_at_ms=1, created_by="root"), "sv_made_other"

    def usage(self, **asked: Any) -> list[pb.UsageRow]:
        self._note("usage", asked)
        return self.rows

    def readiness(self) -> pb.Readiness:
        self._note("readiness")
        return self.state

    def close(self) -> None: ...


def png(width: int = 4, height: int = 3) -> bytes:
    """Return a whole, valid, black PNG of that size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
