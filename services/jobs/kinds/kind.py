"""What a kind of job is: its parameters, its queue, and the function that does it.

To add one: a file ``services/jobs/kinds/<kind>.py`` with the Struct of its parameters and its ``Kind``, one line for
each in ``kinds/__init__.py``, and a module with ``run(context)`` that only workers import (the gateway imports the
parameters, so that file must stay light).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Annotated, NamedTuple, Protocol, cast

import msgspec

from services.jobs.context import Context
from services.registry.client import ModelCatalogue

DAY_S = 86_400.0


class Parameters(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every kind of job can be told; each kind's own Struct is a subclass with ``frozen=True, tag="<kind>"``.

    *keep_s* is how long the results are kept after the job's end; a *name* is for people.
    """

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    keep_s: Annotated[float, msgspec.Meta(ge=60, le=400 * DAY_S)] = 7 * DAY_S


class Submission(Protocol):
    """What a kind's ``check`` may look at, in the gateway, when a job is submitted; each raises what is wrong."""

    @property
    def models(self) -> ModelCatalogue:
        """The models that there are."""

    def check_model(self, key: str, task: str) -> str:
        """Return the full key of a model that this caller may use; raises BadRequest, NotFound, Forbidden."""

    def check_source(self, source: str, *, field: str) -> str:
        """Return where a folder or file of this machine (``/…``) or an upload (``upload:<id>``) is to be read.

        Raises BadRequest naming *field*, Forbidden where this caller may not name it, NotFound.
        """

    def require_admin(self) -> None:
        """Raise where the caller is no operator."""


class Kind(NamedTuple):
    """One kind of job: *work* names its function, as ``module:function``; it takes a Context.

    *check* is called in the gateway with the parameters and the Submission, returns the parameters as they are to be
    kept (a model's full key in place of its short one …), and raises what is wrong with them.
    """

    name: str
    parameters: type[Parameters]
    work: str
    check: Callable[[Parameters, Submission], Parameters]
    queue: str = "default"

    def run(self, context: Context) -> None:
        """Do *context*'s job; returns at its end, and raises what made it fail."""
        module, _, function = self.work.partition(":")
        work = cast(Callable[[Context], None], getattr(importlib.import_module(module), function))
        work(context)
