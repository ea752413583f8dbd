"""Tuning at the start of a real process: probes in processes of their own, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder

pytestmark = pytest.mark.slow


def test_full_tuning_tries_settings_in_processes_of_their_own_and_a_later_quick_start_uses_them(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "model", config={"delay_s": 0.01}, max_batch_size=2)

    first = Serving(folder, "--tune", "full", "--concurrency", "2")
    first.stop()
    second = Serving(folder, "--tune", "quick", "--concurrency", "2")
    second.stop()

    tried = first.log("setting_tried")
    assert tried and all(setting["concurrency"] == 2 for setting in tried)
    assert first.log("warmed_up")[0]["kept"] is False
    assert second.log("warmed_up")[0]["kept"] is True
    assert second.log("warmed_up")[0]["seconds"] == first.log("warmed_up")[0]["seconds"]


def test_a_model_whose_batches_cost_no_more_than_one_item_is_fed_large_ones(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "model", config={"delay_s": 0.05}, max_batch_size=8)

    serving = Serving(folder, "--tune", "quick", "--concurrency", "1")
    serving.stop()

    assert serving.log("model_serving")[0]["best_batch_size"] == 8


def test_a_model_whose_batches_gain_nothing_is_fed_small_ones(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "model", config={"delay_per_item_s": 0.06}, max_batch_size=4)

    serving = Serving(folder, "--tune", "quick", "--concurrency", "1")
    serving.stop()

    assert serving.log("model_serving")[0]["best_batch_size"] < 4


def test_fixed_values_are_announced_as_they_are(tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "model", max_batch_size=8)

    serving = Serving(folder, "--tune", "off", "--batch-size", "3", "--concurrency", "2", "--threads", "1")
    serving.stop()

    (line,) = serving.log("model_serving")
    assert (line["best_batch_size"], line["max_batch_size"], line["concurrency"]) == (3, 8, 2)
