"""Triton's gRPC client through nginx: each call goes to the model that its metadata names, if its key may use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.integration.deploy.backends import Backend
from tests.integration.deploy.doors import Door, tls
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import free_port

GOOD = {"x-api-key": "good"}


class Through(NamedTuple):
    door: Door
    gateway: Backend
    servers: dict[str, Serving]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Serving]]:
    folders = {name: tmp_path_factory.mktemp(name) / "model" for name in ("echo", "other")}
    made = {name: Serving(echo_folder(folder, problem_id=name), "--tune", "off") for name, folder in folders.items()}
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture
def through(tmp_path: Path, servers: dict[str, Serving]) -> Iterator[Through]:
    gateway = Backend()
    door = _door(tmp_path, gateway, servers)
    yield Through(door, gateway, servers)
    door.stop()
    gateway.stop()


def _door(folder: Path, gateway: Backend, servers: dict[str, Serving], **options: object) -> Door:
    models = {f"acme-{name}-1": (server.address,) for name, server in servers.items()}
    return Door(folder, gateway.address, grpc_address=f"127.0.0.1:{free_port()}", grpc_models=models, **options)


def infer(through: Through, model: str, headers: dict[str, str], **options: object) -> triton.InferResult:
    """Ask *model* about one item."""
    tensor = triton.InferInput("image", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"GIF89a"]], dtype=np.object_))
    with triton.InferenceServerClient(through.door.door.grpc_address, **options) as client:
        return client.infer(model, [tensor], headers=headers)


def status(through: Through, model: str, headers: dict[str, str]) -> str:
    with pytest.raises(InferenceServerException) as failure:
        infer(through, model, headers)
    return str(failure.value.status())


@pytest.mark.parametrize("name", ["echo", "other"])
@pytest.mark.parametrize("version", ["", "-1"])
def test_a_call_reaches_the_model_that_it_names(through: Through, name: str, version: str) -> None:
    model = f"acme-{name}"

    result = infer(through, model, {"servoir-model": model + version, **GOOD})

    assert result.get_response().model_name == model
    assert result.as_numpy("length").tolist() == [[6]] or result.as_numpy("length").tolist() == [6]


def test_the_gateway_is_asked_first_with_the_callers_key(through: Through) -> None:
    through.gateway.refuses = 401
    assert status(through, "acme-echo", {"servoir-model": "acme-echo"}) == "StatusCode.UNAUTHENTICATED"
    assert status(through, "acme-echo", {"servoir-model": "acme-echo", "x-api-key": "bad"}).endswith("UNAUTHENTICATED")
    infer(through, "acme-echo", {"servoir-model": "acme-echo", **GOOD})

    through.gateway.refuses = 403
    assert status(through, "acme-echo", {"servoir-model": "acme-echo-1"}) == "StatusCode.PERMISSION_DENIED"
    asked = through.gateway.got[-1]
    assert (asked.method, asked.path, asked.body) == ("GET", "/v2/models/acme-echo-1/leave", b"")


@pytest.mark.parametrize("headers", [{}, {"servoir-model": "acme-nothing"}, {"servoir-model": "../../x"}])
def test_a_call_that_names_no_model_is_not_found(through: Through, headers: dict[str, str]) -> None:
    assert status(through, "acme-echo", {**headers, **GOOD}) == "StatusCode.NOT_FOUND"
    assert through.gateway.got == []


def test_the_model_servers_other_services_are_not_reached(through: Through) -> None:
    with grpc.insecure_channel(through.door.door.grpc_address) as channel, pytest.raises(grpc.RpcError) as failure:
        health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), metadata=[("servoir-model", "acme-echo"), ("x-api-key", "good")]
        )

    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_model_without_a_server_is_unavailable(tmp_path: Path, servers: dict[str, Serving]) -> None:
    gateway = Backend()
    models = {"acme-echo-1": (f"127.0.0.1:{free_port()}",)}
    door = Door(tmp_path, gateway.address, grpc_address=f"127.0.0.1:{free_port()}", grpc_models=models)
    try:
        told = status(Through(door, gateway, servers), "acme-echo", {"servoir-model": "acme-echo"})
    finally:
        door.stop()
        gateway.stop()

    assert told == "StatusCode.UNAVAILABLE"


def test_it_works_over_tls(tmp_path: Path, servers: dict[str, Serving]) -> None:
    gateway = Backend()
    secure = tls(tmp_path)
    door = _door(tmp_path, gateway, servers, tls=secure)
    try:
        result = infer(
            Through(door, gateway, servers),
            "acme-echo",
            {"servoir-model": "acme-echo"},
            ssl=True,
            root_certificates=str(secure.certificate),
            channel_args=[("grpc.ssl_target_name_override", "localhost")],
        )
        assert result.get_response().model_name == "acme-echo"
    finally:
        door.stop()
        gateway.stop()
