"""A model server from outside: a process, its port, its log, its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import huge_pages
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc_client import error_of
from chassis.rpc_server import ERROR_NAME
from services.model_server.exits import Exit
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import free_port, wait_until

KEY = "acme-echo-1"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = echo_folder(tmp_path_factory.mktemp("echo"), max_batch_size=4)
    serving = Serving(folder, "--tune", "off", "--concurrency", "2", "--metrics-port", str(free_port()))
    yield serving
    serving.stop()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Serving]:
    """An echo that takes long enough for a batch to be seen at it on a busy machine, one at a time."""
    folder = echo_folder(tmp_path / "slow", config={"delay_s": 1.5}, max_batch_size=1)
    serving = Serving(folder, "--tune", "off", "--concurrency", "1", "--metrics-port", str(free_port()))
    yield serving
    serving.stop()


def health_of(serving: Serving) -> int:
    stub = health_pb2_grpc.HealthStub(serving.channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service="servoir.v1.ModelServer")).status)


def refusal(serving: Serving, key: str, payloads: list[bytes]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        serving.predict(key, payloads)
    error = error_of(refused.value)
    return type(error).__name__, error.detail


def test_a_batch_is_answered_item_by_item_in_order(echo: Serving) -> None:
    response = echo.predict(KEY, [b"a", b"bb", b"ccc"])

    assert [outcome.id for outcome in response.outcomes] == ["0", "1", "2"]
    assert [json.loads(outcome.prediction)["bytes"] for outcome in response.outcomes] == [1, 2, 3]
    assert response.timings.total_s >= response.timings.infer_s


@pytest.mark.skipif(not huge_pages.granted(), reason="Linux gives no huge pages here")
def test_its_memory_is_in_huge_pages(echo: Serving) -> None:
    maps = Path(f"/proc/{echo.server.process.pid}/smaps").read_text()
    heap = maps.partition("[heap]")[2].partition("VmFlags:")[2].partition("\n")[0]

    assert "hg" in heap.split()


def test_what_is_wrong_with_one_item_is_said_in_its_outcome(echo: Serving) -> None:
    items = [pb.Item(id="good", task="bbox", payload=b"x"), pb.Item(id="bad", task="paint", payload=b"x")]

    response = echo.run_batch(pb.PredictRequest(model_key=KEY, items=items))

    assert response.outcomes[0].WhichOneof("result") == "prediction"
    assert response.outcomes[1].problem.status == 400
    assert "paint" in response.outcomes[1].problem.detail


def test_an_item_whose_time_is_up_is_answered_504(echo: Serving) -> None:
    response = echo.predict(KEY, [b"x"], time_left_s=-0.001)

    assert response.outcomes[0].problem.status == 504
    wait_until(lambda: [row["began_at"] for row in echo.log("batch_answered")][-1:] == [[None]], what="it did not run")


def deadline_status(echo: Serving, instance_id: str, by_s: float) -> int:
    """Return the status of an item that is due by then on a server's clock; 200 is an answer."""
    item = pb.Item(id="0", task="bbox", payload=b"x", time_left_s=30.0, by_s=by_s)
    [outcome] = echo.run_batch(pb.PredictRequest(model_key=KEY, instance_id=instance_id, items=[item])).outcomes
    return int(outcome.problem.status or 200)


def test_a_deadline_by_the_servers_own_clock_holds(echo: Serving) -> None:
    told = echo.stub.Describe(pb.DescribeRequest())

    assert deadline_status(echo, told.instance_id, told.clock_s + 30) == 200
    assert deadline_status(echo, told.instance_id, told.clock_s - 0.001) == 504
    assert deadline_status(echo, "", told.clock_s - 0.001) == 200
    assert echo.predict(KEY, [b"x"]).clock_s > told.clock_s


def test_a_batch_for_a_process_that_had_the_address_before_is_not_run(echo: Serving) -> None:
    before = len(echo.log("batch_answered"))
    with pytest.raises(grpc.RpcError) as refused:
        deadline_status(echo, "another", 1.0)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(refused.value.trailing_metadata())[ERROR_NAME] == "Unavailable"
    assert len(echo.log("batch_answered")) == before


def test_what_lay_before_a_paused_server_until_its_deadline_is_not_run(echo: Serving) -> None:
    told = echo.stub.Describe(pb.DescribeRequest())
    statuses: list[int] = []
    asking = threading.Thread(
        target=lambda: statuses.append(deadline_status(echo, told.instance_id, told.clock_s + 0.8))
    )

    echo.server.pause()
    asking.start()
    asking.join(1.2)
    echo.server.resume()
    asking.join()

    assert statuses == [504]


def test_another_models_key_an_empty_batch_and_one_too_large_are_bad_requests(echo: Serving) -> None:
    assert refusal(echo, "acme-other-1", [b"x"])[0] == "BadRequest"
    assert refusal(echo, KEY, [])[0] == "BadRequest"
    assert refusal(echo, KEY, [b"x"] * 5) == ("BadRequest", "a batch of 5 items: this server takes 1 to 4")


def test_it_says_what_it_is_and_how_it_wants_to_be_fed(echo: Serving) -> None:
    described = echo.stub.Describe(pb.DescribeRequest())

    assert described.model_key == KEY
    assert described.engine == "echo"
    assert described.capacity.max_batch_size == described.capacity.best_batch_size == 4
    assert described.capacity.concurrency == 2
    assert [row.batch_size for row in described.capacity.service_times] == [1, 2, 4]
    assert described.resident_bytes > 2**20


def test_a_batch_is_one_line_in_the_log_with_its_request_ids(echo: Serving) -> None:
    before = len(echo.log("batch_answered"))

    echo.predict(KEY, [b"a", b"b"])

    wait_until(lambda: len(echo.log("batch_answered")) > before)
    line = echo.log("batch_answered")[-1]
    assert line["request_ids"] == ["request-0", "request-1"]
    assert line["items"] == 2
    assert all(0 <= time.time() - began_at < 60 for began_at in line["began_at"])


def metrics_of(serving: Serving) -> str:
    port = serving.server.command[serving.server.command.index("--metrics-port") + 1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_its_metrics_show_failures_before_there_is_one(echo: Serving) -> None:
    for status in (400, 415, 422, 500, 504):
        assert f'servoir_model_server_items_total{{status="{status}"}}' in metrics_of(echo)


def test_its_metrics_count_items_and_batches_over_http(echo: Serving) -> None:
    echo.predict(KEY, [b"a", b"b"])

    wait_until(lambda: 'servoir_model_server_items_total{status="200"}' in metrics_of(echo))
    for name in ("batches_total", "batch_size_items_bucket", "decode_seconds_sum", "resident_bytes", "ready 1.0"):
        assert f"servoir_model_server_{name}" in metrics_of(echo)


def test_its_metrics_have_tritons_names_too(echo: Serving) -> None:
    echo.predict(KEY, [b"a", b"b"])
    name, _, version = KEY.rpartition("-")
    labels = f'{{model="{name}",version="{version}"}}'
    ours = wait_for_figures(echo)

    assert ours[f"nv_inference_request_success{labels}"] == ours['servoir_model_server_items_total{status="200"}']
    assert ours[f"nv_inference_count{labels}"] >= 2
    assert ours[f"nv_inference_exec_count{labels}"] == ours["servoir_model_server_batches_total"]
    assert ours[f"nv_inference_request_failure{labels}"] >= 0
    for part in ("queue", "compute_input", "compute_infer", "compute_output"):
        assert ours[f"nv_inference_request_duration_us{labels}"] >= ours[f"nv_inference_{part}_duration_us{labels}"]
    inferred_us = ours['servoir_model_server_item_seconds_total{part="infer"}'] * 1e6
    assert ours[f"nv_inference_compute_infer_duration_us{labels}"] == pytest.approx(inferred_us)
    assert inferred_us > 0


def wait_for_figures(serving: Serving) -> dict[str, float]:
    """Return every figure by its name and labels, once some items are counted."""
    wait_until(lambda: 'servoir_model_server_items_total{status="200"}' in metrics_of(serving))
    lines = [line.rpartition(" ") for line in metrics_of(serving).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_it_gives_way_to_those_who_bring_its_work(echo: Serving) -> None:
    pid = echo.server.process.pid

    assert psutil.Process(pid).nice() == min(19, psutil.Process().nice() + 5)
    assert {os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()} == {
        os.SCHED_BATCH
    }


def test_health_and_reflection_are_there(echo: Serving) -> None:
    assert health_of(echo) == health_pb2.HealthCheckResponse.SERVING


def send_one(serving: Serving, answers: list[int]) -> threading.Thread:
    """Send a batch from a thread, and return that once the server works on it."""
    call = threading.Thread(target=lambda: answers.append(len(serving.predict(KEY, [b"x"]).outcomes)))
    call.start()
    wait_until(lambda: "batches_at_hand 1.0" in metrics_of(serving), what="the batch is at hand")
    return call


def test_sigterm_finishes_the_batch_at_hand_and_exits_with_0(slow: Serving) -> None:
    answers: list[int] = []
    call = send_one(slow, answers)

    slow.server.process.terminate()
    call.join()

    assert answers == [1]
    assert slow.exit_code() == Exit.DRAINED
    assert slow.log("drained")[0]["all_finished"] is True


def test_a_drained_server_takes_no_new_batch_and_ends_by_itself(slow: Serving) -> None:
    answers: list[int] = []
    call = send_one(slow, answers)

    assert slow.stub.Drain(pb.DrainRequest()).batches_left == 1
    assert refusal(slow, KEY, [b"y"]) == ("Unavailable", "this model server is draining")

    assert slow.exit_code() == Exit.DRAINED
    call.join()
    assert answers == [1]


def test_sigterm_ends_a_server_that_is_still_loading_with_0(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "endless", config={"delay_s": 30.0})
    serving = Serving(folder, "--tune", "off", wait=False)
    wait_until(lambda: serving.log("model_loading"))

    serving.server.process.terminate()

    assert serving.exit_code() == Exit.DRAINED
    assert serving.log("ended_while_loading")
    serving.stop()


def test_an_execution_that_its_caller_has_given_up_on_is_not_begun(slow: Serving) -> None:
    answers: list[int] = []
    call = send_one(slow, answers)
    request = pb.PredictRequest(model_key=KEY, items=[pb.Item(id="late", task="bbox", payload=b"x")])

    late = slow.stub.Predict(iter([request]))
    wait_until(lambda: "batches_at_hand 2.0" in metrics_of(slow), what="the second batch waits for the first")
    late.cancel()
    call.join()

    assert answers == [1]
    wait_until(lambda: 'items_total{status="504"} 1.0' in metrics_of(slow))


def test_as_many_batches_run_side_by_side_as_there_are_executions(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "many", config={"delay_s": 1.0}, max_batch_size=1)
    many = Serving(folder, "--tune", "off", "--concurrency", "40", "--metrics-port", str(free_port()))
    request = pb.PredictRequest(model_key=KEY, items=[pb.Item(id="0", task="bbox", payload=b"x")])

    calls = [many.stub.Predict(iter([request])) for _ in range(40)]

    wait_until(lambda: "batches_at_hand 40.0" in metrics_of(many), what="all of them at work")
    assert [len(list(call)) for call in calls] == [1] * 40
    many.stop()


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.model_server", "--registry", "", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_an_error_that_names_it(echo: Serving, tmp_path: Path) -> None:
    ended = run("--model", str(echo_folder(tmp_path)), "--address", echo.address)

    assert ended.returncode == Exit.CANNOT_BIND
    assert echo.address in ended.stdout


def test_a_taken_metrics_port_is_an_error_that_names_it(echo: Serving, tmp_path: Path) -> None:
    taken = echo.address.rpartition(":")[2]

    ended = run("--model", str(echo_folder(tmp_path)), "--address", "127.0.0.1:0", "--metrics-port", taken)

    assert ended.returncode == Exit.CANNOT_BIND
    assert taken in ended.stdout


def test_a_model_that_cannot_be_served_is_an_error_that_says_why(tmp_path: Path) -> None:
    ended = run("--model", str(tmp_path / "nowhere"))

    assert ended.returncode == Exit.BAD_MODEL
    assert "no such model folder" in ended.stdout


def test_bad_settings_are_named_before_anything_starts(tmp_path: Path) -> None:
    ended = run("--model", str(echo_folder(tmp_path)), "--threads", "-1")

    assert ended.returncode == Exit.BAD_SETTINGS
    assert "threads" in ended.stderr


def test_measurements_are_kept_for_the_next_start(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path)
    for _ in range(2):
        serving = Serving(folder, "--max-batch-size", "2")
        serving.stop()
        kept = serving.log("warmed_up")[0]["kept"]

    assert kept is True


def test_a_home_that_cannot_be_written_keeps_no_model_from_being_served(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path)
    (folder / "home").write_text("no folder")

    serving = Serving(folder, "--max-batch-size", "2")
    serving.stop()

    [line] = serving.log("measurements_not_kept")
    assert str(folder / "home") in line["folder"]
