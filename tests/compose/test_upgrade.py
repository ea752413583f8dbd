"""``./upgrade``: new containers take over, and where they do not get well everything is as it was."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.compose.deployment import Deployment
from tests.compose.image_builds import DEPLOY

KEY = "acme-echo-1"

# A docker for one service, whose containers are files: what `compose up` starts becomes what $NEW says.
DOCKER = """#!/bin/sh
for last; do :; done
case "$1 $2" in
"compose ps") ls "$CONTAINERS" ;;
"compose up")
    touch "$CONTAINERS/new-1" "$CONTAINERS/new-2"
    [ "$NEW" != told-to-end ] || kill -TERM "$PPID"
    [ "$NEW" = healthy ] ;;
"logs "*) echo "$last: no such model" ;;
"inspect "*) echo "$last: restarting, exit code 1" ;;
"rm "*) rm "$CONTAINERS/$last" ;;
esac
"""


def upgrade(folder: Path, new: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Upgrade a service of two containers whose new ones become *new*; return how it ended, and what is left."""
    programs, containers = folder / "bin", folder / "containers"
    programs.mkdir()
    containers.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    for name in ("old-1", "old-2"):
        (containers / name).touch()
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "CONTAINERS": str(containers), "NEW": new}
    ended = subprocess.run(
        ["sh", str(DEPLOY / "upgrade"), "gateway"], capture_output=True, text=True, env=environ, timeout=60
    )
    return ended, {path.name for path in containers.iterdir()}


def test_new_containers_take_the_place_of_the_old(tmp_path: Path) -> None:
    ended, left = upgrade(tmp_path, "healthy")

    assert (ended.returncode, left) == (0, {"new-1", "new-2"})
    assert "gateway: replaced" in ended.stdout


@pytest.mark.parametrize(("new", "code"), [("unhealthy", 1), ("told-to-end", 130)])
def test_new_containers_that_do_not_get_well_go_again(tmp_path: Path, new: str, code: int) -> None:
    ended, left = upgrade(tmp_path, new)

    assert (ended.returncode, left) == (code, {"old-1", "old-2"})
    assert "new-1: restarting, exit code 1" in ended.stderr
    assert "new-2: no such model" in ended.stderr
    assert "nothing has changed" in ended.stderr
    assert "replaced" not in ended.stdout


def test_an_upgrade_to_an_image_that_ends_at_once_changes_nothing(deployment: Deployment) -> None:
    before = {it["Id"] for it in deployment.containers("model-echo")}
    image = deployment.image_that_ends(deployment.containers("model-echo")[0]["Config"]["Image"])

    with deployment.traffic(KEY) as traffic:
        ended = deployment.upgrade("model-echo", MODEL_SERVER_IMAGE=image, WAIT_S="60")

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "nothing has changed" in ended.stderr
    assert {it["Id"] for it in deployment.containers("model-echo")} == before
    assert traffic.failures() == []
