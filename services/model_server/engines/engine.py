"""What runs a model: the seam between the server and a framework. One file here for each framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from services.model_server.exits import BadModelFolder


class TensorSpec(NamedTuple):
    """One input or output. The batch axis comes first; None stands where any size goes."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is to be opened.

    *threads* serve one execution; *concurrency* executions run side by side, and one guest beside them.
    *device_cap_bytes* bounds what the framework takes on an accelerator; 0 leaves it unbounded. *config* is the
    model's own, of which only echo reads. With *float_images* an engine may take uint8 images as floats where that
    loses nothing; its ``inputs`` say so.
    """

    threads: int = 1
    concurrency: int = 1
    device_cap_bytes: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    float_images: bool = False

    @property
    def side_by_side(self) -> int:
        """How many executions there are at most at a time, the guest included."""
        return self.concurrency + 1


class Engine(Protocol):
    """A loaded model."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int | None
    """The largest batch that the model itself takes, where it is bounded."""
    on_accelerator: bool
    """Whether something else than this machine's cores computes."""

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch, batch axis first. Thread-safe. Raises MemoryError when the framework ran out of memory."""
        ...

    def device_bytes(self) -> int:
        """Return what the model takes on its accelerator; 0 on a CPU, or where the framework does not tell."""
        ...


def the_one_file(files: Sequence[Path], *suffixes: str) -> Path:
    """Return the one of a model's *files* that ends in one of *suffixes*; BadModelFolder if there is none, or more."""
    found = [file for file in files if file.name.endswith(suffixes)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise BadModelFolder(f"the model's files must hold one that ends in {' or '.join(suffixes)}; found: {names}")
    return found[0]
