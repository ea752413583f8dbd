"""Writes a network as a SavedModel that comes out the same, byte for byte, every time.

The writer that TensorFlow has numbers its functions differently from one run to the next. A model that is published
under its sha256 must not change when it is made again, so that the file is put together here: one flat graph of
constants and operations, in the order of their names, and one signature. (Constants, not variables: such a graph runs
nearly twice as fast on a CPU.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

SIGNATURE = "serving_default"
_SCHEMA_VERSION = 1


def write(network: Callable[[Any], Mapping[str, Any]], image: tf.TensorSpec, folder: Path) -> None:
    """Write *network* to ``saved_model.pb`` in *folder* under the signature ``serving_default``.

    *network* is called once, with a tensor like *image*, and returns its outputs by name.
    """
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(image.dtype, image.shape, name=image.name)
        outputs = {name: tf.identity(tensor, name=name) for name, tensor in network(given).items()}
    needed = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), sorted(outputs))
    needed.node.sort(key=lambda node: node.name)
    document = saved_model_pb2.SavedModel(saved_model_schema_version=_SCHEMA_VERSION)
    meta_graph = document.meta_graphs.add()
    meta_graph.meta_info_def.tags.append(tf.saved_model.SERVING)
    meta_graph.meta_info_def.tensorflow_version = tf.version.VERSION
    meta_graph.graph_def.CopyFrom(needed)
    signature = meta_graph.signature_def[SIGNATURE]
    signature.method_name = tf.compat.v1.saved_model.signature_constants.PREDICT_METHOD_NAME
    signature.inputs[image.name].CopyFrom(_info(given))
    for name, tensor in outputs.items():
        signature.outputs[name].CopyFrom(_info(tensor))
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(document.SerializeToString(deterministic=True))


def _info(tensor: Any) -> Any:
    shape = tensor.shape.as_proto()
    return meta_graph_pb2.TensorInfo(name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=shape)
