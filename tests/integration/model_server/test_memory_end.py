"""Processes that outgrow their memory cap: they end alone, at once, and say why."""

from __future__ import annotations

import contextlib
from pathlib import Path

import grpc
import pytest

from services.model_server.exits import Exit
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder

MIB = 2**20


def fed_until_it_ends(serving: Serving) -> int:
    with contextlib.suppress(grpc.RpcError):
        for _ in range(10_000):
            serving.predict("acme-echo-1", [b"leaky"])
    return serving.exit_code()


@pytest.mark.parametrize(
    ("leak_bytes", "reason"),
    [(4 * MIB, "resident bytes"), (1024 * MIB, "Unable to allocate")],
    ids=["slowly, seen by the watchdog", "at once, refused by the operating system"],
)
def test_a_model_that_leaks_is_ended_at_its_cap_and_the_log_names_cap_and_need(
    tmp_path: Path, leak_bytes: int, reason: str
) -> None:
    folder = echo_folder(tmp_path / "leaky", config={"leak_bytes": leak_bytes, "leak_length": 5})
    leaky = Serving(folder, "--memory-cap", "400MiB", "--tune", "off")
    try:
        assert fed_until_it_ends(leaky) == Exit.OVER_CAP
    finally:
        leaky.stop()

    line = leaky.log("memory_cap_exceeded")[0]
    assert line["cap_bytes"] == 400 * MIB
    assert line["need_bytes"] > 0
    assert line["reason"].startswith(reason)
    assert leaky.log("memory_capped")[0]["by"] == "watchdog and RLIMIT_DATA"


def test_a_model_that_does_not_fit_is_refused_while_it_loads_with_need_and_cap(tmp_path: Path) -> None:
    serving = Serving(echo_folder(tmp_path / "echo"), "--memory-cap", "20MiB", "--tune", "off", wait=False)

    assert serving.exit_code() == Exit.DOES_NOT_FIT
    line = serving.log("model_does_not_fit")[0]
    assert line["need_bytes"] > line["cap_bytes"] == 20 * MIB
    serving.stop()
