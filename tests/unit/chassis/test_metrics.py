"""The port that shows a process's metrics."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import psutil
import pytest

from chassis import metrics
from tests.parts import free_port


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return bytes(answer.read())


def test_metrics_and_pages_are_shown_and_nothing_else() -> None:
    port = free_port()
    seen = [1]

    metrics.serve(port, pages={"/targets": lambda: {"seen": seen}})
    seen.append(2)

    assert b"process_resident_memory_bytes" in get(port, "/metrics")
    assert json.loads(get(port, "/targets")) == {"seen": [1, 2]}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(port, "/")


def test_a_taken_port_is_told() -> None:
    port = free_port()
    metrics.serve(port)

    with pytest.raises(OSError, match="use"):
        metrics.serve(port)


def test_port_0_shows_nothing() -> None:
    def listening() -> set[int]:
        return {it.laddr.port for it in psutil.Process().net_connections("tcp") if it.status == psutil.CONN_LISTEN}

    before = listening()

    metrics.serve(0)

    assert listening() == before
