"""A gateway that cannot work says so at once and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from chassis.settings import environment
from tests.parts import ROOT, free_port


def start(**env: str) -> subprocess.CompletedProcess[str]:
    known = {"SERVOIR_GATEWAY_ADDRESS": f"127.0.0.1:{free_port()}", "SERVOIR_START_TIMEOUT_S": "0.3"}
    return subprocess.run(
        [sys.executable, "-m", "services.gateway"],
        cwd=ROOT,
        env={**environment(), **known, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_redis_it_ends_and_names_the_url_and_what_to_do(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"

    ended = start(SERVOIR_REDIS_URL=url, TMPDIR=str(tmp_path))

    assert ended.returncode not in (0, None)
    assert url in ended.stderr
    assert "SERVOIR_REDIS_URL" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_the_registry_it_ends_and_names_the_address_and_what_to_do(redis_url: str) -> None:
    address = f"127.0.0.1:{free_port()}"

    ended = start(SERVOIR_REDIS_URL=redis_url, SERVOIR_REGISTRY_ADDRESS=address)

    assert ended.returncode != 0
    assert address in ended.stderr
    assert "SERVOIR_REGISTRY_ADDRESS" in ended.stderr


def test_bad_settings_are_all_named() -> None:
    ended = start(SERVOIR_GATEWAY_WORKERS="many", SERVOIR_MAX_UPLOAD_BYTES="huge")

    assert ended.returncode != 0
    assert "SERVOIR_GATEWAY_WORKERS" in ended.stderr
    assert "SERVOIR_MAX_UPLOAD_BYTES" in ended.stderr


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    ended = start(SERVOIR_REDIS_URL=f"redis://:s3cret@127.0.0.1:{free_port()}/0")

    assert ended.returncode != 0
    assert "s3cret" not in ended.stderr + ended.stdout


def test_at_a_public_address_without_keys_it_must_be_told_twice(redis_url: str) -> None:
    public = {"SERVOIR_GATEWAY_ADDRESS": f"0.0.0.0:{free_port()}", "SERVOIR_REDIS_URL": redis_url}
    registry = {"SERVOIR_REGISTRY_ADDRESS": f"127.0.0.1:{free_port()}"}  # away: that is what it ends with once it may

    once = start(**public, **registry, SERVOIR_API_KEYS="off")
    twice = start(**public, **registry, SERVOIR_API_KEYS="off", SERVOIR_OPEN_TO_ALL="true")
    keyed = start(**public, **registry)

    assert once.returncode != 0
    assert "SERVOIR_OPEN_TO_ALL=true" in once.stderr
    for ended in (twice, keyed):
        assert "SERVOIR_OPEN_TO_ALL" not in ended.stderr
        assert "no registry at" in ended.stderr
