"""ONNX models: their tensors named, their batch axis open, and their numbers halved. The only file that edits them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BATCH = "batch"
_FLOAT, _HALF = 1, 10  # TensorProto.DataType
_BEGINS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_GOES_ON = {
    *(
        "Add",
        "Sum",
        "Mul",
        "Sub",
        "BatchNormalization",
        "Clip",
        "Relu",
        "LeakyRelu",
        "PRelu",
        "HardSigmoid",
        "HardSwish",
    ),
    *("Pad", "MaxPool", "AveragePool", "GlobalAveragePool"),
}


def save(model: Any, path: Path) -> None:
    """Write *model*, having checked it."""
    import onnx

    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def read(path: Path) -> Any:
    """Return the ONNX model in a file."""
    import onnx

    return onnx.load_model_from_string(path.read_bytes())


def version() -> str:
    """Return the version of the package."""
    import onnx

    return str(onnx.__version__)


def foreign_operations(model: Any) -> list[str]:
    """Return the names of the operations in *model* that ONNX does not define."""
    import onnx

    return sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})


def input_shapes(model: Any) -> dict[str, list[int | None]]:
    """Return the shape of each input; None for a side that stays open."""
    return {it.name: [side.dim_value or None for side in it.type.tensor_type.shape.dim] for it in model.graph.input}


def named(model: Any, names: Mapping[str, str]) -> Any:
    """Return *model* with its inputs and outputs called as *names* says, and their first axis called ``batch``."""
    import onnx

    copy = onnx.ModelProto.FromString(model.SerializeToString())
    inner = {output for node in copy.graph.node for output in node.output} - set(names)
    aside = {new: f"{new}/inner" for new in names.values() if new in inner}
    renames = {**aside, **names}
    for node in copy.graph.node:
        for tensors in (node.input, node.output):
            for at, tensor in enumerate(tensors):
                tensors[at] = renames.get(tensor, tensor)
    for value in (*copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        value.name = renames.get(value.name, value.name)
    for value in (*copy.graph.input, *copy.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return copy


def halved(model: Any, *, leave: str) -> Any:
    """Return *model* with the network's bulk in 16 bits: convolutions and products, and what follows on them directly.

    Inputs and outputs stay in 32 bits, as does what comes behind a change of shape: where boxes and scores are made of
    the network's numbers, 16 bits would move them. Nodes with *leave* in their names stay, too.
    """
    import onnx

    copy = onnx.ModelProto.FromString(model.SerializeToString())
    weights = {it.name: it for it in copy.graph.initializer}
    halves = _half_tensors(copy, {name for name, it in weights.items() if it.data_type == _FLOAT}, leave)
    casts = _Casts(weights, halves)
    nodes = list(copy.graph.node)
    for node in nodes:
        inside = bool(halves & set(node.output))
        for at, tensor in enumerate(node.input):
            node.input[at] = casts.for_half(tensor) if inside else casts.for_float(tensor)
    ordered = casts.sorted_into(nodes)
    used = {tensor for node in ordered for tensor in node.input}
    del copy.graph.node[:], copy.graph.value_info[:], copy.graph.initializer[:]
    copy.graph.node.extend(ordered)
    copy.graph.initializer.extend(weight for name, weight in casts.weights.items() if name in used)
    return copy


def _half_tensors(model: Any, weights: set[str], leave: str) -> set[str]:
    """Return the tensors that are given in 16 bits."""
    kept = {it.name for it in model.graph.output}
    halves: set[str] = set()
    for node in model.graph.node:
        if leave in node.name or kept & set(node.output):
            continue
        flowing = [tensor for tensor in node.input if tensor and tensor not in weights]
        data = flowing if node.op_type not in ("Pad", "Clip") else flowing[:1]
        follows = node.op_type in _GOES_ON and data and all(tensor in halves for tensor in data)
        begins = node.op_type in _BEGINS and any(tensor in weights for tensor in node.input)
        if follows or begins:
            halves.update(node.output)
    return halves


class _Casts:
    """The casts between the two kinds of numbers, one for each tensor; weights are made anew instead."""

    def __init__(self, weights: Mapping[str, Any], halves: set[str]) -> None:
        self.weights, self._halves = dict(weights), halves
        self._made: dict[str, Any] = {}

    def for_half(self, tensor: str) -> str:
        """Return the tensor in 16 bits."""
        weight = self.weights.get(tensor)
        if weight is not None:
            return self._half_weight(tensor, weight) if weight.data_type == _FLOAT else tensor
        return tensor if not tensor or tensor in self._halves else self._cast(tensor, _HALF, "half")

    def for_float(self, tensor: str) -> str:
        """Return the tensor in 32 bits."""
        return self._cast(tensor, _FLOAT, "float") if tensor in self._halves else tensor

    def sorted_into(self, nodes: list[Any]) -> list[Any]:
        """Return *nodes* with each cast right behind what it casts, or in front where that is an input."""
        by_tensor = {cast.input[0]: cast for cast in self._made.values()}
        inner = {output for node in nodes for output in node.output}
        ordered = [cast for tensor, cast in by_tensor.items() if tensor not in inner]
        for node in nodes:
            ordered += [node, *(by_tensor[output] for output in node.output if output in by_tensor)]
        return ordered

    def _cast(self, tensor: str, to: int, suffix: str) -> str:
        import onnx

        name = f"{tensor}/{suffix}"
        if name not in self._made:
            self._made[name] = onnx.helper.make_node("Cast", [tensor], [name], name=f"{name}/Cast", to=to)
        return name

    def _half_weight(self, tensor: str, weight: Any) -> str:
        import numpy as np
        import onnx

        name = f"{tensor}/half"
        if name not in self.weights:
            largest = np.finfo(np.float16).max
            array = onnx.numpy_helper.to_array(weight).clip(-largest, largest).astype(np.float16)
            self.weights[name] = onnx.numpy_helper.from_array(array, name)
        return name
