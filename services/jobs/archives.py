"""Pictures in zip and tar files, read one by one and never unpacked to disk: no name of theirs becomes a path.

A member is known by its place in the archive, as names may come twice. Links, devices and the like are passed over;
what a member says of its size is held against a limit, and no more than the limit is ever read of it.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from services.jobs.context import Failed

_ZIPS = (".zip",)
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
"""What reading a broken archive raises; RuntimeError as well, for an encrypted member."""


def is_archive(name: str) -> bool:
    """Return whether a file is an archive, by its name."""
    return name.lower().endswith((*_ZIPS, *_TARS))


def members(path: Path, *, max_bytes: int) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each regular file in an archive, in its order.

    Raises Failed where it cannot be read, or would unpack to more than *max_bytes*.
    """
    unpacked = 0
    try:
        for place, name, size in _zip_members(path) if _is_zip(path) else _tar_members(path):
            unpacked += size
            if unpacked > max_bytes:
                raise Failed(f"{path.name} unpacks to more than the {max_bytes} bytes that are allowed")
            yield place, name
    except (*BROKEN, RuntimeError) as error:
        raise _unreadable(path) from error


def contents(path: Path, places: Iterable[int], *, max_bytes: int) -> Iterator[bytes | None]:
    """Yield what the members at *places* (ascending) hold, up to one byte over *max_bytes*; None for a broken one.

    Raises Failed where the archive as a whole cannot be read, say because it has gone since its members were listed.
    """
    try:
        yield from (_zip_contents if _is_zip(path) else _tar_contents)(path, places, max_bytes)
    except BROKEN as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> Failed:
    return Failed(f"{path.name} cannot be read: it is gone or broken, or no archive of a kind that is read here")


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(_ZIPS)


def _zip_members(path: Path) -> Iterator[tuple[int, str, int]]:
    with zipfile.ZipFile(path) as archive:
        for place, member in enumerate(archive.infolist()):
            if not member.is_dir() and (member.external_attr >> 28) in (0, 8):
                yield place, member.filename, member.file_size


def _zip_contents(path: Path, places: Iterable[int], max_bytes: int) -> Iterator[bytes | None]:
    with zipfile.ZipFile(path) as archive:
        known = archive.infolist()
        for place in places:
            try:
                with archive.open(known[place]) as file:
                    yield file.read(max_bytes + 1)
            except (*BROKEN, RuntimeError, IndexError):
                yield None


def _tar_members(path: Path) -> Iterator[tuple[int, str, int]]:
    with tarfile.open(path, "r|*") as archive:
        for place, member in enumerate(_one_by_one(archive)):
            if member.isreg():
                yield place, member.name, member.size


def _tar_contents(path: Path, places: Iterable[int], max_bytes: int) -> Iterator[bytes | None]:
    wanted = iter(places)
    next_place = next(wanted, None)
    with tarfile.open(path, "r|*") as archive:
        for place, member in enumerate(_one_by_one(archive)):
            if next_place is None:
                return
            if place == next_place:
                yield _read(archive.extractfile(member), max_bytes)
                next_place = next(wanted, None)


def _one_by_one(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a stream; it would keep all of them by itself."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []  # type: ignore[attr-defined]


def _read(file: IO[bytes] | None, max_bytes: int) -> bytes | None:
    if file is None:
        return None
    with file:
        return file.read(max_bytes + 1)
