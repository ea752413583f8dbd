"""The token that changes to a suite need: given, or made once for a suite and kept where only its user reads it."""

from __future__ import annotations

import secrets
from pathlib import Path

from chassis.whole_file import write_whole
from cli.settings import Settings


def read(settings: Settings) -> str:
    """Return the token; empty where none was given or made."""
    path = _path(settings)
    try:
        return settings.admin_token or path.read_text().strip()
    except OSError:
        return ""


def make(settings: Settings) -> str:
    """Return the token, made first where there is none."""
    if not read(settings):
        write_whole(_path(settings), secrets.token_urlsafe(24))
    return read(settings)


def _path(settings: Settings) -> Path:
    return settings.home / "run" / "admin_token"
