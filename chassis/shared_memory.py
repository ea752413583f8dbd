"""Bytes that processes of one machine hand to each other without sending them: in files that are memory.

A process puts bytes into its region and tells others where, in a small message; they read them there, so that no socket
carries them. What was put may be gone at any time, with its process or because something else has its place. Who reads
is told so then, and is never given anything else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chassis.errors import NotFound

FOLDER = Path("/dev/shm/servoir")
_LEAST_BYTES = 4096
_NUMBER_BYTES = 8
_NO_NUMBER = bytes(_NUMBER_BYTES)
_NAME = re.compile(r"region-[0-9a-f]{32}")
_UNLOCKED = ".new"
_ANYBODY_KEEPS_ITS_OWN = 0o1777
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Spot(NamedTuple):
    """Where bytes are: *size* of them, behind their *number* at *offset* in a region of a memory (``name_of``)."""

    memory: str
    region: str
    offset: int
    size: int
    number: int


def name_of(folder: Path) -> str:
    """Return a name of the memory behind *folder*: who has the same can read the same. '' where it cannot be used."""
    try:
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(_ANYBODY_KEEPS_ITS_OWN)
        found = folder.stat()
        seen = f"{_BOOT.read_text()}:{found.st_dev}:{found.st_ino}:{os.geteuid()}"
    except OSError:
        return ""
    return hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()


class Region:
    """A file of at most *most_bytes* in *folder* that this process alone writes to; not thread-safe.

    Room comes in powers of two. What was freed last is used first, since memory that was touched lately is quick.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Make it; raises OSError where that cannot be. It is removed by ``close``, or with the process."""
        self._memory = name_of(folder)
        if not self._memory:
            raise OSError(f"cannot be used: {folder}")
        _remove_abandoned(folder)
        self._name = f"region-{secrets.token_hex(16)}"
        self._file = _new_file(folder / self._name, most_bytes)
        self._most_bytes, self._used_bytes, self._taken = most_bytes, 0, 0
        self._free: dict[int, list[int]] = {}
        self._number = secrets.randbits(62)
        self.close = weakref.finalize(self, _remove, folder / self._name, self._file)

    def put(self, data: bytes | memoryview) -> Spot | None:
        """Return where *data* is from now on, until it is freed; None where there is no room, or after ``close``."""
        room = _room(len(data))
        offset = self._take(room) if self.close.alive else None
        if offset is None:
            return None
        self._number += 1
        spot = Spot(self._memory, self._name, offset, len(data), self._number)
        try:
            written = os.pwritev(self._file, [self._number.to_bytes(_NUMBER_BYTES), data], offset)
        except OSError:  # the machine has no more memory for it
            written = 0
        if written == _NUMBER_BYTES + len(data):
            return spot
        self._give_back(offset, room)
        return None

    def free(self, spot: Spot) -> None:
        """Let something else be put there. The number goes first: who still finds it after reading has read no more."""
        if self.close.alive and os.pwrite(self._file, _NO_NUMBER, spot.offset) == _NUMBER_BYTES:
            self._give_back(spot.offset, _room(spot.size))

    def _give_back(self, offset: int, room: int) -> None:
        self._free.setdefault(room, []).append(offset)
        self._taken -= 1
        if not self._taken:
            self._free.clear()
            self._used_bytes = 0

    def _take(self, room: int) -> int | None:
        """Return the offset of a free room, or of a part of a larger one; None where there is none."""
        found = room
        while found <= self._used_bytes and not self._free.get(found):
            found *= 2
        if free := self._free.get(found):
            offset = free.pop()
            while found > room:
                found //= 2
                self._free.setdefault(found, []).append(offset + found)
        elif self._used_bytes + room <= self._most_bytes:
            offset = self._used_bytes
            self._used_bytes += room
        else:
            return None
        self._taken += 1
        return offset


class _File(NamedTuple):
    """An open file, by its number, which keeps its size."""

    number: int
    size: int


class Reader:
    """Reads what others put into their regions in *folder*; thread-safe.

    Reading needs no lock: should its file be closed meanwhile, what comes of it does not have the number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._opening = threading.Lock()

    def read(self, spot: Spot) -> bytes:
        """Return the bytes at *spot*; raises NotFound where they are gone."""
        try:
            file = self._files.get(spot.region) or self._opened(spot.region)
            if spot.offset + spot.size < file.size:
                data = os.pread(file.number, spot.size, spot.offset + _NUMBER_BYTES)
                number = os.pread(file.number, _NUMBER_BYTES, spot.offset)
                if number == spot.number.to_bytes(_NUMBER_BYTES) and len(data) == spot.size:
                    return data
        except OSError as error:
            raise NotFound("the region of shared memory is gone") from error
        raise NotFound("the bytes in shared memory are gone")

    def _opened(self, region: str) -> _File:
        if not _NAME.fullmatch(region):
            raise NotFound("no region of shared memory has such a name")
        with self._opening:
            for name, file in list(self._files.items()):
                if not os.fstat(file.number).st_nlink:
                    os.close(self._files.pop(name).number)
            if region not in self._files:
                self._files[region] = _open(self._folder / region)
            return self._files[region]


def _room(size: int) -> int:
    """Return how much is set aside for *size* bytes and their number."""
    return 1 << max(_LEAST_BYTES, size + _NUMBER_BYTES).bit_length()


def _new_file(path: Path, size: int) -> int:
    """Return a new file at *path* that has our lock, and its size, from the moment that it is there.

    It takes memory as it is written to.
    """
    unlocked = path.with_suffix(_UNLOCKED)
    file = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.ftruncate(file, size)
    unlocked.rename(path)
    return file


def _remove(path: Path, file: int) -> None:
    path.unlink(missing_ok=True)
    os.close(file)


def _remove_abandoned(folder: Path) -> None:
    """Remove the regions of processes that were killed: nobody holds the lock on them."""
    for path in folder.iterdir():
        if not _NAME.fullmatch(path.name):
            continue
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _open(path: Path) -> _File:
    """Open a file of ours for reading; raises OSError, also where it is somebody else's."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    found = os.fstat(number)
    if found.st_uid != os.geteuid():
        os.close(number)
        raise PermissionError(f"not ours: {path}")
    return _File(number, found.st_size)
