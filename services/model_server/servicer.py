"""``servoir.v1.ModelServer`` over a replica: messages in, messages out, one log line for each batch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc

from chassis import logs
from chassis.errors import BadRequest, NotFound, ServoirError, Unavailable
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc
from chassis.shared_memory import Reader, Spot
from services.model_server.memory import resident_bytes
from services.model_server.metrics import count_batch
from services.model_server.pipeline import Done, Work
from services.model_server.replica import Loaded, Replica

log = logs.logger()


class _Answered(NamedTuple):
    """A batch's *response*, and what *came* of each item (None: its payload is gone)."""

    response: pb.PredictResponse
    came: list[Done | None]


class ModelServerServicer(model_server_pb2_grpc.ModelServerServicer):
    """What the dispatcher calls."""

    def __init__(self, replica: Replica, shared_memory: Path) -> None:
        self._replica, self._shared_memory = replica, Reader(shared_memory)

    def Predict(
        self, requests: Iterable[pb.PredictRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.PredictResponse]:
        """Run batches one by one, as they come; an outcome for each item."""
        for request in requests:
            answered = self._predict(request, context)
            try:
                yield answered.response
            finally:  # whoever waits for the answer need not wait for this too
                self._tell(request.items, answered)

    def _predict(self, request: pb.PredictRequest, context: grpc.ServicerContext) -> _Answered:
        with self._replica.working() as loaded:
            arrived = loaded.pipeline.clock()
            self._check(request, loaded)
            payloads = [self._payload(item) for item in request.items]
            works = [
                _work(item, payload, arrived, item.by_s if request.instance_id else 0.0)
                for item, payload in zip(request.items, payloads, strict=True)
                if payload is not None
            ]
            done = loaded.pipeline.run(works, wanted=context.is_active, at_once=request.at_once) if works else []
            ran = iter(done)
            came = [None if payload is None else next(ran) for payload in payloads]
            response = _response(request.items, came, arrived, loaded.pipeline.clock())
        return _Answered(response, came)

    def Drain(self, request: pb.DrainRequest, context: grpc.ServicerContext) -> pb.DrainResponse:
        """Begin to drain; the process ends by itself."""
        self._replica.drain()
        self._replica.drain_asked.set()
        return pb.DrainResponse(batches_left=self._replica.batches_at_hand)

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.Description:
        """Say what this process is; raises Unavailable before the model is ready."""
        loaded = self._replica.loaded
        return pb.Description(
            model_key=self._replica.modelinfo.key,
            instance_id=self._replica.instance_id,
            engine=self._replica.modelinfo.framework_type,
            tasks=sorted(loaded.adapter.tasks),
            capacity=loaded.capacity,
            resident_bytes=resident_bytes(),
            device_bytes=loaded.engine.device_bytes(),
            memory_cap_bytes=self._replica.memory.cap_bytes,
            clock_s=loaded.pipeline.clock(),
        )

    def _check(self, request: pb.PredictRequest, loaded: Loaded) -> None:
        if request.instance_id not in ("", self._replica.instance_id):
            raise Unavailable("another process has this address by now, with a lease of its own")
        key, most = self._replica.modelinfo.key, loaded.capacity.max_batch_size
        if request.model_key != key:
            raise BadRequest(f"this server has {key}, not {request.model_key[:200]!r}")
        if not 1 <= len(request.items) <= most:
            raise BadRequest(f"a batch of {len(request.items)} items: this server takes 1 to {most}")

    def _payload(self, item: pb.Item) -> bytes | None:
        """Return an item's payload; None where it is not in shared memory, or not any more."""
        if not item.HasField("spot"):
            return item.payload
        spot = item.spot
        try:
            return self._shared_memory.read(Spot("", spot.region, spot.offset, spot.size, spot.number))
        except NotFound:
            return None

    def _tell(self, items: Sequence[pb.Item], answered: _Answered) -> None:
        """Count a batch and write its line, unless nothing of it ran."""
        ran = [(item, done) for item, done in zip(items, answered.came, strict=True) if done]
        if not ran:
            return
        count_batch([done for _, done in ran])
        timings = answered.response.timings
        ahead_s = time.time() - self._replica.loaded.pipeline.clock()
        log.info(
            "batch_answered",
            model_key=self._replica.modelinfo.key,
            request_ids=[item.request_id for item, _ in ran],
            began_at=[None if done.began is None else round(done.began + ahead_s, 3) for _, done in ran],
            items=len(ran),
            failed=sum(isinstance(done.answer, ServoirError) for _, done in ran),
            gone=len(items) - len(ran),
            decode_s=round(timings.decode_s, 6),
            wait_s=round(timings.wait_s, 6),
            infer_s=round(timings.infer_s, 6),
            postprocess_s=round(timings.postprocess_s, 6),
            total_s=round(timings.total_s, 6),
        )


def _work(item: pb.Item, payload: bytes, arrived: float, by_s: float) -> Work:
    """Return *item*, read at *arrived*, as the pipeline takes it; *by_s* is its deadline by our clock, where known.

    Times of 0 were not set, and NaN is no time at all.
    """
    left = item.time_left_s
    if math.isnan(left) or math.isnan(by_s):
        return Work(payload, item.task, -math.inf)
    return Work(payload, item.task, min(arrived + left if left else math.inf, by_s or math.inf))


def _response(
    items: Sequence[pb.Item], came: Sequence[Done | None], arrived: float, ended: float
) -> pb.PredictResponse:
    """Return what came of each item; None: it did not run, for its payload is gone."""
    ran = [done for done in came if done]
    return pb.PredictResponse(
        outcomes=[
            _outcome(item, done) if done else pb.Outcome(id=item.id, gone=True)
            for item, done in zip(items, came, strict=True)
        ],
        timings=pb.Timings(
            decode_s=sum(done.decode_s for done in ran),
            wait_s=sum(done.wait_s / done.shared for done in ran),
            infer_s=sum(done.infer_s / done.shared for done in ran),
            postprocess_s=sum(done.postprocess_s for done in ran),
            total_s=ended - arrived,
        ),
        clock_s=ended,
    )


def _outcome(item: pb.Item, came: Done) -> pb.Outcome:
    timings = pb.Timings(
        decode_s=came.decode_s,
        wait_s=came.wait_s,
        infer_s=came.infer_s,
        postprocess_s=came.postprocess_s,
        total_s=came.decode_s + came.wait_s + came.infer_s + came.postprocess_s,
    )
    answer = came.answer
    if isinstance(answer, ServoirError):
        problem = pb.Problem(status=answer.status, title=answer.title, detail=answer.detail)
        return pb.Outcome(id=item.id, problem=problem, timings=timings)
    return pb.Outcome(id=item.id, prediction=answer, timings=timings)
