"""Who asks: the API key of a request, what it may use, and what its request is held to.

A key comes as ``Authorization: Bearer sv_…`` or ``X-Api-Key: sv_…`` and is looked up in memory. The admin token of the
settings is taken in its place and may do everything: with it the first key is made.

With ``api_keys`` on ``auto``, a gateway bound to loopback asks for keys only where a proxy before it says that the
request came from another machine (the last of ``X-Forwarded-For``, which the nearest proxy wrote).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from flask import g, request

from chassis.errors import BadRequest, Forbidden, Unauthorized
from services.gateway.exchange import EVERYONE, Exchange
from services.gateway.parts import Parts, parts
from services.gateway.settings import Settings
from services.queue.client import Claim, PredictCall, quota_for
from services.registry.client import CLASSES, ApiKey, Modelinfo

OPERATOR = ApiKey(client_id="admin", id="", created_at_ms=0, created_by="", admin=True)
"""Who has the admin token."""

OWNER = ApiKey(client_id="", id="", created_at_ms=0, created_by="", admin=True)
"""Whoever asks on this machine, where no key is needed and there is no admin token."""

OPEN = frozenset(
    {
        "health.live",
        "health.ready",
        "health.metrics",
        "inference.live",
        "inference.ready",
        "inference.server",
        "openapi.description",
        "page.docs",
        "page.file",
        "page.page",
        "vision_v2.describe_v2",
        "vision_v3.describe_v3",
    }
)
"""The endpoints that tell nothing of anybody, and never need a key."""


def identify(environ: Mapping[str, Any], endpoint: str | None, gateway: Parts) -> ApiKey:
    """Return who sends a request; raises Unauthorized where it needs a key and has none that opens.

    Also raises Unavailable where the keys have never been learnt.
    """
    token = token_of(environ)
    if token and _is_admin_token(token, gateway.settings):
        return OPERATOR
    if not _needs_key(environ, gateway.settings):
        return EVERYONE if gateway.settings.admin_token or not _is_local(environ, gateway.settings) else OWNER
    if endpoint in OPEN or endpoint is None or environ["REQUEST_METHOD"] == "OPTIONS":
        return EVERYONE
    if not token:
        raise Unauthorized("an API key is needed: send Authorization: Bearer sv_… or X-Api-Key: sv_…")
    key = gateway.keys.find(token)
    if key is None:
        raise Unauthorized("this API key is unknown, wrong, expired or revoked")
    return key


def token_of(environ: Mapping[str, Any]) -> str:
    """Return what a request sends as its key; empty for nothing."""
    text: str = environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = text.partition(" ")
    if token and scheme.lower() == "bearer":
        return token.strip()
    return cast(str, environ.get("HTTP_X_API_KEY", "")).strip()


def caller() -> ApiKey:
    """Return who sends the current request."""
    return cast(ApiKey, g.exchange.caller)


def require_admin() -> None:
    """Raise where this caller may not see what concerns operators only."""
    if caller().admin:
        return
    if caller().id:
        raise Forbidden("this is for operators: it needs the admin token, or an admin key")
    if parts().settings.admin_token or _needs_key(request.environ, parts().settings):
        raise Unauthorized("this needs the admin token, or an admin key: Authorization: Bearer …")
    raise Forbidden("this is closed: no SERVOIR_ADMIN_TOKEN is set, and this gateway is not bound to loopback")


def own_client(asked: str) -> str:
    """Return whose usage this caller may see, where it *asked* for a client's or, with '', for all.

    Operators see anybody's, a key its own client's; raises for what is another's.
    """
    if caller().id and not caller().admin:
        if asked not in ("", caller().client_id):
            raise Forbidden("this key may see the usage of its own client only")
        return caller().client_id
    require_admin()
    return asked


def check_may_use(key: ApiKey, model: Modelinfo) -> None:
    """Raise Forbidden where *key* may not use *model*."""
    if not key.may_use(model.key):
        raise Forbidden(f"this API key may not use {model.key}")


def call_of(
    exchange: Exchange, model: Modelinfo, task: str, timeout_s: float, *, idempotency_key: str = ""
) -> PredictCall:
    """Return what the queue is to do for its caller; raises Forbidden where it may not use *model*, or this class.

    ``X-Priority`` may ask for a class below the key's own. What is left of its quota is told with the answer.
    """
    key = exchange.caller
    check_may_use(key, model)
    quota = quota_for(key.id, requests_per_s=key.requests_per_s, burst=key.burst, per_day=key.requests_per_day)
    exchange.claim = Claim(quota) if quota else None
    return PredictCall(
        model_key=model.key,
        task=task,
        request_id=exchange.request_id,
        timeout_s=timeout_s,
        client_id=key.client_id,
        priority=_priority(exchange.environ.get("HTTP_X_PRIORITY", ""), key),
        weight=key.weight,
        idempotency_key=idempotency_key,
        claim=exchange.claim,
    )


def _priority(asked: str, key: ApiKey) -> str:
    if not asked:
        return key.priority
    if asked not in CLASSES:
        raise BadRequest(f"X-Priority: one of {', '.join(CLASSES)}")
    if CLASSES.index(asked) < CLASSES.index(key.priority):
        raise Forbidden(f"this API key may ask for {key.priority} requests only")
    return asked


def _is_admin_token(token: str, settings: Settings) -> bool:
    return bool(settings.admin_token) and hmac.compare_digest(token.encode(), settings.admin_token.encode())


def _needs_key(environ: Mapping[str, Any], settings: Settings) -> bool:
    return settings.api_keys == "on" or (settings.api_keys == "auto" and not _is_local(environ, settings))


def _is_local(environ: Mapping[str, Any], settings: Settings) -> bool:
    return settings.on_loopback and _came_from_here(environ.get("HTTP_X_FORWARDED_FOR", ""))


@lru_cache(maxsize=1024)
def _came_from_here(forwarded_for: str) -> bool:
    """Whether the nearest proxy, if there was one, was called from this machine."""
    nearest = forwarded_for.rpartition(",")[2].strip()
    try:
        return not nearest or ipaddress.ip_address(nearest).is_loopback
    except ValueError:
        return False
