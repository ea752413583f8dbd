"""One HTTP request and its answer, as every endpoint knows them: who asks, since when, and what is told and noted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chassis import logs
from services.gateway import instruments
from services.gateway.cors import cors_headers
from services.gateway.envelope import Outcome
from services.gateway.rate_limits import rate_limit_headers
from services.gateway.request_ids import request_id_of
from services.queue.client import Claim
from services.registry.client import ApiKey

if TYPE_CHECKING:
    from services.gateway.parts import Parts

log = logs.logger()
_WAY_BACK_S, _WAY_BACK_SHARE = 0.03, 0.05
_QUIET = frozenset({"health.live", "health.ready", "health.metrics", "page.file", "page.page", "page.docs"})

EXCHANGE = "servoir.exchange"
"""Where Flask's views find the exchange in their request's scope (ASGI)."""

EVERYONE = ApiKey(client_id="", id="", created_at_ms=0, created_by="")
"""Who asks where no key is needed: no limits, no rights of an operator."""


@dataclass(slots=True)
class Exchange:
    """*environ* is the request as WSGI has it, *started* when it began (``time.monotonic``); *outcomes* are what became
    of its images, where it is a prediction.
    """

    environ: Mapping[str, Any]
    endpoint: str | None
    gateway: Parts
    request_id: str
    started: float
    body: bytes | bytearray = b""
    caller: ApiKey = EVERYONE
    claim: Claim | None = None
    model_key: str = ""
    outcomes: Sequence[Outcome] = ()

    def left_s(self, timeout_s: float) -> float:
        """Return what the queue may take of a deadline of *timeout_s*: less what is gone, and what the way back takes.

        On a busy machine that is some milliseconds; an answer that were in time in the queue would be late for its
        client.
        """
        way_back_s = min(_WAY_BACK_S, _WAY_BACK_SHARE * timeout_s)
        return timeout_s - way_back_s - (time.monotonic() - self.started)

    def headers(self, status: int) -> dict[str, str]:
        """Return the headers that every answer gets."""
        headers = {"X-Request-Id": self.request_id}
        if self.claim:
            headers.update(rate_limit_headers(self.claim))
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if origin := self.environ.get("HTTP_ORIGIN"):
            allowed = self.gateway.settings.cors_origins
            preflight = self.environ["REQUEST_METHOD"] == "OPTIONS"
            headers.update(cors_headers(origin, self.environ["PATH_INFO"], allowed=allowed, preflight=preflight))
        return headers

    def tell(self, status: int) -> None:
        """Count the answer and write its line into the log: if possible when its client has it already."""
        seconds, route = time.monotonic() - self.started, self.endpoint or "none"
        instruments.count_request(route, status, seconds)
        if self.outcomes:
            instruments.count_images(self.model_key, self.outcomes)
        if route not in _QUIET:
            self._note(status, seconds)

    def _note(self, status: int, seconds: float) -> None:
        log.info(
            "request_answered",
            request_id=self.request_id,
            method=self.environ["REQUEST_METHOD"],
            path=self.environ["PATH_INFO"][:200],
            status=status,
            model_key=self.model_key,
            client_id=self.caller.client_id,
            api_key=self.caller.id,
            seconds=round(seconds, 6),
        )


def begun(environ: Mapping[str, Any], endpoint: str | None, gateway: Parts, *, unread_s: float = 0.0) -> Exchange:
    """Return the exchange of a request that lay unread for *unread_s*: that time belongs to its deadline."""
    started = time.monotonic() - unread_s
    return Exchange(environ, endpoint, gateway, request_id_of(environ.get("HTTP_X_REQUEST_ID")), started)
