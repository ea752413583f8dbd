"""Every documented operation, called by a machine that means no good: no 5xx, and no answer that is not documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.parts import Server, free_port, start_redis

# Not "stateful": along its links schemathesis makes headers that its own HTTP client cannot send.
PHASES = "examples,coverage,fuzzing"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/health/live", verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    redis, redis_url = start_redis(tmp_path)
    told = {"SERVOIR_REDIS_URL": redis_url, "SERVOIR_JOBS_FOLDER": str(tmp_path / "jobs")}
    command = [sys.executable, "-m", "gunicorn", "-c", "python:tests.integration.gateway.fake_gunicorn_conf"]
    server = Server(command, ready, tmp_path / "log", {**told, "SERVOIR_GATEWAY_ADDRESS": url.removeprefix("http://")})
    fuzzer = Path(sys.executable).with_name("schemathesis")

    found = subprocess.run(
        [
            fuzzer,
            "run",
            f"{url}/openapi.json",
            "--phases",
            PHASES,
            "--checks",
            CHECKS,
            "--max-examples",
            "10",
            "--seed",
            "7",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=170,
    )
    server.stop()
    redis.stop()

    assert found.returncode == 0, found.stdout[-4000:]
    assert "passed" in found.stdout
