"""Asynchronous predictions over HTTP while everything between submission and result is killed."""

from __future__ import annotations

from typing import Any

import httpx

from tests.chaos.world import World
from tests.integration.gateway.conftest import predict
from tests.parts import wait_until


def submit(world: World, name: str) -> str:
    """Submit one small picture; return where its job is."""
    response = predict(world, name=name, timeout_s=300, headers={"Prefer": "respond-async", "X-Request-Id": name})
    assert response.status_code == 202
    return f"http://{world.gateways[0]}{response.headers['Location']}"


def look(url: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(url, timeout=10, verify=False).json()
    return told


def test_a_job_outlives_the_gateway_the_dispatcher_and_redis(world: World) -> None:
    now = predict(world, name="job.gif").json()
    dispatcher, gateway, redis = (world.parts[name] for name in ("dispatcher-0", "gateway-0", "redis"))
    dispatcher.kill()
    kept, unwanted = submit(world, "job.gif"), submit(world, "unwanted.gif")
    waiting = look(kept)
    cancelled = httpx.delete(unwanted, timeout=10, verify=False)

    for part in (gateway, redis):
        part.kill()
    for part in (redis, gateway, dispatcher):
        part.start()

    assert (waiting["state"], waiting["place"], look(unwanted)["state"]) == ("queued", 1, "cancelled")
    assert waiting["left_s"] > 0
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    wait_until(lambda: look(kept)["state"] == "done", what="the job is done")
    answer = look(kept)["answer"]
    assert answer.keys() == now.keys()
    assert answer["result"]["job.gif"]["classes"] == now["result"]["job.gif"]["classes"]
    wait_until(lambda: _answers(world, "job.gif") == [200] and _answers(world, "unwanted.gif") == [409], what="usage")
    ran = [executed.request_id for executed in world.executed()]
    assert (ran.count("job.gif"), ran.count("unwanted.gif")) == (1, 0)

    redis.kill()
    redis.start()
    wait_until(lambda: look(kept).get("answer") == answer, what="the same answer as before")


def _answers(world: World, request_id: str) -> list[int]:
    return [counted.status for counted in world.counted() if counted.request_id == request_id]
