"""Background jobs of a suite over HTTP: what is submitted, and how it is doing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from cli.errors import Exit, Stop
from cli.gateway import V3, Gateway

_PART_BYTES = 8 * 2**20
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ENDED = ("done", "failed", "cancelled")
UPLOAD = "upload:"


def is_background(job: str) -> bool:
    """Return whether an id is a background job's; asynchronous predictions have others."""
    return "-" in job


def is_many(source: Path) -> bool:
    """Return whether a path stands for many pictures: a folder, an archive, or a list."""
    return source.is_dir() or source.name.lower().endswith((*_ARCHIVES, ".txt"))


class BackgroundJobs:
    """The background jobs of the suite that *gateway* speaks with."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def start(self, kind: str, parameters: dict[str, Any]) -> str:
        """Have a job of *kind* done; return its id."""
        answer = self._gateway.call("POST", f"{V3}/jobs", json={"kind": kind, **parameters})
        return str(answer.json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        """Return how a job is doing."""
        return cast(dict[str, Any], self._gateway.call("GET", f"{V3}/jobs/{job}").json())

    def jobs(self, limit: int) -> list[dict[str, Any]]:
        """Return jobs, newest first."""
        answer = self._gateway.call("GET", f"{V3}/jobs", params={"limit": str(limit)})
        return cast(list[dict[str, Any]], answer.json()["jobs"])

    def log(self, job: str) -> list[str]:
        """Return the newest lines of a job's log."""
        return cast(list[str], self._gateway.call("GET", f"{V3}/jobs/{job}/log").json()["lines"])

    def cancel(self, job: str) -> dict[str, Any]:
        """Have a job end; return how it is doing."""
        return self._moved("DELETE", job, f"{V3}/jobs/{job}")

    def retry(self, job: str) -> dict[str, Any]:
        """Have a job that failed or was cancelled go on; return how it is doing."""
        return self._moved("POST", job, f"{V3}/jobs/{job}/retry")

    def results(self, job: str) -> list[dict[str, Any]]:
        """Return ``name`` and ``size`` of each file that came out of a job."""
        return cast(list[dict[str, Any]], self._gateway.call("GET", f"{V3}/jobs/{job}/results").json()["files"])

    def fetch(self, job: str, name: str, folder: Path) -> Path:
        """Write a file that came out of a job into *folder*, and return where it is."""
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise Stop(f"{name}: not a name for a file", "Another suite may have sent it: look at what it is.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for part in self._gateway.stream(f"{V3}/jobs/{job}/results/{name}"):
                file.write(part)
        return path

    def upload(self, sources: Sequence[Path]) -> str:
        """Send files, and the files of folders; return how a job names them as its source."""
        session = self._gateway.call("POST", f"{V3}/uploads").json()
        names: set[str] = set()
        for path in _files(sources):
            name = _free_name(path.name, names)
            for offset, part in _parts(path):
                where = f"{session['location']}/files/{name}"
                self._gateway.call("PUT", where, params={"offset": str(offset)}, content=part)
        return str(session["source"])

    def _moved(self, method: str, job: str, path: str) -> dict[str, Any]:
        answer = self._gateway.call(method, path, allowed=(409,))
        if answer.status_code == 409:
            raise Stop(answer.json()["detail"], f"`servoir jobs show {job}` shows it.", code=Exit.REFUSED)
        return cast(dict[str, Any], answer.json())


def read_values(texts: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that ``name=value`` texts say: a value is JSON where it can be, else text."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Stop(f"not a parameter: {text}", "Say NAME=VALUE, such as model=acme-coco_things-1.")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def _files(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            yield from sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
        elif source.is_file():
            yield source
        else:
            raise Stop(f"no such file or folder: {source}", "Name pictures, or a folder, archive or list of them.")


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name that an upload takes and that none of the *taken* is; add it to them."""
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    free = safe = safe.lstrip(".-")[-180:] or "file"
    count = 1
    while free in taken:
        count += 1
        free = f"{count}-{safe}"
    taken.add(free)
    return free


def _parts(path: Path) -> Iterator[tuple[int, bytes]]:
    offset = 0
    with path.open("rb") as file:
        while (part := file.read(_PART_BYTES)) or not offset:
            yield offset, part
            offset += len(part)
            if not part:
                return
