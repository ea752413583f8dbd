"""The address that a model server's lease gives out."""

from __future__ import annotations

import socket

import pytest

from services.model_server.server import announced, is_for_this_machine_alone
from services.model_server.settings import ModelServerSettings


@pytest.mark.parametrize("address", ["0.0.0.0:8501", "[::]:8501"])
def test_a_server_on_every_interface_announces_the_name_of_its_machine(address: str) -> None:
    assert announced(ModelServerSettings(address=address), 8501) == f"{socket.gethostname()}:8501"


def test_a_server_on_one_interface_announces_that() -> None:
    assert announced(ModelServerSettings(address="10.0.0.7:0"), 41234) == "10.0.0.7:41234"


def test_the_host_to_announce_stands_over_both() -> None:
    settings = ModelServerSettings(address="0.0.0.0:8501", announce_host="gpu-3.example")

    assert announced(settings, 8501) == "gpu-3.example:8501"


@pytest.mark.parametrize("registry", ["10.0.0.1:8400", "registry.internal:8400", "[fd00::1]:8400"])
@pytest.mark.parametrize("address", ["127.0.0.1:8501", "localhost:8501", "[::1]:8501"])
def test_an_address_of_loopback_says_nothing_to_a_registry_elsewhere(address: str, registry: str) -> None:
    assert is_for_this_machine_alone(address, registry)


@pytest.mark.parametrize(
    ("address", "registry"),
    [
        ("127.0.0.1:8501", "127.0.0.1:8400"),
        ("127.0.0.1:8501", "localhost:8400"),
        ("10.0.0.7:8501", "10.0.0.1:8400"),
        ("gpu-3:8501", "registry:8400"),
        ("10.0.0.7:8501", "127.0.0.1:8400"),
    ],
)
def test_any_other_address_may_be_reached_from_where_the_registry_is(address: str, registry: str) -> None:
    assert not is_for_this_machine_alone(address, registry)
