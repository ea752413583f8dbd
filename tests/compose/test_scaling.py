"""A model's servers come and go while clients ask, and nobody notices but by speed."""

from __future__ import annotations

from tests.compose.deployment import Deployment
from tests.parts import wait_until

KEY = "acme-echo-1"


def test_a_model_scaled_to_three_and_back_under_load_fails_no_request(deployment: Deployment) -> None:
    with deployment.traffic(KEY, clients=6) as traffic:
        wait_until(lambda: len(traffic.seen) > 20)
        deployment.scale("model-echo", 3)
        deployment.await_healthy("model-echo", 3)
        wait_until(lambda: all(deployment.batches("model-echo").values()), what="all three answer")
        spread = deployment.batches("model-echo")
        deployment.scale("model-echo", 1)
        alone = len(traffic.seen)
        wait_until(lambda: len(traffic.seen) > alone + 50)

    assert traffic.failures() == []
    assert len(spread) == 3
    assert len(deployment.containers("model-echo")) == 1


def test_compose_up_scales_too_and_leaves_the_rest_alone(deployment: Deployment) -> None:
    before = {it["Id"] for it in deployment.containers()}

    deployment.up("--scale", "model-echo=2", "--scale", "model-detector=0")

    assert len(deployment.containers("model-echo")) == 2
    assert before <= {it["Id"] for it in deployment.containers()}
    deployment.scale("model-echo", 1)
