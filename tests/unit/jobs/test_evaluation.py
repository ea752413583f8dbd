"""A whole evaluation: what is wrong with one picture is said, and the others are judged."""

from __future__ import annotations

import json
from pathlib import Path

from services.jobs.evaluation.work import run
from services.jobs.kinds.evaluation import EvaluateParameters
from services.queue.client import Answer
from tests.fakes_gateway import answer, problem
from tests.fakes_jobs import FakeContext
from tests.unit.jobs.evaluation_sets import write_picture


def test_a_picture_that_breaks_off_is_named_and_counts_as_empty(tmp_path: Path) -> None:
    for name in ("cat/good.jpg", "cat/broken.jpg"):
        write_picture(tmp_path / "pets" / name, (400, 300))
    broken = tmp_path / "pets" / "cat" / "broken.jpg"
    broken.write_bytes(broken.read_bytes()[:-600])

    def answer_to(picture: bytes) -> Answer:
        if picture == broken.read_bytes():
            return answer(422, problem("Unreadable picture", "it breaks off"))
        return answer(body=b'{"regions": [], "classes": [{"label": "cat", "score": 0.9}]}')

    told = EvaluateParameters(model="acme-pets-1", task="classify", labelled_set=str(tmp_path / "pets"), record=False)
    context = FakeContext(tmp_path / "job", told, answer_to=answer_to)
    run(context)

    report = json.loads((context.results / "report.json").read_bytes())
    assert report["failed"] == {"cat/broken.jpg": "422 it breaks off"}
    assert report["figures"]["top_1"] == 0.5
    assert [picture["name"] for picture in report["worst"]] == ["cat/broken.jpg"]
    assert "the file is broken" in (context.results / "report.html").read_text()
