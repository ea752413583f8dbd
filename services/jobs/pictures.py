"""The pictures of a source, listed once and then read in that order, from any of them on.

The list is a file of lines, so that 100,000 pictures need no more memory than one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from services.jobs.archives import contents, is_archive, members
from services.jobs.context import Failed
from services.jobs.limits import Limits

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_ENCODER = msgspec.json.Encoder()


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One picture: a *file*, or the *member* at a place of that archive; *name* is what its client knows it by."""

    name: str
    file: str
    member: int = -1


class Picture(NamedTuple):
    """A picture as it was read; without *content* there is a *problem*."""

    name: str
    content: bytes
    problem: str = ""


_DECODER = msgspec.json.Decoder(Entry)


def is_picture(name: str) -> bool:
    """Return whether a file is a picture, by its name."""
    return name.lower().endswith(_SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def write_list(file: IO[bytes], entries: Iterable[Entry], limits: Limits) -> int:
    """Write a list of pictures; return how many. Raises Failed for more than are allowed."""
    count = 0
    for count, entry in enumerate(entries, 1):
        if count > limits.pictures:
            raise Failed(f"more than the {limits.pictures} pictures that one job may have")
        file.write(_ENCODER.encode(entry) + b"\n")
    return count


def entries_of(path: Path, limits: Limits) -> Iterator[Entry]:
    """Yield the pictures of a folder (below it too, in the order of their names), an archive, or a single file.

    In a folder, what is no picture by its name is passed over, and so are links; archives in it are looked into.
    """
    if path.is_dir():
        yield from _entries_in(path, limits)
    elif is_archive(path.name):
        yield from _entries_packed(path, "", limits)
    else:
        yield Entry(path.name, str(path))


def _entries_in(folder: Path, limits: Limits) -> Iterator[Entry]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            shown = path.relative_to(folder).as_posix()
            if path.is_symlink():
                continue
            if is_picture(name):
                yield Entry(shown, str(path))
            elif is_archive(name):
                yield from _entries_packed(path, f"{shown}/", limits)


def _entries_packed(path: Path, prefix: str, limits: Limits) -> Iterator[Entry]:
    for place, name in members(path, max_bytes=limits.unpacked_bytes):
        if is_picture(name):
            yield Entry(prefix + name, str(path), place)


def read_pictures(listed: Iterable[bytes], limits: Limits) -> Iterator[Picture]:
    """Yield what the lines of a list name, in their order; an archive is opened once for all that follow each other."""
    entries = (_DECODER.decode(line) for line in listed)
    for (file, packed), group in groupby(entries, key=lambda entry: (entry.file, entry.member >= 0)):
        if not packed:
            yield from (_bounded(entry.name, _file_content(file, limits), limits) for entry in group)
            continue
        yield from _read_packed(Path(file), group, limits)


def _read_packed(path: Path, group: Iterator[Entry], limits: Limits) -> Iterator[Picture]:
    asked: list[Entry] = []

    def places() -> Iterator[int]:
        for entry in group:
            asked.append(entry)
            yield entry.member

    for content in contents(path, places(), max_bytes=limits.picture_bytes):
        yield _bounded(asked.pop(0).name, content, limits)


def _file_content(file: str, limits: Limits) -> bytes | None:
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:  # noqa: PTH123
            return opened.read(limits.picture_bytes + 1)
    except OSError:
        return None


def _bounded(name: str, content: bytes | None, limits: Limits) -> Picture:
    if content is None:
        return Picture(name, b"", "the file cannot be read")
    if len(content) > limits.picture_bytes:
        return Picture(name, b"", f"more than the {limits.picture_bytes} bytes that a picture may have")
    return Picture(name, content, "" if content else "the file is empty")
