"""The token that changes to a suite need: given, or made once for a suite and kept where only its user reads it."""

from __future__ import annotations

import secrets
from pathlib import Path

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
    path = _path(settings)
    if not read(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return read(settings)


def _path(settings: Settings) -> Path:
    return settings.home / "run" / "admin_token"
