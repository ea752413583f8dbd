"""A file that is whole at every moment: who reads it finds what was there before, or all that is there now."""

from __future__ import annotations

import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put *text* into the file at *path*, for this user alone to read; its folder is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as draft:
        unfinished = Path(draft.name)
        try:
            draft.write(text)
            draft.close()
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink()
            raise
