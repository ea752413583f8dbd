"""A port that is taken is told with the process that holds it."""

from __future__ import annotations

import os
import socket

import pytest

from cli.errors import Exit, Stop
from cli.ports import check_free, is_free
from cli.programs import Program
from tests.parts import free_port


def test_every_taken_port_is_named_with_its_holder() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        one, two = first.getsockname()[1], second.getsockname()[1]
        programs = [Program("registry", [], ports=(one, free)), Program("nginx", [], ports=(two,))]

        with pytest.raises(Stop) as stop:
            check_free(programs)

    assert stop.value.code == Exit.NOT_READY
    assert f"port {one} (for registry) is taken by process {os.getpid()} (" in stop.value.problem
    assert f"port {two} (for nginx)" in stop.value.problem and str(free) not in stop.value.problem


def test_a_port_is_free_again_when_its_holder_has_gone() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)

    assert is_free(port)
    check_free([Program("nginx", [], ports=(port,))])
