"""The load test itself, for a few seconds, against a suite that runs: its users find every answer right."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import CLASSIFIER, DETECTOR
from tests.e2e.running import RunningSuite
from tests.parts import ROOT


def test_users_like_ours_get_right_answers_and_a_report_is_written(suite: RunningSuite, tmp_path: Path) -> None:
    report = tmp_path / "loadtest.html"
    told = ["--headless", "--only-summary", "--host", suite.url, "--users", "8", "--run-time", "15s", "--timeout", "30"]
    told += ["--shape", "steady", "--csv", str(tmp_path / "load"), "--report", str(report)]

    answer = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    with (tmp_path / "load_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    for key in (DETECTOR, CLASSIFIER):
        assert int(rows[f"predict {key}"]["Request Count"]) > 0
    assert rows["Aggregated"]["Failure Count"] == "0"
    assert "Servoir under load" in report.read_text()
