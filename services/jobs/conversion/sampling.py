"""What a model says to pictures, by its engine and adapter alone (``python -m services.model_server.sample``)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from services.jobs.context import Failed
from services.jobs.conversion.processes import run_module

_MODULE = "services.model_server.sample"


class _Said(msgspec.Struct):
    picture: str
    answer: Any = None
    problem: str = ""
    infer_cpu_s: float = 0.0


class Sample(NamedTuple):
    """What one model said: *answers* by the place of each picture that it answered.

    *infer_cpu_s* is the median processor time of a picture.
    """

    folder: Path
    answers: dict[int, Mapping[str, Any]]
    problems: dict[int, str]
    infer_cpu_s: float

    def outputs(self, place: int) -> dict[str, np.ndarray]:
        """Return the model's own outputs for a picture."""
        return _arrays(self.folder / "outputs" / f"{place}.npz")

    def inputs(self, most: int | None = None) -> Iterator[dict[str, np.ndarray]]:
        """Yield what the model was given, picture by picture, the first *most*."""
        for place in list(self.answers)[:most]:
            yield _arrays(self.folder / "inputs" / f"{place}.npz")

    def input_shape(self) -> list[int | None]:
        """Return the shape of one picture as the model gets it; None for a side that differs between pictures."""
        shapes = [array.shape for given in self.inputs() for array in given.values()]
        if len({len(shape) for shape in shapes}) != 1:
            raise Failed("a model of several inputs cannot be converted")
        return [sides[0] if len(set(sides)) == 1 else None for sides in zip(*shapes, strict=True)]


def sample(
    model: Path,
    pictures: Sequence[Path],
    out: Path,
    *,
    check: Callable[[], None],
    timeout_s: float,
    inputs: bool = False,
) -> Sample:
    """Show *pictures* to the model in the folder *model*, one by one; raises Failed where it cannot be run."""
    out.mkdir(parents=True, exist_ok=True)
    listed = out / "pictures.list"
    listed.write_text("".join(f"{path}\n" for path in pictures))
    arguments = ["--model", str(model), "--pictures", str(listed), "--out", str(out)]
    run_module(_MODULE, [*arguments, *(["--inputs"] if inputs else [])], check=check, timeout_s=timeout_s)
    lines = (out / "answers.jsonl").read_bytes().splitlines()
    said = [msgspec.json.decode(line, type=_Said) for line in lines]
    answered = {place: it.answer for place, it in enumerate(said) if not it.problem}
    if not answered:
        raise Failed(f"the model answers none of the pictures: {said[0].problem if said else 'there are none'}")
    times = [it.infer_cpu_s for it in said if not it.problem]
    problems = {place: it.problem for place, it in enumerate(said) if it.problem}
    return Sample(out, answered, problems, statistics.median(times))


def largest_differences(one: Sample, other: Sample) -> dict[str, float]:
    """Return, for each raw output that both models give, the largest difference over what both answered."""
    largest: dict[str, float] = {}
    for place in sorted(one.answers.keys() & other.answers.keys()):
        left, right = one.outputs(place), other.outputs(place)
        for name in left.keys() & right.keys():
            if left[name].shape == right[name].shape and left[name].size:
                difference = float(np.abs(left[name].astype(np.float64) - right[name].astype(np.float64)).max())
                largest[name] = max(largest.get(name, 0.0), difference)
    return dict(sorted(largest.items()))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}
