"""API keys: what a client may do, and the token by which it is known. Pure: time and chance are arguments.

A token is ``sv_<id>_<secret>``: the id is public and names the key in lists and logs; the secret is 32 letters and
digits drawn by chance, 190 bits. Kept is only the SHA-256 of the whole token. The slow hashes that passwords need
(bcrypt, Argon2) make guessing costly where people choose the secret; 2^190 cannot be guessed however fast the hash, and
a fast one can be checked with every request.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import string
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import msgspec

from chassis.errors import BadRequest, WrongState
from chassis.json_text import UNREADABLE
from services.registry.versions import without_defaults

CLASSES = ("interactive", "batch")
"""The priority classes, the largest first: a key of one may ask for those after it."""

ADMIN = "admin"
"""The client as which the holder of the admin token counts."""

_ID_LENGTH, _SECRET_LENGTH = 12, 32
_ID_LETTERS = string.digits + string.ascii_lowercase
_SECRET_LETTERS = string.digits + string.ascii_letters
_TOKEN = re.compile(rf"sv_([0-9a-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}", re.ASCII)
_CLIENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9_.*?-]{1,200}", re.ASCII)
_MOST_PATTERNS = 100
_MOST = 2**53
_LONGEST_GRACE_S = 30 * 86400.0
_MOST_IN_GRACE = 3

Letters = Callable[[str, int], str]


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the creator of a key chooses. ``parse_terms`` makes them from a document and checks every field.

    *models* are patterns of model keys (``acme-*``; ``acme-coco`` is all its releases), none for all models. A limit of
    0 is none; a *burst* of 0 is what one second's requests are. *priority* is the largest class that may be asked for,
    *weight* the client's share among the clients of its class. *expires_at_ms* is Unix time, 0 for never.
    """

    client_id: str
    name: str = ""
    models: tuple[str, ...] = ()
    requests_per_s: float = 0.0
    burst: int = 0
    requests_per_day: int = 0
    priority: str = "interactive"
    weight: float = 1.0
    admin: bool = False
    expires_at_ms: int = 0


class ApiKey(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key, without anything secret; times are Unix time, 0 for not yet.

    A version that meets a field it does not know lets nothing open the key: the field may forbid what it would allow.
    A field that has its default is neither sent nor kept (``versions.py``), so that keys which do not use what is new
    open everywhere.
    """

    id: str
    created_at_ms: int
    created_by: str
    rotated_at_ms: int = 0
    revoked_at_ms: int = 0

    def may_use(self, model_key: str) -> bool:
        """Whether the key's patterns allow this model."""
        return not self.models or _allowed(self.models, model_key)


def api_key_json(key: ApiKey) -> bytes:
    """Return a key as JSON, without the fields that have their default."""
    return msgspec.json.encode(without_defaults(key))


class TokenHash(msgspec.Struct, frozen=True):
    """The hash of a token, and until when it is taken (Unix time; 0: as long as the key)."""

    sha256: str
    until_ms: int = 0


class KnownKey(msgspec.Struct, frozen=True):
    """A key with the hashes of its tokens, the newest first; *version* grows by one with every change."""

    key: ApiKey
    hashes: tuple[TokenHash, ...]
    version: int = 1


@lru_cache(maxsize=65536)
def _allowed(patterns: tuple[str, ...], model_key: str) -> bool:
    problem = model_key.rpartition("-")[0]
    return any(
        fnmatchcase(model_key, pattern) or (pattern.count("-") == 1 and fnmatchcase(problem, pattern))
        for pattern in patterns
    )


def chosen(letters: str, count: int) -> str:
    """Return *count* of *letters*, as nobody could foretell."""
    return "".join(secrets.choice(letters) for _ in range(count))


def issue(terms: Terms, *, actor: str, now_ms: int, draw: Letters = chosen) -> tuple[KnownKey, str]:
    """Return a new key and its token, which is to be told once and then forgotten."""
    key_id = draw(_ID_LETTERS, _ID_LENGTH)
    token = _token(key_id, draw)
    fields = {name: getattr(terms, name) for name in Terms.__struct_fields__}
    key = ApiKey(**fields, id=key_id, created_at_ms=now_ms, created_by=actor)
    return KnownKey(key, (TokenHash(_sha256(token)),)), token


def rotate(known: KnownKey, *, grace_s: float, now_ms: int, draw: Letters = chosen) -> tuple[KnownKey, str]:
    """Return the key with a new token, and that token. The one it had is taken for *grace_s* yet.

    So is an older one whose grace is not over, but not for longer than it was to be, and of all the newest three: where
    the answer to a rotation was lost, the token that the client uses is an older one, and the key is rotated again.

    Raises WrongState where the key is revoked, and BadRequest for a grace that is no time.
    """
    if known.key.revoked_at_ms:
        raise WrongState(f"the API key {known.key.id} is revoked: create another")
    if not (math.isfinite(grace_s) and 0 <= grace_s <= _LONGEST_GRACE_S):
        raise BadRequest(f"grace_s: seconds from 0 to {_LONGEST_GRACE_S:g}")
    token = _token(known.key.id, draw)
    until_ms = now_ms + round(grace_s * 1000)
    before = (TokenHash(it.sha256, min(it.until_ms or until_ms, until_ms)) for it in known.hashes)
    in_grace = [it for it in before if it.until_ms > now_ms][:_MOST_IN_GRACE]
    key = msgspec.structs.replace(known.key, rotated_at_ms=now_ms)
    return KnownKey(key, (TokenHash(_sha256(token)), *in_grace), known.version + 1), token


def revoke(known: KnownKey, *, now_ms: int) -> KnownKey:
    """Return the key as ended for good; nothing opens it any more."""
    key = msgspec.structs.replace(known.key, revoked_at_ms=now_ms)
    return KnownKey(key, (), known.version + 1)


def id_of(token: str) -> str:
    """Return the id in a token; empty where it has not the form of one."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else ""


def opens(token: str, known: KnownKey, *, now_ms: float) -> bool:
    """Whether *token* is one of the key's at this time; takes as long for a wrong secret as for the right one."""
    if known.key.expires_at_ms and now_ms >= known.key.expires_at_ms:
        return False
    given = _sha256(token)
    return any(hmac.compare_digest(given, it.sha256) for it in known.hashes if not it.until_ms or now_ms < it.until_ms)


def parse_terms(document: bytes | Mapping[str, Any]) -> Terms:
    """Return the checked terms of a JSON text or a mapping; raises BadRequest naming every bad field."""
    try:
        fields = msgspec.json.decode(document) if isinstance(document, bytes) else document
    except UNREADABLE as error:
        raise BadRequest("bad API key: not JSON") from error
    if not isinstance(fields, Mapping):
        raise BadRequest("bad API key: not a mapping of field names to values")
    kinds = {field.name: field.type for field in msgspec.structs.fields(Terms)}
    faults = [f"{str(name)[:64]}: no such field" for name in fields if name not in kinds]
    faults += [] if "client_id" in fields else ["client_id: missing"]
    values: dict[str, Any] = {}
    for name in kinds.keys() & fields.keys():
        try:
            values[name] = msgspec.convert(fields[name], kinds[name])
        except msgspec.ValidationError as error:
            faults.append(f"{name}: {error}")
    faults += [f"{name}: {said}" for name, value in values.items() if (said := _fault(name, value))]
    if faults:
        raise BadRequest("bad API key: " + "; ".join(sorted(faults)[:20]))
    return Terms(**values)


def _fault(name: str, value: Any) -> str:
    good, said = _CHECKS[name]
    return "" if good(value) else said


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "client_id": (
        lambda text: bool(_CLIENT.fullmatch(text)) and text != ADMIN,
        f"1 to 64 letters, digits, _ . @ or -, and not {ADMIN}",
    ),
    "name": (lambda text: len(text) <= 200 and text.isprintable(), "up to 200 printable characters"),
    "models": (
        lambda patterns: len(patterns) <= _MOST_PATTERNS and all(map(_PATTERN.fullmatch, patterns)),
        f"up to {_MOST_PATTERNS} model keys, in which * stands for any characters",
    ),
    "requests_per_s": (lambda rate: rate == 0 or 1e-6 <= rate <= 1e6, "0 for no limit, or up to 1000000"),
    "burst": (lambda count: 0 <= count <= 1_000_000, "0 for one second's requests, or up to 1000000"),
    "requests_per_day": (lambda count: 0 <= count <= _MOST, "0 for no limit, or more"),
    "priority": (lambda name: name in CLASSES, f"one of {', '.join(CLASSES)}"),
    "weight": (lambda weight: 0.001 <= weight <= 1000, "from 0.001 to 1000"),
    "admin": (lambda _: True, ""),
    "expires_at_ms": (lambda at_ms: 0 <= at_ms <= _MOST, "milliseconds of Unix time, 0 for never"),
}


def _token(key_id: str, draw: Letters) -> str:
    return f"sv_{key_id}_{draw(_SECRET_LETTERS, _SECRET_LENGTH)}"


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
