"""An answer of the Vision API in words: what was found in each picture, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cli.output import print_table, readable_seconds

_MOST_CLASSES = 5
_HOPS = (
    ("image_read", "gateway: body received, checked"),
    ("queue_wait", "queue: waited for a model server"),
    ("decode", "model server: picture to tensor"),
    ("infer", "model server: the network"),
    ("postprocess", "model server: tensors to regions"),
    ("res_preparation", "gateway: answer written"),
)


def found(envelope: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each object of an answer: ``file``, ``label``, ``score``, and ``where`` it is."""
    for file in envelope["result"].values():
        for region in file["regions"]:
            attributes = region["region_attributes"]
            where = _place(region["shape_attributes"])
            yield {"file": file["filename"], "label": attributes["label"], "score": attributes["score"], "where": where}
        for guess in file.get("classes", [])[:_MOST_CLASSES]:
            yield {"file": file["filename"], "label": guess["label"], "score": guess["score"], "where": "whole picture"}


def print_objects(envelope: dict[str, Any]) -> None:
    """Print a table of what was found."""
    rows = [(thing["file"], thing["label"], f"{thing['score']:.3f}", thing["where"]) for thing in found(envelope)]
    print_table(["picture", "found", ">score", "where"], rows or [("", "nothing", "", "")])


def print_hops(envelope: dict[str, Any], whole_s: float) -> None:
    """Print where the time of a request went; *whole_s* is what its client waited."""
    timings = envelope["timings"]
    rows = [(what, timings[name]) for name, what in _HOPS if name in timings]
    between = timings["tt_turnaround"] - sum(seconds for _, seconds in rows)
    rows += [("between them: Redis, dispatcher, gRPC", max(0.0, between))]
    rows += [("client and nginx", max(0.0, whole_s - timings["tt_turnaround"])), ("the whole request", whole_s)]
    print_table(["hop", ">time"], [(what, readable_seconds(seconds)) for what, seconds in rows])


def _place(shape: dict[str, Any]) -> str:
    if shape["name"] == "rect":
        return f"{shape['width']}x{shape['height']} at ({shape['x']}, {shape['y']})"
    return f"{shape['name']} of {len(shape['all_points_x'])} points"
