"""TensorFlow: SavedModels and Keras files. The only file that imports it.

A SavedModel is served by its signature ``serving_default``. Variables are frozen into constants, which is nearly
twice as fast on a CPU; a graph that cannot be frozen is served as it is. TensorFlow's thread pools belong to the
process and are set once, so that other numbers of threads need another process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chassis import logs
from services.model_server.engines.engine import EngineOptions, TensorSpec, the_one_file
from services.model_server.engines.float_input import take_float

log = logs.logger()
SIGNATURE = "serving_default"


class TensorflowEngine:
    """A concrete function, called with one tensor for each input."""

    max_batch_size: int | None

    def __init__(self, tf: Any, function: Any, *, source: Any = None, as_float: bool = False) -> None:
        """Serve *function*, which lives only as long as its *source* does.

        With *as_float*, a uint8 image that the graph only casts may come as float32.
        """
        self._tf = tf
        self.inputs = tuple(_spec(name, spec) for name, spec in function.structured_input_signature[1].items())
        self.outputs = tuple(_spec(name, spec) for name, spec in sorted(function.structured_outputs.items()))
        fixed = {spec.shape[0] for spec in self.inputs if spec.shape}
        self.max_batch_size = next((size for size in fixed if size is not None), None)
        names = [spec.name for spec in self.outputs]
        of_float = _of_float_image(tf, function, self.inputs, names) if as_float else None
        if of_float is not None:
            self.inputs = tuple(spec._replace(dtype=np.dtype(np.float32)) for spec in self.inputs)
        self._call = of_float or _frozen(tf, function, names)
        self._source = None if of_float else (source, function)

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch."""
        try:
            constants = {name: self._tf.convert_to_tensor(array) for name, array in tensors.items()}
            return {name: tensor.numpy() for name, tensor in self._call(constants).items()}
        except self._tf.errors.ResourceExhaustedError as error:
            raise MemoryError(f"TensorFlow ran out of memory: {error.message[:200]}") from error

    def device_bytes(self) -> int:
        """Return what TensorFlow holds on its GPUs."""
        devices = [device.name.removeprefix("/physical_device:") for device in _gpus(self._tf)]
        return sum(int(self._tf.config.experimental.get_memory_info(device)["current"]) for device in devices)


def _spec(name: str, spec: Any) -> TensorSpec:
    shape = tuple(spec.shape.as_list()) if spec.shape.rank is not None else (None,)
    return TensorSpec(name, np.dtype(spec.dtype.as_numpy_dtype), shape)


def _gpus(tf: Any) -> list[Any]:
    return list(tf.config.list_physical_devices("GPU"))


def _frozen(tf: Any, function: Any, names: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return *function* with its variables as constants: a dict of tensors to a dict of tensors."""
    if not function.graph.variables:
        return lambda tensors: dict(function(**tensors))
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(function)
    except (ValueError, tf.errors.OpError) as error:
        log.warning("model_not_frozen", reason=str(error)[:200])
        return lambda tensors: dict(function(**tensors))
    inputs = list(function.structured_input_signature[1])
    order = {tensor.name.partition(":")[0]: position for position, tensor in enumerate(frozen.inputs)}
    inputs.sort(key=lambda name: order.get(name, len(order)))
    return lambda tensors: dict(zip(names, frozen(*(tensors[name] for name in inputs)), strict=True))


def _of_float_image(
    tf: Any, function: Any, inputs: Sequence[TensorSpec], names: list[str]
) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Return *function*, frozen, taking its one uint8 image as float32 (float_input.py says why); None if it cannot."""
    if len(inputs) != 1 or inputs[0].dtype != np.uint8 or len(inputs[0].shape) != 4:
        return None
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(function)
        graph = frozen.graph.as_graph_def()
        if not take_float(graph, frozen.inputs[0].op.name):
            return None
        imported = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
        call = imported.prune(frozen.inputs[0].name, [tensor.name for tensor in frozen.outputs])
    except (ValueError, tf.errors.OpError) as error:
        log.warning("model_takes_no_floats", reason=str(error)[:200])
        return None
    return lambda tensors: dict(zip(names, call(tf.cast(tensors[inputs[0].name], tf.float32)), strict=True))


def _of_keras_file(tf: Any, path: Path) -> Any:
    """Return a concrete function of the Keras model at *path*, its tensors named as in the model."""
    model = tf.keras.models.load_model(path, compile=False)
    inputs = {tensor.name.partition(":")[0]: tensor for tensor in model.inputs}
    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in inputs.items()}
    outputs = [f"output_{position}" for position in range(len(model.outputs))]

    def call(**tensors: Any) -> dict[str, Any]:
        ordered = [tensors[name] for name in inputs]
        answered = tf.nest.flatten(model(ordered[0] if len(ordered) == 1 else ordered, training=False))
        return dict(zip(outputs, answered, strict=True))

    return tf.function(call).get_concrete_function(**specs)


def _of_saved_model(tf: Any, folder: Path) -> tuple[Any, Any]:
    """Return the loaded SavedModel, which must be kept alive, and its signature."""
    loaded = tf.saved_model.load(str(folder))
    if SIGNATURE not in loaded.signatures:
        raise ValueError(f"the SavedModel has no signature {SIGNATURE!r} (it has: {', '.join(loaded.signatures)})")
    return loaded, loaded.signatures[SIGNATURE]


def _prepare_process(tf: Any, options: EngineOptions) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.concurrency)
    for gpu in _gpus(tf):
        if options.device_cap_bytes:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=options.device_cap_bytes // 2**20)
            tf.config.set_logical_device_configuration(gpu, [limit])
        else:
            tf.config.experimental.set_memory_growth(gpu, True)


def load(files: Sequence[Path], options: EngineOptions) -> TensorflowEngine:
    """Return the SavedModel (``saved_model.pb`` among *files*) or Keras model (``.keras``, ``.h5``) loaded."""
    os.putenv("TF_CPP_MIN_LOG_LEVEL", "2")  # its C++ lines are no JSON; errors still come through
    import tensorflow as tf

    _prepare_process(tf, options)
    model_file = the_one_file(files, "saved_model.pb", ".keras", ".h5")
    if model_file.name != "saved_model.pb":
        return TensorflowEngine(tf, _of_keras_file(tf, model_file), as_float=options.float_images)
    loaded, function = _of_saved_model(tf, model_file.parent)
    return TensorflowEngine(tf, function, source=loaded, as_float=options.float_images)
