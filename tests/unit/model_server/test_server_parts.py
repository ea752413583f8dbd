"""The parts of a model server that need no model: crew, cap, folder, machine, settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chassis.errors import Unavailable
from chassis.settings import BadSettings, load
from services.model_server.crew import Crew
from services.model_server.engines import EngineOptions, framework_version, open_engine
from services.model_server.exits import BadModelFolder, DoesNotFit
from services.model_server.loading import cap_of
from services.model_server.machine import LowPriority, fingerprint
from services.model_server.memory import MemoryCap
from services.model_server.model_folder import open_model_folder, verify
from services.model_server.replica import Replica
from services.model_server.room import Room
from services.model_server.settings import ModelServerSettings
from tests.model_folders import echo_folder, model_folder
from tests.parts import wait_until


def test_a_crew_does_every_piece_of_work_once() -> None:
    seen: list[int] = []
    lock = threading.Lock()

    def note(place: int) -> None:
        with lock:
            seen.append(place)

    Crew(4).each(note, 100)

    assert sorted(seen) == list(range(100))


def test_a_crew_of_which_all_are_busy_does_not_keep_the_caller_waiting() -> None:
    crew, go, began = Crew(2), threading.Event(), threading.Barrier(3)

    def block(_: int) -> None:
        began.wait(20)
        go.wait(20)

    busy = threading.Thread(target=crew.each, args=(block, 2))
    busy.start()
    began.wait(20)
    seen: list[int] = []

    crew.each(seen.append, 3)

    assert seen == [0, 1, 2]
    go.set()
    busy.join()


def test_a_crew_wakes_no_helper_for_cores_that_are_busy() -> None:
    crew, threads, pair = Crew(3), set[str](), threading.Barrier(2)

    def alone(_: int) -> None:
        time.sleep(0.002)  # long enough for a helper to be worth it
        threads.add(threading.current_thread().name)

    def in_pairs(_: int) -> None:
        pair.wait(20)
        threads.add(threading.current_thread().name)

    crew.each(alone, 8, busy=2)
    assert threads == {threading.current_thread().name}

    crew.each(in_pairs, 8, busy=1)
    assert len(threads) == 2


def test_a_room_does_so_much_at_a_time_and_tells_each_how_many_others_there_are() -> None:
    room, go, told = Room(2), threading.Event(), list[int]()

    def work(others: int) -> None:
        told.append(others)
        go.wait(20)

    callers = [threading.Thread(target=room.do, args=(work,)) for _ in range(3)]
    for caller in callers:
        caller.start()
    wait_until(lambda: len(told) == 2)
    assert sorted(told) == [0, 1]

    go.set()
    for caller in callers:
        caller.join()
    assert len(told) == 3


def test_what_waits_for_room_is_done_in_its_order_and_in_one_thread() -> None:
    room, go, done = Room(1), threading.Event(), list[tuple[str, str]]()

    def call(name: str) -> threading.Thread:
        def work(_: int) -> None:
            go.wait(20)
            done.append((name, threading.current_thread().name))

        caller = threading.Thread(target=room.do, args=(work,), name=name)
        caller.start()
        return caller

    callers = [call("first")]
    for waiting, name in enumerate(("second", "third", "fourth"), start=1):
        callers.append(call(name))
        wait_until(lambda at_least=waiting: room.waiting == at_least)
    go.set()
    for caller in callers:
        caller.join()

    assert [name for name, _ in done] == ["first", "second", "third", "fourth"]
    first, *others = [thread for _, thread in done]
    assert first == "first"
    assert len(set(others)) == 1
    assert others[0].startswith("batch")


def test_what_work_raises_reaches_its_caller_and_leaves_the_room_as_it_was() -> None:
    room, go = Room(1), threading.Event()

    def fail(_: int) -> None:
        go.wait(20)
        raise MemoryError("too much")

    with ThreadPoolExecutor(2) as callers:
        raised = [callers.submit(room.do, fail) for _ in range(2)]
        wait_until(lambda: room.waiting == 1)
        go.set()
        for each in raised:
            with pytest.raises(MemoryError, match="too much"):
                each.result(20)

    told = list[int]()
    room.do(told.append)
    assert told == [0]


def test_a_folder_without_its_yaml_or_with_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelFolder, match="no such model folder"):
        open_model_folder(tmp_path / "nowhere")
    with pytest.raises(BadModelFolder, match="found: none"):
        open_model_folder(tmp_path)
    echo_folder(tmp_path)
    echo_folder(tmp_path, problem_id="other")
    with pytest.raises(BadModelFolder, match=r"acme-echo-1\.yaml, acme-other-1\.yaml"):
        open_model_folder(tmp_path)


def test_files_that_are_not_what_modelinfo_says_are_all_named(tmp_path: Path) -> None:
    names = ("short", "changed", "gone", "right")
    for name in names:
        (tmp_path / name).write_text(name)
    told = {"problem_id": "x", "task": "bbox", "dnnarch": "echo", "framework_type": "echo"}
    folder = model_folder(tmp_path / "model", {name: tmp_path / name for name in names}, **told)
    (tmp_path / "short").write_text("s")
    (tmp_path / "changed").write_text("CHANGED")
    (tmp_path / "gone").unlink()

    with pytest.raises(BadModelFolder) as refused:
        verify(open_model_folder(folder))

    text = str(refused.value)
    assert "short has 1 bytes, modelinfo says 5" in text
    assert "changed has sha256" in text
    assert "gone is missing" in text
    assert "right" not in text


def test_a_model_whose_files_alone_are_larger_than_its_cap_is_refused_with_both_figures(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(5000))
    told = {"problem_id": "x", "task": "bbox", "dnnarch": "echo", "framework_type": "echo"}
    folder = model_folder(tmp_path / "model", {"weights": tmp_path / "weights"}, memory_cap_bytes=4000, **told)

    with pytest.raises(DoesNotFit, match=r"needs 5000 bytes .* cap is 4000"):
        cap_of(open_model_folder(folder), ModelServerSettings())

    assert cap_of(open_model_folder(folder), load(ModelServerSettings, {}, memory_cap=6000)) == 6000


def test_an_unknown_framework_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadModelFolder, match="echo, litert, onnx, tensorflow, tensorrt"):
        open_engine("caffe", [], EngineOptions())


def test_a_replica_takes_work_only_between_loading_and_draining(tmp_path: Path) -> None:
    replica = Replica(open_model_folder(echo_folder(tmp_path)).modelinfo, MemoryCap(0))

    with pytest.raises(Unavailable, match="loading"), replica.working():
        pass
    replica.serve(object())  # type: ignore[arg-type]
    with replica.working():
        replica.drain()
        assert not replica.wait_until_idle(0.0)
    assert replica.wait_until_idle(0.0)
    with pytest.raises(Unavailable, match="draining"), replica.working():
        pass


def test_bad_settings_are_all_named() -> None:
    with pytest.raises(BadSettings) as refused:
        load(ModelServerSettings, {"SERVOIR_TUNE": "wild", "SERVOIR_THREADS": "-1", "SERVOIR_METRICS_PORT": "99999"})

    assert all(name in str(refused.value) for name in ("tune", "threads", "metrics_port"))


def test_machines_of_other_gpus_or_processors_are_told_apart(tmp_path: Path) -> None:
    told = {"cpu": ("Xeon", ""), "other cpu": ("Epyc", ""), "gpu": ("Xeon", "H200"), "other gpu": ("Xeon", "L4")}
    for name, (processor, gpu) in told.items():
        driver = tmp_path / name / "proc/driver/nvidia/gpus/0000:01:00.0"
        driver.mkdir(parents=True)
        (tmp_path / name / "proc/cpuinfo").write_text(f"processor\t: 0\nmodel name\t: {processor}\n")
        (driver / "information").write_text(f"Model: \t\t {gpu}\nDevice Minor: \t 0\n")
        if gpu:
            (tmp_path / name / "dev").mkdir()
            (tmp_path / name / "dev/nvidia0").touch()

    prints = {name: fingerprint(tmp_path / name) for name in told}

    assert len(set(prints.values())) == 4
    assert "H200" in prints["gpu"]
    (tmp_path / "gpu/dev/nvidia0").unlink()  # the host's, and not for this container
    assert fingerprint(tmp_path / "gpu") == prints["cpu"]


def test_a_framework_is_told_with_its_version() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")

    assert framework_version("onnx").split()[1] == onnxruntime.__version__
    assert framework_version("echo") == framework_version("caffe") == ""


def test_a_low_priority_ends_with_its_block_for_every_thread() -> None:
    def priorities() -> list[int]:
        return sorted(int(stat.read_text().rsplit(")", 1)[1].split()[16]) for stat in tasks())

    def tasks() -> list[Path]:
        return [task / "stat" for task in Path("/proc/self/task").iterdir()]

    go = threading.Event()
    threading.Thread(target=go.wait, args=(20,)).start()
    before = priorities()
    with LowPriority():
        pass

    assert priorities() == before
    go.set()


LOW_AND_BACK = """
import os
from services.model_server.machine import LowPriority, fingerprint
before = os.getpriority(os.PRIO_PROCESS, 0)
with LowPriority(19):
    print(os.getpriority(os.PRIO_PROCESS, 0) == before)
print(os.getpriority(os.PRIO_PROCESS, 0) == before)
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root has a right to drop")
def test_root_without_the_right_to_raise_its_priority_keeps_it() -> None:
    without = ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"]

    ended = subprocess.run([*without, sys.executable, "-c", LOW_AND_BACK], capture_output=True, text=True, check=False)

    assert ended.stdout.split() == ["True", "True"], ended.stderr
