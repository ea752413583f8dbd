"""TensorFlow: SavedModels and Keras files. The only file that imports it.

A SavedModel is served by its signature ``serving_default``. Variables are frozen into constants, which is nearly
twice as fast on a CPU; what cannot be frozen is called as it is. TensorFlow's thread pools belong to the process and
are set once, so that other numbers of threads need another process.
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
Specs = tuple[TensorSpec, ...]
Call = Callable[..., Sequence[np.ndarray]]
SIGNATURE = "serving_default"
_IN_CALLERS_THREAD = -1  # as config.proto has it


class TensorflowEngine:
    """A function called with one tensor for each input; *call* takes and gives arrays in the order of the specs."""

    max_batch_size: int | None

    def __init__(self, tf: Any, inputs: Specs, outputs: Specs, call: Call) -> None:
        self._tf = tf
        self.inputs, self.outputs = inputs, outputs
        fixed = {spec.shape[0] for spec in self.inputs if spec.shape}
        self.max_batch_size = next((size for size in fixed if size is not None), None)
        self.on_accelerator = bool(_gpus(tf))
        self._call = call

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch."""
        try:
            found = self._call(*(tensors[spec.name] for spec in self.inputs))
        except self._tf.errors.ResourceExhaustedError as error:
            raise MemoryError(f"TensorFlow ran out of memory: {error.message[:200]}") from error
        return {spec.name: array for spec, array in zip(self.outputs, found, strict=True)}

    def device_bytes(self) -> int:
        """Return what TensorFlow holds on its GPUs."""
        devices = [device.name.removeprefix("/physical_device:") for device in _gpus(self._tf)]
        return sum(int(self._tf.config.experimental.get_memory_info(device)["current"]) for device in devices)


def _engine(tf: Any, function: Any, options: EngineOptions, *, source: Any = None) -> TensorflowEngine:
    """Return the engine of a concrete *function*, which lives only as long as its *source* does."""
    inputs = tuple(_spec(name, spec) for name, spec in function.structured_input_signature[1].items())
    outputs = tuple(_spec(name, spec) for name, spec in sorted(function.structured_outputs.items()))
    frozen = _frozen(tf, function, len(inputs))
    if frozen is None:
        return TensorflowEngine(tf, inputs, outputs, _Called(tf, function, source, inputs, outputs))
    graph, names = frozen.graph.as_graph_def(), [tensor.name for tensor in frozen.inputs]
    inputs = _in_order(inputs, names)
    as_float = options.float_images and _is_image(inputs)
    if as_float and not take_float(graph, frozen.inputs[0].op.name):
        graph, as_float = frozen.graph.as_graph_def(), False  # the one before may be half changed
    if as_float:
        inputs = (inputs[0]._replace(dtype=np.dtype(np.float32)),)
    call = _of_graph(tf, graph, names, [tensor.name for tensor in frozen.outputs], options)
    return TensorflowEngine(tf, inputs, outputs, call)


def _spec(name: str, spec: Any) -> TensorSpec:
    shape = tuple(spec.shape.as_list()) if spec.shape.rank is not None else (None,)
    return TensorSpec(name, np.dtype(spec.dtype.as_numpy_dtype), shape)


def _is_image(inputs: Specs) -> bool:
    return len(inputs) == 1 and inputs[0].dtype == np.uint8 and len(inputs[0].shape) == 4


def _gpus(tf: Any) -> list[Any]:
    return list(tf.config.list_physical_devices("GPU"))


def _frozen(tf: Any, function: Any, inputs: int) -> Any | None:
    """Return *function* with its variables as constants, or None where something else is left that it needs."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(function)
    except (ValueError, tf.errors.OpError) as error:
        log.warning("model_not_frozen", reason=str(error)[:200])
        return None
    return frozen if len(frozen.inputs) == inputs else None


def _in_order(inputs: Specs, names: Sequence[str]) -> Specs:
    """Return *inputs* as the graph has them, whose tensors have these *names*."""
    order = {name.partition(":")[0]: place for place, name in enumerate(names)}
    return tuple(sorted(inputs, key=lambda spec: order.get(spec.name, len(order))))


class _Called:
    """A *function* called as it is, with what it lives by."""

    def __init__(self, tf: Any, function: Any, source: Any, inputs: Specs, outputs: Specs) -> None:
        self._tf, self._function, self._source = tf, function, source
        self._inputs, self._outputs = inputs, outputs

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        tensors = {
            spec.name: self._tf.convert_to_tensor(array) for spec, array in zip(self._inputs, arrays, strict=True)
        }
        found = self._function(**tensors)
        return [found[spec.name].numpy() for spec in self._outputs]


def _of_graph(tf: Any, graph_def: Any, feeds: Sequence[str], fetches: Sequence[str], options: EngineOptions) -> Call:
    """Return a call of a graph whose operations all run in the caller's thread.

    By default they go through a pool that all executions share, from core to core: executions side by side then take
    a quarter longer than in processes of their own.
    """
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.threads, inter_op_parallelism_threads=_IN_CALLERS_THREAD
    )
    _limit_gpus(config.gpu_options, options)
    session = tf.compat.v1.Session(graph=graph, config=config)
    called: Call = session.make_callable(list(fetches), feed_list=list(feeds))
    return called


def _limit_gpus(gpu_options: Any, options: EngineOptions) -> None:
    """Say to a session what ``_prepare_process`` says to the process: they share what they have of a GPU."""
    if options.device_cap_bytes:
        gpu_options.experimental.virtual_devices.add(memory_limit_mb=[options.device_cap_bytes // 2**20])
    else:
        gpu_options.allow_growth = True


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
        return _engine(tf, _of_keras_file(tf, model_file), options)
    loaded, function = _of_saved_model(tf, model_file.parent)
    return _engine(tf, function, options, source=loaded)
