"""servoir.yaml says what runs on a machine, and is told what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import BadSettings
from cli.deployment import Deployment, ModelEntry, ports_of, read_deployment, settings_of
from cli.errors import Stop
from cli.settings import ROOT, Settings


def _read(tmp_path: Path, text: str) -> Deployment:
    path = tmp_path / "servoir.yaml"
    path.write_text(text)
    return read_deployment(path)


def test_the_checkouts_own_file_serves_two_models() -> None:
    deployment = read_deployment(ROOT / "servoir.yaml")

    assert [entry.model for entry in deployment.models] == ["demo-coco_things-1", "demo-imagenet-1"]


def test_an_entry_is_filled_with_defaults(tmp_path: Path) -> None:
    assert _read(tmp_path, "models: [{model: demo-x-1}]").models == [ModelEntry("demo-x-1", replicas=1)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("models: [{model: x, replica: 2}]", "replica"),
        ("models: [{model: x, replicas: -1}]", "replicas"),
        ("model: []", "model"),
        ("models: [{model: x}, {model: x}]", "named twice"),
        ("models: [{model: x, replicas: 60}, {model: y, replicas: 60}]", "more than 99"),
        ("models: []\nports: {htp: 80}", "no such port: htp"),
        ("models: []\nsettings: {gateway_workerz: 2}", "SERVOIR_GATEWAY_WORKERZ: no such setting; .*WORKERS"),
        ("models: []\nsettings: {gateway_workers: two, nonsense: 1}", "(?s)SERVOIR_NONSENSE.*SERVOIR_GATEWAY_WORKERS"),
        ("models: [{model: x, settings: {tune_: off}}]", "x: SERVOIR_TUNE_: no such setting"),
        ("models: []\nsettings: {admin_token: x}", "admin_token: .* set the variable SERVOIR_ADMIN_TOKEN"),
        (
            "models: []\nsettings: {admin_token_file: x}",
            "admin_token_file: .* set the variable SERVOIR_ADMIN_TOKEN_FILE",
        ),
        ("models: []\nsettings: {http_port: 80}", "http_port: a port: say `http: …` under `ports:`"),
        ("models: []\nsettings: {metrics_port: 80}", "metrics_port: `servoir` tells each process its own"),
        ("models: [{model: x, settings: {address: y}}]", "x: address: `servoir` tells each process its own"),
        ("models: [", "servoir.yaml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(Stop, match=fault):
        _read(tmp_path, text)


def test_a_file_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="no such file"):
        read_deployment(tmp_path / "servoir.yaml")


def test_a_variable_stands_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    deployment = _read(tmp_path, "models: []\nports: {http: 9000, registry: 9001}")

    ports = ports_of(deployment, {"SERVOIR_HTTP_PORT": "9100"})

    assert (ports.http_port, ports.registry_port, ports.mongo_port) == (9100, 9001, 8017)


def test_the_commands_own_settings_may_stand_in_the_file_and_a_variable_stands_over_it(tmp_path: Path) -> None:
    written = "settings: {max_upload_bytes: 5MiB, http_host: 0.0.0.0, redis_url: redis://file}"
    deployment = _read(tmp_path, f"models: []\n{written}")
    told = Settings(redis_url="redis://told")

    settings = settings_of(deployment, told, {"SERVOIR_REDIS_URL_FILE": "/run/secrets/redis_url"})

    assert (settings.max_upload_bytes, settings.http_host) == (5 * 2**20, "0.0.0.0")
    assert (settings.redis_url, settings.mongo_url) == ("redis://told", "")


def test_a_path_in_the_file_counts_from_its_folder(tmp_path: Path) -> None:
    deployment = _read(tmp_path, "models: []\nsettings: {tls_certificate: tls/chain.pem, tls_key: /etc/key.pem}")

    settings = settings_of(deployment, Settings(), {})

    assert (settings.tls_certificate, settings.tls_key) == (tmp_path / "tls" / "chain.pem", Path("/etc/key.pem"))


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="http_port: 70000"):
        ports_of(_read(tmp_path, "models: []\nports: {http: 70000}"), {})
