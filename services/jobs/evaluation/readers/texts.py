"""Files of text as people send them."""

from __future__ import annotations

from pathlib import Path

from chassis.errors import BadRequest


def text_of(file: Path) -> str:
    """Return what a file says; raises BadRequest where it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{file.name} is not UTF-8: {error.reason} at byte {error.start}") from error
