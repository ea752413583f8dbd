"""The figures that a program shows at its metrics port, for `servoir status` and for waiting until it serves."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 2.0


def read_figures(port: int) -> dict[str, float]:
    """Return what 127.0.0.1:*port* shows, each name with the sum over its labels; empty where nothing answers."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S).text
    except httpx.HTTPError:
        return {}
    figures: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            figures[sample.name] = figures.get(sample.name, 0.0) + sample.value
    return figures
