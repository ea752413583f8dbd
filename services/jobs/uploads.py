"""Upload sessions: files that a client sends for its jobs, in parts where they are large.

A session is a folder, ``<jobs_folder>/uploads/<id>``: ``about.json``, ``used`` (bytes and files so far) and ``files/``.
It lasts a day after its last part, and longer where a job needs it yet (expiry.py).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from chassis.errors import BadRequest, NotFound, TooLarge, WrongState
from services.jobs.journal import replaced

_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ ()+-]{0,199}").fullmatch
KEPT_S = 86_400.0


class _About(msgspec.Struct):
    client_id: str
    created_s: float


class Upload(NamedTuple):
    """One session; *client_id* is whose it is."""

    id: str
    client_id: str
    created_s: float
    path: Path

    @property
    def files(self) -> Path:
        """The folder of its files."""
        return self.path / "files"

    @property
    def expires_s(self) -> float:
        """When it goes where no job needs it, in seconds since 1970."""
        return self.files.stat().st_mtime + KEPT_S

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file."""
        return {path.name: path.stat().st_size for path in sorted(self.files.iterdir())}


class Uploads:
    """All sessions below a folder, each at most *max_bytes* and *max_files* large."""

    def __init__(self, folder: Path, *, max_bytes: int, max_files: int, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._max_bytes, self._max_files, self._clock = folder, max_bytes, max_files, clock

    def create(self, client_id: str) -> Upload:
        """Begin a session."""
        upload = Upload(secrets.token_hex(16), client_id, self._clock(), self._folder)
        upload = upload._replace(path=self._folder / upload.id)
        upload.files.mkdir(parents=True)
        with replaced(upload.path / "about.json") as file:
            file.write(msgspec.json.encode(_About(client_id, upload.created_s)))
        return upload

    def upload(self, id: str, *, client_id: str | None) -> Upload:
        """Return a client's session, or with None anybody's; raises NotFound."""
        path = self._folder / id
        try:
            about = msgspec.json.decode((path / "about.json").read_bytes(), type=_About) if _ID(id) else None
        except (OSError, msgspec.MsgspecError):
            about = None
        if about is None or client_id not in (None, about.client_id):
            raise NotFound("no such upload")
        return Upload(id, about.client_id, about.created_s, path)

    def add(self, upload: Upload, name: str, offset: int, part: bytes | bytearray) -> int:
        """Write a part of a file at *offset*, which must be its size so far; return its size then.

        Raises BadRequest for a name with folders and the like,
        WrongState where the offset is another, TooLarge over the session's limits.
        """
        if not _NAME(name):
            raise BadRequest("a file's name: letters, digits and ._ ()+- only, at most 200, not beginning with a dot")
        with (upload.path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = upload.files / name
            size = path.stat().st_size if path.exists() else None
            if offset != (size or 0):
                raise WrongState(f"the file has {size or 0} bytes so far: the next part begins there, not at {offset}")
            self._use(upload, len(part), size is None)
            with path.open("ab") as file:
                file.write(part)
            os.utime(upload.files, (self._clock(), self._clock()))
        return offset + len(part)

    def _use(self, upload: Upload, size: int, is_new: bool) -> None:
        used = upload.path / "used"
        bytes_used, files = map(int, used.read_text().split()) if used.exists() else (0, 0)
        if bytes_used + size > self._max_bytes:
            raise TooLarge(f"an upload may have {self._max_bytes} bytes")
        if files + is_new > self._max_files:
            raise TooLarge(f"an upload may have {self._max_files} files")
        with replaced(used) as file:
            file.write(f"{bytes_used + size} {files + is_new}".encode())

    def remove(self, upload: Upload) -> None:
        """End a session; its files go."""
        shutil.rmtree(upload.path, ignore_errors=True)

    def expired(self) -> Iterator[Upload]:
        """Yield the sessions that have expired."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                upload = self.upload(path.name, client_id=None)
                if upload.expires_s < self._clock():
                    yield upload
            except (NotFound, OSError):
                continue


def uploads_of(jobs_folder: Path, *, max_bytes: int = 0, max_files: int = 0) -> Uploads:
    """Return the sessions below the folder of all jobs; without limits to read them only."""
    return Uploads(jobs_folder / "uploads", max_bytes=max_bytes, max_files=max_files)
