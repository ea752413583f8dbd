"""The gateway as a process, with real Redis, registry, dispatcher and model server."""

from __future__ import annotations

import json
import signal
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.chaos.world import World
from tests.integration.gateway.conftest import predict, serving
from tests.parts import Server, wait_until


def get(world: World, path: str) -> httpx.Response:
    return httpx.get(f"http://{world.gateways[0]}{path}", timeout=10, verify=False)


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """Have *server* do nothing; it goes on however the test ends, for those that come after it."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


def test_a_picture_goes_all_the_way_and_back(world: World) -> None:
    response = predict(world, name="street.gif", headers={"X-Request-Id": "followed-1"})

    body = response.json()
    payload = b"GIF89a\5\0\5\0street.gif"
    entry = body["result"]["street.gif"]
    assert response.status_code == 200
    assert entry["classes"] == [{"label": f"{zlib.crc32(payload):08x}", "score": 1.0}]
    assert entry["size"] == len(payload)
    assert (body["type"], body["request_id"]) == ("chaos-echo-1", "followed-1")
    assert body["queue"]["attempts"] == 1


def test_the_timings_of_the_hops_lie_within_the_whole(world: World) -> None:
    timings = predict(world).json()["timings"]

    assert 0 < timings["infer"] <= timings["service"]
    assert timings["queue_wait"] + timings["service"] <= timings["detect_with_json"] <= timings["tt_turnaround"]


def test_one_request_can_be_followed_through_every_services_log(world: World) -> None:
    predict(world, headers={"X-Request-Id": "followed-2"})

    def followed() -> set[str]:
        return {name for name, part in world.parts.items() if "followed-2" in part.log.read_text(errors="replace")}

    wait_until(lambda: followed() >= {"gateway-0", "dispatcher-0", "model-server-0"}, what="all three logs name it")


def test_requests_of_many_callers_are_all_answered_with_their_own(world: World) -> None:
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda number: predict(world, name=f"{number}.gif"), range(100)))

    for number, response in enumerate(responses):
        [label] = response.json()["result"][f"{number}.gif"]["classes"]
        assert label["label"] == f"{zlib.crc32(b'GIF89a' + bytes([5, 0, 5, 0]) + f'{number}.gif'.encode()):08x}"


def test_a_deadline_that_cannot_be_met_is_refused_or_passes(world: World) -> None:
    response = predict(world, timeout_s=0.001)

    assert response.status_code in (429, 504)


def test_an_idempotency_key_gives_the_same_answer_and_no_second_run(world: World) -> None:
    once = {"Idempotency-Key": "once-and-only-once"}
    first = predict(world, headers={**once, "X-Request-Id": "idem-1"})
    second = predict(world, headers={**once, "X-Request-Id": "idem-2"})
    other = predict(world, name="b.gif", headers=once)

    assert first.status_code == second.status_code == 200
    assert first.json()["result"]["a.gif"]["classes"] == second.json()["result"]["a.gif"]["classes"]
    assert other.status_code == 409
    assert "idem-2" not in {executed.request_id for executed in world.executed()}


def test_a_model_without_a_server_is_unavailable(world: World) -> None:
    document = {"org_name": "chaos", "problem_id": "alone", "rel_num": "1", "task": "bbox", "dnnarch": "echo",
                "framework_type": "echo"}  # fmt: skip
    url = f"http://{world.gateways[0]}/api/vision/v3"
    published = httpx.post(f"{url}/models", json=document, verify=False)
    again = httpx.post(f"{url}/models", json=document, verify=False)
    other = httpx.post(f"{url}/models", json={**document, "description": "another"}, verify=False)

    assert [published.status_code, again.status_code, other.status_code] == [201, 201, 409]
    wait_until(lambda: get(world, "/api/vision/v3/models/chaos-alone-1").status_code == 200)
    files = {"image": ("a.gif", b"GIF89a\5\0\5\0")}
    response = httpx.post(f"{url}/predict/bbox?q=chaos-alone-1", files=files, verify=False)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1


def test_a_default_answers_where_no_model_is_named(world: World) -> None:
    url = f"http://{world.gateways[0]}/api/vision/v3"
    files = {"image": ("a.gif", b"GIF89a\5\0\5\0")}

    named = httpx.put(f"{url}/defaults/bbox", json={"key": "chaos-echo"}, verify=False)

    assert named.status_code == 200
    wait_until(
        lambda: httpx.post(f"{url}/predict/bbox", files=files, verify=False).status_code == 200,
        what="the default answers",
    )


def test_usage_counts_what_was_answered(world: World) -> None:
    url = "/api/vision/v3/usage?by=model"

    def requests() -> int:
        rows = get(world, url).json()["rows"]
        return sum(row["requests"] for row in rows if row["model"] == "chaos-echo-1")

    def counted(request_id: str) -> bool:
        return request_id in {one.request_id for one in world.counted()}

    predict(world, headers={"X-Request-Id": "usage-1"})
    wait_until(lambda: counted("usage-1"), what="usage of all before")
    before = requests()

    for number in (2, 3, 4):
        predict(world, headers={"X-Request-Id": f"usage-{number}"})

    wait_until(lambda: counted("usage-4"), what="usage arrives")
    assert requests() == before + 3
    assert get(world, f"{url}&format=csv").text.startswith("model,requests,images,failed")


def test_the_overview_shows_the_models_queue(world: World) -> None:
    queues = get(world, "/api/vision/v3/queue").json()["queues"]

    assert [q["replicas"] for q in queues if q["model"] == "chaos-echo-1"] == [1]


def test_metrics_and_readiness_are_shown(world: World) -> None:
    predict(world)

    assert get(world, "/health/ready").json()["status"] == "ok"
    assert 'servoir_gateway_images_total{model="chaos-echo-1",status="200"}' in get(world, "/metrics").text


def test_without_the_registry_predictions_go_on_and_readiness_says_so(world: World) -> None:
    world.parts["registry"].kill()
    try:
        assert predict(world).status_code == 200
        assert get(world, "/health/ready").json()["status"] == "degraded"
        assert get(world, "/api/vision/v3/models").status_code == 200
        refused = httpx.post(f"http://{world.gateways[0]}/api/vision/v3/models/chaos-echo-1/release", json={})
        assert refused.status_code == 503
    finally:
        world.parts["registry"].start()
    wait_until(lambda: get(world, "/health/ready").json()["status"] == "ok", what="ready again")


@pytest.mark.parametrize("harm", [Server.kill, Server.pause])
def test_without_redis_a_request_is_refused_at_once_and_recovery_is_by_itself(world: World, harm: object) -> None:
    redis = world.parts["redis"]
    harm(redis)  # type: ignore[operator]
    try:
        response = predict(world, timeout_s=30)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        wait_until(lambda: get(world, "/health/ready").status_code == 503, what="not ready")
        assert get(world, "/health/live").status_code == 200
    finally:
        redis.start() if harm is Server.kill else redis.resume()
    wait_until(lambda: serving(world), what="predictions go through again")


def test_sigterm_lets_requests_at_hand_finish(world: World) -> None:
    gateway, url = world.parts["gateway-0"], f"http://{world.gateways[0]}/api/vision/v3/predict/bbox?q=chaos-echo-1"
    answered: list[int] = []
    failures: list[str] = []

    def ask_for_ever(number: int) -> None:
        with httpx.Client(timeout=30, verify=False) as client:
            while True:
                try:
                    response = client.post(url, files={"image": (f"{number}.gif", b"GIF89a\5\0\5\0")})
                    answered.append(response.status_code)
                except httpx.ConnectError:
                    return  # nobody took the request
                except httpx.HTTPError as error:
                    failures.append(repr(error))
                    return

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(ask_for_ever, number) for number in range(8)]
        wait_until(lambda: len(answered) > 50, what="load is on")
        gateway.process.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.result()

    assert failures == []
    assert set(answered) == {200}
    assert gateway.process.wait(30) == 0
    gateway.start()
    wait_until(lambda: serving(world))


def test_a_request_whose_client_left_a_proxy_is_not_run(world: World) -> None:
    server, gateway = world.parts["model-server-0"], world.parts["gateway-0"]
    through_proxy = {"X-Forwarded-For": "127.0.0.1", "X-Request-Id": "left-1"}

    with ThreadPoolExecutor(1) as pool:
        with paused(server):
            stays = pool.submit(predict, world, name="stays.gif")
            with pytest.raises(httpx.ReadTimeout):
                predict(world, name="left.gif", timeout_s=10, patience_s=1.0, headers=through_proxy)
            seen = b'"request_id":"left-1"'
            wait_until(lambda: seen in gateway.log.read_bytes(), what="the gateway has seen it leave")

        assert stays.result().status_code == 200
    wait_until(lambda: [one.status for one in world.counted() if one.request_id == "left-1"] == [499], what="its usage")
    assert "left-1" not in {executed.request_id for executed in world.executed()}


def test_a_gateway_holds_as_many_waiting_requests_as_it_is_told(world: World) -> None:
    gateway, server = world.parts["gateway-0"], world.parts["model-server-0"]
    usual = gateway.env or {}

    def restart(**env: str) -> None:
        gateway.terminate()
        gateway.env = {**usual, **env}
        gateway.start()
        wait_until(lambda: serving(world))

    restart(SERVOIR_GATEWAY_MAX_WAITING="1")
    try:
        with paused(server), ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda number: predict(world, name=f"{number}.gif", timeout_s=3), range(3)))
    finally:
        restart()

    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.json()["detail"] for answer in refused] == ["too many requests wait at this gateway"] * 2
    assert all("retry-after" in answer.headers for answer in refused)


def test_the_log_is_json_line_by_line(world: World) -> None:
    lines = world.parts["gateway-0"].log.read_text().splitlines()

    assert lines
    assert all(json.loads(line)["service"] == "gateway" for line in lines)
