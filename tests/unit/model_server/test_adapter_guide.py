"""The adapter that docs/adapters.md shows, run as it stands there; and its table, held to the code."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from chassis.errors import BadRequest
from services.model_server.adapters import ADAPTERS
from services.registry.client import Modelinfo
from tests.adapter_models import FLOAT_IMAGE, picture, shapes

GUIDE = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text()


def shown(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    found = re.search(r"```python\n(\"\"\".*?)```", GUIDE, re.DOTALL)
    assert found is not None
    module = types.ModuleType("row_boxes")
    monkeypatch.setitem(sys.modules, "row_boxes", module)  # where its annotations are looked up
    exec(compile(found[1], "docs/adapters.md", "exec"), module.__dict__)
    return module


def modelinfo(**config: object) -> Modelinfo:
    return Modelinfo(
        org_name="acme",
        problem_id="rows",
        rel_num="1",
        task="bbox",
        dnnarch="row_boxes",
        framework_type="onnx",
        classes=("cat", "dog"),
        config=config,
    )


def test_the_adapter_of_the_guide_works(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = shown(monkeypatch).RowBoxes(modelinfo(input_width=32, input_height=24), FLOAT_IMAGE)
    prepared = kind.prepare(picture(64, 48), "bbox")
    rows = np.asarray([[2, 3, 10, 9, 0.9, 1], [0, 0, 5, 5, 0.4, 0]], np.float32)

    found = kind.predict_json({"rows": rows}, prepared.frame, "bbox")

    assert prepared.tensors["image"].shape == (24, 32, 3)
    assert shapes(found, "rect") == [{"name": "rect", "x": 4, "y": 6, "width": 16, "height": 12}]
    assert b'"label":"dog","score":0.9' in found


def test_its_config_is_held_to_its_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match="treshold: unknown"):
        shown(monkeypatch).RowBoxes(modelinfo(treshold=1), FLOAT_IMAGE)


def test_the_table_names_every_adapter_and_no_other() -> None:
    table = GUIDE.split("## What there is")[1].split("\n\n")[1]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(ADAPTERS)
