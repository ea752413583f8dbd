"""The arithmetic of the comparison with others, and what their servers are told and sent."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.settings import load
from loadtests.bench.bare import Bare
from loadtests.bench.figures import NO_ANSWER, Seen
from loadtests.bench.results import Machine
from loadtests.rivals import environments, figures, report, results
from loadtests.rivals.expected import telling
from loadtests.rivals.plan import grid
from loadtests.rivals.results import Comparison, Limit, Overload, Server, Setting, Throughput, Tried
from loadtests.rivals.rival import RIVALS, TENSOR_HEAD_BYTES, tensor_body
from loadtests.rivals.servers.triton_server import config
from loadtests.rivals.settings import ServerSettings, variables

TOLD = ServerSettings(Path("/models/m"), Path("/home"), 18400, 2, 1, 4, 2, 1.0, 50)


def _seen(*rows: tuple[float, float, int], wrong: int = 0, unasked: int = 0) -> Seen:
    return Seen([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], wrong, 0.0, unasked)


def _tried(few: float, many: float, setting: Setting | None = None) -> Tried:
    return Tried(setting, Throughput(8, few, 1.0, 1.0, 0, {200: 1}), Throughput(64, many, 1.0, 1.0, 0, {200: 1}), 100.0)


def _comparison(*servers: Server) -> Comparison:
    limit = Limit(Bare(1, 4, 1, 1, 100.0, 0.1), 2, {"one way": 100.0}, [98.0, 100.0], 100.0)
    return Comparison("demo-x-1", limit, Machine("a processor", 2, "3.11"), servers=list(servers))


def test_only_right_answers_within_the_measured_time_are_throughput() -> None:
    seen = _seen((0.5, 0.4, 200), (0.9, 0.2, 200), (1.5, 0.1, 200), (1.6, 0.1, 503), (2.9, 0.2, 200), wrong=1)

    found = figures.throughput(seen, 8, 1.0, 3.0)

    assert found.per_s == 1.0
    assert found.statuses == {200: 2, 503: 1}
    assert found.p50_ms == pytest.approx(100.0)
    assert found.wrong == 1


def test_the_best_setting_is_good_with_few_clients_and_many() -> None:
    lopsided, even, weak = _tried(90.0, 10.0), _tried(60.0, 60.0), _tried(50.0, 70.0)

    assert figures.best([lopsided, even, weak]) is even


def test_of_an_overload_each_request_is_on_time_late_refused_or_unanswered() -> None:
    seen = _seen(
        (0.5, 0.1, 200), (1.0, 1.0, 200), (1.1, 1.1, 200), (1.2, 0.002, 429), (1.3, 0.9, 408), (1.4, 9.0, NO_ANSWER)
    )

    found = figures.overload(seen, 1.0, 2.0, rate=400.0, deadline_s=1.0, bare_per_s=100.0)

    assert (found.on_time_per_s, found.late, found.refused, found.unanswered) == (1.0, 1, 2, 1)
    assert found.refusal_p50_ms == pytest.approx(2.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20), st.sampled_from([200, 429, 504, NO_ANSWER]))))
def test_no_request_of_an_overload_is_counted_twice_or_forgotten(rows: list[tuple[float, float, int]]) -> None:
    found = figures.overload(_seen(*rows), 0.0, 11.0, rate=1.0, deadline_s=1.0, bare_per_s=1.0)

    on_time = round(found.on_time_per_s * 11.0)
    assert on_time + found.late + found.refused + found.unanswered == len(rows) == sum(found.statuses.values())


def test_a_kill_tells_failed_lost_and_hung_requests_apart() -> None:
    seen = _seen(
        (1.0, 0.5, 200),
        (3.0, 0.1, 500),
        (3.0, 0.1, NO_ANSWER),
        (3.0, figures.HUNG_S + 1.0, NO_ANSWER),
        (8.0, 0.5, 200),
        unasked=1,
    )

    found = figures.killed(seen, 4, begin=1.0, kill_at=3.0, end=9.0)

    assert (found.right, found.failed, found.lost, found.hung, found.unasked) == (2, 1, 1, 1, 1)
    assert found.before_per_s == 0.5
    assert found.silent_s == 5.5
    assert found.statuses == {NO_ANSWER: 2, 200: 2, 500: 1}


def test_the_telling_part_of_an_answer_is_found_in_it_as_it_was_sent() -> None:
    region = '{"region_attributes":{"label":"cat","score":0.9},"shape_attributes":{"name":"rect","x":1,"y":2}}'
    boxes = f'{{"width":4,"regions":[{region}]}}'
    classes = '{"regions":[],"classes":[{"label":"tabby","score":0.5}]}'

    assert telling(boxes) == '"name":"rect","x":1,"y":2'
    assert telling(boxes) in boxes
    assert telling(classes) == '"label":"tabby"'
    assert telling('{"regions":[]}') == ""


@given(st.binary(min_size=1, max_size=100_000))
def test_a_tensor_request_has_a_head_of_one_size_and_the_picture_whole(picture: bytes) -> None:
    body = tensor_body(picture)

    head, element = json.loads(body[:TENSOR_HEAD_BYTES]), body[TENSOR_HEAD_BYTES:]
    assert head["inputs"][0]["parameters"]["binary_data_size"] == len(element)
    assert struct.unpack("<I", element[:4]) == (len(picture),)
    assert element[4:] == picture


def test_a_server_reads_from_its_environment_what_it_was_told() -> None:
    assert load(ServerSettings, variables(TOLD)) == TOLD


def test_triton_waits_no_longer_than_leaves_time_to_run() -> None:
    text = config(TOLD)

    assert "max_batch_size: 4" in text
    assert "count: 2" in text
    assert "max_queue_delay_microseconds: 2000" in text
    assert "default_timeout_microseconds: 800000" in text
    assert "max_queue_size: 50" in text


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_rival_has_pinned_requirements_and_a_command_with_its_own_programs(rival: object) -> None:
    one = next(each for each in RIVALS if each is rival)
    lines = (environments.REQUIREMENTS / f"{one.name}.txt").read_text().splitlines()

    assert environments.version(one)
    assert all("==" in line for line in lines if line and not line.startswith("#"))
    assert one.command(Path("/env/bin"), TOLD)[0].startswith("/env/bin/")


def test_the_grid_uses_all_cores_in_every_setting() -> None:
    assert {setting.workers * setting.threads for setting in grid(6)} == {6}


def test_a_row_of_the_table_has_a_cell_under_every_header() -> None:
    full = Server(
        "mosec",
        "1.0",
        best=_tried(90.0, 95.0, Setting(2, 1, 4, 2)),
        overload=Overload(400.0, 1.0, 160.0, 80.0, 3, 100, 2.5, 0, {200: 80}),
    )
    absent = Server("ray", "2.0", why_not="no wheel")

    table = report.rows(_comparison(full, absent))

    assert all(len(row) == len(report.HEADERS) for row in table)
    assert table[1][:4] == ["mosec 1.0", "2 x 1 threads, batch 4, wait 2 ms", "90.0/s (0.90)", "95.0/s (0.95)"]
    assert table[1][5] == "80.0/s (0.50)"
    assert "ray: no wheel" in report.markdown(_comparison(full, absent))


def test_a_quick_run_takes_the_best_settings_of_the_last_run(tmp_path: Path) -> None:
    setting = Setting(2, 1, 4, 2)
    assert results.best_settings(tmp_path) == {}

    results.write(_comparison(Server("mosec", best=_tried(1.0, 1.0, setting)), Server("ray")), tmp_path)

    assert results.best_settings(tmp_path) == {"mosec": setting}


def test_results_of_another_form_are_no_settings(tmp_path: Path) -> None:
    (tmp_path / "rivals.json").write_text('{"servers": 1}')

    assert results.best_settings(tmp_path) == {}
