"""A batch's way through the server: decode beside other batches, wait for a free execution, infer, postprocess.

Decoding happens in the caller's thread and its crew, outside the executions: the next batch is decoded while this one
runs. What is wrong with an item becomes that item's error; its neighbours are answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chassis import logs
from chassis.errors import BadRequest, DeadlineExceeded, ModelFailed, ServoirError
from services.model_server.adapters.adapter import Adapter, Prepared
from services.model_server.batches import Group, Tensors, join, part
from services.model_server.crew import Crew
from services.model_server.engines.engine import Engine

log = logs.logger()
Clock = Callable[[], float]


class Work(NamedTuple):
    """One item to be done by *deadline* (the pipeline's clock; infinity: whenever)."""

    payload: bytes
    task: str
    deadline: float


@dataclass(slots=True)
class Done:
    """One item's answer, or what was wrong with it, and the seconds that it took.

    *shared* items went through the model in the one execution that ``wait_s`` and ``infer_s`` are of.
    """

    answer: bytes | ServoirError = b""
    decode_s: float = 0.0
    wait_s: float = 0.0
    infer_s: float = 0.0
    postprocess_s: float = 0.0
    shared: int = 1


class Ran(NamedTuple):
    """The outputs of one engine call and the seconds before and inside it."""

    outputs: Tensors
    wait_s: float
    infer_s: float


class Pipeline:
    """Runs batches, *concurrency* at a time inside the engine. Thread-safe.

    A MemoryError goes on to the caller: it is about the process, not about an item.
    """

    def __init__(
        self, engine: Engine, adapter: Adapter, crew: Crew, *, concurrency: int, clock: Clock = time.perf_counter
    ) -> None:
        self._engine, self._adapter, self._crew, self._clock = engine, adapter, crew, clock
        self._slots = threading.Semaphore(concurrency)
        self._only_input = engine.inputs[0].name if len(engine.inputs) == 1 else None

    @property
    def clock(self) -> Clock:
        """What ``Work.deadline`` is told in."""
        return self._clock

    def run(self, batch: Sequence[Work]) -> list[Done]:
        """Return what came of each item, in order."""
        done = [Done() for _ in batch]
        prepared = self._decode(batch, done)
        for group in join(prepared, self._engine.max_batch_size or len(batch)):
            self._run_group(group, batch, done, prepared)
        return done

    def infer(self, tensors: Mapping[str, np.ndarray]) -> Ran:
        """Run one batch of tensors (batch axis first) as soon as an execution is free."""
        arrived = self._clock()
        with self._slots:
            began = self._clock()
            outputs = self._engine.infer(self._named(tensors))
            return Ran(outputs, began - arrived, self._clock() - began)

    def _named(self, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return *tensors* under the model's own name where it has one input and was given one."""
        if self._only_input is None or len(tensors) != 1 or self._only_input in tensors:
            return tensors
        return {self._only_input: next(iter(tensors.values()))}

    # -- decode ------------------------------------------------------------------------------------

    def _decode(self, batch: Sequence[Work], done: Sequence[Done]) -> dict[int, Prepared]:
        """Return the items that could be prepared, by place; the others' errors go into *done*."""
        prepared: dict[int, Prepared] = {}

        def decode(place: int) -> None:
            began = self._clock()
            try:
                prepared[place] = self._prepared(batch[place], began)
            except ServoirError as error:
                done[place].answer = error
            except MemoryError:
                done[place].answer = ModelFailed("there is not enough memory to decode this input")
            except Exception:
                log.exception("decode_failed")
                done[place].answer = ServoirError("internal error while decoding this input")
            done[place].decode_s = self._clock() - began

        self._crew.each(decode, len(batch))
        return {place: prepared[place] for place in sorted(prepared)}

    def _prepared(self, work: Work, now: float) -> Prepared:
        if work.task not in self._adapter.tasks:
            able = ", ".join(sorted(self._adapter.tasks))
            raise BadRequest(f"this model cannot do {work.task!r}; it can do: {able}")
        if work.deadline <= now:
            raise DeadlineExceeded("the time was up before this input was decoded")
        return self._adapter.prepare(work.payload, work.task)

    # -- infer -------------------------------------------------------------------------------------

    def _run_group(
        self, group: Group, batch: Sequence[Work], done: Sequence[Done], prepared: Mapping[int, Prepared]
    ) -> None:
        """Infer *group* without the items that have become late, and answer the others."""
        arrived = self._clock()
        with self._slots:
            began = self._clock()
            on_time = [at for at, place in enumerate(group.places) if batch[place].deadline > began]
            results = self._inferred(group, on_time)
            ended = self._clock()
        for at, place in enumerate(group.places):
            done[place].wait_s, done[place].shared = began - arrived, len(group.places)
            if at not in results:
                done[place].answer = DeadlineExceeded("the time was up before the model was free")
                continue
            done[place].infer_s = ended - began
            self._postprocess(results[at], prepared[place], batch[place].task, done[place])

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


def _each(results: list[Tensors | ServoirError] | ServoirError, items: int) -> list[Tensors | ServoirError]:
    return [results] * items if isinstance(results, ServoirError) else results
