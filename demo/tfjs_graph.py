"""A TensorFlow.js graph model (``model.json`` and its weight shards) read as a TensorFlow GraphDef.

A graph model is a GraphDef written as JSON whose constants are empty: their values stand one after the other in the
shards, in the order of the manifest. Plain weights only: quantised ones are refused, not misread.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

_PRODUCER = 27  # the GraphDef version of TensorFlow 1.x, for models that do not say theirs
_DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}


def read_graph(model_json: Path) -> Any:
    """Return the GraphDef of the model at *model_json*, with its weights put in; ValueError for what we do not read."""
    document = json.loads(model_json.read_text())
    topology = document["modelTopology"]
    weights = dict(_weights(document["weightsManifest"], model_json.parent))
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = int(topology["versions"].get("producer", _PRODUCER))
    for node in topology["node"]:
        parsed = graph.node.add()
        json_format.ParseDict(_with_base64(node), parsed)
        if parsed.op == "Const" and parsed.name in weights:
            parsed.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[parsed.name]))
    return graph


def _weights(manifest: list[dict[str, Any]], folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each weight's name and value."""
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for weight in group["weights"]:
            if "quantization" in weight or weight["dtype"] not in _DTYPES:
                raise ValueError(f"weight {weight['name']} is quantised or of an unknown type")
            dtype = _DTYPES[weight["dtype"]]
            count = int(np.prod(weight["shape"], dtype=int))
            yield weight["name"], np.frombuffer(data, dtype, count, offset).reshape(weight["shape"])
            offset += count * dtype.itemsize


def _with_base64(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return *node* with its byte strings as protobuf's JSON has them: the converter wrote lists of numbers."""
    attributes = {
        name: {**value, "s": base64.b64encode(bytes(value["s"])).decode()}
        if isinstance(value.get("s"), list)
        else value
        for name, value in node.get("attr", {}).items()
    }
    return {**node, "attr": attributes}
