"""The plan of a suite: which programs run, on which ports, under which settings."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chassis.known_variables import KNOWN
from chassis.settings import BadSettings, load
from cli.deployment import Deployment, ModelEntry, read_deployment, settings_of
from cli.errors import Stop
from cli.programs import PARTS, Plan, Program, Served, front_door, model_servers, programs
from cli.settings import Ports, Settings


def _plan(home: Path, *entries: ModelEntry, told: dict[str, object] | None = None, **settings: Any) -> Plan:
    models = [Served(entry.model, entry, home / "store" / "models" / entry.model) for entry in entries]
    deployment = Deployment(list(entries), settings=told or {})
    return Plan(settings_of(deployment, Settings(home=home, **settings), {}), Ports(), deployment, models, "secret")


def _ports(found: list[Program]) -> dict[str, int]:
    return {program.name: program.ports[0] for program in found}


def test_everything_starts_in_order_and_the_model_servers_last(tmp_path: Path) -> None:
    found = programs(_plan(tmp_path, ModelEntry("a-b-1"), ModelEntry("c-d-1")))

    assert [program.name for program in found] == [*PARTS, "model-a-b-1-0", "model-c-d-1-0"]
    assert [program.place for program in found] == [0, 1, 2, 3, 4, 5, 6, 7, 7]


def test_servers_of_ones_own_are_used_and_not_started(tmp_path: Path) -> None:
    plan = _plan(tmp_path, mongo_url="mongodb://db/?replicaSet=r", redis_url="redis://cache:6379/1")

    found = {program.name: program for program in programs(plan)}

    assert "mongod" not in found and "valkey" not in found
    assert found["registry"].environment["SERVOIR_MONGO_URL"] == "mongodb://db/?replicaSet=r"
    assert found["gateway"].environment["SERVOIR_REDIS_URL"] == "redis://cache:6379/1"


def test_a_replica_keeps_its_port_when_another_model_is_scaled(tmp_path: Path) -> None:
    before = model_servers(_plan(tmp_path, ModelEntry("a-b-1"), ModelEntry("c-d-1", replicas=2)))
    slots = {program.name: program.ports[0] - 8501 for program in before}

    plan = _plan(tmp_path, ModelEntry("a-b-1", replicas=3), ModelEntry("c-d-1", replicas=2))
    after = model_servers(replace(plan, slots=slots))

    assert _ports(before) == {"model-a-b-1-0": 8501, "model-c-d-1-0": 8502, "model-c-d-1-1": 8503}
    assert _ports(before).items() <= _ports(after).items()
    assert len(set(_ports(after).values())) == 5


def test_more_servers_than_there_are_ports_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="more than 99"):
        model_servers(_plan(tmp_path, ModelEntry("a-b-1", replicas=99), ModelEntry("a-b-2")))


def test_the_settings_of_a_model_stand_over_those_of_all(tmp_path: Path) -> None:
    entry = ModelEntry("a-b-1", memory_cap="1GiB", settings={"threads": 4})

    (server,) = model_servers(_plan(tmp_path, entry, told={"threads": 2, "log_level": "debug"}))

    told = server.environment
    assert (told["SERVOIR_THREADS"], told["SERVOIR_LOG_LEVEL"], told["SERVOIR_MEMORY_CAP"]) == ("4", "debug", "1GiB")


def test_a_cap_for_all_models_holds_for_those_without_one(tmp_path: Path) -> None:
    plan = _plan(tmp_path, ModelEntry("a-b-1", memory_cap="1GiB"), ModelEntry("c-d-1"), told={"memory_cap": "2GiB"})

    assert [server.environment["SERVOIR_MEMORY_CAP"] for server in model_servers(plan)] == ["1GiB", "2GiB"]


_SAMPLES = {
    "text": sys.executable,  # a mongod must be something that starts
    "whole number": 7,
    "number": 7,
    "true or false": True,
    "path": "/somewhere",
    "size": 7,
    "list": ["/here", "/there"],
}


@pytest.mark.parametrize("name", [name.removeprefix("SERVOIR_").lower() for name in KNOWN])
def test_no_setting_of_the_file_is_without_effect(tmp_path: Path, name: str) -> None:
    told = {name: _SAMPLES[KNOWN[f"SERVOIR_{name.upper()}"]]}
    if name.startswith("tls_"):
        told |= {"tls_certificate": "/somewhere/chain.pem", "tls_key": "/somewhere/key.pem"}
    file = tmp_path / "servoir.yaml"
    file.write_text(json.dumps({"models": [{"model": "a-b-1"}], "settings": told}))

    try:
        told = read_deployment(file).settings
    except Stop as stop:
        assert name in stop.problem
        return

    without, plan = _plan(tmp_path, ModelEntry("a-b-1")), _plan(tmp_path, ModelEntry("a-b-1"), told=told)
    assert (programs(plan), front_door(plan)) != (programs(without), front_door(without))


def test_only_the_gateway_is_told_the_admin_token(tmp_path: Path) -> None:
    found = programs(_plan(tmp_path, ModelEntry("a-b-1")))

    assert [program.name for program in found if "secret" in program.environment.values()] == ["gateway"]


def test_with_a_certificate_nginx_serves_https_and_this_machine_goes_behind_it(tmp_path: Path) -> None:
    certificate = {"tls_certificate": tmp_path / "chain.pem", "tls_key": tmp_path / "key.pem"}
    plan = _plan(tmp_path, http_host="0.0.0.0", **certificate)

    nginx = next(program for program in programs(plan) if program.name == "nginx")

    text = front_door(plan).text()
    assert nginx.ports == (8080, 8443)
    assert "listen 0.0.0.0:8443 ssl" in text and "return 308 https://$host:8443" in text
    assert plan.url == "http://127.0.0.1:8090"


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    programs(_plan(tmp_path, ModelEntry("a-b-1")))

    assert list(tmp_path.iterdir()) == []


def test_nginx_is_started_again_where_it_is_told_something_else(tmp_path: Path) -> None:
    def told(**settings: Any) -> dict[str, str]:
        found = programs(_plan(tmp_path, **settings))
        return next(program.environment for program in found if program.name == "nginx")

    assert told() == told()
    assert told() != told(http_host="0.0.0.0")


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="SERVOIR_TLS_KEY"):
        load(Settings, {"SERVOIR_TLS_CERTIFICATE": "/chain.pem"})
