"""A batch's way through the server: decode beside other batches, wait for a free execution, infer, postprocess.

Decoding happens in the caller's thread, and in its crew as far as executions leave cores free: all of them where an
accelerator runs the model. There the next batches are decoded while this one runs. What is wrong with an item becomes
that item's error; its neighbours are answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from chassis import logs
from chassis.errors import BadRequest, DeadlineExceeded, ModelFailed, ServoirError
from services.model_server.adapters.adapter import Adapter, Prepared
from services.model_server.batches import Group, Tensors, join, part
from services.model_server.crew import Crew
from services.model_server.engines.engine import Engine
from services.model_server.room import Room

log = logs.logger()
Clock = Callable[[], float]
Outputs = TypeVar("Outputs")
_AHEAD = 2
"""Batches that may lie decoded beside those that run; more would only fill the memory."""


class Work(NamedTuple):
    """One item to be done by *deadline* (the pipeline's clock; infinity: whenever)."""

    payload: bytes
    task: str
    deadline: float


@dataclass(slots=True)
class Done:
    """One item's answer, or what was wrong with it, and the seconds that it took.

    *shared* items went through the model in the one execution that ``wait_s`` and ``infer_s`` are of, and that *began*
    then (the pipeline's clock; None where it was never run).
    """

    answer: bytes | ServoirError = b""
    began: float | None = None
    decode_s: float = 0.0
    wait_s: float = 0.0
    infer_s: float = 0.0
    postprocess_s: float = 0.0
    shared: int = 1


class _Batch(NamedTuple):
    """A batch on its way: what is asked, what came of it so far, what is decoded by place, whether it is wanted, and
    what it waits for before it is run.
    """

    works: Sequence[Work]
    done: list[Done]
    prepared: dict[int, Prepared]
    wanted: Callable[[], bool]
    slots: AbstractContextManager[object]


class Ran(NamedTuple, Generic[Outputs]):
    """What came of one execution, when it *began* (the pipeline's clock), and the seconds before and inside it."""

    outputs: Outputs
    began: float
    wait_s: float
    infer_s: float


class Pipeline:
    """Runs batches, *concurrency* at a time inside the engine; each keeps *execution_cores* busy there. Thread-safe.

    Batches are decoded ahead, unless executions fill the cores: that would only push them off their caches. A batch
    holds its execution until all of it is run, ``execution_size`` items at once (0: as many as the engine takes). One
    batch may be run at once beside those, which it makes slower instead of waiting for them. A MemoryError goes on to
    the caller: it is about the process, not about an item. Whether the engine's failure is about an item that it fails
    on alone, ``on_engine_failure`` may look into, before it is answered.
    """

    def __init__(
        self,
        engine: Engine,
        adapter: Adapter,
        crew: Crew,
        *,
        concurrency: int,
        execution_cores: int = 0,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._engine, self._adapter, self._crew, self._clock = engine, adapter, crew, clock
        self._execution_cores = execution_cores
        ahead = 0 if concurrency * execution_cores >= crew.threads else _AHEAD
        self._room, self._guests = Room(concurrency + ahead), Room(1)
        self._slots = threading.Semaphore(concurrency)
        self.execution_size = 0
        self.on_engine_failure: Callable[[], object] = lambda: None
        self._only_input = engine.inputs[0].name if len(engine.inputs) == 1 else None

    @property
    def clock(self) -> Clock:
        """What ``Work.deadline`` is told in."""
        return self._clock

    def run(
        self, works: Sequence[Work], *, wanted: Callable[[], bool] = lambda: True, at_once: bool = False
    ) -> list[Done]:
        """Return what came of each item, in order; nothing is run once *wanted* says that nobody waits any more.

        *at_once*: not behind the batches that are here, only behind another such one.
        """
        batch = _Batch(works, [Done() for _ in works], {}, wanted, self._turn(at_once=at_once))
        asked = self._clock()

        def work(others: int) -> None:
            waited_s = self._clock() - asked
            self._decode(batch, busy_cores=others * self._execution_cores)
            self._run_groups(join(batch.prepared, self._most_items(len(works))), batch, waited_s)

        (self._guests if at_once else self._room).do(work)
        return batch.done

    def _most_items(self, items: int) -> int:
        """Return how many of a batch's *items* go into one execution."""
        return min(self.execution_size or items, self._engine.max_batch_size or items)

    def _turn(self, *, at_once: bool) -> AbstractContextManager[object]:
        """Return what an execution is to be held by."""
        return nullcontext() if at_once else self._slots

    def infer(self, tensors: Mapping[str, np.ndarray], *, at_once: bool = False) -> Ran[Tensors]:
        """Run one batch of tensors (batch axis first) as soon as an execution is free, or *at_once*."""
        arrived = self._clock()
        with self._turn(at_once=at_once):
            began = self._clock()
            outputs = self._engine.infer(self._named(tensors))
            return Ran(outputs, began, began - arrived, self._clock() - began)

    def _named(self, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return *tensors* under the model's own name where it has one input and was given one."""
        if self._only_input is None or len(tensors) != 1 or self._only_input in tensors:
            return tensors
        return {self._only_input: next(iter(tensors.values()))}

    # -- decode ------------------------------------------------------------------------------------

    def _decode(self, batch: _Batch, busy_cores: int) -> None:
        """Prepare the items that can be; the others' errors go into ``done``."""
        prepared: dict[int, Prepared] = {}

        def decode(place: int) -> None:
            began, done = self._clock(), batch.done[place]
            try:
                prepared[place] = self._prepared(batch.works[place], began)
            except ServoirError as error:
                done.answer = error
            except MemoryError:
                done.answer = ModelFailed("there is not enough memory to decode this input")
            except Exception:
                log.exception("decode_failed")
                done.answer = ServoirError("internal error while decoding this input")
            done.decode_s = self._clock() - began

        self._crew.each(decode, len(batch.works), busy=busy_cores)
        batch.prepared.update(sorted(prepared.items()))

    def _prepared(self, work: Work, now: float) -> Prepared:
        if work.task not in self._adapter.tasks:
            able = ", ".join(sorted(self._adapter.tasks))
            raise BadRequest(f"this model cannot do {work.task!r}; it can do: {able}")
        if work.deadline <= now:
            raise DeadlineExceeded("the time was up before this input was decoded")
        return self._adapter.prepare(work.payload, work.task)

    # -- infer -------------------------------------------------------------------------------------

    def _run_groups(self, groups: Sequence[Group], batch: _Batch, waited_s: float) -> None:
        """Infer *groups* without the items that have become late, and answer the others.

        The batch waited for *waited_s* before it was decoded.
        """
        if not groups:
            return
        ran, arrived = list[Ran[dict[int, Tensors | ServoirError]]](), self._clock() - waited_s
        with batch.slots:
            for group in groups:
                began = self._clock()
                results = self._inferred(group, _on_time(group, batch, began))
                ended = self._clock()
                ran.append(Ran(results, began, began - arrived, ended - began))
                arrived = ended
        for group, of_group in zip(groups, ran, strict=True):
            self._answer_group(group, of_group, batch)

    def _answer_group(self, group: Group, ran: Ran[dict[int, Tensors | ServoirError]], batch: _Batch) -> None:
        for at, place in enumerate(group.places):
            done = batch.done[place]
            done.wait_s, done.shared = ran.wait_s, len(group.places)
            if at not in ran.outputs:
                done.answer = DeadlineExceeded("the time was up before the model was free")
                continue
            done.began, done.infer_s = ran.began, ran.infer_s
            self._postprocess(ran.outputs[at], batch.prepared[place], batch.works[place].task, done)

    def _inferred(self, group: Group, on_time: Sequence[int]) -> dict[int, Tensors | ServoirError]:
        """Return the outputs by place in *group* of those *on_time*; a batch that fails is tried one by one."""
        if not on_time:
            return {}
        tensors = self._named(group.tensors)
        if len(on_time) < len(group.places):
            tensors = {name: array[list(on_time)] for name, array in tensors.items()}
        results = self._outcomes(tensors, len(on_time))
        if len(on_time) > 1 and isinstance(results, ServoirError):
            return {at: self._alone(tensors, row) for row, at in enumerate(on_time)}
        return dict(zip(on_time, _each(results, len(on_time)), strict=True))

    def _alone(self, tensors: Mapping[str, np.ndarray], row: int) -> Tensors | ServoirError:
        results = self._outcomes({name: array[row : row + 1] for name, array in tensors.items()}, 1)
        return _each(results, 1)[0]

    def _outcomes(self, tensors: Mapping[str, np.ndarray], items: int) -> list[Tensors | ServoirError] | ServoirError:
        """Return each item's outputs, or one error that is the whole batch's."""
        try:
            return part(self._engine.infer(tensors), items)
        except ServoirError as error:
            return error
        except MemoryError:
            raise
        except Exception as error:
            log.warning("infer_failed", items=items, reason=f"{type(error).__name__}: {str(error)[:500]}")
            if items == 1:
                self.on_engine_failure()
            return ModelFailed("the model could not be run on this input")

    # -- postprocess -------------------------------------------------------------------------------

    def _postprocess(self, result: Tensors | ServoirError, item: Prepared, task: str, done: Done) -> None:
        began = self._clock()
        try:
            done.answer = result if isinstance(result, ServoirError) else self._answer(result, item, task)
        except ServoirError as error:
            done.answer = error
        except MemoryError:
            raise
        except Exception:
            log.exception("postprocess_failed")
            done.answer = ModelFailed("the model's outputs could not be read")
        done.postprocess_s = self._clock() - began

    def _answer(self, outputs: Tensors, item: Prepared, task: str) -> bytes:
        return self._adapter.predict_json(outputs, item.frame, task)


def _on_time(group: Group, batch: _Batch, now: float) -> list[int]:
    """Return the places in *group* of the items that somebody still waits for."""
    if not batch.wanted():
        return []
    return [at for at, place in enumerate(group.places) if batch.works[place].deadline > now]


def _each(results: list[Tensors | ServoirError] | ServoirError, items: int) -> list[Tensors | ServoirError]:
    return [results] * items if isinstance(results, ServoirError) else results
