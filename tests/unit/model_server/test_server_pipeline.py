"""What becomes of each item of a batch."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from chassis.errors import ServoirError
from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.crew import Crew
from services.model_server.engines import EngineOptions
from services.model_server.engines.idle import Idle
from services.model_server.pipeline import Done, Pipeline, Work
from tests.fakes_engines import Infer, NumberAdapter, NumberEngine
from tests.parts import wait_until


def pipeline(engine: NumberEngine, *, concurrency: int = 1) -> Pipeline:
    return Pipeline(engine, NumberAdapter(), Crew(2), concurrency=concurrency)


def run(engine: NumberEngine, *payloads: bytes, task: str = "bbox") -> list[Done]:
    return pipeline(engine).run([Work(payload, task, math.inf) for payload in payloads])


def answers(done: list[Done]) -> list[bytes | int]:
    """Return each answer, or the status of what was wrong."""
    return [item.answer.status if isinstance(item.answer, ServoirError) else item.answer for item in done]


def test_items_of_one_shape_go_through_the_model_as_one_batch() -> None:
    engine = NumberEngine()

    done = run(engine, b"1", b"2", b"3")

    assert answers(done) == [b"2", b"4", b"6"]
    assert engine.batch_sizes == [3]


def test_items_of_several_shapes_go_through_in_groups_and_are_answered_in_order() -> None:
    engine = NumberEngine()

    done = run(engine, b"1", b"2 3", b"4", b"5 6")

    assert answers(done) == [b"2", b"4 6", b"8", b"10 12"]
    assert engine.batch_sizes == [2, 2]


def test_a_group_larger_than_the_engine_takes_goes_through_in_parts() -> None:
    engine = NumberEngine(max_batch_size=2)

    assert answers(run(engine, b"1", b"2", b"3")) == [b"2", b"4", b"6"]
    assert engine.batch_sizes == [2, 1]


def test_a_batch_that_is_best_run_in_parts_is() -> None:
    engine = NumberEngine()
    parts = pipeline(engine)
    parts.execution_size = 2

    done = parts.run([Work(payload, "bbox", math.inf) for payload in (b"1", b"2", b"3")])

    assert answers(done) == [b"2", b"4", b"6"]
    assert engine.batch_sizes == [2, 1]


def test_a_bad_item_fails_alone() -> None:
    engine = NumberEngine()

    assert answers(run(engine, b"1", b"x", b"3")) == [b"2", 422, b"6"]
    assert engine.batch_sizes == [2]


def test_a_bug_in_decoding_fails_its_item_alone_and_tells_nothing_of_itself() -> None:
    done = run(NumberEngine(), b"1", b"0")

    assert answers(done) == [b"2", 500]
    assert "ZeroDivisionError" not in str(done[1].answer)


def test_a_task_that_the_model_cannot_do_is_a_bad_request_that_names_those_it_can() -> None:
    (done,) = run(NumberEngine(), b"1", task="lane")

    assert answers([done]) == [400]
    assert "bbox" in str(done.answer)


def test_a_batch_that_the_model_fails_on_is_run_one_by_one_so_that_only_the_culprit_fails() -> None:
    def fails_on_seven(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if 7 in tensors["number"]:
            raise RuntimeError("seven")
        return {"double": 2 * tensors["number"]}

    engine = NumberEngine(fails_on_seven)

    assert answers(run(engine, b"1", b"7", b"3")) == [b"2", 500, b"6"]
    assert engine.batch_sizes == [3, 1, 1, 1]


def test_nan_is_no_answer_and_costs_its_neighbours_nothing() -> None:
    engine = NumberEngine(lambda tensors: {"double": np.where(tensors["number"] == 7, np.nan, 2 * tensors["number"])})

    assert answers(run(engine, b"1", b"7", b"3")) == [b"2", 500, b"6"]


def test_outputs_of_a_wrong_batch_length_are_no_answers() -> None:
    engine = NumberEngine(lambda tensors: {"double": np.zeros(len(tensors["number"]) + 1, np.float32)})

    assert answers(run(engine, b"1", b"2")) == [500, 500]


def test_a_model_that_runs_out_of_memory_is_not_an_items_fault() -> None:
    def exhausted(_: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise MemoryError("no more")

    with pytest.raises(MemoryError):
        run(NumberEngine(exhausted), b"1")


def test_a_lack_of_memory_after_the_model_is_not_an_items_fault() -> None:
    class Hungry(NumberAdapter):
        def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
            raise MemoryError("no more")

    with pytest.raises(MemoryError):
        Pipeline(NumberEngine(), Hungry(), Crew(1), concurrency=1).run([Work(b"1", "bbox", math.inf)])


def test_an_item_whose_time_is_up_is_not_decoded() -> None:
    engine = NumberEngine()

    done = pipeline(engine).run([Work(b"x", "bbox", -math.inf), Work(b"1", "bbox", math.inf)])

    assert answers(done) == [504, b"2"]
    assert engine.batch_sizes == [1]


def test_an_item_whose_time_runs_out_while_the_model_is_busy_is_not_run() -> None:
    engine = NumberEngine()
    now = iter(range(1000))
    ticking = Pipeline(engine, NumberAdapter(), Crew(1), concurrency=1, clock=lambda: float(next(now)))

    done = ticking.run([Work(b"1", "bbox", 3.0), Work(b"2", "bbox", 900.0), Work(b"3", "bbox", 900.0)])

    assert answers(done) == [504, b"4", b"6"]
    assert engine.batch_sizes == [2]


def test_an_item_whose_time_runs_out_while_it_waits_for_the_model_is_not_run() -> None:
    go, now, decoded, done = threading.Event(), [0.0], list[bytes](), list[Done]()

    class Watched(NumberAdapter):
        def prepare(self, payload: bytes, task: str) -> Prepared:
            decoded.append(payload)
            return super().prepare(payload, task)

    def held(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        go.wait(20)
        return {"double": 2 * tensors["number"]}

    engine = NumberEngine(held)
    busy = Pipeline(engine, Watched(), Crew(1), concurrency=1, clock=lambda: now[0])
    works = [Work(b"2", "bbox", 5.0), Work(b"3", "bbox", 50.0)]
    threads = [
        threading.Thread(target=busy.run, args=([Work(b"1", "bbox", math.inf)],)),
        threading.Thread(target=lambda: done.extend(busy.run(works))),
    ]
    threads[0].start()
    wait_until(lambda: engine.batch_sizes == [1])
    threads[1].start()
    wait_until(lambda: len(decoded) == 3)
    now[0] = 10.0
    go.set()
    for thread in threads:
        thread.join()

    assert answers(done) == [504, b"6"]
    assert engine.batch_sizes == [1, 1]


def test_a_batch_that_nobody_waits_for_is_not_run() -> None:
    engine = NumberEngine()

    done = pipeline(engine).run([Work(b"1", "bbox", math.inf)], wanted=lambda: False)

    assert answers(done) == [504]
    assert engine.batch_sizes == []


def test_no_more_executions_run_side_by_side_than_agreed_while_others_are_decoded() -> None:
    go = threading.Event()

    def held(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        go.wait(20)
        return {"double": 2 * tensors["number"]}

    engine = NumberEngine(held)
    shared = pipeline(engine, concurrency=2)
    threads = [threading.Thread(target=shared.run, args=([Work(b"1", "bbox", math.inf)],)) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(engine.batch_sizes) == 2)
    go.set()
    for thread in threads:
        thread.join()

    assert engine.batch_sizes == [1] * 5
    assert engine.most_side_by_side == 2


def by_parts(infer: Infer) -> Infer:
    """Return *infer* for an engine that has a part for each execution of one at a time, and for their guest."""
    idle = Idle(range(EngineOptions(concurrency=1).side_by_side))

    def on_a_part(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with idle.one():
            return infer(tensors)

    return on_a_part


@pytest.mark.parametrize("engine_of", [lambda infer: infer, by_parts], ids=["by one", "by parts"])
def test_what_is_to_run_at_once_waits_only_for_another_such_batch(engine_of: Callable[[Infer], Infer]) -> None:
    go, guest_goes = threading.Event(), threading.Event()

    def held(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        (guest_goes if 7 in tensors["number"] else go).wait(20)
        return {"double": 2 * tensors["number"]}

    engine = NumberEngine(engine_of(held))
    shared = pipeline(engine)
    ended = list[str]()

    def run_one(payload: bytes, at_once: bool) -> None:
        shared.run([Work(payload, "bbox", math.inf)], at_once=at_once)
        ended.append(payload.decode())

    orders = [(b"1", False), (b"2", False), (b"7", True), (b"7", True)]
    threads = [threading.Thread(target=run_one, args=order) for order in orders]
    for thread in threads:
        thread.start()
    wait_until(lambda: engine.most_side_by_side == 2)
    guest_goes.set()
    wait_until(lambda: len(ended) == 2)
    assert ended == ["7", "7"]
    go.set()
    for thread in threads:
        thread.join()

    assert engine.most_side_by_side == 2
    assert sorted(ended) == ["1", "2", "7", "7"]


def test_a_batch_beside_executions_that_keep_all_other_cores_busy_is_decoded_by_its_own_thread() -> None:
    go, decoders, pair = threading.Event(), list[str](), threading.Barrier(2)

    def held(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        go.wait(20)
        return {"double": 2 * tensors["number"]}

    class Watched(NumberAdapter):
        def prepare(self, payload: bytes, task: str) -> Prepared:
            if threading.current_thread().name == "second":
                time.sleep(0.002)  # long enough for a helper to be worth it
            else:
                pair.wait(20)
            decoders.append(threading.current_thread().name)
            return super().prepare(payload, task)

    engine = NumberEngine(held)
    shared = Pipeline(engine, Watched(), Crew(2), concurrency=2, execution_cores=1)
    works = [Work(b"1", "bbox", math.inf)] * 6
    shared_by = [threading.Thread(target=shared.run, args=(works,), name=name) for name in ("first", "second")]
    shared_by[0].start()
    wait_until(lambda: len(engine.batch_sizes) == 1)
    assert len(set(decoders)) == 2

    decoders.clear()
    shared_by[1].start()
    wait_until(lambda: len(engine.batch_sizes) == 2)
    assert set(decoders) == {"second"}
    go.set()
    for thread in shared_by:
        thread.join()


def test_the_time_of_an_execution_is_that_of_all_who_shared_it() -> None:
    now = iter(range(1000))
    ticking = Pipeline(NumberEngine(), NumberAdapter(), Crew(1), concurrency=1, clock=lambda: float(next(now)))

    done = ticking.run([Work(b"1", "bbox", math.inf), Work(b"2", "bbox", math.inf)])

    assert [item.infer_s for item in done] == [1.0, 1.0]
    assert sum(item.infer_s / item.shared for item in done) == 1.0
    assert all(item.decode_s >= 1.0 for item in done)


def test_tensors_reach_a_model_of_one_input_by_whatever_name() -> None:
    ran = pipeline(NumberEngine()).infer({"anything": np.asarray([4.0], np.float32)})

    assert ran.outputs["double"].tolist() == [8.0]
