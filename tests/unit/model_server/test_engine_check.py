"""An engine that is lost ends its process; one that dislikes an input does not."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chassis.errors import ServoirError
from services.model_server.crew import Crew
from services.model_server.engine_check import EngineCheck
from services.model_server.exits import Exit
from services.model_server.pipeline import Pipeline, Work
from tests.fakes_engines import NumberAdapter, NumberEngine
from tests.model_folders import echo_folder

LOSES_ITS_ENGINE = """
import math, sys
from pathlib import Path
from chassis import logs
from chassis.settings import load
from services.model_server.model_folder import open_model_folder
from services.model_server.pipeline import Work
from services.model_server.preparing import prepare
from services.model_server.settings import ModelServerSettings

def fail(tensors):
    raise RuntimeError("CUDA: cudaErrorIllegalAddress")

logs.configure("model_server")
folder = Path(sys.argv[1])
opened = prepare(open_model_folder(folder), load(ModelServerSettings, {}, model=folder, tune="off")).opened
opened.engine.infer = fail
opened.pipeline.run([Work(b"x", "bbox", math.inf)] * 2)
print("answered")
"""


class Checked:
    """A pipeline over *engine*, whose check runs the number 1, and what it ended the process with."""

    def __init__(self, engine: NumberEngine) -> None:
        self.ended: list[int] = []
        self._pipeline = Pipeline(engine, NumberAdapter(), Crew(1), concurrency=1)
        one = {"number": np.ones(1, np.float32)}
        check = EngineCheck(partial(self._pipeline.infer, one, at_once=True), end=self.ended.append)
        self._pipeline.on_engine_failure = check.check

    def failures(self, *payloads: bytes) -> int:
        done = self._pipeline.run([Work(payload, "bbox", math.inf) for payload in payloads])
        return sum(isinstance(item.answer, ServoirError) for item in done)


def test_an_engine_that_fails_for_ever_from_some_call_on_ends_the_process() -> None:
    calls = list[int]()

    def lost_at_the_third_call(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(tensors["number"]))
        if len(calls) >= 3:
            raise RuntimeError("CUDA: cudaErrorIllegalAddress")
        return {"double": 2 * tensors["number"]}

    checked = Checked(NumberEngine(lost_at_the_third_call))

    assert (checked.failures(b"1"), checked.failures(b"2", b"3"), checked.ended) == (0, 0, [])
    assert checked.failures(b"4", b"5") == 2
    assert set(checked.ended) == {Exit.ENGINE_LOST}


@pytest.mark.parametrize("payloads", [(b"7",), (b"7", b"7"), (b"1", b"7")])
def test_inputs_that_a_model_fails_on_end_nothing(payloads: tuple[bytes, ...]) -> None:
    def fails_on_seven(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if 7 in tensors["number"]:
            raise RuntimeError("seven")
        return {"double": 2 * tensors["number"]}

    checked = Checked(NumberEngine(fails_on_seven))

    assert checked.failures(*payloads) == payloads.count(b"7")
    assert checked.ended == []


def test_a_check_is_made_for_at_most_a_tenth_of_the_time() -> None:
    now_s, runs = 0.0, list[float]()

    def run() -> None:
        nonlocal now_s
        runs.append(now_s)
        now_s += 1.0

    check = EngineCheck(run, end=runs.append, clock=lambda: now_s)
    for _ in range(40):
        check.check()
        now_s += 0.5

    assert runs == [0.0, 11.0]


def test_a_process_whose_engine_is_lost_answers_nothing_and_says_why_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOSES_ITS_ENGINE, str(echo_folder(tmp_path))]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == Exit.ENGINE_LOST, ended.stderr
    assert "engine_lost" in ended.stdout
    assert "answered" not in ended.stdout
