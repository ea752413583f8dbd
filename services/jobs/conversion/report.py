"""The report of a conversion, and the provenance that the new model carries."""

from __future__ import annotations

from typing import Any

import msgspec

from services.jobs.conversion.deviations import Deviations, Tolerance
from services.registry.client import Modelinfo
from services.registry.client import Report as Kept


class Calibration(msgspec.Struct, frozen=True):
    """What int8 was calibrated on: so many pictures, and one sha256 for all of them."""

    pictures: int
    sha256: str


class ConversionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion: from what, to what, by which tools, and how far the answers differ.

    *checked_by* is what the converted model was run with; a TensorRT engine is checked, where there is no GPU, by the
    ONNX model that it was built from. *infer_cpu_s* are the median processor seconds of one picture
    inside the engine.
    """

    kind: str = "conversion"
    id: str
    source: str
    model_key: str
    to: str
    precision: str
    made_at: str
    source_files: dict[str, str]
    files: dict[str, str] = {}
    tools: dict[str, str]
    shape: tuple[int | None, ...]
    profile: tuple[int, int, int] | None = None
    gpus: tuple[str, ...] = ()
    calibration: Calibration | None = None
    checked_by: str
    deviations: Deviations
    tolerance: Tolerance
    faults: tuple[str, ...] = ()
    infer_cpu_s: dict[str, float] = {}


def provenance(report: ConversionReport) -> dict[str, Any]:
    """Return what the new model's modelinfo says of where it came from; no member's name holds a dot."""
    told = {
        "report": report.id,
        "source": report.source,
        "source_files": [{"path": path, "sha256": sha256} for path, sha256 in report.source_files.items()],
        "made_at": report.made_at,
        "precision": report.precision,
        "tools": [f"{name} {version}" for name, version in report.tools.items()],
        "picture_shape": list(report.shape),
        "checked_by": report.checked_by,
        "checked_on_pictures": report.deviations.pictures,
        "largest_score_difference": round(report.deviations.score, 6),
        "largest_edge_difference_pixels": report.deviations.pixels,
        "things": report.deviations.things,
        "things_lost_or_new": report.deviations.differing,
    }
    if report.profile:
        told |= {"batch_sizes": list(report.profile), "gpus": list(report.gpus)}
    if report.calibration:
        told |= {"calibration": msgspec.to_builtins(report.calibration)}
    return told


def figures(report: ConversionReport) -> dict[str, float]:
    """Return the report's numbers by name."""
    told = report.deviations
    return {
        "score_difference": told.score,
        "edge_difference_pixels": told.pixels,
        "things": float(told.things),
        "things_lost_or_new": float(told.differing),
        **{f"infer_cpu_s[{name}]": seconds for name, seconds in report.infer_cpu_s.items()},
    }


def for_registry(report: ConversionReport, model: Modelinfo, *, made_at_ms: int, actor: str) -> Kept:
    """Return what the registry keeps of the report, on the new model."""
    return Kept(
        id=report.id,
        model_key=model.key,
        kind=report.kind,
        figures=figures(report),
        made_at_ms=made_at_ms,
        actor=actor,
        document=msgspec.json.encode(report),
    )
