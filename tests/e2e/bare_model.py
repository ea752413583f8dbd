"""What a detector finds in pictures in one process, with Pillow and TensorFlow alone: no code of the suite.

``python bare_model.py SAVED_MODEL PICTURE…`` prints a JSON list with, for each picture, a list of ``label``, ``score``
and ``box`` (left, top, right, bottom in pixels), best first.
"""

import json
import sys

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

THRESHOLD = 0.5


def main() -> None:
    from demo.coco import NAMES

    model = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    found = []
    for path in sys.argv[2:]:
        with Image.open(path) as opened:
            image = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        height, width = image.shape[:2]
        out = {name: tensor.numpy()[0] for name, tensor in model(image=tf.constant(image[np.newaxis])).items()}
        things = []
        for box, score, kind in zip(
            out["detection_boxes"], out["detection_scores"], out["detection_classes"], strict=True
        ):
            if score >= THRESHOLD:
                top, left, bottom, right = box.tolist()
                edges = [left * width, top * height, right * width, bottom * height]
                things.append({"label": NAMES[int(kind)], "score": float(score), "box": edges})
        found.append(things)
    print(json.dumps(found))


if __name__ == "__main__":
    sys.path.insert(0, "")
    main()
