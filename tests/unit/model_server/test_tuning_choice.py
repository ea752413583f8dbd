"""Which setting and batch size are chosen from measurements, and that the choice is kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from services.model_server.measuring import Measured, Span, batches_per_s, measure
from services.model_server.tuning import (
    Setting,
    Trial,
    Tuned,
    TuningCache,
    best,
    best_size,
    default_setting,
    settings_to_try,
)
from services.model_server.warmup import sizes_to_measure, warm

MANY_SMALL = Trial(Setting(1, 2), (Measured(1, 0.25, 8.0), Measured(8, 2.3, 7.0)))
ONE_LARGE = Trial(Setting(2, 1), (Measured(1, 0.23, 4.3), Measured(8, 1.2, 6.6)))


def test_small_executions_side_by_side_win_where_they_are_faster() -> None:
    tuned = best([ONE_LARGE, MANY_SMALL])

    assert (tuned.setting, tuned.best_batch_size) == (Setting(1, 2), 1)


def test_of_settings_that_are_about_as_fast_the_one_that_answers_sooner_wins() -> None:
    slow = Trial(Setting(2, 2), (Measured(8, 2.0, 7.9),))

    assert best([slow, MANY_SMALL]).setting == MANY_SMALL.setting


def test_a_larger_batch_is_chosen_only_for_a_real_gain() -> None:
    assert best_size([Measured(1, 0.4, 9.9), Measured(8, 3.2, 10.0)]).batch_size == 1
    assert best_size([Measured(1, 0.1, 6.0), Measured(4, 0.4, 9.0), Measured(8, 0.8, 9.1)]).batch_size == 4


def test_where_one_by_one_is_fastest_a_batch_is_brought_at_once_and_run_so() -> None:
    tuned = best([Trial(Setting(1, 2), (Measured(1, 0.025, 80.0), Measured(4, 0.11, 72.0), Measured(8, 0.24, 66.0)))])

    assert (tuned.best_batch_size, tuned.execution_size) == (4, 1)
    assert tuned.measured == (Measured(1, 0.025, 80.0), Measured(4, 0.1, 80.0), Measured(8, 0.2, 80.0))


def test_where_batches_are_faster_they_are_run_whole() -> None:
    rows = (Measured(1, 0.01, 100.0), Measured(8, 0.02, 400.0))

    assert best([Trial(Setting(1, 1), rows)]) == Tuned(Setting(1, 1), 8, rows, 8)


def test_the_quicker_a_model_the_larger_its_batches() -> None:
    assert best_size([Measured(1, 0.0001, 10_000.0), Measured(8, 0.001, 8_000.0)]).batch_size == 8
    assert best_size(one_by_one(0.002)).batch_size == 8
    assert best_size(one_by_one(0.018)).batch_size == 4
    assert best_size(one_by_one(0.035)).batch_size == 2
    assert best_size(one_by_one(0.1)).batch_size == 1


def one_by_one(item_s: float) -> list[Measured]:
    """Return batches that take as long as their items one after the other."""
    return [Measured(size, size * item_s, 1 / item_s) for size in (1, 2, 4, 8)]


def test_only_settings_that_can_fill_the_cores_are_tried() -> None:
    assert all(setting.threads * setting.concurrency >= 4 for setting in settings_to_try(4))
    assert settings_to_try(1) == [default_setting(1)]


def test_powers_of_two_and_the_largest_size_are_measured() -> None:
    assert sizes_to_measure(8) == [1, 2, 4, 8]
    assert sizes_to_measure(6) == [1, 2, 4, 6]
    assert sizes_to_measure(1) == [1]


class Recorder:
    """Runs nothing, and keeps what it was asked to run."""

    def __init__(self, waited_s: float = 0.0) -> None:
        self.sizes, self.guests, self._waited_s = list[int](), list[int](), waited_s

    def __call__(self, size: int, /, *, at_once: bool = False) -> float:
        (self.guests if at_once else self.sizes).append(size)
        return self._waited_s


def ticking(step_s: float = 1.0) -> Callable[[], float]:
    """Return a clock that goes on by *step_s* with each look."""
    ticks = itertools.count()
    return lambda: step_s * next(ticks)


def test_every_size_is_run_before_it_is_served_and_a_guest_beside_the_largest() -> None:
    run = Recorder()

    warm(run, 5, concurrency=1)

    assert set(run.sizes) == {1, 2, 3, 4, 5}
    assert run.sizes[-2:] == [5, 5]
    assert run.guests == [1]


def test_sizes_that_are_not_measured_stay_cold_when_the_warm_up_takes_too_long() -> None:
    run = Recorder()

    warm(run, 8, concurrency=1, budget_s=0.5, clock=ticking())

    assert set(run.sizes) == {1, 2, 4, 8}


def test_a_batchs_time_leaves_out_what_it_waited() -> None:
    (row,) = measure(Recorder(waited_s=0.75), [4], concurrency=1, seconds=20.0, clock=ticking())

    assert row.batch_size == 4
    assert row.seconds >= 0.25
    assert row.seconds % 1 == 0.25


def test_sizes_are_measured_in_turns_until_each_has_had_its_time() -> None:
    run = Recorder()

    measure(run, [1, 2, 4], concurrency=1, seconds=300.0, clock=ticking())

    assert [size for size, _ in itertools.groupby(run.sizes)] == [1, 2, 4] * 3


def test_sizes_whose_batch_takes_all_the_time_have_one_turn() -> None:
    run = Recorder()

    measure(run, [1, 2, 4], concurrency=1, seconds=5.0, clock=ticking(step_s=5.0))

    assert run.sizes == [1, 1, 2, 2, 4, 4]


def test_of_a_batch_that_ends_after_the_time_the_share_within_it_counts() -> None:
    spans = [Span(10.0, 12.0), Span(11.0, 15.0), Span(14.5, 16.0)]

    assert batches_per_s(spans, Span(10.0, 14.0)) == (1 + 3 / 4) / 4


def test_what_was_measured_is_kept_for_the_same_machine_and_model_alone(tmp_path: Path) -> None:
    tuned = best([MANY_SMALL])

    TuningCache(tmp_path, ("machine", "model")).write(tuned)

    assert TuningCache(tmp_path, ("machine", "model")).read() == tuned
    assert TuningCache(tmp_path, ("machine", "another model")).read() is None


def test_a_broken_file_of_measurements_counts_as_none(tmp_path: Path) -> None:
    cache = TuningCache(tmp_path, ("machine",))
    cache.write(best([MANY_SMALL]))
    cache.path.write_text("{")

    assert cache.read() is None


def test_where_nothing_can_be_written_measurements_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")
    cache = TuningCache(tmp_path / "home" / "cache", ("machine",))

    cache.write(best([MANY_SMALL]))

    assert cache.read() is None
