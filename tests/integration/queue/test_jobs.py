"""Asynchronous requests: what is killed between submission and result, what is cancelled, and what is forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from chassis.errors import Conflict, NotFound, Unavailable, WrongState
from services.queue.client import AsyncJob, PredictCall, QueueClient
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import Asking, ask, at_work, depth, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import ROOT, start_redis, wait_until


def submit(
    queue: QueueClient,
    *payloads: bytes,
    timeout_s: float = 60.0,
    keep_s: float = 60.0,
    about: bytes = b'{"name": "street"}',
    **how: Any,
) -> str:
    """Submit with a long deadline; *how* is PredictCall's."""
    call = PredictCall(**{"model_key": MODEL, "task": "bbox", "request_id": "r", "timeout_s": timeout_s} | how)
    return queue.submit(payloads, call, about=about, keep_s=keep_s)


def over(queue: QueueClient, job: str, **how: Any) -> AsyncJob:
    """Wait for a job's end; return it."""
    wait_until(lambda: None not in queue.job(job, **how).answers, what="the job's answers")
    return queue.job(job, **how)


class Busy:
    """A model server with a batch that runs, and one more that waits at it: what comes now waits in the queue."""

    def __init__(self, url: str, queue: QueueClient, server: FakeModelServer) -> None:
        self._gate = server.servicer.gate
        self.running = Asking(lambda: ask(queue, b"hold"))
        wait_until(lambda: server.servicer.batches, what="a batch that runs")
        self.next = Asking(lambda: ask(queue, b"next"))
        wait_until(lambda: at_work(url) == 2, what="a batch that waits at the server")

    def end(self) -> None:
        """Let it go on, and wait until both are answered."""
        self._gate.set()
        assert self.running.result()[0].status == self.next.result()[0].status == 200


@pytest.fixture
def busy(redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher) -> Busy:
    """The one model server is busy."""
    start_dispatcher()
    planned(redis_url)
    return Busy(redis_url, client, served)


def test_a_job_has_the_answer_of_each_payload(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)

    job = over(client, submit(client, b"a", b"problem", b"c"))

    assert (job.state, job.model, json.loads(job.about)) == ("done", MODEL, {"name": "street"})
    assert [answer.status for answer in job.answers if answer] == [200, 422, 200]
    assert job.answers[0] and job.answers[0].body == prediction_of(b"a")
    assert (job.waiting, job.place, job.left_s) == (0, None, None)
    assert job.done_s and job.created_s <= job.done_s < job.expires_s <= job.done_s + 60.1


def test_a_job_that_waits_knows_its_place_and_how_long_it_needs(client: QueueClient, busy: Busy) -> None:
    first, second = client.job(submit(client, b"a", b"b")), client.job(submit(client, b"c", priority="batch"))

    assert (first.state, first.place, first.waiting) == ("queued", 1, 2)
    assert (second.state, second.place) == ("queued", 3)
    assert first.left_s and second.left_s and 0 < first.left_s < second.left_s
    busy.end()


def test_what_waits_is_cancelled_once_and_never_runs(
    redis_url: str, client: QueueClient, served: FakeModelServer, registry: FakeRegistry, busy: Busy
) -> None:
    job = submit(client, b"a", b"b", request_id="cancelled")

    cancelled, again = client.cancel(job), client.cancel(job)

    assert (cancelled.state, cancelled.cancelled, again.state) == ("cancelled", 2, "cancelled")
    assert [json.loads(answer.body)["title"] for answer in again.answers if answer] == ["Cancelled"] * 2
    busy.end()
    assert ask(client, b"after")[0].status == 200
    assert "cancelled" not in [one for batch in served.servicer.batches for one in batch]
    wait_until(lambda: len(registry.counted()) == 5, what="usage")
    assert sorted(one.status for one in registry.counted()) == [200, 200, 200, 409, 409]
    assert depth(redis_url) == 0


def test_what_runs_is_let_finish(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    job = submit(client, b"hold")
    wait_until(lambda: at_work(redis_url) == 1, what="a job that runs")

    assert client.job(job).state == "running"
    with pytest.raises(WrongState, match="runs already"):
        client.cancel(job)
    served.servicer.gate.set()
    assert over(client, job).state == "done"
    with pytest.raises(WrongState, match="answered already"):
        client.cancel(job)


def test_jobs_cancelled_while_they_are_taken_either_ran_or_were_cancelled(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    start_dispatcher()
    planned(redis_url)
    jobs = [submit(client, b"%d" % number, request_id=f"{number}") for number in range(60)]

    refused = {job for job in reversed(jobs) if not _cancelled(client, job)}

    states = {job: over(client, job).state for job in jobs}
    ran = [one for batch in served.servicer.batches for one in batch]
    assert {job for job, state in states.items() if state == "done"} == refused
    assert sorted(ran) == sorted(str(jobs.index(job)) for job in refused)
    wait_until(lambda: len(registry.counted()) == 60, what="usage")
    assert sorted({one.status for one in registry.counted()}) in ([409], [200, 409], [200])


def test_a_job_is_its_clients_only(client: QueueClient, busy: Busy) -> None:
    job = submit(client, b"a", client_id="acme")

    for client_id in ("", "other"):
        with pytest.raises(NotFound):
            client.job(job, client_id=client_id)
        with pytest.raises(NotFound):
            client.cancel(job, client_id=client_id)
    with pytest.raises(NotFound):
        client.job("unknown", client_id="acme")
    busy.end()
    assert over(client, job, client_id="acme").state == "done"


def test_one_idempotency_key_is_one_job(
    client: QueueClient, served: FakeModelServer, registry: FakeRegistry, busy: Busy
) -> None:
    job = submit(client, b"a", idempotency_key="k")

    assert submit(client, b"a", idempotency_key="k") == job
    with pytest.raises(Conflict):
        submit(client, b"b", idempotency_key="k")
    joined = Asking(lambda: ask(client, b"a", idempotency_key="k"))
    busy.end()
    assert over(client, job).state == "done"
    assert joined.result()[0].body == prediction_of(b"a")
    assert submit(client, b"a", idempotency_key="k") == job
    wait_until(lambda: len(registry.counted()) == 3, what="usage of what ran")


def test_a_job_under_the_key_of_a_request_has_its_answer(client: QueueClient, busy: Busy, redis_url: str) -> None:
    asked = Asking(lambda: ask(client, b"a", idempotency_key="k"))
    wait_until(lambda: depth(redis_url) == 3, what="the request")

    joined = submit(client, b"a", idempotency_key="k")

    assert client.job(joined).state == "queued"
    busy.end()
    assert asked.result()[0].body == prediction_of(b"a")
    assert [answer.body for answer in over(client, joined).answers if answer] == [prediction_of(b"a")]
    assert submit(client, b"a", idempotency_key="k") == joined


def test_a_cancelled_job_may_be_tried_again_under_its_key(client: QueueClient, busy: Busy) -> None:
    first = submit(client, b"a", idempotency_key="k")
    client.cancel(first)

    second = submit(client, b"a", idempotency_key="k")
    busy.end()

    assert second != first
    assert over(client, second).state == "done"


def test_a_job_is_late_at_its_deadline_though_no_dispatcher_lives(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    dispatcher = start_dispatcher()
    planned(redis_url)
    dispatcher.kill()

    job = over(client, submit(client, b"a", timeout_s=3.0))

    assert job.state == "failed"
    assert [answer.status for answer in job.answers if answer] == [504]
    assert depth(redis_url) == 0


def test_nothing_is_left_of_a_job_that_is_forgotten(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    connection = redis.Redis.from_url(redis_url)
    before = _keys(connection)

    job = submit(client, b"a", keep_s=0.2, timeout_s=20)

    wait_until(lambda: not connection.keys("servoir:queue:job:*"), what="the end of its time")
    with pytest.raises(NotFound):
        client.job(job)
    wait_until(lambda: _keys(connection) <= before, what="no other keys")


def _cancelled(queue: QueueClient, job: str) -> bool:
    """Cancel a job, again where Redis was too slow; return whether it could be."""
    while True:
        try:
            return queue.cancel(job).state == "cancelled"
        except WrongState:
            return False
        except Unavailable:
            continue


def _keys(connection: redis.Redis) -> set[bytes]:
    """Return all keys but those of usage, which is on its way."""
    return {key for key in connection.scan_iter() if b":usage:" not in key}


def test_a_job_survives_its_gateway_the_dispatcher_and_redis(
    tmp_path: Path, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    (tmp_path / "data").mkdir()
    server, url = start_redis(tmp_path / "data")
    slow = FakeModelServer(HashServicer(delay_s=0.3))
    registry.lease(lease("slow", slow.address))
    dispatcher = start_dispatcher(url)
    planned(url)
    code = f"""
import time
from services.queue.client import PredictCall, QueueClient
client = QueueClient({url!r})
client.start()
for n in range(12):
    call = PredictCall(model_key={MODEL!r}, task="bbox", request_id="x", timeout_s=60)
    print(client.submit([b"%d" % n], call, about=b"1", keep_s=60), flush=True)
time.sleep(600)
"""
    gateway = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert gateway.stdout
    jobs = [gateway.stdout.readline().strip() for _ in range(12)]

    gateway.kill()
    dispatcher.kill()
    server.kill()
    gateway.wait()
    server.start()
    start_dispatcher(url)

    client = QueueClient(url)
    client.start()
    wait_until(lambda: depth(url) == 0, what="an answer for each")
    bodies = [answer.body for job in jobs for answer in over(client, job).answers if answer]
    assert bodies == [prediction_of(b"%d" % number) for number in range(12)]
    wait_until(lambda: len(registry.counted()) == 12, what="usage of each")

    server.kill()
    with pytest.raises(Unavailable):
        client.job(jobs[0])
    server.start()
    wait_until(client.ready, what="the client's contact")
    assert client.job(jobs[0]).state == "done"
    client.close()
    server.stop()
    slow.stop()
