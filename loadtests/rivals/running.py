"""A rival's server while it runs: started, asked until it answers right, and taken down with all its processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from chassis.settings import environment
from loadtests import http
from loadtests.bench import processes
from loadtests.bench.generator import Picture
from loadtests.bench.models import ROOT
from loadtests.rivals.rival import Rival
from loadtests.rivals.settings import ServerSettings, variables

_READY_S = 90.0
_LEAVE_S = 5.0
_ASK_S = 10.0


class DoesNotServe(Exception):
    """A server did not come up, or does not answer right; the text says why."""


class Target(NamedTuple):
    """Where *bodies* are sent and how, and the process whose whole family serves them."""

    address: str
    path: str
    content_type: str
    headers: Mapping[str, str]
    pid: int
    bodies: Sequence[Picture]


@contextlib.contextmanager
def serving(rival: Rival, programs: Path, settings: ServerSettings, pictures: Sequence[Picture]) -> Iterator[Target]:
    """Run *rival* with *settings* until the end of ``with``; it has answered each of *pictures* right.

    Raises DoesNotServe.
    """
    shutil.rmtree(settings.rival_home, ignore_errors=True)
    settings.rival_home.mkdir(parents=True)
    address = f"127.0.0.1:{settings.rival_port}"
    told = {**environment(), "PYTHONPATH": str(ROOT), **rival.variables, **variables(settings)}
    log = settings.rival_home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            rival.command(programs, settings), cwd=ROOT, env=told, stdout=out, stderr=out, start_new_session=True
        )
    bodies = [_body(rival, picture, settings.rival_home) for picture in pictures]
    target = Target(address, rival.path, rival.content_type, rival.headers, process.pid, bodies)
    try:
        _wait_until_right(target, process, log)
        yield target
    finally:
        _end(process)


def _body(rival: Rival, picture: Picture, home: Path) -> Picture:
    """Return *picture* as *rival* takes it, and with the answer that it gives."""
    file = home / Path(picture.file).name
    file.write_bytes(rival.body(Path(picture.file).read_bytes()))
    expected = picture.expected.replace('"', '\\"') if rival.as_text else picture.expected
    return Picture(str(file), expected)


def ask(target: Target, picture: Picture) -> httpx.Response:
    """Return the answer to *picture*."""
    content, headers = Path(picture.file).read_bytes(), dict(target.headers)
    headers["Content-Type"] = target.content_type or http.CONTENT_TYPE
    body = content if target.content_type else http.form("picture.jpg", content)
    return httpx.post(f"http://{target.address}{target.path}", content=body, headers=headers, timeout=_ASK_S)


def _wait_until_right(target: Target, process: subprocess.Popen[bytes], log: Path) -> None:
    until, seen = time.monotonic() + _READY_S, ""
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            wrong = [answer for answer in (_wrong(target, body) for body in target.bodies) if answer]
            if not wrong:
                return
            seen = wrong[0]
        time.sleep(0.2)
    last = " ".join(log.read_text(errors="replace")[-600:].split())
    raise DoesNotServe(f"{seen or 'no answer'}; its log ends: {last}")


def _wrong(target: Target, picture: Picture) -> str:
    """Return what is wrong with the answer to *picture*; nothing where it is right."""
    answer = ask(target, picture)
    right = answer.status_code == 200 and picture.expected in answer.text
    return "" if right else f"{Path(picture.file).name}: {answer.status_code} {answer.text[:200]}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End *process* and every process that descends from it, whatever sessions they made for themselves."""
    family = processes.with_children(process.pid, processes.stats())
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LEAVE_S)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
