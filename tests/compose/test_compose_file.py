"""What the compose files say of every service, read without an engine."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.parts import ROOT

FOLDER = ROOT / "deploy" / "compose"
FILES = [FOLDER / name for name in ("compose.yaml", "model.yaml", "models.yaml", "gpu.yaml", "tls.yaml", "build.yaml")]
SECRETS = 7


def _services(name: str) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / name).read_text())["services"]
    return services


def test_every_service_is_without_rights_and_bounded() -> None:
    services = _services("compose.yaml") | {"model": _services("model.yaml")["model"]}

    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["mem_limit"] and service["pids_limit"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_only_nginx_publishes_a_port() -> None:
    publishing = {name for name, service in _services("compose.yaml").items() if "ports" in service}

    assert publishing == {"nginx"}
    assert "ports" not in _services("model.yaml")["model"]


def test_every_image_can_be_another_and_every_variable_is_explained() -> None:
    used = {name for path in FILES for name in re.findall(r"(?<!\$)\$\{([A-Z_]+):?-", path.read_text())}
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))

    assert used <= explained
    for name in ("compose.yaml", "model.yaml", "gpu.yaml", "build.yaml"):
        images = re.findall(r"^ +image: (.+)$", (FOLDER / name).read_text(), re.MULTILINE)
        assert images and all(image.startswith("${") for image in images)


def test_secrets_are_made_once_for_their_owner_only_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run(["sh", str(FOLDER / "make-secrets"), str(folder)], check=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}

    subprocess.run(["sh", str(FOLDER / "make-secrets"), str(folder)], check=True)

    assert len(first) == SECRETS == len(set(first.values()))
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first["redis_password"] in first["redis_url"] and first["mongo_password"] in first["mongo_url"]
    assert all(len(text) >= 40 for text in first.values())


def test_every_secret_that_is_named_is_made(tmp_path: Path) -> None:
    subprocess.run(["sh", str(FOLDER / "make-secrets"), str(tmp_path / "secrets")], check=True)
    named = yaml.safe_load((FOLDER / "compose.yaml").read_text())["secrets"]

    assert set(named) == {path.name for path in (tmp_path / "secrets").iterdir()}
