"""The report of a conversion as a page to look at: one HTML file with everything in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from services.jobs.conversion.report import ConversionReport
from services.jobs.evaluation.page import document


def render(report: ConversionReport) -> str:
    """Return the page."""
    told = report.deviations
    verdict = "refused" if report.faults else "accepted"
    colour = "bad" if report.faults else "good"
    head = (
        f"<header><h1>{escape(report.source)} as {escape(report.to)}, {escape(report.precision)}</h1>"
        f"<p>{escape(report.model_key)} · {escape(report.made_at[:16].replace('T', ' '))} UTC · "
        f'<b class="{colour}">{verdict}</b></p></header>'
    )
    tiles = [
        (f"{told.score:.4f}", "largest difference of a score"),
        (f"{told.pixels:g} px", "largest difference of an edge"),
        (f"{told.differing} of {told.things}", "things lost or new"),
        (str(told.pictures), "pictures compared"),
    ]
    speeds = report.infer_cpu_s
    if report.to == "onnx" and speeds.get("converted"):
        tiles.append((f"{speeds['converted'] / speeds['source']:.0%}", "of the source's processor time, one by one"))
    shown = "".join(f'<div class="tile"><b>{escape(value)}</b><span>{text}</span></div>' for value, text in tiles)
    sections = [
        head,
        f'<div class="tiles">{shown}</div>',
        _section("Why it is refused", [("", fault) for fault in report.faults]) if report.faults else "",
        _section("Lost or new", [*(("lost", it) for it in told.lost), *(("new", it) for it in told.gained)]),
        _section("Largest difference of each raw output", [(name, f"{it:.3g}") for name, it in told.tensors.items()]),
        _section("Let pass", _let_pass(report)),
        _section("How it was made", _facts(report)),
    ]
    return document(f"{report.source} as {report.to}, {report.precision}", sections)


def _let_pass(report: ConversionReport) -> list[tuple[str, str]]:
    tolerance = report.tolerance
    return [
        ("score", f"{tolerance.score:g}"),
        ("edges", f"{tolerance.pixels:g} pixels"),
        ("lost or new", f"{tolerance.share:.0%} of the things"),
    ]


def _facts(report: ConversionReport) -> list[tuple[str, str]]:
    facts = [("report", report.id), ("tools", ", ".join(f"{name} {it}" for name, it in report.tools.items()))]
    facts += [("picture", " x ".join(str(side or "any") for side in report.shape)), ("checked by", report.checked_by)]
    if report.profile:
        least, best, most = report.profile
        facts += [("batch sizes", f"{least} to {most}, tuned for {best}"), ("GPUs", ", ".join(report.gpus))]
    if report.calibration:
        facts += [("calibrated on", f"{report.calibration.pictures} pictures, sha256 {report.calibration.sha256}")]
    facts += [(f"source {path}", sha256) for path, sha256 in report.source_files.items()]
    return facts + [(path, sha256) for path, sha256 in report.files.items()]


def _section(title: str, facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<section><h2>{title}</h2><dl>{rows}</dl></section>" if rows else ""
