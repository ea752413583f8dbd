"""`servoir install` writes units that systemd itself finds right."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import ROOT, Server, absent, free_port
from tests.unit.cli.model_folders import make_model_folder


class Host:
    """A machine with a servoir.yaml, folders for units and variables, and nothing running."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.units, self.settings = folder / "units", folder / "settings"
        self.model = str(make_model_folder(folder))

    def install(
        self, *options: str, user: str = "daemon", replicas: int = 2, **more: str
    ) -> subprocess.CompletedProcess[str]:
        config = self.folder / "servoir.yaml"
        model = {"model": self.model, "replicas": replicas, "memory_cap": "500MiB"}
        config.write_text(json.dumps({"models": [model], "settings": {"predict_timeout_s": 7}}))
        told = {"SERVOIR_HOME": str(self.home), "SERVOIR_CONFIG": str(config), "SERVOIR_ADMIN_TOKEN": "the secret"}
        told |= more
        command = [sys.executable, "-m", "cli.main", "install", "--units", str(self.units), *options]
        command += ["--settings", str(self.settings), *(["--user", user] if user else [])]
        return subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True)

    def written(self) -> set[str]:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.glob("*s/**/*") if path.is_file()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def host_for_all() -> Iterator[Host]:
    """A host whose folder other users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Host(Path(folder))


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not (binary := shutil.which("systemd-analyze")):
        absent("no systemd-analyze: install Debian's package systemd")
    return subprocess.run([binary, *arguments], capture_output=True, text=True)


def test_systemd_finds_every_unit_right(host: Host) -> None:
    answer = host.install()
    assert answer.returncode == 0, answer.stderr
    units = sorted(str(path) for path in host.units.glob("servoir*") if path.is_file() and "@." not in path.name)
    instance = host.units / "servoir-model@acme-things-1.service"
    shutil.copy(host.units / "servoir-model@.service", instance)

    found = analyze("verify", "--man=no", "--recursive-errors=no", *units, str(instance))

    assert not found.stdout + found.stderr
    assert found.returncode == 0
    assert len(units) >= 7


def test_what_runs_our_code_is_confined(host: Host) -> None:
    host.install()

    for unit in ("servoir-gateway.service", "servoir-dispatcher.service", "servoir-registry.service"):
        found = analyze("security", "--offline=true", "--threshold=25", "--no-pager", str(host.units / unit))
        assert found.returncode == 0, found.stdout[-300:]


def test_secrets_are_for_root_alone(host: Host) -> None:
    host.install()

    variables = list(host.settings.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in variables} == {0o600}
    assert "the secret" in (host.settings / "gateway.env").read_text()
    assert not any("the secret" in path.read_text() for path in host.units.rglob("*") if path.is_file())
    assert 'SERVOIR_PREDICT_TIMEOUT_S="7"' in (host.settings / "gateway.env").read_text()


def test_a_dry_run_shows_everything_but_secrets_and_writes_no_unit(host: Host) -> None:
    answer = host.install("--dry-run")

    assert answer.returncode == 0, answer.stderr
    assert "servoir-model@.service" in answer.stdout and "MemoryMax=576716800" in answer.stdout
    assert "the secret" not in answer.stdout
    assert host.written() == set()


def test_fewer_servers_leave_no_files_behind(host: Host) -> None:
    host.install(replicas=2)
    before = host.written()

    told = json.loads(host.install("--json", replicas=1).stdout)

    gone = {"settings/model-acme-things-1:1.env", "units/servoir-model@acme-things-1:1.service.d/memory.conf"}
    assert before - host.written() == gone == {str(Path(path).relative_to(host.folder)) for path in told["removed"]}


def test_what_the_command_was_told_goes_into_the_services(host: Host) -> None:
    host.install(SERVOIR_ENV="production", SERVOIR_GATEWAY_WORKERS="5")

    gateway, mongod = ((host.settings / f"{name}.env").read_text() for name in ("gateway", "mongod"))
    assert 'SERVOIR_ENV="production"' in gateway and 'SERVOIR_GATEWAY_WORKERS="5"' in gateway
    assert "SERVOIR_CONFIG" not in gateway and "SERVOIR_ENV" not in mongod


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs for another user")
def test_nginx_opens_its_log_as_the_user_that_it_runs_as(host_for_all: Host) -> None:
    assert host_for_all.install(user="daemon").returncode == 0
    unit = (host_for_all.units / "servoir-nginx.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    command = shlex.split(line.removeprefix("ExecStart=").replace("$$", "$"))

    answer = subprocess.run([*command, "-t"], user="daemon", cwd="/", capture_output=True, text=True)

    log = host_for_all.home / "logs" / "nginx.log"
    assert answer.returncode == 0, answer.stderr
    assert "StandardOutput" not in unit and log.owner() == "daemon"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs for another user")
def test_the_data_is_that_users_and_what_its_links_lead_to_is_not(host: Host) -> None:
    foreign = host.folder / "foreign"
    foreign.write_text("root's")
    (host.home / "logs").mkdir(parents=True)
    (host.home / "logs" / "nginx.log").symlink_to(foreign)
    (host.home / "out").symlink_to(host.folder)

    assert host.install(user="daemon").returncode == 0

    assert (host.home / "run" / "nginx" / "nginx.conf").owner() == (host.home / "logs").owner() == "daemon"
    assert foreign.owner() == host.folder.owner() == "root" and foreign.read_text() == "root's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs for another user")
def test_a_user_that_is_not_there_is_named(host: Host) -> None:
    answer = host.install(user="nobody-of-this-name")

    assert answer.returncode == 1
    assert "no user nobody-of-this-name" in answer.stderr and "useradd" in answer.stderr


def test_root_is_no_user_for_services(host: Host) -> None:
    answer = host.install(user="root")

    assert answer.returncode == 1
    assert "useradd" in answer.stderr


def test_a_service_says_when_it_is_ready_and_that_it_lives(redis_url: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000", "SERVOIR_METRICS_PORT": "0"}
        command = [sys.executable, "-m", "services.queue"]
        env = {"SERVOIR_REDIS_URL": redis_url, "SERVOIR_REGISTRY_ADDRESS": f"127.0.0.1:{free_port()}", **told}
        dispatcher = Server(command, lambda: True, tmp_path / "log", env)
        heard = [systemd.recv(100) for _ in range(3)]
        dispatcher.stop()

    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
