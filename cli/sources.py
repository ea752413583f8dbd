"""How a job is told of files: by their path, where the suite runs on this machine, else as an upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli.errors import Stop
from cli.jobs import UPLOAD, BackgroundJobs
from cli.suite import Suite


def is_upload(source: str) -> bool:
    """Say whether a source is an upload that was made before."""
    return source.startswith(UPLOAD)


def as_sources(suite: Suite, found: BackgroundJobs, sources: Sequence[str], *, upload: bool) -> str | list[str]:
    """Return what a job is to read: paths, where the suite runs on this machine, else an upload of the files.

    A folder that is sent loses its folders: what has them, a folder for each class, is sent as an archive.
    """
    if all(map(is_upload, sources)):
        return sources[0] if len(sources) == 1 else list(sources)
    paths = [Path(source).expanduser() for source in sources]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise Stop(f"no such file or folder: {', '.join(missing)}", "Name pictures, folders, archives or lists.")
    if upload or suite.settings.url:
        return found.upload(paths)
    named = [str(path.resolve()) for path in paths]
    return named[0] if len(named) == 1 else named
