"""``python -m services.model_server.bare --model FOLDER --pictures FOLDER --try 8x3x2 …``: a model without a server.

The yardstick of the suite's efficiency: the engine and adapter that a server would use, in one process, called in a
loop by a few threads that decode, stack, infer and postprocess. Each ``--try`` is BATCHxCALLERSxEXECUTIONS: so many
pictures at once, by so many threads, of which so many are inside the engine at a time (the others decode meanwhile).
Threads of one execution (``--threads``) belong to the process: other numbers need another one.

Prints a line of JSON for each setting as it is done.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec

from chassis import huge_pages, logs
from chassis.cores import cores
from chassis.settings import load
from services.model_server.batches import join, part
from services.model_server.loading import Opened, open_model
from services.model_server.model_folder import open_model_folder
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting


class Way(NamedTuple):
    """How the model is called."""

    batch_size: int
    callers: int
    executions: int


class Ran(msgspec.Struct, frozen=True):
    """What came of one way: *batch_p50_s* is one caller's median time from bytes to answers."""

    threads: int
    batch_size: int
    callers: int
    executions: int
    items_per_s: float
    batch_p50_s: float


def way_of(text: str) -> Way:
    """Return the way that ``8x3x2`` says; ValueError otherwise."""
    batch_size, callers, executions = map(int, text.split("x"))
    if min(batch_size, callers, executions) < 1:
        raise ValueError(f"not BATCHxCALLERSxEXECUTIONS: {text}")
    return Way(batch_size, callers, executions)


class Bare:
    """An opened model and the pictures that it is shown."""

    def __init__(self, opened: Opened, pictures: Sequence[bytes]) -> None:
        self._engine, self._adapter = opened.engine, opened.adapter
        self._pictures = pictures
        self._task = min(self._adapter.tasks - {"tensor"})

    def run(self, way: Way, seconds: float) -> tuple[float, float]:
        """Return items per second and the median seconds of a batch, over about *seconds*; raises what a run raised."""
        slots = threading.Semaphore(way.executions)

        def keep_calling(first: int) -> tuple[float, list[float]]:
            began, own, batches = time.perf_counter(), list[float](), self._batches(first, way)
            while not own or time.perf_counter() - began < seconds:
                start = time.perf_counter()
                self._answer(next(batches), slots)
                own.append(time.perf_counter() - start)
            return len(own) * way.batch_size / (time.perf_counter() - began), own

        with ThreadPoolExecutor(way.callers) as pool:
            rates, times = zip(*pool.map(keep_calling, range(way.callers)), strict=True)
        return sum(rates), statistics.median(itertools.chain.from_iterable(times))

    def _batches(self, caller: int, way: Way) -> Iterator[list[bytes]]:
        """Yield batches for ever; callers begin at different pictures."""
        pictures = itertools.cycle(self._pictures)
        start = caller * len(self._pictures) // way.callers
        turned = itertools.islice(pictures, start, None)
        while True:
            yield list(itertools.islice(turned, way.batch_size))

    def _answer(self, payloads: Sequence[bytes], slots: AbstractContextManager[object]) -> list[bytes]:
        prepared = dict(enumerate(self._adapter.prepare(payload, self._task) for payload in payloads))
        answers = []
        for group in join(prepared, self._engine.max_batch_size or len(payloads)):
            with slots:
                outputs = self._engine.infer(group.tensors)
            for place, output in zip(group.places, part(outputs, len(group.places)), strict=True):
                if isinstance(output, Exception):
                    raise output
                answers.append(self._adapter.predict_json(output, prepared[place].frame, self._task))
        return answers


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m services.model_server.bare", description="Run a model without a server."
    )
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures to show it")
    parser.add_argument("--threads", type=int, default=1, help="the engine's threads for one execution")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each setting")
    parser.add_argument("--try", dest="ways", type=way_of, nargs="+", default=[Way(1, 1, 1)], metavar="BxCxE")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure every way that is asked for."""
    asked = _options(arguments)
    logs.configure("bare", "error")
    pictures = [path.read_bytes() for path in sorted(asked.pictures.iterdir()) if path.is_file()]
    if not pictures:
        print(f"bare: {asked.pictures} holds no files; --pictures is a folder of pictures", file=sys.stderr)
        return 2
    executions = max(cores(), *(way.executions for way in asked.ways))
    settings = load(ModelServerSettings, {}, model=asked.model)
    opened = open_model(open_model_folder(asked.model), Setting(asked.threads, executions), settings)
    bare = Bare(opened, pictures)
    for batch_size in {way.batch_size for way in asked.ways}:
        bare.run(Way(batch_size, 2, 2), 0.0)  # the first run of each size is slow
    for way in asked.ways:
        items_per_s, batch_s = bare.run(way, asked.seconds)
        ran = Ran(asked.threads, way.batch_size, way.callers, way.executions, items_per_s, batch_s)
        print(msgspec.json.encode(ran).decode(), flush=True)
    return 0


if __name__ == "__main__":
    huge_pages.ask()
    sys.exit(main(sys.argv[1:]))
