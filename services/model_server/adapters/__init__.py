"""The adapters by ``dnnarch``: a new kind of network is one file here and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chassis.errors import BadRequest
from services.model_server.adapters.adapter import Adapter, Frame, Prepared
from services.model_server.adapters.centernet import Centernet
from services.model_server.adapters.classifier import Classifier
from services.model_server.adapters.echo import Echo
from services.model_server.adapters.ego_lane import EgoLane
from services.model_server.adapters.lane_lines import LaneLines
from services.model_server.adapters.person_mask import PersonMask
from services.model_server.adapters.segmentation import Segmentation
from services.model_server.adapters.ssd import Ssd
from services.model_server.adapters.tensors import TASK, Tensors, WithTensors
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo

__all__ = ["ADAPTERS", "Adapter", "Frame", "Prepared", "adapter_for"]

ADAPTERS: dict[str, Callable[[Modelinfo, Sequence[TensorSpec]], Adapter]] = {
    "deeplabv3_mnv2": Segmentation,
    "echo": Echo,
    "efficientnet_lite0": Classifier,
    "mb3_centernet": Centernet,
    "mlnd_lane_fcn": EgoLane,
    "selfie_segmentation": PersonMask,
    "ssd_mobilenet_v2": Ssd,
    "tensor": Tensors,
    "twinlitenet_lane": LaneLines,
}


def adapter_for(modelinfo: Modelinfo, inputs: Sequence[TensorSpec] = ()) -> Adapter:
    """Return the adapter of *modelinfo* to an engine that takes *inputs*; whatever its kind, it can do ``tensor`` too.

    Without *inputs* only the ``config`` is checked. Raises BadRequest for an unknown ``dnnarch`` and for a ``config``
    that the adapter does not take, or that does not fit the inputs.
    """
    if modelinfo.dnnarch not in ADAPTERS:
        raise BadRequest(f"unknown dnnarch {modelinfo.dnnarch!r}: one of {', '.join(sorted(ADAPTERS))}")
    adapter = ADAPTERS[modelinfo.dnnarch](modelinfo, inputs)
    return adapter if TASK in adapter.tasks else WithTensors(adapter, inputs)
