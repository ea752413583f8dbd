"""Which of our metrics the dashboard, the rules and the alerts ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.parts import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "servoir.json"
_METRIC = re.compile(r"\b(?:servoir|process|nv)_[a-z0-9_]+")
_RECORD = re.compile(r"\bservoir:[a-z0-9_:]+")
_PARTS_OF_A_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    """Return every rule, recording and alerting."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted((PROMETHEUS / "rules").glob("*.yml"))]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def records() -> set[str]:
    """Return what the recording rules write."""
    return {rule["record"] for rule in rules() if "record" in rule}


def expressions() -> Iterator[str]:
    """Yield every query of the rules and of the dashboard."""
    yield from (rule["expr"] for rule in rules())
    board = json.loads(DASHBOARD.read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel.get("targets", ()))
    yield from (variable["definition"] for variable in board["templating"]["list"] if "definition" in variable)


def wanted_metrics() -> set[str]:
    """Return the metrics that are asked for, a histogram by its own name."""
    return {family(name) for query in expressions() for name in _METRIC.findall(query)}


def wanted_records() -> set[str]:
    """Return the records that are asked for."""
    return {name for query in expressions() for name in _RECORD.findall(query)}


def family(name: str) -> str:
    """Return the metric that a sample's *name* belongs to, as /metrics declares its type."""
    return _PARTS_OF_A_HISTOGRAM.sub("", name)


def shown_metrics(text: str) -> set[str]:
    """Return the metrics that a /metrics page declares, with or without samples."""
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
