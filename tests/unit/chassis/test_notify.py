"""What a process tells systemd."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis import notify


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Stands for systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(10)
        yield end


def told(systemd: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": systemd.getsockname(), **more}


def test_it_is_told_of_the_start_and_of_the_end(systemd: socket.socket) -> None:
    notify.ready(told(systemd))
    notify.stopping(told(systemd))

    assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_it_is_told_again_and_again_that_the_process_lives(systemd: socket.socket) -> None:
    notify.ready(told(systemd, WATCHDOG_USEC="30000"))

    assert [systemd.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]


def test_a_socket_without_a_file_is_reached(systemd: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0servoir-test-notify")
        notify.ready({"NOTIFY_SOCKET": "@servoir-test-notify"})

        assert end.recv(100) == b"READY=1"


def test_without_systemd_or_where_it_has_gone_nothing_happens(tmp_path: Path) -> None:
    notify.ready({})
    notify.stopping({"NOTIFY_SOCKET": str(tmp_path / "gone")})


@pytest.mark.parametrize(("text", "seconds"), [("30000000", 10.0), ("", 0.0), ("nonsense", 0.0)])
def test_it_says_so_three_times_in_the_time_it_is_given(text: str, seconds: float) -> None:
    assert notify.watchdog_s({"WATCHDOG_USEC": text}) == seconds
