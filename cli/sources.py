"""How a job is told of files: by their path, where the suite runs on this machine, else as an upload."""

from __future__ import annotations

from pathlib import Path

from cli.errors import Stop
from cli.jobs import UPLOAD, BackgroundJobs
from cli.suite import Suite


def as_source(suite: Suite, found: BackgroundJobs, source: str, *, upload: bool) -> str:
    """Return what a job is told to read for *source*, a path or ``upload:ID``; files are sent where they must be.

    A folder that is sent loses its folders: what has them, a folder for each class, is sent as an archive.
    """
    if source.startswith(UPLOAD):
        return source
    path = Path(source).expanduser()
    if not path.exists():
        raise Stop(f"no such file or folder: {path}", "Name a folder, an archive, or a file.")
    return found.upload([path]) if upload or suite.settings.url else str(path.resolve())
