"""How a command ends when it cannot go on: a sentence on what is wrong, and one on what to do next."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of ``servoir``; 2, a wrong command line, is click's own."""

    OK = 0
    FAILED = 1
    REFUSED = 3
    """The suite answered that it will not: a bad request, an unknown model, no permission."""
    AWAY = 4
    """The suite does not run, or does not answer."""
    NOT_READY = 5
    """A part did not start, or has ended."""


class Stop(Exception):
    """Ends the command: *problem* says what is wrong, *advice* what to do next."""

    def __init__(self, problem: str, advice: str = "", *, code: Exit = Exit.FAILED) -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice
        self.code = code
