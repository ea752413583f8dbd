"""Health and metrics."""

from __future__ import annotations

from chassis.errors import Unavailable
from chassis.rpc.registry_pb2 import Readiness
from tests.fakes_gateway import FakeCatalogue, model
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post


def test_a_gateway_with_all_its_parts_is_ready(gateway: Gateway) -> None:
    response = gateway.client.get("/health/ready")

    assert response.status_code == 200
    assert response.json == {"status": "ok", "redis": "ok", "registry": "ok", "models": "ok"}


def test_without_the_registry_predictions_go_on_and_readiness_says_degraded(gateway: Gateway) -> None:
    gateway.registry.error = Unavailable("connection refused at 10.0.0.7")
    client = gateway.client

    ready = client.get("/health/ready")

    assert ready.status_code == 200
    assert ready.json is not None
    assert (ready.json["status"], ready.json["registry"]) == ("degraded", "the registry is away")
    assert post(client, f"{V3}/predict").status_code == 200


def test_what_the_registry_lacks_is_told(gateway: Gateway) -> None:
    gateway.registry.state = Readiness(degraded=True, detail="MongoDB is away")

    ready = gateway.client.get("/health/ready").json

    assert ready is not None
    assert (ready["status"], ready["registry"]) == ("degraded", "MongoDB is away")


def test_without_redis_a_gateway_lives_but_is_not_ready(gateway: Gateway) -> None:
    gateway.queue.away = Unavailable("Redis is away")
    client = gateway.client

    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_without_any_models_a_gateway_is_not_ready(gateway: Gateway) -> None:
    gateway.models.away = Unavailable("the models are not known yet")

    assert gateway.client.get("/health/ready").status_code == 503


def test_requests_and_images_are_counted_by_route_model_and_status(gateway: Gateway) -> None:
    client = gateway.client
    post(client, f"{V3}/predict/bbox")
    post(client, f"{V3}/predict/bbox", ("a.txt", b"no image"))

    text = client.get("/metrics").text

    assert 'servoir_gateway_request_seconds_count{route="vision_v3.predict_v3",status="200"}' in text
    assert 'servoir_gateway_images_total{model="acme-coco_things-1",status="415"}' in text
    assert "servoir_gateway_request_seconds_bucket" in text


def test_failures_are_shown_from_0_on_once_a_route_and_a_model_are_used(gateway: Gateway) -> None:
    gateway.models = FakeCatalogue(model("acme-new_things-1"), bbox="acme-new_things-1")
    client = gateway.client
    post(client, f"{V2}/predictq/bbox")

    text = client.get("/metrics").text

    assert 'servoir_gateway_images_total{model="acme-new_things-1",status="503"} 0.0' in text
    assert 'servoir_gateway_request_seconds_count{route="vision_v2.predict_v2",status="500"} 0.0' in text


def test_addresses_of_callers_do_not_become_labels(gateway: Gateway) -> None:
    client = gateway.client
    client.get("/some/odd/address")

    assert "odd" not in client.get("/metrics").text
