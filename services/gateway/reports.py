"""Reports on models, what a release would be accepted on, and who did what to a model."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from flask import Blueprint, Response, request

from chassis.rpc import registry_pb2 as pb
from services.gateway.api_keys import require_admin
from services.gateway.models import json_response
from services.gateway.operations import ADMIN, REGISTRY, Query, operation
from services.gateway.parts import parts
from services.gateway.vision import V3
from services.registry.client import Report

v3 = Blueprint("reports", __name__, url_prefix=V3)
_MODEL = Query("model", "The key of one model; without it, all")
_REQUIRE = Query("require", "A demand, such as `mAP>=0.20`; may come several times")
_ON = Query("on", "The labelled set of the report; may be left out where there are reports on one set only")


class ReportSummary(msgspec.Struct):
    """A report: ``kind`` is evaluation or conversion, ``figures`` are what a release can demand."""

    id: str
    model: str
    kind: str
    set: str
    set_sha256: str
    made: datetime
    by: str
    figures: dict[str, float]


class ReportList(msgspec.Struct):
    """Reports, newest first."""

    reports: list[ReportSummary]


class Acceptance(msgspec.Struct):
    """What a release would be accepted on: the report, its set, and each demand with its figure."""

    model: str
    report: str
    set: str
    met: list[str]


class Deed(msgspec.Struct):
    """Who did what to a model, or an API key; *detail* of a release says what it was accepted on."""

    model: str
    action: str
    by: str
    at: datetime
    before: str
    after: str
    detail: str


class History(msgspec.Struct):
    """Deeds, newest first."""

    history: list[Deed]


@v3.get("/reports")
@operation("Reports", ReportList, problems=REGISTRY, query=(_MODEL, ADMIN))
def reports() -> Response:
    """List the reports on a model, or on all."""
    require_admin()
    found = parts().registry.reports(request.args.get("model", ""))
    return json_response(ReportList([_summary(report) for report in found]))


@v3.get("/reports/<id>")
@operation("Reports", "application/json", problems=(404, *REGISTRY), query=(ADMIN,))
def report(id: str) -> Response:
    """Show a report as it was made, as JSON."""
    require_admin()
    return Response(parts().registry.report(id).document, mimetype="application/json")


@v3.get("/acceptance")
@operation("Reports", Acceptance, problems=(400, 404, 409, *REGISTRY), query=(_MODEL, _REQUIRE, _ON, ADMIN))
def acceptance() -> Response:
    """Say what the release of a model would be accepted on; 409 naming every demand that is not met."""
    require_admin()
    key, on_set = request.args.get("model", ""), request.args.get("on", "")
    accepted = parts().registry.acceptance(key, request.args.getlist("require"), on_set=on_set)
    return json_response(Acceptance(key, accepted.report_id, accepted.set_name, list(accepted.met)))


@v3.get("/history")
@operation("Reports", History, problems=REGISTRY, query=(_MODEL, ADMIN))
def history() -> Response:
    """Tell who published, released, retired or reported on a model, and when."""
    require_admin()
    return json_response(History([_deed(entry) for entry in parts().registry.history(request.args.get("model", ""))]))


def _summary(report: Report) -> ReportSummary:
    return ReportSummary(
        report.id,
        report.model_key,
        report.kind,
        report.set_name,
        report.set_sha256,
        _moment(report.made_at_ms),
        report.actor,
        dict(report.figures),
    )


def _deed(entry: pb.HistoryEntry) -> Deed:
    at = _moment(entry.at_ms)
    return Deed(entry.key, entry.action, entry.actor, at, entry.before, entry.after, entry.detail)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
