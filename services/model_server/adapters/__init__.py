"""The adapters by ``dnnarch``: a new kind of network is one file here and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chassis.errors import BadRequest
from services.model_server.adapters.adapter import Adapter, Frame, Prepared
from services.model_server.adapters.echo import Echo
from services.model_server.adapters.ssd import Ssd
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo

__all__ = ["ADAPTERS", "Adapter", "Frame", "Prepared", "adapter_for"]

ADAPTERS: dict[str, Callable[[Modelinfo, Sequence[TensorSpec]], Adapter]] = {
    "echo": Echo,
    "ssd_mobilenet_v2": Ssd,
}


def adapter_for(modelinfo: Modelinfo, inputs: Sequence[TensorSpec] = ()) -> Adapter:
    """Return the adapter of *modelinfo* to an engine that takes *inputs*.

    Without *inputs* only the ``config`` is checked. Raises BadRequest for an unknown ``dnnarch`` and for a ``config``
    that the adapter does not take, or that does not fit the inputs.
    """
    if modelinfo.dnnarch not in ADAPTERS:
        raise BadRequest(f"unknown dnnarch {modelinfo.dnnarch!r}: one of {', '.join(sorted(ADAPTERS))}")
    return ADAPTERS[modelinfo.dnnarch](modelinfo, inputs)
