"""The demo models, made from their packages: the same each time, and the numbers that the originals give."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from demo import pictures
from demo.packages import sha256_of
from tests.cache import CACHE, demo_model
from tests.frameworks import tensorflow
from tests.parts import ROOT

pytestmark = pytest.mark.slow
KEYS = ("demo-coco_things-1", "demo-imagenet-1")


@pytest.mark.parametrize("key", KEYS)
def test_a_model_folder_names_its_files_with_their_hashes(key: str) -> None:
    folder = demo_model(key)

    modelinfo = yaml.safe_load((folder / f"{key}.yaml").read_text())

    assert [file["path"] for file in modelinfo["files"]] == ["saved_model/saved_model.pb"]
    for file in modelinfo["files"]:
        assert sha256_of(folder / file["path"]) == file["sha256"]
    assert len(modelinfo["classes"]) == modelinfo["num_classes"]
    assert modelinfo["license"] == "Apache-2.0" and modelinfo["source"]


def test_made_again_they_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    kept = {key: demo_model(key) for key in KEYS}
    shutil.copytree(CACHE / "downloads", tmp_path / "downloads")
    environ = {**os.environ, "PYTHONHASHSEED": "7", "PIP_NO_INDEX": "1"}

    command = [sys.executable, "-m", "demo", "--cache", str(tmp_path), *reversed(KEYS)]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)

    for key, folder in kept.items():
        for file in ("saved_model/saved_model.pb", f"{key}.yaml"):
            assert sha256_of(tmp_path / "models" / key / file) == sha256_of(folder / file), f"{key}/{file}"


def test_the_detector_gives_what_the_reference_conversion_gives() -> None:
    tf = tensorflow()
    reference = Path(os.environ.get("SERVOIR_TEST_MODELS", "")) / "coco_ssd_ssdlite_mobilenet_v2"
    if not os.environ.get("SERVOIR_TEST_MODELS") or not reference.exists():
        pytest.skip("SERVOIR_TEST_MODELS names no folder with coco_ssd_ssdlite_mobilenet_v2")
    ours = tf.saved_model.load(str(demo_model(KEYS[0]) / "saved_model")).signatures["serving_default"]
    theirs = tf.saved_model.load(str(reference)).signatures["serving_default"]
    images = [Image.open(pictures.path(name)).convert("RGB").resize((300, 300)) for name in pictures.NAMES]
    batch = tf.constant(np.stack([np.asarray(image) for image in images]))

    mine, expected = ours(image=batch), theirs(image=batch)

    assert set(mine) == set(expected)
    for name, values in mine.items():
        assert np.array_equal(values.numpy(), expected[name].numpy()), name


def test_the_classifier_knows_a_cat_alone_and_in_a_batch() -> None:
    tf = tensorflow()
    model = tf.saved_model.load(str(demo_model(KEYS[1]) / "saved_model")).signatures["serving_default"]
    names = yaml.safe_load((demo_model(KEYS[1]) / f"{KEYS[1]}.yaml").read_text())["classes"]
    cat = np.asarray(Image.open(pictures.path("chelsea")).convert("RGB").resize((224, 224)))

    alone = model(image=tf.constant(cat[np.newaxis]))
    batch = model(image=tf.constant(np.stack([cat, cat[:, ::-1], cat])))

    best = names[int(np.argmax(alone["probs"].numpy()[0]))]
    assert best in ("Egyptian Mau", "tabby cat", "tiger cat")
    assert alone["embedding"].shape == (1, 1280) and abs(float(alone["probs"].numpy().sum()) - 1) < 1e-5
    assert np.allclose(batch["probs"].numpy()[2], alone["probs"].numpy()[0], atol=1e-5)
