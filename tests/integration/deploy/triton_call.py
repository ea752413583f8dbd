"""One call of NVIDIA's own gRPC client: run as a process, since its protobufs clash with ours.

``python triton_call.py ADDRESS MODEL HEADERS [CERTIFICATE]`` prints the model that answered and the output ``length``,
or the status of the failure, as one JSON object. HEADERS is JSON; with CERTIFICATE the call goes over TLS.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton


def main(address: str, model: str, headers: str, certificate: str = "") -> dict[str, Any]:
    tensor = triton.InferInput("image", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"GIF89a"]], dtype=np.object_))
    secure = {"ssl": True, "root_certificates": certificate} if certificate else {}
    named = [("grpc.ssl_target_name_override", "localhost")]
    with triton.InferenceServerClient(address, channel_args=named if secure else None, **secure) as client:
        try:
            result = client.infer(model, [tensor], headers=json.loads(headers))
        except triton.InferenceServerException as error:
            return {"status": error.status()}
        return {"model": result.get_response().model_name, "length": int(result.as_numpy("length").item())}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
