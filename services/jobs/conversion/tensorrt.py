"""Builds TensorRT engines from ONNX: the only file outside the engine that imports TensorRT.

``tensorrt_rtx`` builds ahead of time, on a machine without a GPU, for GPUs that are named; ``tensorrt`` builds for the
GPU that is here. The network's own types are kept (strongly typed): 16 and 8 bits are said in the ONNX model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from chassis.errors import BadRequest, Unavailable

_MODULES = ("tensorrt_rtx", "tensorrt")
GPUS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")


class Profile(NamedTuple):
    """Batch sizes that an engine takes: the smallest, the one that it is fastest at, the largest."""

    least: int
    best: int
    most: int


class Built(NamedTuple):
    """An engine, what built it, and for which GPUs."""

    engine: bytes
    builder: str
    gpus: tuple[str, ...]


def build(model: bytes, shapes: Mapping[str, Sequence[int | None]], profile: Profile, gpus: Sequence[str]) -> Built:
    """Return the engine of an ONNX *model* whose inputs have *shapes* (batch axis first), for *gpus* such as ``sm89``.

    Raises BadRequest saying what TensorRT does not take, Unavailable where it is not installed.
    """
    trt = _tensorrt()
    logger = _logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        told = "; ".join(str(parser.get_error(at).desc()) for at in range(parser.num_errors))
        raise BadRequest(f"TensorRT does not take the model: {told[:400]}")
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, shapes, profile))
    chosen = _choose_gpus(trt, config, gpus)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise BadRequest(f"TensorRT cannot build the model: {'; '.join(logger.said[-3:])[:400]}")
    return Built(bytes(engine), f"{trt.__name__} {trt.__version__}", chosen)


def _tensorrt() -> Any:
    for name in _MODULES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise Unavailable("TensorRT is not installed where the job runs: pip install -e '.[tensorrt]' in the checkout")


def _logger(trt: Any) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]
        """Keeps what TensorRT complains of."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, text: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.said.append(text)

    return Logger()


def _strongly_typed(trt: Any) -> int:
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _profile(builder: Any, shapes: Mapping[str, Sequence[int | None]], profile: Profile) -> Any:
    made = builder.create_optimization_profile()
    for name, shape in shapes.items():
        if None in shape[1:]:
            raise BadRequest(f"TensorRT needs pictures of one size; {name} takes {list(shape[1:])}")
        sides = [side for side in shape[1:] if side is not None]
        made.set_shape(name, *((size, *sides) for size in profile))
    return made


def _choose_gpus(trt: Any, config: Any, gpus: Sequence[str]) -> tuple[str, ...]:
    """Have the engine built for *gpus*; a TensorRT that builds for the GPU at hand alone says so."""
    if not hasattr(trt, "ComputeCapability"):
        return ("the GPU of the builder",)
    config.num_compute_capabilities = len(gpus)
    for place, name in enumerate(gpus):
        config.set_compute_capability(getattr(trt.ComputeCapability, name.upper()), place)
    return tuple(gpus)
