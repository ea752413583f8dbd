"""The report of a load as one HTML file: percentiles, refusals and errors apart, and the suite's own figures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from loadtests.samples import Sample
from loadtests.users import REFUSED

_PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_INK, _MAIN, _PALE, _WARN = "#22313f", "#0b7285", "#9cc9d3", "#c2410c"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Servoir under load</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
p.about {{ color: gray; margin: .2rem 0 1.5rem; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884; }}
th:first-child, td:first-child {{ text-align: left; }}
img {{ width: 100%; background: white; border-radius: 6px; }}
.bad {{ color: #c2410c; }}
</style>
<h1>Servoir under load</h1>
<p class="about">{about}</p>
<img alt="requests per second, latency and the queue over time" src="data:image/svg+xml;base64,{plot}">
<h2>Answers</h2>{answers}
<h2>Refusals (429 and 503, with Retry-After)</h2>{refusals}
<h2>Errors (wrong answers, late ones, other statuses)</h2>{errors}
</html>
"""


def write(path: Path, stats: Any, samples: Sequence[Sample], about: str) -> None:
    """Write the report of Locust's *stats* to *path*."""
    entries = sorted(stats.entries.values(), key=lambda entry: (entry.method, entry.name))
    answered = [entry for entry in entries if entry.method != REFUSED]
    refused = [entry for entry in entries if entry.method == REFUSED]
    text = _PAGE.format(
        about=html.escape(about),
        plot=base64.b64encode(_plot(samples)).decode(),
        answers=_entries(answered),
        refusals=_entries(refused),
        errors=_errors(stats.errors.values()),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _entries(entries: Sequence[Any]) -> str:
    heads = ["", "requests", "per s", *(f"p{100 * share:g}" for share in _PERCENTILES), "longest, ms", "failed"]
    rows = [
        [
            entry.name,
            f"{entry.num_requests}",
            f"{entry.total_rps:.1f}",
            *(f"{entry.get_response_time_percentile(share):.0f}" for share in _PERCENTILES),
            f"{entry.max_response_time:.0f}",
            f"{entry.num_failures}",
        ]
        for entry in entries
        if entry.num_requests
    ]
    return _table(heads, rows)


def _errors(errors: Iterable[Any]) -> str:
    rows = [[error.name, str(error.error), str(error.occurrences)] for error in errors]
    return _table(["", "what", "times"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _plot(samples: Sequence[Sample]) -> bytes:
    at = [sample.at_s for sample in samples]
    figure, (rates, times, queue) = pyplot.subplots(3, 1, figsize=(9, 6), sharex=True, constrained_layout=True)
    rates.plot(at, [sample.requests_per_s for sample in samples], color=_MAIN, label="requests per second")
    rates.plot(at, [sample.refused_per_s for sample in samples], color=_PALE, label="refused")
    rates.plot(at, [sample.failed_per_s for sample in samples], color=_WARN, label="failed")
    rates.plot(at, [sample.users for sample in samples], color="#8d99ae", linestyle=":", label="users")
    times.plot(at, [sample.p50_ms for sample in samples], color=_MAIN, label="p50, ms")
    times.plot(at, [sample.p95_ms for sample in samples], color=_PALE, label="p95, ms")
    queue.plot(at, [sample.waiting for sample in samples], color=_MAIN, label="items waiting")
    queue.plot(at, [1000 * sample.oldest_s for sample in samples], color=_PALE, label="age of the oldest, ms")
    queue.set_xlabel("seconds")
    for axes in (rates, times, queue):
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK)
        axes.legend(frameon=False, ncols=4, loc="upper left", fontsize=8)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    pyplot.close(figure)
    return drawn.getvalue()
