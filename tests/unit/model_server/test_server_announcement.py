"""The address that a model server's lease gives out."""

from __future__ import annotations

import socket

import pytest

from services.model_server.server import announced
from services.model_server.settings import ModelServerSettings


@pytest.mark.parametrize("address", ["0.0.0.0:8501", "[::]:8501"])
def test_a_server_on_every_interface_announces_the_name_of_its_machine(address: str) -> None:
    assert announced(ModelServerSettings(address=address), 8501) == f"{socket.gethostname()}:8501"


def test_a_server_on_one_interface_announces_that() -> None:
    assert announced(ModelServerSettings(address="10.0.0.7:0"), 41234) == "10.0.0.7:41234"


def test_the_host_to_announce_stands_over_both() -> None:
    settings = ModelServerSettings(address="0.0.0.0:8501", announce_host="gpu-3.example")

    assert announced(settings, 8501) == "gpu-3.example:8501"
