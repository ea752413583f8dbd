"""What NVIDIA's own gRPC client sees of a model server: run as a process, since its protobufs clash with ours.

``python triton_calls.py ADDRESS NAME PICTURE…`` prints one JSON object: what the server and the model say of
themselves, and the model's outputs for the pictures, sent as one batch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton


def infer(client: Any, name: str, files: list[bytes], **options: Any) -> Any:
    image = triton.InferInput("image", [len(files), 1], "BYTES")
    image.set_data_from_numpy(np.array(files, object).reshape(-1, 1))
    return client.infer(name, [image], **options)


def refusal(call: Any) -> list[str]:
    try:
        call()
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return []


def main(address: str, name: str, pictures: list[str]) -> dict[str, Any]:
    files = [Path(picture).read_bytes() for picture in pictures]
    with triton.InferenceServerClient(address) as client:
        metadata = client.get_model_metadata(name, as_json=True)
        outputs = [output["name"] for output in metadata["outputs"]]
        result = infer(client, name, files, request_id="asked-7")
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(name),
            "other_ready": client.is_model_ready("acme-other"),
            "server": client.get_server_metadata(as_json=True),
            "metadata": metadata,
            "config": client.get_model_config(name, as_json=True)["config"],
            "index": client.get_model_repository_index(as_json=True),
            "outputs": {output: result.as_numpy(output).tolist() for output in outputs},
            "id": result.get_response(as_json=True)["id"],
            "statistics": client.get_inference_statistics(name, as_json=True),
            "unknown_model": refusal(lambda: infer(client, "acme-other", files)),
            "unknown_version": refusal(lambda: infer(client, name, files, model_version="9")),
            "no_image": refusal(lambda: infer(client, name, [b"no image"])),
        }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3:])))
