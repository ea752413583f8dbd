"""An ONNX network with its bulk in 8 bits, by ONNX Runtime's static quantization on pictures of a calibration set.

Scales are written beside the tensors (QDQ), symmetric, for each channel of the weights: the form that TensorRT builds
from. The network's end, where boxes and scores are made, stays in 32 bits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_OPERATIONS = ["Conv", "ConvTranspose", "Gemm"]


def quantized(source: Path, target: Path, inputs: Iterator[Mapping[str, np.ndarray]], *, leave: str) -> str:
    """Write the ONNX model *source* to *target* in 8 bits; return ONNX Runtime's version.

    *inputs* are those of a calibration set, one picture each, without the batch axis. Nodes with *leave* in their names
    stay as they are.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        left = [node.name for node in onnx.load(str(prepared)).graph.node if leave in node.name]
        quantize_static(
            str(prepared),
            str(target),
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATIONS,
            nodes_to_exclude=left,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )
    return str(onnxruntime.__version__)


class _Reader:
    """Gives the calibration's inputs one by one, as ONNX Runtime asks for them."""

    def __init__(self, inputs: Iterator[Mapping[str, np.ndarray]]) -> None:
        self._inputs = inputs

    def get_next(self) -> dict[str, Any] | None:
        given = next(self._inputs, None)
        return None if given is None else {name: array[np.newaxis] for name, array in given.items()}

    def set_range(self, start_index: int, end_index: int) -> None:
        """Nothing: calibration reads from the first to the last."""
