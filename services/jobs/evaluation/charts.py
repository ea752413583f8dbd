"""Charts as SVG: curves of precision over recall, bars, and a confusion matrix. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from chassis.colors import color_of
from services.jobs.evaluation.confusion import NOTHING, Confusion

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 420, 300, 42, 34


class Curve(NamedTuple):
    """Precision at equal steps of recall from 0 to 1; a bold one is in front, and named."""

    label: str
    precision: Sequence[float]
    bold: bool = False


def precision_recall(curves: Sequence[Curve]) -> str:
    """Return the chart of *curves*."""
    parts = [_axes("recall", "precision")]
    parts += [_curve(curve) for curve in sorted(curves, key=lambda it: it.bold)]
    return _svg(_WIDTH, _HEIGHT, parts, "precision over recall")


def bars(rows: Sequence[tuple[str, float, str]], *, most: float = 1.0) -> str:
    """Return horizontal bars of *rows*: label, value from 0 to *most*, and what is written behind."""
    step, left, across = 24, 150, 330
    parts = []
    for at, (label, value, text) in enumerate(rows):
        top = at * step + 4
        length = max(across * min(value / most, 1.0), 0.0)
        parts.append(f'<text class="name" x="{left - 8}" y="{top + 12}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect class="rail" x="{left}" y="{top}" width="{across}" height="16" rx="3"/>')
        parts.append(
            f'<rect x="{left}" y="{top}" width="{length:.1f}" height="16" rx="3" fill="{css_color(label)}">'
            f"<title>{escape(label)}: {escape(text)}</title></rect>"
        )
        parts.append(f'<text class="value" x="{left + across + 8}" y="{top + 12}">{escape(text)}</text>')
    return _svg(left + across + 90, len(rows) * step + 8, parts, "bars")


def confusion_chart(confusion: Confusion, *, most: int = 24) -> str:
    """Return the matrix of the labels that are most often there or found, at most *most*; true ones down."""
    labels = _busiest(confusion, most)
    rows, columns = [*labels, NOTHING], [*labels, NOTHING]
    counts = {(true, found): number for true, found, number in confusion.counts}
    cell, left, top = 26, 140, 118
    parts = []
    for down, true in enumerate(rows):
        whole = sum(counts.get((true, found), 0) for found in columns) or 1
        y = top + down * cell
        name = true or "not there"
        parts.append(f'<text class="name" x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>')
        for across, found in enumerate(columns):
            number = counts.get((true, found), 0)
            parts.append(_cell(left + across * cell, y, number, number / whole, (name, found or "nothing"), cell))
    for across, found in enumerate(columns):
        x = left + across * cell + cell / 2 + 4
        name = escape(found or "nothing found")
        parts.append(f'<text class="name" transform="translate({x},{top - 8}) rotate(-60)">{name}</text>')
    return _svg(left + len(columns) * cell + 70, top + len(rows) * cell + 8, parts, "confusion matrix")


def css_color(label: str) -> str:
    """Return the label's own colour, a little darker than on pictures, so that it is seen on white."""
    red, green, blue = (round(channel * 205) for channel in color_of(label))
    return f"rgb({red},{green},{blue})"


def _cell(x: float, y: float, number: int, share: float, names: tuple[str, str], cell: int) -> str:
    right = names[0] == names[1]
    fill = f"rgba({'31,157,97' if right else '214,64,92'},{0.12 + 0.88 * share:.2f})" if number else "transparent"
    title = f"<title>{escape(names[0])} found as {escape(names[1])}: {number}</title>"
    box = (
        f'<rect class="cell" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" rx="3" fill="{fill}">{title}</rect>'
    )
    ink = "#fff" if share > 0.55 else "currentColor"
    text = f'<text class="count" x="{x + cell / 2 - 1}" y="{y + 16}" text-anchor="middle" fill="{ink}">{number}</text>'
    return box + (text if number else "")


def _busiest(confusion: Confusion, most: int) -> list[str]:
    weight = dict.fromkeys(confusion.labels, 0)
    for true, found, number in confusion.counts:
        for label in {true, found} - {NOTHING}:
            weight[label] += number
    return sorted(sorted(weight, key=lambda label: (-weight[label], label))[:most])


def _curve(curve: Curve) -> str:
    last = max(len(curve.precision) - 1, 1)
    points = " ".join(f"{_x(at / last):.1f},{_y(value):.1f}" for at, value in enumerate(curve.precision))
    kind = "bold" if curve.bold else "thin"
    color = "var(--accent)" if curve.bold else css_color(curve.label)
    return (
        f'<polyline class="{kind}" points="{points}" stroke="{color}"><title>{escape(curve.label)}</title></polyline>'
    )


def _axes(across: str, up: str) -> str:
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<line class="grid" x1="{_x(tick)}" y1="{_y(0)}" x2="{_x(tick)}" y2="{_y(1)}"/>')
        parts.append(f'<line class="grid" x1="{_x(0)}" y1="{_y(tick)}" x2="{_x(1)}" y2="{_y(tick)}"/>')
        parts.append(f'<text class="tick" x="{_x(tick)}" y="{_y(0) + 15}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text class="tick" x="{_x(0) - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<text class="axis" x="{_x(0.5)}" y="{_HEIGHT - 3}" text-anchor="middle">{across}</text>')
    parts.append(f'<text class="axis" transform="translate(11,{_y(0.5)}) rotate(-90)" text-anchor="middle">{up}</text>')
    return "".join(parts)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - 12)


def _y(share: float) -> float:
    return (_HEIGHT - _BOTTOM) - share * (_HEIGHT - _BOTTOM - 12)


def _svg(width: float, height: float, parts: Sequence[str], what: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{what}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
