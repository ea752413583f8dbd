"""The exit codes of a model server, and the errors that end its start with one: a supervisor can tell them apart."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What the process's exit code says."""

    DRAINED = 0
    BAD_SETTINGS = 2
    CANNOT_BIND = 3
    BAD_MODEL = 4
    DOES_NOT_FIT = 5
    OVER_CAP = 6
    ENGINE_LOST = 7


class CannotServe(Exception):
    """The model cannot be served; the text says why and what to do. Ends the process with *code*."""

    code: ClassVar[Exit] = Exit.BAD_MODEL


class BadModelFolder(CannotServe):
    """The model's folder lacks something, or a file is not what modelinfo says."""


class MissingPackage(CannotServe):
    """The engine's framework is not installed; the text names the extra to install."""


class LoadFailed(CannotServe):
    """The framework, or the accelerator, refused the model."""


class DoesNotFit(CannotServe):
    """Loading the model takes more memory than its cap."""

    code = Exit.DOES_NOT_FIT
