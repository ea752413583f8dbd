"""Trying again while a part is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_FIRST_S, _LONGEST_S = 0.2, 5.0
_TOLD_AT = 5


def patiently(
    ask: Callable[[], T],
    *,
    again_on: type[Exception] | tuple[type[Exception], ...],
    pause: Callable[[float], None] = time.sleep,
    say: Callable[[str], None] | None = None,
) -> T:
    """Return what *ask* returns, trying again after growing pauses for as long as it raises *again_on*.

    The error's own ``retry_after_s`` stands for a pause where it is longer. What *pause* raises ends the trying. *say*
    is told an error once it has come again a few times.
    """
    pause_s, tries = _FIRST_S, 0
    while True:
        try:
            return ask()
        except again_on as error:
            tries += 1
            if say and tries == _TOLD_AT:
                say(str(error))
            pause(max(pause_s, min(getattr(error, "retry_after_s", None) or 0.0, 60.0)))
            pause_s = min(_LONGEST_S, 2 * pause_s)
