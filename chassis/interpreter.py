"""The Python that runs this process, and whether it was built to be fast."""

from __future__ import annotations

import platform
import sysconfig

_WITH_PROFILE = "--enable-optimizations"


def optimised(options: str | None, profile_flag: str | None) -> bool:
    """Say whether a Python configured with *options* was compiled by a profile of itself.

    Distributions that do so in a way of their own leave no *profile_flag* in what they install.
    """
    return _WITH_PROFILE in (options or "") or not profile_flag


def is_optimised() -> bool:
    """Say so of this one. pyenv, and a plain ``./configure && make``, build one that is not."""
    return optimised(*sysconfig.get_config_vars("CONFIG_ARGS", "PGO_PROF_USE_FLAG"))


def version() -> str:
    """Return its version, with what has to be known to read figures that were taken with it."""
    return platform.python_version() if is_optimised() else f"{platform.python_version()}, built without optimisations"
