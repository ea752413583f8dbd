"""The dispatcher as a process: its start, its metrics, its end; and servers and a registry that come and go."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.request
from pathlib import Path

import redis

from chassis.errors import TooBusy
from chassis.settings import environment
from services.queue.client import QueueClient, QueueOperator
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, lease, prediction_of
from tests.integration.queue.asking import ask, at_once, at_work, planned
from tests.integration.queue.conftest import StartDispatcher, StartModelServer
from tests.parts import ROOT, free_port, wait_until


def _dispatcher(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.queue"]
    return subprocess.run(
        command, cwd=ROOT, env={**environment(), **env}, capture_output=True, text=True, timeout=60, check=False
    )


def test_without_redis_it_says_what_to_do_and_ends() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"

    ended = _dispatcher(SERVOIR_REDIS_URL=url)

    assert ended.returncode != 0
    assert url in ended.stderr and "SERVOIR_REDIS_URL" in ended.stderr


def test_bad_settings_are_named_together() -> None:
    ended = _dispatcher(SERVOIR_METRICS_PORT="many", SERVOIR_QUEUE_MAX_ITEMS="few")

    assert ended.returncode != 0
    assert "SERVOIR_METRICS_PORT" in ended.stderr and "SERVOIR_QUEUE_MAX_ITEMS" in ended.stderr


def test_operators_see_what_happens(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    port = free_port()
    start_dispatcher(SERVOIR_METRICS_PORT=str(port))
    planned(redis_url)

    def shown() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            return str(page.read().decode())

    for line in (
        f'servoir_queue_answers_total{{model="{MODEL}",priority="interactive",status="500"}} 0.0',
        f'servoir_queue_refusals_total{{model="{MODEL}",priority="interactive",reason="deadline"}} 0.0',
        f'servoir_queue_given_up_total{{model="{MODEL}"}} 0.0',
        f'servoir_queue_retries_total{{model="{MODEL}"}} 0.0',
    ):
        assert line in shown(), "what is not there before its first increase is not seen to increase"
    ask(client, b"good", b"problem", b"fail")

    wait_until(lambda: f'servoir_queue_quarantined_items{{model="{MODEL}"}} 1.0' in shown(), what="a sweep")
    with contextlib.suppress(TooBusy):
        ask(client, b"hopeless", timeout_s=0.001)
    refused = f'servoir_queue_refusals_total{{model="{MODEL}",priority="interactive",reason="deadline"}} 1.0'
    wait_until(lambda: refused in shown(), what="a refusal that is counted")
    for line in (
        f'servoir_queue_answers_total{{model="{MODEL}",priority="interactive",status="200"}} 1.0',
        f'servoir_queue_answers_total{{model="{MODEL}",priority="interactive",status="422"}} 1.0',
        f'servoir_queue_answers_total{{model="{MODEL}",priority="interactive",status="500"}} 1.0',
        f'servoir_queue_given_up_total{{model="{MODEL}"}} 1.0',
        f'servoir_queue_depth_items{{model="{MODEL}",priority="interactive"}} 0.0',
        f'servoir_queue_replicas{{model="{MODEL}",state="live"}} 1.0',
    ):
        assert line in shown()
    [view] = QueueOperator(redis_url).overview()
    assert (view.model, view.replicas, view.quarantined, view.at_work) == (MODEL, 1, 1, 0)
    assert view.drain_rate > 0


def test_a_server_that_is_paused_is_left_out_until_it_is_back(
    redis_url: str,
    client: QueueClient,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
    start_model_server: StartModelServer,
) -> None:
    pausing, other = start_model_server("--delay-s", "0.02"), start_model_server("--delay-s", "0.02")
    registry.lease(lease("pausing", pausing.address, service_s=0.02), lease("other", other.address, service_s=0.02))
    dispatcher = start_dispatcher()
    planned(redis_url, replicas=2)
    for call in at_once(client, [b"%d" % number for number in range(32)]):
        assert call.result()[0].status == 200
    assert pausing.journal.read_text()

    pausing.pause()
    for _ in range(2):
        for call in at_once(client, [b"%d" % number for number in range(16)], timeout_s=1.0):
            assert call.result()[0].status in (200, 504)
    planned(redis_url, replicas=1)
    for call in at_once(client, [b"%d" % number for number in range(16)], timeout_s=5.0):
        assert call.result()[0].status == 200

    pausing.resume()
    planned(redis_url, replicas=2)
    assert dispatcher.process.poll() is None


def test_usage_waits_for_the_registry_and_is_counted_once(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    start_dispatcher()
    planned(redis_url)
    ask(client, b"before", request_id="before")
    wait_until(lambda: len(registry.counted()) == 1, what="usage")
    port = registry.port
    registry.stop()

    assert ask(client, b"x" * 10, request_id="away", client_id="c")[0].body == prediction_of(b"x" * 10)
    with redis.Redis.from_url(redis_url) as connection:
        wait_until(lambda: connection.keys("servoir:queue:usage:*"), what="usage that waits")
    back = FakeRegistry(port)
    wait_until(lambda: len(back.counted()) == 1, what="usage of the time it was away")

    assert back.counted() == [("away", 0, 200)]
    [one] = back.sums()
    assert (one.client_id, one.model_key, one.status) == ("c", MODEL, 200)
    assert (one.images, one.requests, one.payload_bytes) == (1, 1, 10)
    assert one.answered_at_ms > 0 and one.service_s > 0
    back.stop()


def test_a_dispatcher_with_nothing_to_do_ends_well(
    redis_url: str, start_dispatcher: StartDispatcher, tmp_path: Path
) -> None:
    dispatcher = start_dispatcher()

    assert dispatcher.terminate() == 0
    assert at_work(redis_url) == 0
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.zcard("servoir:queue:dispatchers") == 0


def test_the_keys_of_a_model_that_nobody_serves_are_removed_until_it_is_served_again(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    start_dispatcher(SERVOIR_QUEUE_RETIRE_S="0.5")
    planned(redis_url)
    ask(client, b"x")

    registry.lease()

    with redis.Redis.from_url(redis_url) as connection:
        wait_until(lambda: not connection.keys(f"servoir:queue:{MODEL}:*"), what="no key of the model")
        assert not connection.hexists("servoir:queue:plans", MODEL)
    registry.lease(lease("again", served.address))
    planned(redis_url)
    assert ask(client, b"y")[0].status == 200
