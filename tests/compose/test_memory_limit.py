"""A model over its container's limit ends alone, and comes back."""

from __future__ import annotations

import time

from tests.compose.conftest import LEAK_LENGTH
from tests.compose.deployment import Deployment
from tests.e2e.traffic import picture
from tests.parts import wait_until

KILLED = "137"


def test_a_model_over_its_limit_is_killed_and_comes_back_and_others_do_not_notice(deployment: Deployment) -> None:
    (container,) = deployment.containers("model-leaky")
    deployment.await_healthy("model-leaky", 1)
    since = str(int(time.time()))

    with deployment.traffic("acme-echo-1") as neighbours:
        wait_until(lambda: len(neighbours.seen) > 10)
        leaked = deployment.ask("acme-leaky-1", picture(LEAK_LENGTH))
        wait_until(lambda: deployment.serves("acme-leaky-1"), timeout_s=120, what="it serves again")
        later = len(neighbours.seen)
        wait_until(lambda: len(neighbours.seen) > later + 10)

    assert leaked.status in (500, 503)
    assert KILLED in deployment.exit_codes(container["Id"], since=since)
    assert neighbours.failures() == []
    assert deployment.containers("model-leaky")[0]["RestartCount"] >= 1
    deployment.await_healthy("model-leaky", 1)


def test_a_model_server_ends_itself_before_the_kernel_does_where_its_own_cap_is_lower(deployment: Deployment) -> None:
    (container,) = deployment.containers("model-echo")
    told = dict(line.split("=", 1) for line in container["Config"]["Env"])

    assert told["SERVOIR_MEMORY_CAP"] == "448MiB"
    assert container["HostConfig"]["Memory"] == 512 * 2**20
