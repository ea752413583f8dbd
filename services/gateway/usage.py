"""Who used what: ``GET /api/vision/v3/usage`` as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from chassis.errors import BadRequest
from chassis.rpc.registry_pb2 import UsageRow
from services.gateway.api_keys import own_client
from services.gateway.models import json_response
from services.gateway.operations import ADMIN, REGISTRY, Query, operation
from services.gateway.parts import parts
from services.gateway.vision import V3
from services.registry.client import LATENCY_BOUNDS_S, percentile_s

v3 = Blueprint("usage", __name__, url_prefix=V3)
_QUERY = (
    Query("from", "The first moment: ISO 8601, or Unix milliseconds"),
    Query("to", "The first moment that no longer counts"),
    Query("by", "`client`, `model`, `hour`, `day`, `status`, joined with commas; `model` where it is not said"),
    Query("model", "Only this model's"),
    Query("client", "Only this client's; a key that is no admin's sees its own client's"),
    Query("format", "`csv`, for a table; so does `Accept: text/csv`"),
    ADMIN,
)


class Usage(msgspec.Struct):
    """Sums by group. A row has its group's members, then counts, bytes, seconds, and the latencies by buckets.

    ``requests`` are those that were accepted, ``images`` what they brought; ``failed`` and ``statuses`` count images.
    """

    by: str
    rows: list[dict[str, Any]]


_PERCENTILES = {"latency_p50_s": 0.5, "latency_p95_s": 0.95, "latency_p99_s": 0.99}


@v3.get("/usage")
@operation("Operators", (Usage, "text/csv"), problems=(400, *REGISTRY), query=_QUERY)
def usage() -> Response:
    """Sum up usage: ``from``, ``to`` (ISO 8601 or Unix milliseconds), ``by`` (client,model,hour,day,status), ``model``.

    CSV with ``format=csv`` or ``Accept: text/csv``. Latencies are read from histograms: at most 4.5 % off.
    """
    by = request.args.get("by", "model")
    found = parts().registry.usage(
        by=by,
        client_id=own_client(request.args.get("client", "")),
        model_key=request.args.get("model", ""),
        from_ms=moment_ms("from", request.args.get("from", "")),
        to_ms=moment_ms("to", request.args.get("to", "")),
    )
    rows = [flat(row) for row in found]
    if _wants_csv():
        return Response(as_csv(rows, by), mimetype="text/csv")
    return json_response(Usage(by, rows))


def _wants_csv() -> bool:
    wanted = request.args.get("format") or request.accept_mimetypes.best_match(["application/json", "text/csv"])
    return wanted in ("csv", "text/csv")


def moment_ms(name: str, text: str) -> int:
    """Return Unix milliseconds for a moment as a caller writes it; 0 for none. A date without zone is UTC."""
    if not text:
        return 0
    try:
        if text.isascii() and text.isdigit() and len(text) > 8:
            return int(text[:16])
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: a moment such as 2026-01-31, 2026-01-31T12:00Z or Unix milliseconds") from error


def flat(row: UsageRow) -> dict[str, Any]:
    """Return a row of usage as one level of names and values, its group first."""
    percentiles = {name: round(percentile_s(row.latency_histogram, share), 6) for name, share in _PERCENTILES.items()}
    failed = sum(count for status, count in row.statuses.items() if status >= 400)
    return {
        **dict(sorted(row.group.items())),
        "requests": row.requests,
        "images": row.images,
        "failed": failed,
        "statuses": {str(status): count for status, count in sorted(row.statuses.items())},
        "payload_bytes": row.payload_bytes,
        "service_s": round(row.service_s, 6),
        **percentiles,
        "latency_histogram": latency_histogram(row.latency_histogram),
    }


def latency_histogram(counts: Sequence[int]) -> list[tuple[float, int]]:
    """Return the buckets that hold anything, each as its upper bound in seconds (of the last: its lower) and count."""
    bounds = (*LATENCY_BOUNDS_S, LATENCY_BOUNDS_S[-1])
    return [(round(bound, 6), count) for bound, count in zip(bounds, counts, strict=True) if count]


def as_csv(rows: list[dict[str, Any]], by: str) -> str:
    """Return rows under a line of names; there are names even where there are no rows."""
    groups = sorted(name.strip() for name in by.split(",") if name.strip())
    names = [*groups, "requests", "images", "failed", "payload_bytes", "service_s", *_PERCENTILES]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _unexecutable(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _unexecutable(value: Any) -> Any:
    """Keep a spreadsheet from taking a caller's text for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value
