"""Zip and tar files, read member by member: here no name of theirs becomes a path, and no member is held whole.

A member is known by its place in the archive, as names may come twice. Links, devices and the like are passed over;
what a member says of its size is held against a limit, and no more than the limit is ever read of it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from services.jobs.context import Failed
from services.jobs.lzma_files import check_member, open_lzma

_ZIPS = (".zip",)
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PACKED: dict[bytes, Any] = {
    b"\x1f\x8b\x08": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": open_lzma,
    b"]\0\0\x80": open_lzma,
}
"""What opens a packed tar, by the bytes that it begins with."""
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
BROKEN_MEMBER = (*_BROKEN, RuntimeError)
"""What reading a broken member raises; RuntimeError comes of an encrypted one."""


def is_archive(name: str) -> bool:
    """Return whether a file is an archive, by its name."""
    return name.lower().endswith((*_ZIPS, *_TARS))


def members(path: Path, *, max_bytes: int) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each regular file in an archive, in its order.

    Raises Failed where it cannot be read, would unpack to more than *max_bytes*, or needs too much memory for that.
    """
    unpacked = 0
    try:
        for place, name, size in _zip_members(path) if _is_zip(path) else _tar_members(path):
            unpacked += size
            if unpacked > max_bytes:
                raise Failed(f"{path.name} unpacks to more than the {max_bytes} bytes that are allowed")
            yield place, name
    except BROKEN_MEMBER as error:
        raise _unreadable(path) from error


def opened(path: Path, places: Iterable[int]) -> Iterator[IO[bytes] | None]:
    """Yield the members at *places* (ascending), each open until the next is asked for; None for a broken one.

    Reading one raises BROKEN_MEMBER. Raises Failed where the archive as a whole cannot be read, say because it has gone
    since its members were listed.
    """
    try:
        yield from (_zip_opened if _is_zip(path) else _tar_opened)(path, places)
    except _BROKEN as error:
        raise _unreadable(path) from error


def contents(path: Path, places: Iterable[int], *, max_bytes: int) -> Iterator[bytes | None]:
    """Yield what the members at *places* (ascending) hold, up to one byte over *max_bytes*; None for a broken one.

    Raises what ``opened`` does.
    """
    for file in opened(path, places):
        yield _read(file, max_bytes)


def _unreadable(path: Path) -> Failed:
    return Failed(f"{path.name} cannot be read: it is gone or broken, or no archive of a kind that is read here")


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(_ZIPS)


def _zip_members(path: Path) -> Iterator[tuple[int, str, int]]:
    with path.open("rb") as packed, zipfile.ZipFile(path) as archive:
        for place, member in enumerate(archive.infolist()):
            if not member.is_dir() and (member.external_attr >> 28) in (0, 8):
                check_member(path.name, packed, member)
                yield place, member.filename, member.file_size


def _zip_opened(path: Path, places: Iterable[int]) -> Iterator[IO[bytes] | None]:
    with path.open("rb") as packed, zipfile.ZipFile(path) as archive:
        known = archive.infolist()
        for place in places:
            try:
                check_member(path.name, packed, known[place])
                file = archive.open(known[place])
            except (*BROKEN_MEMBER, IndexError):
                yield None
                continue
            with file:
                yield file


def _tar_members(path: Path) -> Iterator[tuple[int, str, int]]:
    with _tar_stream(path) as archive:
        for place, member in enumerate(_one_by_one(archive)):
            if member.isreg():
                yield place, member.name, member.size


def _tar_opened(path: Path, places: Iterable[int]) -> Iterator[IO[bytes] | None]:
    wanted = iter(places)
    next_place = next(wanted, None)
    with _tar_stream(path) as archive:
        for place, member in enumerate(_one_by_one(archive)):
            if next_place is None:
                return
            if place == next_place:
                yield archive.extractfile(member)
                next_place = next(wanted, None)


@contextmanager
def _tar_stream(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar, to be read from its beginning to its end.

    It is not unpacked by tarfile, which holds all that a part of it becomes, and copies the rest with each read: a tar
    of a few KiB could take all memory, or hours.
    """
    with path.open("rb") as file:
        head = file.read(max(map(len, _PACKED)))
    unpack = next((unpack for magic, unpack in _PACKED.items() if head.startswith(magic)), open)
    with unpack(path, "rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
        yield archive


def _one_by_one(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a stream; it would keep all of them by itself."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []  # type: ignore[attr-defined]


def _read(file: IO[bytes] | None, max_bytes: int) -> bytes | None:
    try:
        return None if file is None else file.read(max_bytes + 1)
    except BROKEN_MEMBER:
        return None
