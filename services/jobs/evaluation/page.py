"""The report as a page to look at: one HTML file with everything in it, which asks nothing of a network. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from services.jobs.evaluation.charts import Curve, bars, confusion_chart, css_color, precision_recall
from services.jobs.evaluation.coco_figures import SIZES, ClassFigures
from services.jobs.evaluation.drawing import CROWD, EXTRA, MISSED, RIGHT
from services.jobs.evaluation.report import Report, WorstPicture

_STYLE = Path(__file__).with_name("report.css")
_TILES = (
    ("mAP", "mAP, IoU 0.50 to 0.95"),
    ("mAP_50", "mAP at IoU 0.50"),
    ("mAP_75", "mAP at IoU 0.75"),
    ("segm_mAP", "mAP of masks"),
    ("segm_mAP_50", "masks at IoU 0.50"),
    ("AR_100", "recall, 100 a picture"),
    ("lane_accuracy", "lane accuracy"),
    ("lane_false_positive", "lanes found wrongly"),
    ("lane_false_negative", "lanes missed"),
    ("top_1", "first guess right"),
    ("top_5", "among the first five"),
)
_FIRST_ROWS = 20
_STEPS = 101
_NONE = '<span class="none">&ndash;</span>'


def render(report: Report) -> str:
    """Return the page."""
    title = f"{report.model_key} on {report.labelled_set.name}"
    sections = [
        _heading(report),
        _tiles(report),
        _notes(report),
        _curves(report.classes, "Precision and recall"),
        _curves(report.masks, "Precision and recall of masks"),
        _sizes(report),
        _classes(report),
        _tops(report),
        _confusion(report),
        _worst(report),
        _provenance(report),
    ]
    return document(title, sections)


def document(title: str, sections: Iterable[str]) -> str:
    """Return a whole page of *sections*, its style in it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE.read_text()}</style></head><body><main>{''.join(sections)}</main></body></html>"
    )


def _heading(report: Report) -> str:
    told = report.labelled_set
    what = f"{told.pictures} pictures" + (f", {told.objects} things" if told.objects else "")
    return (
        f"<header><h1>{escape(report.model_key)} on {escape(told.name)}</h1>"
        f"<p>{escape(report.model.get('description', ''))} {what}, {told.labels} labels · "
        f"{escape(report.made_at[:16].replace('T', ' '))} UTC</p></header>"
    )


def _tiles(report: Report) -> str:
    shown = [(name, text) for name, text in _TILES if report.figures.get(name) is not None]
    tiles = [
        f'<div class="tile"><b>{_number(report.figures[name])}</b><span>{text}</span></div>' for name, text in shown
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _notes(report: Report) -> str:
    notes = []
    if report.served_only:
        notes.append(
            "Judged by what the model serves: what it scores below its own threshold was not there to be seen."
        )
    if report.unknown_labels:
        notes.append(f"The model does not know, so these do not count: {_counts(report.unknown_labels.items())}.")
    if report.ignored_labels:
        notes.append(f"Left out, as asked: {_counts(report.ignored_labels.items())}.")
    if report.failed:
        some = "; ".join(f"{escape(name)}: {escape(why)}" for name, why in list(report.failed.items())[:10])
        notes.append(
            f'<span class="bad">{len(report.failed)} pictures got no answer and count as empty: {some}.</span>'
        )
    return _section("Notes", "", "".join(f"<div>{note}</div>" for note in notes)) if notes else ""


def _curves(classes: Sequence[ClassFigures], title: str) -> str:
    with_curve = [it for it in classes if it.precision and it.ap is not None]
    if not with_curve:
        return ""
    mean = [sum(it.precision[at] for it in with_curve) / len(with_curve) for at in range(_STEPS)]
    curves = [*(Curve(it.label, it.precision) for it in with_curve), Curve("mean of all classes", mean, bold=True)]
    best = sorted(with_curve, key=lambda it: (-(it.ap or 0), it.label))
    shown = best if len(best) <= 14 else [*best[:7], *best[-7:]]
    rows = [(it.label, it.ap or 0.0, f"{_number(it.ap)} · {it.objects}") for it in shown]
    which = "" if len(best) <= 14 else "The seven best and the seven weakest classes. "
    text = (
        f"At an IoU of 0.50; the mean is bold, hover over a line for its class. {which}Bars: AP, and how many things."
    )
    return _section(title, text, f'<div class="pair">{precision_recall(curves)}{bars(rows)}</div>')


def _sizes(report: Report) -> str:
    rows = [
        (size, report.figures.get(f"mAP_{size}") or 0.0, _number(report.figures.get(f"mAP_{size}")))
        for size in SIZES
        if report.figures.get(f"mAP_{size}") is not None
    ]
    text = "mAP of things below 32 x 32 pixels, up to 96 x 96, and above."
    return _section("By size", text, bars(rows)) if rows else ""


def _classes(report: Report) -> str:
    if not report.classes:
        return ""
    masks = {it.label: it for it in report.masks}
    head = ["class", "things", "AP", "AP 0.50", "AP 0.75", *SIZES, *(["mask AP"] if masks else [])]
    head += ["best threshold", "precision", "recall", "F1"]
    ordered = sorted(report.classes, key=lambda it: (-it.objects, it.label))
    rows = []
    for it in ordered:
        best = report.thresholds.get(it.label)
        cells = [it.ap, it.ap_50, it.ap_75, *(it.by_size[size] for size in SIZES)]
        cells += [masks[it.label].ap] if masks else []
        shown = [f"{best.score:.4f}", *map(_number, (best.precision, best.recall, best.f1))] if best else [_NONE] * 4
        rows.append([_label(it.label), str(it.objects), *map(_number, cells), *shown])
    seen = [row for row, it in zip(rows, ordered, strict=True) if it.objects]
    text = (
        "Classes that the set shows, the most frequent first. The best threshold is the score at which precision and "
        "recall together (F1, at an IoU of 0.50) are best: a good value for what a client takes for found."
    )
    return _section("Classes", text, _table(head, seen))


def _tops(report: Report) -> str:
    if not report.tops:
        return ""
    ordered = sorted(report.tops, key=lambda it: (it.top_1, it.top_5, it.label))
    rows = [[_label(it.label), str(it.pictures), _number(it.top_1), _number(it.top_5)] for it in ordered]
    return _section("Classes", "The weakest first.", _table(["class", "pictures", "first guess", "first five"], rows))


def _confusion(report: Report) -> str:
    if report.confusion is None or not report.confusion.labels:
        return ""
    more = len(report.confusion.labels)
    which = f" Of {more} labels, those that occur most." if more > 24 else ""
    text = f"What is there (down) and what it was found as (across); the colour is the share of its row.{which}"
    if report.classes:
        text += " Each class at its best threshold, IoU 0.50."
    return _section("Confusion", text, f'<div class="scroll">{confusion_chart(report.confusion)}</div>')


def _worst(report: Report) -> str:
    if not report.worst:
        return ""
    named = [(RIGHT, "true" if report.task in ("lane", "classify") else "found"), (EXTRA, "found, but not there")]
    if report.classes:
        named += [(MISSED, "there, but missed"), (CROWD, "a crowd: does not count")]
    key = "".join(f'<span><i style="background:{color}"></i>{text}</span>' for color, text in named)
    figures = "".join(_figure(picture) for picture in report.worst)
    return _section("Worst pictures", "", f'<p class="key">{key}</p><div class="pictures">{figures}</div>')


def _figure(picture: WorstPicture) -> str:
    image = (
        f'<img loading="lazy" alt="" src="{picture.image}">'
        if picture.image
        else "<p>It cannot be shown: the file is broken.</p>"
    )
    text = f"{picture.right} right, {picture.missed} missed, {picture.extra} wrong"
    return f"<figure>{image}<figcaption>{escape(picture.name)} · {text}</figcaption></figure>"


def _provenance(report: Report) -> str:
    told = report.labelled_set
    facts = [
        ("report", report.id),
        ("model", f"{report.model_key} ({report.model.get('dnnarch')}, {report.model.get('framework_type')})"),
        *((f"sha256 of {path}", sha) for path, sha in report.model.get("files", {}).items()),
        ("labelled set", f"{told.name}, {told.format}"),
        ("sha256 of the set", told.sha256),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(str(value))}</code></dd>" for name, value in facts)
    return _section("What was judged", "", f"<dl>{listed}</dl>")


def _section(title: str, text: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{f'<p>{text}</p>' if text else ''}{body}</section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, rest = rows[:_FIRST_ROWS], rows[_FIRST_ROWS:]
    more = f"<details><summary>{len(rest)} more</summary>{_rows(head, rest)}</details>" if rest else ""
    return _rows(head, first) + more


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _label(label: str) -> str:
    return f'<i style="background:{css_color(label)}"></i>{escape(label)}'


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{escape(label)} ({number})" for label, number in counts)
