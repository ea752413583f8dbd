"""COCO's figures by hand: Pillow, TensorFlow and pycocotools alone, no code of the suite.

``python bare_evaluation.py SAVED_MODEL ANNOTATIONS IMAGES`` prints the twelve numbers as a JSON list.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main() -> None:
    model = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    results = []
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(sys.argv[2])
        for key, listed in truth.imgs.items():
            with Image.open(Path(sys.argv[3]) / listed["file_name"]) as opened:
                image = np.asarray(opened.convert("RGB"))
            height, width = image.shape[:2]
            out = {name: tensor.numpy()[0] for name, tensor in model(image=tf.constant(image[np.newaxis])).items()}
            for box, score, kind in zip(
                out["detection_boxes"], out["detection_scores"], out["detection_classes"], strict=True
            ):
                top, left, bottom, right = box.tolist()
                edges = [left * width, top * height, (right - left) * width, (bottom - top) * height]
                if score > 0:
                    results.append({"image_id": key, "category_id": int(kind), "bbox": edges, "score": float(score)})
        scoring = COCOeval(truth, truth.loadRes(results), "bbox")
        scoring.evaluate()
        scoring.accumulate()
        scoring.summarize()
    print(json.dumps([float(number) for number in scoring.stats]))


if __name__ == "__main__":
    main()
