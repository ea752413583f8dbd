"""What is written for each picture by itself: the picture with what was found drawn, and a JSON file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection
from pathlib import Path

import msgspec

from services.jobs.context import Context
from services.jobs.drawing import drawn
from services.jobs.images import BrokenPicture
from services.jobs.pictures import Picture
from services.jobs.prediction.line import Line

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 100


class PerPicture:
    """Collects files in the working folder, each written again where a run is repeated; at the end one zip of them."""

    def __init__(self, folder: Path, formats: Collection[str]) -> None:
        self._folders = {name: folder / name for name in ("annotated", "files") if name in formats}
        for path in self._folders.values():
            path.mkdir(exist_ok=True)

    def add(self, number: int, picture: Picture, line: Line) -> None:
        """Write what is wanted of the picture that has this *number* in the job."""
        if "files" in self._folders:
            self._path("files", number, picture, ".json").write_bytes(msgspec.json.encode(line))
        if "annotated" in self._folders and not line.problem:
            try:
                image = drawn(picture.content, line.regions)
            except BrokenPicture:
                return
            self._path("annotated", number, picture, ".jpg").write_bytes(image)

    def write(self, context: Context) -> None:
        """Write the zips."""
        for name, folder in self._folders.items():
            with context.result(f"{name}.zip") as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
                for path in sorted(folder.iterdir()):
                    context.check()
                    archive.write(path, path.name)

    def _path(self, name: str, number: int, picture: Picture, suffix: str) -> Path:
        """Return a path that no other picture has; what its name was can be seen, but nothing in it is obeyed."""
        stem = _UNSAFE.sub("_", picture.name.rpartition(".")[0] or picture.name)[-_LONGEST:]
        return self._folders[name] / f"{number:07d}-{stem}{suffix}"
