"""``docker compose restart`` of each service while clients ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment
from tests.e2e.traffic import Traffic
from tests.parts import wait_until

KEY = "acme-echo-1"


@pytest.fixture(scope="module", autouse=True)
def two_model_servers(deployment: Deployment) -> Iterator[None]:
    deployment.scale("model-echo", 2)
    deployment.await_healthy("model-echo", 2)
    yield
    deployment.scale("model-echo", 1)


def _restarted_under_load(deployment: Deployment, service: str) -> Traffic:
    """Restart a service while four clients ask, and return what they saw."""
    before = {it["Id"]: it["State"]["StartedAt"] for it in deployment.containers(service)}
    with deployment.traffic(KEY, clients=4) as traffic:
        wait_until(lambda: len(traffic.seen) > 20)
        deployment.compose("restart", "--no-deps", service)
        deployment.await_healthy(service, len(before))
        wait_until(lambda: traffic.seen[-1].status == 200, what="it is answered again")
        later = len(traffic.seen)
        wait_until(lambda: len(traffic.seen) > later + 50)
        assert all(seen.status == 200 for seen in traffic.seen[later:])
    after = {it["Id"]: it["State"]["StartedAt"] for it in deployment.containers(service)}
    assert before.keys() == after.keys() and not before.items() & after.items(), "every one of them was restarted"
    return traffic


@pytest.mark.parametrize("service", ["gateway", "dispatcher", "model-echo"])
def test_restarting_a_service_that_has_a_second_container_fails_no_request(
    deployment: Deployment, service: str
) -> None:
    assert len(deployment.containers(service)) == 2

    traffic = _restarted_under_load(deployment, service)

    assert traffic.failures() == []


@pytest.mark.parametrize("service", ["registry", "mongo", "jobs"])
def test_restarting_what_predictions_do_not_need_fails_no_request(deployment: Deployment, service: str) -> None:
    assert len(deployment.containers(service)) == 1

    traffic = _restarted_under_load(deployment, service)

    assert traffic.failures() == []


def test_while_the_one_redis_restarts_requests_are_refused_at_once_and_none_hangs(deployment: Deployment) -> None:
    traffic = _restarted_under_load(deployment, "redis")

    failures = {(seen.status, seen.said) for seen in traffic.failures()}
    assert failures <= {(503, "the queue is away"), (503, "the queue went away before an answer")}


def test_while_the_one_nginx_restarts_connections_fail_and_nothing_that_is_answered_is_wrong(
    deployment: Deployment,
) -> None:
    traffic = _restarted_under_load(deployment, "nginx")

    assert {seen.status for seen in traffic.failures()} <= {0}
