"""One live model server: what all its gRPC services share, and whether they may take work now."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import NamedTuple

from chassis.errors import Unavailable
from chassis.rpc import model_server_pb2 as pb
from services.model_server.adapters.adapter import Adapter
from services.model_server.engines.engine import Engine
from services.model_server.memory import MemoryCap
from services.model_server.pipeline import Pipeline
from services.registry.client import Modelinfo


class Loaded(NamedTuple):
    """A model ready for work."""

    engine: Engine
    adapter: Adapter
    pipeline: Pipeline
    capacity: pb.Capacity


class State(Enum):
    """Where a replica is in its life; it only goes forward."""

    LOADING = "loading"
    SERVING = "serving"
    DRAINING = "draining"


class Replica:
    """The model of this process: loading, then serving, then draining. Thread-safe."""

    def __init__(self, modelinfo: Modelinfo, memory: MemoryCap) -> None:
        self.modelinfo = modelinfo
        self.memory = memory
        self.instance_id = uuid.uuid4().hex
        self.drain_asked = threading.Event()
        self._state = State.LOADING
        self._loaded: Loaded | None = None
        self._at_hand = 0
        self._changed = threading.Condition()

    @property
    def state(self) -> State:
        """Where the replica is in its life."""
        return self._state

    @property
    def loaded(self) -> Loaded:
        """The model, also while draining; raises Unavailable before it is ready."""
        if self._loaded is None:
            raise Unavailable("the model is still loading", retry_after_s=1.0)
        return self._loaded

    @property
    def batches_at_hand(self) -> int:
        """How many batches are being worked on."""
        return self._at_hand

    def serve(self, loaded: Loaded) -> None:
        """Take work from now on; one that is to drain already takes none."""
        with self._changed:
            self._loaded = loaded
            self._state = State.SERVING if self._state is State.LOADING else self._state

    def drain(self) -> None:
        """Take no new work."""
        with self._changed:
            self._state = State.DRAINING

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait for the batches at hand; return whether all are finished."""
        with self._changed:
            return self._changed.wait_for(lambda: self._at_hand == 0, timeout_s)

    @contextmanager
    def working(self) -> Iterator[Loaded]:
        """Give the model to a batch; raises Unavailable while loading or draining.

        A MemoryError that leaves the batch ends the process: nothing after it can be relied on.
        """
        with self._changed:
            loaded = self.loaded
            if self._state is State.DRAINING:
                raise Unavailable("this model server is draining", retry_after_s=1.0)
            self._at_hand += 1
        try:
            yield loaded
        except MemoryError as error:
            self.memory.out_of_memory(error)
            raise
        finally:
            with self._changed:
                self._at_hand -= 1
                self._changed.notify_all()
