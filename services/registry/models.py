"""The models and defaults in memory, as MongoDB has them: read from here, written there first."""

from __future__ import annotations

import threading
from typing import NamedTuple

from chassis import logs, metrics
from chassis.errors import BadRequest, NotFound, Unavailable
from services.registry.feed import Feed
from services.registry.keys import release_order
from services.registry.modelinfo import STATUSES_BEFORE, TASKS, Modelinfo, resolve
from services.registry.store import Store

log = logs.logger()
MODELS = metrics.Gauge("servoir_registry_models", "models by status", ["status"])


class Snapshot(NamedTuple):
    """All models in the order of their keys, oldest release first, and the default key of each task."""

    models: list[Modelinfo]
    defaults: dict[str, str]


class Models:
    """The registry's models; reads need no MongoDB, writes raise Unavailable without it.

    ``feed`` gives each newer Snapshot, whichever process changed it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reloading = threading.Lock()
        self.feed = Feed(Snapshot([], {}))

    def reload(self) -> None:
        """Read everything again; raises Unavailable."""
        with self._reloading:
            models = sorted(
                self._store.models(), key=lambda it: (it.org_name, it.problem_id, release_order(it.rel_num))
            )
            snapshot = Snapshot(models, self._store.defaults())
            if snapshot == self.feed.value:
                return
            self.feed.put(snapshot)
        for status in STATUSES_BEFORE:
            MODELS.labels(status).set(sum(model.status == status for model in models))

    def find(self, key: str) -> Modelinfo:
        """Return the model of a key; one that another process has just published is found too."""
        try:
            return resolve(self.feed.value.models, key)
        except NotFound:
            self.reload_if_there()
            return resolve(self.feed.value.models, key)

    def select(self, org_name: str, problem_id: str) -> list[Modelinfo]:
        """Return the models of an organisation and a problem; an empty one stands for all."""
        return [
            model
            for model in self.feed.value.models
            if org_name in ("", model.org_name) and problem_id in ("", model.problem_id)
        ]

    def publish(self, modelinfo: Modelinfo, *, actor: str) -> Modelinfo:
        """Store a new model; one that is there already is a no-op. Raises Conflict."""
        kept, new = self._store.publish(modelinfo, actor=actor)
        if new:
            log.info("model_published", model_key=kept.key, actor=actor)
        self.reload_if_there()
        return kept

    def set_status(self, key: str, status: str, *, actor: str, detail: str = "") -> Modelinfo:
        """Release or retire a model, *detail* in its history; raises BadRequest, NotFound, WrongState."""
        if status not in STATUSES_BEFORE:
            raise BadRequest(f"status: {status[:64]!r} is none of {', '.join(STATUSES_BEFORE)}")
        model = self.find(key)
        moved = self._store.set_status(model.key, status, actor=actor, detail=detail)
        log.info("model_status_set", model_key=model.key, status=status, actor=actor)
        self.reload_if_there()
        return moved

    def set_default(self, task: str, key: str, *, actor: str) -> None:
        """Let *key* answer *task*, or no model where it is empty; raises BadRequest, NotFound, WrongState."""
        if task not in TASKS:
            raise BadRequest(f"task: {task[:64]!r} is none of {', '.join(TASKS)}")
        if key:
            model = self.find(key)
            if task not in model.tasks:
                raise BadRequest(f"{model.key} cannot do {task}; it can do {', '.join(model.tasks)}")
        self._store.set_default(task, key, actor=actor)
        log.info("default_set", task=task, model_key=key, actor=actor)
        self.reload_if_there()

    def reload_if_there(self) -> None:
        """Read again what was just written; where MongoDB went away meanwhile, ``follower.py`` does it later."""
        try:
            self.reload()
        except Unavailable:
            log.warning("models_not_reloaded")
