"""Bytes that one process puts where others read them: theirs, or told to be gone, and never anything else."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import NotFound
from chassis.shared_memory import Reader, Region, Spot, name_of
from tests.file_sizes import files_of_at_most

ROOT = Path(__file__).parent.parent.parent.parent
OTHER_PROCESS = """
import sys, time
from pathlib import Path
from chassis.shared_memory import Region
region = Region(Path(sys.argv[1]), 2**20)
print(*region.put(b"left here"), flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
"""
START = Callable[[Path, str], tuple["subprocess.Popen[str]", Spot]]


@pytest.fixture
def region(shared_folder: Path) -> Iterator[Region]:
    region = Region(shared_folder, 2**20)
    yield region
    region.close()


@pytest.fixture
def start() -> Iterator[START]:
    """Starts a process that puts bytes and ends, or stays; gives it with where they are."""
    started: list[subprocess.Popen[str]] = []

    def started_in(shared_folder: Path, then: str) -> tuple[subprocess.Popen[str], Spot]:
        command = [sys.executable, "-c", OTHER_PROCESS, str(shared_folder), then]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        memory, name, *numbers = process.stdout.readline().split()
        return process, Spot(memory, name, *map(int, numbers))

    yield started_in
    for process in started:
        process.kill()
        process.wait()


def test_where_the_machine_has_no_memory_left_nothing_is_put_and_no_room_is_lost(region: Region) -> None:
    first = region.put(bytes(1000))
    assert first

    with files_of_at_most(8192):
        assert [region.put(bytes(200_000)) for _ in range(20)] == [None] * 20

    assert [bool(region.put(bytes(200_000))) for _ in range(3)] == [True] * 3, "there is room for three"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def put(region: Region, data: bytes) -> Spot:
    spot = region.put(data)
    assert spot
    return spot


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 50_000, 500_000])
def test_what_was_put_is_read_byte_for_byte(shared_folder: Path, region: Region, size: int) -> None:
    data, other = os.urandom(size), os.urandom(size)

    spots = put(region, data), put(region, memoryview(other))

    assert [Reader(shared_folder).read(spot) for spot in spots] == [data, other]


def test_another_process_reads_it_and_knows_the_memory_by_the_same_name(shared_folder: Path, start: START) -> None:
    _, spot = start(shared_folder, "stay")

    assert Reader(shared_folder).read(spot) == b"left here"
    assert spot.memory == name_of(shared_folder)


def test_memories_of_two_folders_have_two_names(shared_folder: Path, tmp_path: Path) -> None:
    assert name_of(shared_folder) != name_of(tmp_path)


def test_anybody_may_put_bytes_there_which_nobody_else_reads_or_removes(shared_folder: Path, region: Region) -> None:
    put(region, b"mine")

    [file] = shared_folder.iterdir()
    assert stat.S_IMODE(shared_folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a process as another user")
def test_another_user_who_could_not_read_knows_the_memory_by_another_name(shared_folder: Path) -> None:
    mine = name_of(shared_folder)

    os.seteuid(12345)
    try:
        theirs = name_of(shared_folder)
    finally:
        os.seteuid(0)

    assert mine and theirs
    assert mine != theirs


def test_what_was_freed_is_gone_and_its_room_is_somebody_elses(shared_folder: Path, region: Region) -> None:
    reader, stays, old = Reader(shared_folder), put(region, b"stays"), put(region, b"old")
    region.free(old)
    with pytest.raises(NotFound):
        reader.read(old)
    new = put(region, b"new")

    assert new.offset == old.offset
    assert (reader.read(stays), reader.read(new)) == (b"stays", b"new")
    with pytest.raises(NotFound):
        reader.read(old)


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 20)), max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_put_and_not_freed_stays_whole_whatever_comes_and_goes(
    shared_folder: Path, steps: list[tuple[int, int]]
) -> None:
    """Each step puts so many bytes, of a value of their own, and frees one of those that are there."""
    region, reader = Region(shared_folder, 2**20), Reader(shared_folder)
    there: list[Spot] = []
    gone: list[Spot] = []
    for size, freed in steps:
        spot = region.put(bytes([region._number % 251]) * size)
        there += [spot] if spot else []
        if freed < len(there):
            gone.append(there.pop(freed))
            region.free(gone[-1])

        for spot in there:
            assert reader.read(spot) == bytes([(spot.number - 1) % 251]) * spot.size
        for spot in gone:
            with pytest.raises(NotFound):
                reader.read(spot)
    region.close()


def test_nobody_reads_bytes_of_two_owners(shared_folder: Path, region: Region) -> None:
    """While one thread puts ever other bytes into the same places, others read: all of one put, or gone."""
    reader, ended = Reader(shared_folder), threading.Event()
    spots = [put(region, bytes(60_000)) for _ in range(4)]
    first, results = spots[0].number, Counter[str]()

    def keep_reading() -> None:
        for spot in itertools.takewhile(lambda _: not ended.is_set(), itertools.cycle(range(4))):
            looked_at = spots[spot]
            try:
                data = reader.read(looked_at)
            except NotFound:
                results["gone"] += 1
            else:
                value = max(0, looked_at.number - first - 3) % 256
                results["right" if data == bytes([value]) * 60_000 else "wrong"] += 1

    readers = [threading.Thread(target=keep_reading) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(1, 6000):
        region.free(spots[number % 4])
        spots[number % 4] = put(region, bytes([number % 256]) * 60_000)
    ended.set()
    for thread in readers:
        thread.join()

    assert results["right"] and results["gone"]
    assert not results["wrong"]


def test_where_there_is_no_room_it_says_so_and_takes_more_when_there_is(region: Region) -> None:
    spots = [put(region, bytes(200_000)) for _ in range(4)]

    assert region.put(bytes(200_000)) is None
    assert region.put(bytes(2**21)) is None
    region.free(spots[1])
    assert put(region, bytes(150_000)).offset == spots[1].offset


def test_room_that_large_ones_had_serves_small_ones_and_the_other_way_round(region: Region) -> None:
    large = [put(region, bytes(200_000)) for _ in range(4)]
    for spot in large[1:]:
        region.free(spot)

    small = [put(region, bytes(20_000)) for _ in range(24)]

    assert region.put(bytes(20_000)) is None
    for spot in [large[0], *small]:
        region.free(spot)
    assert put(region, bytes(900_000)).offset == 0


def test_what_was_closed_takes_nothing_and_gives_its_memory_back(shared_folder: Path, region: Region) -> None:
    reader = Reader(shared_folder)
    spot = put(region, b"here")
    reader.read(spot)
    region.close()

    assert region.put(b"more") is None
    assert not list(shared_folder.iterdir())
    with pytest.raises(NotFound):
        Reader(shared_folder).read(spot)


def test_a_reader_lets_go_of_regions_that_are_no_more(shared_folder: Path) -> None:
    reader = Reader(shared_folder)
    open_before = open_files()
    for _ in range(20):
        region = Region(shared_folder, 2**20)
        reader.read(put(region, b"x"))
        region.close()

    assert open_files() <= open_before + 1


def test_a_process_that_ends_leaves_nothing(shared_folder: Path, start: START) -> None:
    process, _ = start(shared_folder, "end")
    process.wait()

    assert not list(shared_folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(shared_folder: Path, start: START) -> None:
    killed, gone = start(shared_folder, "stay")
    _, stays = start(shared_folder, "stay")
    killed.kill()
    killed.wait()
    assert len(list(shared_folder.iterdir())) == 2

    Region(shared_folder, 2**20).close()

    assert Reader(shared_folder).read(stays) == b"left here"
    with pytest.raises(NotFound):
        Reader(shared_folder).read(gone)


def test_what_else_is_in_the_folder_stays_there(shared_folder: Path) -> None:
    name_of(shared_folder)
    (shared_folder / "of another program").write_bytes(b"x")

    Region(shared_folder, 2**20).close()

    assert [path.name for path in shared_folder.iterdir()] == ["of another program"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "../../../etc/passwd"},
        {"region": ""},
        {"region": f"region-{0:032}"},
        {"region": "region-" + "é" * 32},
        {"offset": 2**63},
        {"size": 2**63},
        {"size": 2**20},
        {"offset": 4096},
        {"number": 0},
    ],
    ids=str,
)
def test_what_nobody_put_is_not_there(shared_folder: Path, region: Region, wrong: dict[str, int | str]) -> None:
    spot = put(region, bytes(100_000))

    with pytest.raises(NotFound):
        Reader(shared_folder).read(spot._replace(**wrong))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_somebody_elses_file_is_not_read(shared_folder: Path, region: Region) -> None:
    spot = put(region, b"x")
    os.chown(shared_folder / spot.region, 12345, 12345)

    with pytest.raises(NotFound):
        Reader(shared_folder).read(spot)


def test_a_folder_that_cannot_be_has_no_name_and_takes_no_region(tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "such" / "shared_folder"

    assert name_of(nowhere) == ""
    with pytest.raises(OSError, match="cannot be used"):
        Region(nowhere, 2**20)
