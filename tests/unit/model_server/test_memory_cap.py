"""When the memory cap ends the process, and how far above it the operating system's limit stands."""

from __future__ import annotations

import threading

import pytest

from services.model_server import memory
from services.model_server.exits import Exit
from services.model_server.memory import (
    DataBytes,
    MemoryCap,
    Sizes,
    data_bytes,
    data_limit,
    excess,
    look_again_s,
    resident_bytes,
    sizes,
)
from tests.parts import wait_until

MIB = 2**20


def test_the_limit_lets_by_what_is_mapped_and_never_touched() -> None:
    tight = data_limit(1024 * MIB, DataBytes(mapped=500 * MIB, resident=500 * MIB))
    loose = data_limit(1024 * MIB, DataBytes(mapped=900 * MIB, resident=500 * MIB))

    assert tight > 1024 * MIB
    assert loose - tight == 400 * MIB


def test_this_process_knows_its_size() -> None:
    assert resident_bytes() > 10 * MIB
    assert data_bytes().mapped > data_bytes().resident > MIB


def test_what_is_mapped_counts_where_the_limit_leaves_no_room_to_go_on() -> None:
    assert excess(Sizes(resident=500 * MIB, mapped=900 * MIB), 600 * MIB, 1000 * MIB) == ""
    assert excess(Sizes(resident=601 * MIB, mapped=900 * MIB), 600 * MIB, 1000 * MIB) == "resident bytes"
    assert excess(Sizes(resident=500 * MIB, mapped=999 * MIB), 600 * MIB, 1000 * MIB) == "mapped bytes"
    assert excess(Sizes(resident=500 * MIB, mapped=999 * MIB), 600 * MIB, 0) == ""
    assert sizes().mapped > MIB


def test_the_nearer_the_cap_the_sooner_the_next_look() -> None:
    cap, limit = 4096 * MIB, 6000 * MIB
    far, near, over = (look_again_s(Sizes(resident * MIB, 1024 * MIB), cap, limit) for resident in (512, 3072, 5000))
    mapped = look_again_s(Sizes(512 * MIB, 5999 * MIB), cap, limit)

    assert 0.25 >= far > near > over > 0
    assert mapped == over
    assert look_again_s(Sizes(512 * MIB, 5999 * MIB), cap, 0) == far


def test_a_process_over_its_cap_is_ended_once_with_the_code_that_says_so() -> None:
    ended: list[int] = []
    cap = MemoryCap(1, end=ended.append)

    cap.start()
    wait_until(lambda: ended)
    cap.exceeded(2)

    assert ended == [Exit.DOES_NOT_FIT]


def test_a_model_that_was_refused_memory_ends_the_process_with_or_without_a_cap() -> None:
    ended: list[int] = []
    cap = MemoryCap(0, end=ended.append)
    cap.serve()

    cap.out_of_memory(MemoryError("no more"))

    assert ended == [Exit.OVER_CAP]


def test_a_process_below_its_cap_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, looks = list[int](), list[Sizes]()
    monkeypatch.setattr(memory, "sizes", lambda: (looks.append(sizes()), looks[-1])[1])
    cap = MemoryCap(2**50, end=ended.append)

    cap.start()
    wait_until(lambda: len(looks) > 2, what="the third look")
    cap.stop()

    assert ended == []


def test_a_thread_that_was_refused_memory_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # the cap's own is taken back afterwards
    monkeypatch.setattr(threading, "__excepthook__", lambda _: None)
    ended: list[int] = []
    MemoryCap(0, end=ended.append).start()

    def fail() -> None:
        raise MemoryError("no more")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    assert ended == [Exit.DOES_NOT_FIT]
