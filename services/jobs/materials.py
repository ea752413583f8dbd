"""Files that a job is told of, on the disk: a folder or file as it is, an archive unpacked into the job's folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import IO

from services.jobs.archives import BROKEN_MEMBER, is_archive, members, opened
from services.jobs.context import Context, Failed
from services.jobs.disk import is_full, require_room

_CHUNK_BYTES = 2**20


def materials(context: Context, source: str) -> Path:
    """Return the folder or file that *source* means; raises Failed, and what ``context.source`` raises."""
    path = context.source(source)
    if path.is_dir():
        files = [one for one in path.iterdir() if one.is_file()]
        if len(files) == 1 and is_archive(files[0].name):
            path = files[0]
    return _unpacked(context, path) if path.is_file() and is_archive(path.name) else path


def _unpacked(context: Context, archive: Path) -> Path:
    """Unpack *archive*, once, and return the folder; where it holds just one folder, that one."""
    target, draft = context.folder / "unpacked" / _place(archive), context.folder / "unpacking"
    if not target.exists():
        shutil.rmtree(draft, ignore_errors=True)
        try:
            _unpack(context, archive, draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _unpack(context: Context, archive: Path, target: Path) -> None:
    listed = [(place, _safe(name)) for place, name in members(archive, max_bytes=context.limits.unpacked_bytes)]
    wanted = [(place, name) for place, name in listed if name is not None]
    target.mkdir()
    for (_, name), member in zip(wanted, opened(archive, (place for place, _ in wanted)), strict=False):
        context.check()
        if member is None:
            raise Failed(f"{archive.name}: {name} cannot be read")
        try:
            _copy(context, member, target / name)
        except BROKEN_MEMBER as error:
            if isinstance(error, OSError) and is_full(error):
                raise Failed(f"the disk of jobs has no room to unpack {archive.name}: retry when it has") from error
            raise Failed(f"{archive.name}: {name} cannot be unpacked") from error


def _copy(context: Context, member: IO[bytes], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as copy:
        while chunk := member.read(_CHUNK_BYTES):
            context.check()
            require_room(file.parent, len(chunk), leave_bytes=context.limits.free_bytes)
            copy.write(chunk)


def _safe(name: str) -> str | None:
    """Return a member's name as a path below a folder; None for one that would leave it, and for hidden files."""
    path = PurePosixPath(name.replace("\\", "/"))
    fine = path.parts and not path.is_absolute() and not any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.as_posix() if fine and "\0" not in name else None


def _place(archive: Path) -> Path:
    """Return where an archive is unpacked: each in a place of its own, in a folder that has its name for people."""
    whole = hashlib.sha256(os.fsencode(archive.resolve())).hexdigest()
    return Path(whole[:16]) / (archive.name.split(".")[0] or "set")
