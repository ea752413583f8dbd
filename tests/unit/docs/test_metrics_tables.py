"""The tables of metrics are what the code declares: every name, its kind and its labels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.parts import ROOT

PAGES = ("monitoring.md", "model-server.md")
KINDS = ("Counter", "Gauge", "Histogram")
Metric = tuple[str, tuple[str, ...]]
"""A metric's kind and labels."""


def in_the_code() -> dict[str, Metric]:
    """Return our metrics by their names, as the sources construct them."""
    sources = [path for folder in ("services", "chassis") for path in (ROOT / folder).rglob("*.py")]
    return {name: metric for path in sources for name, metric in constructed(ast.parse(path.read_text()))}


def constructed(module: ast.Module) -> Iterator[tuple[str, Metric]]:
    """Yield the name of each metric that a module makes, its kind and its labels."""
    names = named(module)
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        kind = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if kind in KINDS and len(call.args) >= 2:
            name = value_of(call.args[0], names)
            if name.startswith("servoir_"):
                yield name, (kind.lower(), tuple(value_of(call.args[2], names)) if len(call.args) > 2 else ())


def named(module: ast.Module) -> dict[str, ast.expr]:
    """Return what a module gives a name, by the name."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs += zip(names, values, strict=True)
            case ast.Assign(targets=[name], value=value):
                pairs.append((name, value))
    return {ast.unparse(name): value for name, value in pairs}


def value_of(node: ast.expr, names: Mapping[str, ast.expr]) -> Any:
    """Return a text or a list of texts, some of it said by name."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return value_of(names[name], names)
        case ast.JoinedStr(values=parts):
            return "".join(value_of(part, names) for part in parts)
        case ast.FormattedValue(value=part):
            return value_of(part, names)
        case ast.List(elts=parts):
            return [it for part in parts for it in members(part, names)]
    raise AssertionError(f"a metric's name or labels are said in a way that this test does not read: {ast.dump(node)}")


def members(node: ast.expr, names: Mapping[str, ast.expr]) -> list[str]:
    return value_of(node.value, names) if isinstance(node, ast.Starred) else [value_of(node, names)]


def in_the_docs() -> dict[str, Metric]:
    """Return the metrics of the tables by their names; a row may have several."""
    rows = [line.split(" | ") for page in PAGES for line in (ROOT / "docs" / page).read_text().splitlines()]
    return {
        name: (row[1], tuple(labels.split(",")) if labels else ())
        for row in rows
        if row[0].startswith("| `servoir_")
        for name, labels in re.findall(r"`(\w+)(?:\{([\w,]+)\})?`", row[0])
    }


def test_every_metric_is_in_the_docs_with_its_kind_and_labels_and_no_other() -> None:
    declared = in_the_code()

    assert len(declared) > 40
    assert in_the_docs() == declared
