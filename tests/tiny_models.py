"""Models of a node or two, made out of nothing, in the formats of the frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any


def onnx_model(folder: Path, graph: str) -> Path:
    """Return a file with *graph* in ONNX's own notation: ``g (float[N,2] x) => (float[N,2] y) { y = Add(x, x) }``."""
    import onnx

    path = folder / "model.onnx"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}')
    path.write_bytes(model.SerializeToString())
    return path


def litert_model(folder: Path, signature: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Return a file whose model doubles and squares a number, as a converter leaves it.

    *signature* maps the outputs' names to its tensors'; without one the model has no signature.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    names = ["serving_default_number:0", "StatefulPartitionedCall:0", "StatefulPartitionedCall:1"]
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors = [_tensor(schema, name) for name in names]
    graph.inputs, graph.outputs = [0], [1, 2]
    graph.operators = [_operator(schema, "Add", 0, output=1), _operator(schema, "Mul", 1, output=2)]
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.operatorCodes = [_code(schema, schema.BuiltinOperator.ADD), _code(schema, schema.BuiltinOperator.MUL)]
    if signature:
        told = schema.SignatureDefT()
        told.signatureKey, told.subgraphIndex = "serving_default", 0
        told.inputs = [_named(schema, "number", 0)]
        told.outputs = [_named(schema, name, names.index(tensor)) for name, tensor in signature.items()]
        model.signatureDefs = [told]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "model.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(schema: Any, name: str) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.shapeSignature = name, [1, 1], [-1, 1]
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _operator(schema: Any, name: str, code: int, *, output: int) -> Any:
    """Return an operator that takes the input twice."""
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [0, 0], [output]
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name}Options")
    operator.builtinOptions = getattr(schema, f"{name}OptionsT")()
    return operator


def _code(schema: Any, builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code


def _named(schema: Any, name: str, tensor: int) -> Any:
    named = schema.TensorMapT()
    named.name, named.tensorIndex = name, tensor
    return named
