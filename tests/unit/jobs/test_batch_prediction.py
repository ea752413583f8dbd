"""A batch prediction, killed at every step that it has: the result is the same, and has each picture once."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.jobs.context import Failed
from services.jobs.kinds.predict import PredictParameters
from services.jobs.prediction.work import run
from tests.fakes_gateway import answer, problem
from tests.fakes_jobs import FakeContext, Killed


def parameters(source: Path, *formats: Any) -> PredictParameters:
    return PredictParameters(source=str(source), model="acme-coco_things-1", formats=formats or ("jsonl", "via"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of six pictures, of which the second and the last cannot be read, and the fifth is refused."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(b"" if number in (1, 5) else f"picture {number}".encode())
    return folder


def refusing(payload: bytes) -> Any:
    return (
        answer(415, problem("No image", "no"))
        if payload.endswith(b"4")
        else answer(body=b'{"width":1,"height":1,"regions":[]}')
    )


def results(context: FakeContext) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in context.results.iterdir() if path.suffix != ".zip"}


def test_every_picture_has_its_line_in_their_order(source: Path, tmp_path: Path) -> None:
    context = FakeContext(tmp_path / "job", parameters(source), answer_to=refusing)

    run(context)

    lines = [json.loads(line) for line in results(context)["predictions.jsonl"].splitlines()]
    assert [line["filename"] for line in lines] == [f"{number}.jpg" for number in range(6)]
    assert [line.get("problem", {}).get("status") for line in lines] == [None, 422, None, None, 415, 422]
    assert context.figures == {"pictures": 6, "broken": 3, "regions": 0}
    assert context.told == (6, 6)


def test_a_run_that_is_killed_at_any_step_is_gone_on_with(source: Path, tmp_path: Path) -> None:
    told = parameters(source, "jsonl", "via", "csv", "files")
    whole = FakeContext(tmp_path / "whole", told, answer_to=refusing)
    run(whole)
    deaths = 0

    for step in range(1, 100):
        folder = tmp_path / f"killed-{step}"
        try:
            run(FakeContext(folder, told, dies_at=step, answer_to=refusing))
        except Killed:
            deaths += 1
        again = FakeContext(folder, told, answer_to=refusing)
        run(again)
        assert results(again) == results(whole), step
        if deaths < step:
            break

    assert deaths > 15


def test_killed_again_and_again_it_asks_for_each_picture_little_more_than_once(source: Path, tmp_path: Path) -> None:
    asked: list[bytes] = []
    for _ in range(100):
        context = FakeContext(tmp_path / "job", parameters(source), dies_at=9, answer_to=refusing)
        try:
            run(context)
            break
        except Killed:
            asked += context.asked

    assert (context.results / "predictions.jsonl").exists()
    assert len(asked + context.asked) <= 4 + 4


def test_a_source_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(Failed, match="no picture"):
        run(FakeContext(tmp_path / "job", parameters(tmp_path / "empty")))


def peak_bytes(folder: Path, count: int) -> int:
    """Return the most that a job over so many pictures holds at a time."""
    archive = folder / f"{count}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(count):
            packed.writestr(f"{number:06d}.jpg", b"x" * 500)
    context = FakeContext(folder / str(count), parameters(archive, "jsonl", "via", "coco", "csv"))
    context.asked = _Forgetful()
    tracemalloc.start()
    run(context)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert context.told == (count, count)
    return peak


class _Forgetful(list[bytes]):
    def append(self, _: bytes) -> None: ...


def test_more_pictures_need_no_more_memory_but_for_their_names(tmp_path: Path) -> None:
    few, many = peak_bytes(tmp_path, 200), peak_bytes(tmp_path, 2000)

    assert (many - few) / 1800 < 1500, "an archive's directory is held, and nothing else"
