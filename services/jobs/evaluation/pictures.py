"""The picture files of a labelled set: which there are, and how large they are."""

from __future__ import annotations

from pathlib import Path

from services.jobs.evaluation.labelled_set import Faults
from services.jobs.images import BrokenPicture, opened

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_ORIENTATION, _TURNED = 274, (5, 6, 7, 8)


def picture_files(folder: Path) -> list[Path]:
    """Return all picture files below *folder*, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def size_of(path: Path, where: str, faults: Faults) -> tuple[int, int] | None:
    """Return width and height, EXIF orientation applied, from the file's head; where it is no picture is a fault."""
    try:
        with opened(path) as picture:
            width, height = picture.size
            return (height, width) if picture.getexif().get(_ORIENTATION) in _TURNED else (width, height)
    except BrokenPicture:
        faults.add(where, "cannot be read as a picture")
        return None


class PictureFinder:
    """Finds pictures by the names that annotations give: as a path below the folder, or by the file's name alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in picture_files(folder):
            self._by_name.setdefault(path.name, []).append(path)
            self._by_name.setdefault(path.stem, []).append(path)

    def find(self, name: str, faults: Faults) -> Path | None:
        """Return the file that *name* means, below the folder; where there is none, or more than one: a fault."""
        direct, folder = (self._folder / name).resolve(), self._folder.resolve()
        if name and direct.is_file() and direct.is_relative_to(folder):
            return self._folder / direct.relative_to(folder)
        found = sorted(set(self._by_name.get(Path(name).name, ())))
        if len(found) != 1:
            faults.add(name or "a picture without a name", f"{len(found) or 'no'} such picture in the set's folder")
            return None
        return found[0]

    def measured(self, name: str, faults: Faults) -> tuple[Path, int, int] | None:
        """Return the file and its size; what cannot be found or read is a fault."""
        path = self.find(name, faults)
        size = size_of(path, name, faults) if path else None
        return (path, *size) if path and size else None
