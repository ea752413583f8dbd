"""NVIDIA's client against a real detector: encoded pictures in, the same boxes out as Predict gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chassis.rpc import inference_pb2 as pb
from chassis.rpc import inference_pb2_grpc
from services.model_server.images import decode
from tests.integration.model_server.serving import Serving
from tests.model_folders import coco_folder, ready_models
from tests.parts import absent, wait_until

TRITON = Path(__file__).with_name("triton_calls.py")


@pytest.mark.slow
def test_pictures_and_pixels_give_the_boxes_of_predict(tmp_path: Path) -> None:
    photographs = sorted((ready_models().parent / "pictures" / "coco-ccby").rglob("*.jpg"))[:3]
    if not photographs:
        absent("no pictures/coco-ccby beside the test models")
    serving = Serving(coco_folder(tmp_path), "--tune", "off", "--max-batch-size", "4", wait=False)
    try:
        wait_until(lambda: serving.log("model_serving"), timeout_s=120, what="the detector serves")
        ran = subprocess.run(
            [sys.executable, str(TRITON), serving.address, "acme-coco", *map(str, photographs)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        outputs = {name: np.asarray(values) for name, values in json.loads(ran.stdout)["outputs"].items()}
        predicted = serving.predict("acme-coco-1", [path.read_bytes() for path in photographs])

        assert outputs["detection_boxes"].shape == (3, 100, 4)
        for scores, outcome in zip(outputs["detection_scores"], predicted.outcomes, strict=True):
            regions = json.loads(outcome.prediction)["regions"]
            assert regions
            found = [region["region_attributes"]["score"] for region in regions]
            np.testing.assert_allclose(found, scores[scores >= 0.5], atol=1e-4)

        whole = decode(photographs[0].read_bytes()).pixels[None]
        request = pb.ModelInferRequest(model_name="acme-coco-1", raw_input_contents=[whole.tobytes()])
        request.inputs.add(name="image", datatype="UINT8", shape=whole.shape)
        request.outputs.add(name="detection_scores")
        answered = inference_pb2_grpc.GRPCInferenceServiceStub(serving.channel).ModelInfer(request, timeout=60)
        scores = np.frombuffer(answered.raw_output_contents[0], "<f4")
        np.testing.assert_allclose(scores, outputs["detection_scores"][0], atol=1e-3)
    finally:
        serving.stop()
