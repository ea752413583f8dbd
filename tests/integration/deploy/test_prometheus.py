"""The configuration, rules and dashboard for Prometheus and Grafana are right by promtool's own judgement."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.integration.deploy.queries import DASHBOARD, PROMETHEUS, records, rules, wanted_records
from tests.parts import ROOT, absent


def promtool(*arguments: str) -> str:
    """Run promtool on files in deploy/prometheus; return what it says where it finds nothing wrong."""
    if not (binary := shutil.which("promtool")):
        absent("no promtool: install Debian's package prometheus")
    answer = subprocess.run([binary, *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-compose.yml"])
def test_the_configuration_and_its_rules_are_right(name: str) -> None:
    assert "valid prometheus config" in promtool("check", "config", name)


def test_the_example_beside_compose_joins_a_network_and_reads_a_file_that_are_there() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())
    prometheus = example["services"]["prometheus"]

    assert "inside" in prometheus["networks"]
    assert set(prometheus["networks"]) <= {*compose["networks"], *example["networks"]}
    assert f"name: {compose['name']}_inside" in page
    assert prometheus["command"][0].partition("/etc/prometheus/")[2] in {it.name for it in PROMETHEUS.iterdir()}
    assert f"../{PROMETHEUS.name}:/etc/prometheus:ro" in prometheus["volumes"]


def test_alerts_and_records_do_what_they_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tested() -> None:
    tested = (PROMETHEUS / "rules_test.yml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\s+exp_alerts", tested))

    assert {rule["alert"] for rule in rules() if "alert" in rule} == fired


def test_every_alert_says_what_to_do_and_names_sections_that_are_there() -> None:
    headings = set(re.findall(r"^## (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    named = []
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning")
            action = rule["annotations"]["action"]
            if "docs/operations.md, " in action:
                sections = action.partition("docs/operations.md, ")[2]
                named += [section.strip(" .") for section in sections.split(";")]

    assert named
    assert {section for section in named if section not in headings} == set()


def test_records_that_are_asked_for_are_written() -> None:
    assert wanted_records() - records() == set()


def test_the_dashboard_has_no_panel_over_another_and_none_without_a_query() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["type"] == "row" or panel["targets"] for panel in panels)
