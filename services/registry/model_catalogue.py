"""The models as a gateway sees them: a copy of the registry's, kept fresh by itself, that outlives the registry."""

from __future__ import annotations

import threading

from chassis.errors import BadRequest, NotFound, Unavailable
from chassis.rpc import registry_pb2 as pb
from services.registry.modelinfo import Modelinfo, parse_understood, resolve
from services.registry.stream import Stream


class ModelCatalogue:
    """Follows the registry's models in a thread of its own; answers from its last snapshot when that is away.

    Safe to use from several threads. Create and start it after a fork.
    """

    def __init__(self, address: str) -> None:
        self._known: tuple[list[Modelinfo], dict[str, str]] | None = None
        self._found: dict[tuple[str | None, str], Modelinfo] = {}
        """What this snapshot's models were asked for by; what cannot be found is not kept, so it has an end."""
        self._connected = threading.Event()
        self._stream = Stream(address, "models", lambda stub: stub.WatchModels(pb.WatchModelsRequest()), self._take)

    def start(self) -> None:
        """Start following; ``wait`` says when the first snapshot is there."""
        self._stream.start()

    def stop(self) -> None:
        """End the thread; what is known stays."""
        self._stream.stop()

    def wait(self, timeout_s: float) -> bool:
        """Return whether a first snapshot has come, waiting for it up to *timeout_s*."""
        return self._connected.wait(timeout_s)

    def models(self) -> list[Modelinfo]:
        """Return all models, in the order of their keys; raises Unavailable where none were ever learnt."""
        return list(self._snapshot()[0])

    def defaults(self) -> dict[str, str]:
        """Return which key answers each task where a request names no model; raises Unavailable."""
        return dict(self._snapshot()[1])

    def find(self, q: str | None, task: str) -> Modelinfo:
        """Return the model that *q* names, or the default for *task* where there is no *q*.

        Raises BadRequest (malformed *q*, a model that cannot do *task*, no *q* and no default), NotFound (unknown or
        retired) and Unavailable (the registry was never reached).
        """
        known = self._found
        found = known.get((q, task))
        if found is None:
            found = known[q, task] = self._find(q, task)
        return found

    def _find(self, q: str | None, task: str) -> Modelinfo:
        models, defaults = self._snapshot()
        text = q or defaults.get(task, "")
        if not text:
            raise BadRequest(f"no default model for {task}: name one with q=<org>-<problem>-<rel>")
        model = resolve(models, text)
        if model.status == "retired":
            raise NotFound(f"no such model any more, it is retired: {model.key}")
        if task not in model.tasks:
            raise BadRequest(f"{model.key} cannot do {task}; it can do {', '.join(model.tasks)}")
        return model

    def _snapshot(self) -> tuple[list[Modelinfo], dict[str, str]]:
        if self._known is None:
            raise Unavailable("the models are not known yet: the registry has not been reached", retry_after_s=1.0)
        return self._known

    def _take(self, snapshot: pb.ModelsSnapshot) -> None:
        models = parse_understood(model.modelinfo_json for model in snapshot.models)
        self._known = (models, dict(snapshot.default_keys))
        self._found = {}
        self._connected.set()
