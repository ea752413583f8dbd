"""Logs: one JSON line per event, whoever speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.logs import without_password
from tests.parts import ROOT

SCRIPT = """
import logging
from chassis import logs
logs.configure("kettle", level="info")
log = logs.logger()
log.debug("unheard")
log.info("boiled", litres=1.5, request_id="r-1")
log.info("named", file=b"k\\xe4se".decode(errors="surrogateescape"))
logging.getLogger("other").warning("from %s", "elsewhere")
try:
    {}["x"]
except KeyError:
    log.exception("broke")
"""


def test_every_line_is_json_with_service_event_level_and_time() -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout

    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("boiled", "info"),
        ("named", "info"),
        ("from elsewhere", "warning"),
        ("broke", "error"),
    ]
    assert all(line["service"] == "kettle" and line["time"] for line in lines)
    assert (lines[0]["litres"], lines[0]["request_id"]) == (1.5, "r-1")
    assert lines[1]["file"] == "k\udce4se"
    assert "KeyError" in lines[3]["exception"]


def test_the_secret_of_an_api_key_never_gets_into_a_line() -> None:
    secret = "Zx81" * 8
    script = f"""
from chassis import logs
logs.configure("kettle")
logs.logger().info("asked", path="/keys/sv_0123456789ab_{secret}")
try:
    raise ValueError("sv_0123456789ab_{secret}")
except ValueError:
    logs.logger().exception("broke")
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert output.count("sv_0123456789ab_***") >= 2
    assert secret not in output


def test_lines_that_were_dropped_are_an_event_of_the_service(tmp_path: Path) -> None:
    script = """
import os
from chassis import logs
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
logs.configure("kettle")
logs.logger().warning("boiled")
os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT), 1)
logs.logger().warning("cooled")
"""
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )

    [dropped, cooled] = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {**dropped, "time": ""} == {
        "service": "kettle",
        "event": "log_lines_dropped",
        "level": "warning",
        "lines": 1,
        "time": "",
    }
    assert dropped["time"]
    assert cooled["event"] == "cooled"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@redis:6379/0", "redis://:***@redis:6379/0"),
        ("rediss://ann:secret@redis/0", "rediss://ann:***@redis/0"),
        ("redis://127.0.0.1:8379/0", "redis://127.0.0.1:8379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("mongodb://h:1/", "mongodb://h:1/"),
        ("mongodb://u:secret@h:1/db", "mongodb://u:***@h:1/db"),
        ("mongodb://u:p@ss@h:1", "mongodb://u:***@h:1"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
