"""From a SavedModel or a Keras file to ONNX: the only file outside the engine that imports TensorFlow, and tf2onnx.

The variables are frozen, what a function calls is put in its place, and what brings pictures to the model's size is
taken out (graphs.py says why). ``python -m services.jobs.conversion.tensorflow`` runs this in a process of its own, so
that TensorFlow's memory goes with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chassis.errors import BadRequest, ServoirError
from services.jobs.conversion import graphs, suppression
from services.jobs.conversion.onnx_models import foreign_operations, named, save

OPSET = 17
_SIGNATURE = "serving_default"
_FORMS = {"onnx": suppression.kept_list, "tensorrt": suppression.dense}


class Frozen(NamedTuple):
    """A flat graph of constants, the tensors that go in and come out, and what the model calls them."""

    graph: Any
    inputs: dict[str, str]
    outputs: dict[str, str]


class Converted(msgspec.Struct):
    """What was done: *floats* says that a uint8 image is taken as float32 now; so many *resizings* are gone."""

    floats: bool
    resizings: int
    tensorflow: str
    tf2onnx: str


def freeze(folder: Path) -> Frozen:
    """Return the model in *folder*: a SavedModel, or the one Keras file that it holds."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    source, function = _loaded(tf, folder)
    frozen = convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    library = {known.signature.name: known for known in graph.library.function}
    while calls := [node for node in graph.node if node.op in ("PartitionedCall", "StatefulPartitionedCall")]:
        called = library[calls[0].attr["f"].func.name]
        body, flat = function_def_to_graph_def(called)
        results = {it.name: flat.get(called.ret[it.name], called.ret[it.name]) for it in called.signature.output_arg}
        graphs.inline(graph, calls[0], body, results)
    names = sorted(function.structured_input_signature[1])
    own = {tensor.op.name: tensor.name for tensor in frozen.inputs}
    inputs = {name: own.get(name, frozen.inputs[at].name) for at, name in enumerate(names)}
    outputs = dict(zip(sorted(function.structured_outputs), (it.name for it in frozen.outputs), strict=True))
    del source
    return Frozen(graph, inputs, outputs)


def to_onnx(frozen: Frozen, target: str, shape: Sequence[int | None]) -> tuple[Any, Converted]:
    """Return *frozen* as an ONNX model for *target* (onnx, tensorrt), whose one image has *shape*, batch axis first.

    Raises BadRequest for what cannot be converted, naming the operations.
    """
    import tensorflow as tf
    import tf2onnx

    if len(frozen.inputs) != 1:
        raise BadRequest(f"a model of {len(frozen.inputs)} inputs ({', '.join(frozen.inputs)}) cannot be converted")
    [(name, tensor)] = frozen.inputs.items()
    place = graphs.source(tensor)
    resizings = graphs.without_resizing_loops(frozen.graph)
    resizings += graphs.without_resizing(frozen.graph, place, (shape[1], shape[2]))
    floats = graphs.take_floats(frozen.graph, place)
    graphs.with_input_shape(frozen.graph, place, shape)
    wanted = list(frozen.outputs.values())
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph, [graphs.source(it) for it in wanted])
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            input_names=[tensor],
            output_names=wanted,
            opset=OPSET,
            custom_op_handlers=suppression.handlers(_FORMS[target]),
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise BadRequest(f"tf2onnx cannot convert the model: {str(error)[:300]}") from error
    _check_operations(model)
    names = {tensor: name, **{it: own for own, it in frozen.outputs.items()}}
    done = Converted(floats, resizings, str(tf.__version__), str(tf2onnx.__version__))
    return named(model, names), done


def _check_operations(model: Any) -> None:
    """Raise BadRequest naming the operations that have no counterpart: tf2onnx only logs them."""
    if foreign := foreign_operations(model):
        raise BadRequest(f"the model has operations that ONNX does not know: {', '.join(foreign)}")


def _loaded(tf: Any, folder: Path) -> tuple[Any, Any]:
    """Return what must be kept alive, and the function to freeze."""
    if next(folder.rglob("saved_model.pb"), None):
        loaded = tf.saved_model.load(str(next(folder.rglob("saved_model.pb")).parent))
        if _SIGNATURE not in loaded.signatures:
            raise BadRequest(f"the SavedModel has no signature {_SIGNATURE!r} ({', '.join(loaded.signatures)})")
        return loaded, loaded.signatures[_SIGNATURE]
    files = [path for path in folder.rglob("*") if path.suffix in (".keras", ".h5")]
    if len(files) != 1:
        raise BadRequest("the model's files hold neither a SavedModel nor one Keras file")
    return _of_keras(tf, files[0])


def _of_keras(tf: Any, path: Path) -> tuple[Any, Any]:
    """Return a Keras model and its function, tensors named as the engine names them (engines/tensorflow.py)."""
    model = tf.keras.models.load_model(path, compile=False)
    tensors = {tensor.name.partition(":")[0]: tensor for tensor in model.inputs}
    specs = {name: tf.TensorSpec(it.shape, it.dtype, name=name) for name, it in tensors.items()}

    def call(**given: Any) -> dict[str, Any]:
        ordered = [given[name] for name in tensors]
        answered = tf.nest.flatten(model(ordered[0] if len(ordered) == 1 else ordered, training=False))
        return {f"output_{place}": it for place, it in enumerate(answered)}

    return model, tf.function(call).get_concrete_function(**specs)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m services.jobs.conversion.tensorflow")
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    parser.add_argument("--target", choices=sorted(_FORMS), required=True)
    parser.add_argument("--shape", required=True, help="of one picture, 300x300x3; 0 for a side that stays open")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Convert, and print what was done as a line of JSON; what cannot be is said on standard error."""
    asked = _options(arguments)
    shape = [None, *(int(side) or None for side in asked.shape.split("x"))]
    try:
        model, done = to_onnx(freeze(asked.model), asked.target, shape)
    except ServoirError as error:
        print(error.detail, file=sys.stderr)
        return 1
    save(model, asked.out)
    print(msgspec.json.encode(done).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
