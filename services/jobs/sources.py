"""Where a job's pictures come from: which folders and files of this machine may be named. Pure but for looking at them.

Only what lies below the configured roots is ever read, links followed: who may name it there is said by the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chassis.errors import BadRequest, Forbidden, NotFound

UPLOAD = "upload:"
_NAMED_UPLOADS = re.compile(rb'"upload:([0-9a-f]{32})"').findall


def is_upload(source: str) -> bool:
    """Return whether *source* names an upload."""
    return source.startswith(UPLOAD)


def uploads_named(parameters: bytes) -> set[str]:
    """Return the ids of the uploads that a job's parameters (JSON) name, whatever its kind and wherever they stand."""
    return {name.decode() for name in _NAMED_UPLOADS(parameters)}


def allowed_path(source: str, roots: Sequence[str], *, field: str) -> Path:
    """Return the real path of a folder or file that a job may read.

    Raises BadRequest where it is no absolute path, Forbidden where it is outside of all *roots*, NotFound where it is
    not there.
    """
    if not source.startswith("/") or "\0" in source:
        raise BadRequest(f"{field}: an absolute path below a folder that jobs may read, or upload:<id>")
    try:
        path = Path(source).resolve()
        inside = any(path.is_relative_to(Path(root).expanduser().resolve()) for root in roots)
        there = inside and (path.is_dir() or path.is_file())
    except (OSError, RuntimeError):
        raise BadRequest(f"{field}: a path that cannot be") from None
    if not inside:
        raise Forbidden(f"{field}: not below a folder that jobs may read (SERVOIR_JOBS_SOURCES)")
    if not there:
        raise NotFound(f"{field}: there is no such folder or file")
    return path


def listed_paths(path: Path, resolve: Callable[[str], Path]) -> Iterator[Path]:
    """Yield what a source stands for: itself, or where it is a list (``.txt``), what its lines name.

    A line holds a path, absolute or from the list's folder on; *resolve* returns the real one of an absolute path, and
    raises where it may not be read.
    """
    if not (path.is_file() and path.suffix.lower() == ".txt"):
        yield path
        return
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if name := line.strip():
                yield resolve(str(path.parent / name))
