"""What is served agrees with the bare model: a SavedModel called in this process on the whole picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from services.model_server.adapters import Adapter, adapter_for
from services.model_server.batches import join, part
from services.model_server.engines import Engine, EngineOptions, open_engine
from services.registry.client import read_modelinfo
from tests.frameworks import THREADS
from tests.model_folders import coco_folder, model_folder, ready_models, saved_model
from tests.parts import absent

OPTIONS = EngineOptions(threads=THREADS, concurrency=2, float_images=True)


class Model(NamedTuple):
    """A model as it is served, and bare."""

    engine: Engine
    adapter: Adapter
    bare: Any
    labels: tuple[str, ...]

    def answers(self, payloads: Sequence[bytes], task: str) -> list[dict[str, Any]]:
        """Return the answers to *payloads*, which go through the engine as batches."""
        prepared = {place: self.adapter.prepare(payload, task) for place, payload in enumerate(payloads)}
        answers: dict[int, dict[str, Any]] = {}
        for group in join(prepared, len(payloads)):
            outputs = part(self.engine.infer(group.tensors), len(group.places))
            for place, output in zip(group.places, outputs, strict=True):
                assert isinstance(output, dict)
                answers[place] = json.loads(self.adapter.predict_json(output, prepared[place].frame, task))
        return [answers[place] for place in range(len(payloads))]

    def outputs(self, payload: bytes) -> dict[str, np.ndarray]:
        """Return what the bare model gives for the whole picture."""
        import tensorflow as tf

        with Image.open(io.BytesIO(payload)) as image:
            pixels = np.asarray(image.convert("RGB"))
        return {name: value.numpy()[0] for name, value in self.bare(image=tf.constant(pixels[None])).items()}


def opened(folder: Path, source: str) -> Model:
    import tensorflow as tf

    modelinfo = read_modelinfo(next(folder.glob("*.yaml")))
    engine = open_engine("tensorflow", [folder / file.path for file in modelinfo.files], OPTIONS)
    loaded = tf.saved_model.load(str(ready_models() / source))
    model = Model(
        engine, adapter_for(modelinfo, engine.inputs), loaded.signatures["serving_default"], modelinfo.classes
    )
    model.bare.kept = loaded
    return model


def pictures(folder: str, most: int) -> list[bytes]:
    found = sorted((ready_models().parent / "pictures" / folder).rglob("*.jpg"))[:most]
    if not found:
        absent(f"no pictures/{folder} beside the test models")
    return [path.read_bytes() for path in found]


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = coco_folder(tmp_path_factory.mktemp("coco"), config={"score_threshold": 0.3})
    yield opened(folder, "coco_ssd_ssdlite_mobilenet_v2")


def corners(shape: dict[str, int]) -> list[int]:
    return [shape["y"], shape["x"], shape["y"] + shape["height"], shape["x"] + shape["width"]]


@pytest.mark.slow
def test_every_box_is_where_the_bare_detector_has_it(coco: Model) -> None:
    boxes = 0
    for payload in pictures("coco-ccby", 40) + pictures("udacity-lanes", 6):
        (answer,) = coco.answers([payload], "bbox")
        bare = coco.outputs(payload)
        size = np.asarray([answer["height"], answer["width"]] * 2)
        sure = bare["detection_scores"] >= 0.3
        assert len(answer["regions"]) == sure.sum()
        for region, score, class_id, box in zip(
            answer["regions"],
            bare["detection_scores"][sure],
            bare["detection_classes"][sure],
            bare["detection_boxes"][sure] * size,
            strict=True,
        ):
            assert region["region_attributes"]["label"] == coco.labels[int(class_id)]
            assert region["region_attributes"]["score"] == pytest.approx(float(score), abs=0.001)
            np.testing.assert_allclose(corners(region["shape_attributes"]), box, atol=0.6)
            boxes += 1
    assert boxes > 100


@pytest.mark.slow
def test_a_picture_gives_the_same_regions_alone_and_in_any_batch(coco: Model) -> None:
    payloads = pictures("coco-ccby", 8)
    alone = [coco.answers([payload], "bbox")[0] for payload in payloads]

    for size in (2, 3, 8):
        together = coco.answers(payloads[:size], "bbox")
        assert together == alone[:size]
    assert coco.answers(payloads[::-1], "bbox") == alone[::-1]


@pytest.mark.slow
def test_a_classifier_gives_the_bare_models_classes_and_embedding(tmp_path: Path) -> None:
    told = {"task": "classify", "dnnarch": "efficientnet_lite0", "framework_type": "tensorflow"}
    classes = [f"class {number}" for number in range(1000)]
    folder = model_folder(tmp_path, saved_model("efficientnet_lite0"), problem_id="lite0", classes=classes, **told)
    model = opened(folder, "efficientnet_lite0")

    for payload in pictures("coco-ccby", 6):
        (answer,) = model.answers([payload], "classify")
        bare = model.outputs(payload)
        best = np.argsort(-bare["probs"])[:5]
        found = {row["label"]: row["score"] for row in answer["classes"]}
        assert found == pytest.approx({f"class {at}": bare["probs"][at] for at in best}, abs=0.001)
        assert answer["classes"][0]["label"] == f"class {best[0]}"
        np.testing.assert_allclose(answer["embedding"], bare["embedding"], atol=0.01)


@pytest.mark.slow
def test_lane_masks_are_the_bare_models_for_a_resized_picture(tmp_path: Path) -> None:
    for source, key, threshold in (("mlnd_lane_fcn", "lane_mask", 0.5), ("twinlitenet_lane", "lane_mask", 0.5)):
        told = {"task": "lane", "dnnarch": source, "framework_type": "tensorflow"}
        model = opened(model_folder(tmp_path / source, saved_model(source), problem_id="lane", **told), source)
        for payload in pictures("udacity-lanes", 2):
            prepared = model.adapter.prepare(payload, "lane")
            mask = model.engine.infer({name: array[None] for name, array in prepared.tensors.items()})[key][0]
            bare = model.outputs(payload)[key]
            assert (mask.squeeze() > threshold).sum() > 100
            assert ((mask > threshold) != (bare > threshold)).mean() < 0.001


@pytest.mark.slow
def test_every_task_answers_on_a_real_picture(tmp_path: Path) -> None:
    for source, dnnarch, task, shape in (
        ("mb3_centernet", "mb3_centernet", "bbox", "rect"),
        ("deeplabv3_mnv2_dm05_pascal", "deeplabv3_mnv2", "polygon", "polygon"),
        ("selfie_segmentation", "selfie_segmentation", "polygon", "polygon"),
        ("twinlitenet_lane", "twinlitenet_lane", "lane", "polyline"),
        ("mlnd_lane_fcn", "mlnd_lane_fcn", "lane", "polyline"),
    ):
        told = {"problem_id": "any", "task": task, "dnnarch": dnnarch, "framework_type": "tensorflow"}
        model = opened(model_folder(tmp_path / source, saved_model(source), **told), source)
        payload = pictures("udacity-lanes" if task == "lane" else "coco-ccby", 1)[0]
        (answer,) = model.answers([payload], task)
        assert shape in {region["shape_attributes"]["name"] for region in answer["regions"]}, source
