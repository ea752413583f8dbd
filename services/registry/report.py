"""A report on a model, and how it travels. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from chassis.errors import BadRequest
from chassis.rpc import registry_pb2 as pb

KINDS = ("evaluation", "conversion")
_MOST_BYTES, _MOST_FIGURES = 8 * 2**20, 5000
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report on a model, by a background job whose id it has.

    *figures* are the numbers that a release can demand; *document* is all of it, as JSON, empty in a list. *set_name*
    and *set_sha256* say on which labelled set an evaluation was made.
    """

    id: str
    model_key: str
    kind: str
    figures: Mapping[str, float] = {}
    set_name: str = ""
    set_sha256: str = ""
    made_at_ms: int = 0
    actor: str = ""
    document: bytes = b""


def report_message(report: Report) -> pb.Report:
    """Return a report as it travels."""
    return pb.Report(
        id=report.id,
        model_key=report.model_key,
        kind=report.kind,
        set_name=report.set_name,
        set_sha256=report.set_sha256,
        figures=report.figures,
        made_at_ms=report.made_at_ms,
        actor=report.actor,
        document_json=report.document,
    )


def read_report(message: pb.Report) -> Report:
    """Return the report that travelled."""
    return Report(
        id=message.id,
        model_key=message.model_key,
        kind=message.kind,
        set_name=message.set_name,
        set_sha256=message.set_sha256,
        figures=dict(message.figures),
        made_at_ms=message.made_at_ms,
        actor=message.actor,
        document=message.document_json,
    )


def check_report(report: Report) -> None:
    """Raise BadRequest naming what is wrong with *report*."""
    faults = []
    if not _ID.fullmatch(report.id):
        faults.append("id: letters, digits and _.- only, 1 to 100 of them")
    if report.kind not in KINDS:
        faults.append(f"kind: {report.kind[:40]!r} is none of {', '.join(KINDS)}")
    if len(report.document) > _MOST_BYTES:
        faults.append(f"document: more than {_MOST_BYTES} bytes")
    if len(report.figures) > _MOST_FIGURES:
        faults.append(f"figures: more than {_MOST_FIGURES}")
    if faults:
        raise BadRequest("bad report: " + "; ".join(faults))
