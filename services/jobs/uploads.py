"""Upload sessions: files that a client sends for its jobs, in parts where they are large.

A session is a folder, ``<jobs_folder>/uploads/<id>``: ``about.json``, ``used`` (bytes and files so far) and ``files/``.
It lasts a day after its last part, and longer where a job needs it yet (expiry.py). The ids of a client's sessions
begin alike: what they hold together is known without a look at anybody else's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from chassis.errors import BadRequest, NotFound, TooBusy, TooLarge, Unavailable, WrongState
from services.jobs.disk import free_bytes, is_full, require_room
from services.jobs.journal import replaced
from services.jobs.limits import NO_UPLOADS, UploadLimits

_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ ()+-]{0,199}").fullmatch
_RETRY_AFTER_S = 60.0
_ADVICE = "end one (GET /uploads lists them, DELETE /uploads/<id> ends one), or wait until one expires"
KEPT_S = 86_400.0


class _About(msgspec.Struct):
    client_id: str
    created_s: float


class Used(NamedTuple):
    """What a session holds."""

    bytes: int = 0
    files: int = 0


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

    @property
    def used(self) -> Used:
        """What it holds so far."""
        return _used(self.path)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file."""
        return {path.name: path.stat().st_size for path in sorted(self.files.iterdir())}


class Uploads:
    """All sessions below a folder, within *limits*; *free_bytes* says how much room there is on a folder's disk."""

    def __init__(
        self,
        folder: Path,
        limits: UploadLimits,
        *,
        clock: Callable[[], float] = time.time,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._folder, self._limits, self._clock, self._free_bytes = folder, limits, clock, free_bytes

    def create(self, client_id: str) -> Upload:
        """Begin a session; raises TooBusy where the client has too many, Unavailable where the disk is full."""
        with self._held(client_id):
            if len(self.of(client_id)) >= self._limits.client_uploads:
                raise TooBusy(f"a client may have {self._limits.client_uploads} uploads at a time: {_ADVICE}")
            self._require_room(0)
            name = _beginning(client_id) + secrets.token_hex(8)
            upload = Upload(name, client_id, self._clock(), self._folder / name)
            try:
                upload.files.mkdir(parents=True)
                with replaced(upload.path / "about.json") as file:
                    file.write(msgspec.json.encode(_About(client_id, upload.created_s)))
            except OSError:
                self.remove(upload)
                raise
        return upload

    def of(self, client_id: str | None) -> list[Upload]:
        """Return a client's sessions, or with None everybody's, oldest first."""
        found = []
        for path in self._paths(client_id):
            with suppress(NotFound):
                found.append(self.upload(path.name, client_id=client_id))
        return sorted(found, key=lambda upload: upload.created_s)

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

        Raises BadRequest for a name with folders and the like, WrongState where the offset is another, TooLarge over a
        limit of the session or of its client, Unavailable where the disk is full; nothing of the part is left then.
        """
        if not _NAME(name):
            raise BadRequest("a file's name: letters, digits and ._ ()+- only, at most 200, not beginning with a dot")
        path = upload.files / name
        with self._held(upload.client_id):
            size = path.stat().st_size if path.exists() else None
            if offset != (size or 0):
                raise WrongState(f"the file has {size or 0} bytes so far: the next part begins there, not at {offset}")
            used = self._used_with(upload, len(part), is_new=size is None)
            self._require_room(len(part))
            try:
                with path.open("ab") as file:
                    file.write(part)
                with replaced(upload.path / "used") as file:
                    file.write(f"{used.bytes} {used.files}".encode())
            except OSError:
                _cut(path, size)
                raise
            os.utime(upload.files, (self._clock(), self._clock()))
        return offset + len(part)

    def _used_with(self, upload: Upload, size: int, *, is_new: bool) -> Used:
        """Return what a session holds with so many bytes more; raises TooLarge."""
        limits, before = self._limits, upload.used
        used = Used(before.bytes + size, before.files + is_new)
        if used.bytes > limits.upload_bytes:
            raise TooLarge(f"an upload may have {limits.upload_bytes} bytes")
        if used.files > limits.upload_files:
            raise TooLarge(f"an upload may have {limits.upload_files} files")
        if size + sum(_used(path).bytes for path in self._paths(upload.client_id)) > limits.client_bytes:
            raise TooLarge(f"the uploads of a client may have {limits.client_bytes} bytes together: {_ADVICE}")
        return used

    def _require_room(self, size: int) -> None:
        require_room(self._folder, size, leave_bytes=self._limits.free_bytes, free_bytes=self._free_bytes)

    def remove(self, upload: Upload) -> None:
        """End a session; its files go."""
        shutil.rmtree(upload.path, ignore_errors=True)

    def expired(self) -> Iterator[Upload]:
        """Yield the sessions that have expired."""
        for upload in self.of(None):
            with suppress(OSError):
                if upload.expires_s < self._clock():
                    yield upload

    def _paths(self, client_id: str | None) -> list[Path]:
        beginning = "" if client_id is None else _beginning(client_id)
        paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [path for path in paths if path.name.startswith(beginning) and _ID(path.name)]

    @contextmanager
    def _held(self, client_id: str) -> Iterator[None]:
        """Hold all sessions of a client, as its limits are for what comes at once too; translates a full disk."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{_beginning(client_id)}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            if is_full(error):
                words = "the disk has no room for uploads at the moment: try again later"
                raise Unavailable(words, retry_after_s=_RETRY_AFTER_S) from error
            raise


def uploads_of(jobs_folder: Path, limits: UploadLimits = NO_UPLOADS) -> Uploads:
    """Return the sessions below the folder of all jobs; without limits to read them only."""
    return Uploads(jobs_folder / "uploads", limits)


def _beginning(client_id: str) -> str:
    """Return the first half of the ids of a client's sessions; the other is drawn."""
    return hashlib.sha256(client_id.encode()).hexdigest()[:16]


def _used(session: Path) -> Used:
    try:
        return Used(*map(int, (session / "used").read_text().split()))
    except FileNotFoundError:
        return Used()


def _cut(path: Path, size: int | None) -> None:
    """Bring a file back to what it was: *size* bytes long, or with None not there."""
    with suppress(OSError):
        if size is None:
            path.unlink()
        else:
            os.truncate(path, size)
