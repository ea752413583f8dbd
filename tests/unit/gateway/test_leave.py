"""A proxy asks the gateway whether a caller may use a model before it passes a gRPC call on."""

from __future__ import annotations

import pytest

from services.gateway.settings import Settings
from tests.unit.gateway.conftest import Gateway

LEAVE = "/v2/models/acme-coco_things/leave"


@pytest.fixture
def keyed(gateway: Gateway) -> Gateway:
    gateway.settings = Settings(api_keys="on")
    gateway.keys.give("ann's")
    gateway.keys.give("bob's", models=("acme-lanes",))
    return gateway


@pytest.mark.parametrize(("key", "status"), [("ann's", 200), ("bob's", 403), ("nobody's", 401), ("", 401)])
def test_leave_is_given_to_keys_that_may_use_the_model(keyed: Gateway, key: str, status: int) -> None:
    assert keyed.client.get(LEAVE, headers={"X-Api-Key": key} if key else {}).status_code == status


def test_a_model_that_is_not_there_is_not_found(keyed: Gateway) -> None:
    assert keyed.client.get("/v2/models/acme-nothing/leave", headers={"X-Api-Key": "ann's"}).status_code == 404
