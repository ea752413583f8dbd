"""Triton's gRPC client through nginx: each call goes to the model that its metadata names, if its key may use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.integration.deploy.backends import Backend
from tests.integration.deploy.doors import Door, tls
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import free_port

TRITON = Path(__file__).with_name("triton_call.py")
GOOD = {"x-api-key": "good"}
ECHO, OTHER = "acme-echo", "acme-other"


class Through(NamedTuple):
    door: Door
    gateway: Backend


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Serving]]:
    made = {
        name: Serving(echo_folder(tmp_path_factory.mktemp(name) / "model", problem_id=name[5:]), "--tune", "off")
        for name in (ECHO, OTHER)
    }
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture
def through(tmp_path: Path, servers: dict[str, Serving]) -> Iterator[Through]:
    models = {f"{name}-1": (server.address,) for name, server in servers.items()}
    yield from open_door(tmp_path, models)


def open_door(folder: Path, models: dict[str, tuple[str, ...]], **options: object) -> Iterator[Through]:
    gateway = Backend()
    address = f"127.0.0.1:{free_port()}"
    door = Door(folder, gateway.address, grpc_address=address, grpc_models=models, **options)
    yield Through(door, gateway)
    door.stop()
    gateway.stop()


def infer(through: Through, model: str, headers: dict[str, str], *certificate: str) -> dict[str, Any]:
    """Ask *model* about one item of 6 bytes; return what came, or the failure's status."""
    arguments = [through.door.door.grpc_address, model, json.dumps(headers), *certificate]
    answer = subprocess.run([sys.executable, str(TRITON), *arguments], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


@pytest.mark.parametrize("name", [ECHO, OTHER])
@pytest.mark.parametrize("version", ["", "-1"])
def test_a_call_reaches_the_model_that_it_names(through: Through, name: str, version: str) -> None:
    assert infer(through, name, {"servoir-model": name + version, **GOOD}) == {"model": name, "length": 6}


def test_the_gateway_is_asked_first_with_the_callers_key(through: Through) -> None:
    named = {"servoir-model": ECHO}
    through.gateway.refuses = 401
    assert infer(through, ECHO, named) == {"status": "StatusCode.UNAUTHENTICATED"}
    assert infer(through, ECHO, {**named, "x-api-key": "bad"}) == {"status": "StatusCode.UNAUTHENTICATED"}
    assert infer(through, ECHO, {**named, **GOOD}) == {"model": ECHO, "length": 6}

    through.gateway.refuses = 403
    assert infer(through, ECHO, {"servoir-model": f"{ECHO}-1"}) == {"status": "StatusCode.PERMISSION_DENIED"}
    asked = through.gateway.got[-1]
    assert (asked.method, asked.path, asked.body) == ("GET", f"/v2/models/{ECHO}-1/leave", b"")


@pytest.mark.parametrize("headers", [{}, {"servoir-model": "acme-nothing"}, {"servoir-model": "../../x"}])
def test_a_call_that_names_no_model_is_not_found(through: Through, headers: dict[str, str]) -> None:
    assert infer(through, ECHO, {**headers, **GOOD}) == {"status": "StatusCode.NOT_FOUND"}
    assert through.gateway.got == []


def test_the_model_servers_other_services_are_not_reached(through: Through) -> None:
    metadata = [("servoir-model", ECHO), *GOOD.items()]
    with grpc.insecure_channel(through.door.door.grpc_address) as channel, pytest.raises(grpc.RpcError) as failure:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)

    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_model_without_a_server_is_unavailable(tmp_path: Path) -> None:
    for through in open_door(tmp_path, {f"{ECHO}-1": (f"127.0.0.1:{free_port()}",)}):
        assert infer(through, ECHO, {"servoir-model": ECHO}) == {"status": "StatusCode.UNAVAILABLE"}


def test_it_works_over_tls(tmp_path: Path, servers: dict[str, Serving]) -> None:
    secure = tls(tmp_path)
    for through in open_door(tmp_path, {f"{ECHO}-1": (servers[ECHO].address,)}, tls=secure):
        told = infer(through, ECHO, {"servoir-model": ECHO}, str(secure.certificate))

        assert told == {"model": ECHO, "length": 6}
