"""A model's tensors in the words of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from chassis.rpc import inference_pb2 as pb
from services.model_server.adapters.tensors import IMAGE, TASK
from services.model_server.adapters.wire_tensors import BYTES, datatype
from services.model_server.engines.engine import TensorSpec
from services.model_server.replica import Loaded
from services.registry.client import Modelinfo

_ENCODED_IMAGES = TensorSpec(IMAGE, np.dtype(object), (None, 1))


def server_version() -> str:
    """Return the version of the installed package; empty where the suite runs from a checkout."""
    try:
        return version("servoir")
    except PackageNotFoundError:
        return ""


def inputs_of(loaded: Loaded) -> tuple[TensorSpec, ...]:
    """Return what clients are told to send: encoded files to a model of images, else its own tensors."""
    return loaded.engine.inputs if loaded.adapter.tasks == {TASK} else (_ENCODED_IMAGES,)


def metadata(name: str, modelinfo: Modelinfo, loaded: Loaded) -> pb.ModelMetadataResponse:
    """Return the answer to ModelMetadata, shapes with the batch axis."""
    return pb.ModelMetadataResponse(
        name=name,
        versions=[modelinfo.rel_num],
        platform=modelinfo.framework_type,
        inputs=_tensors(inputs_of(loaded)),
        outputs=_tensors(loaded.engine.outputs),
    )


def model_config(name: str, modelinfo: Modelinfo, loaded: Loaded) -> pb.ModelConfig:
    """Return the model's configuration as Triton's clients know it, shapes without the batch axis."""
    return pb.ModelConfig(
        name=name,
        platform=modelinfo.framework_type,
        backend=modelinfo.framework_type,
        max_batch_size=loaded.capacity.max_batch_size,
        input=[
            pb.ModelInput(name=spec.name, data_type=_data_type(spec), dims=_dims(spec.shape[1:]))
            for spec in inputs_of(loaded)
        ],
        output=[
            pb.ModelOutput(name=spec.name, data_type=_data_type(spec), dims=_dims(spec.shape[1:]))
            for spec in loaded.engine.outputs
        ],
    )


def _dims(sizes: Iterable[int | None]) -> list[int]:
    return [-1 if size is None else size for size in sizes]


def _tensors(specs: Iterable[TensorSpec]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(
            name=spec.name, datatype=datatype(spec.dtype), shape=_dims([None, *spec.shape[1:]])
        )
        for spec in specs
    ]


def _data_type(spec: TensorSpec) -> str:
    """Return the name of the type in ``inference.DataType``."""
    name = datatype(spec.dtype)
    return "TYPE_STRING" if name == BYTES else f"TYPE_{name}"
