"""What each address takes and answers, said beside its view; openapi.py makes the description of the API from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

View = Callable[..., Any]

ALWAYS = (405, 500)
KEYED = (401, 403, 503)
"""Of every address that may need a key."""
BODY = (400, 408, 413, 415, 503)
"""Of every address that takes a body."""
REGISTRY = (503, 504)
"""Of what asks the registry."""


class Query(NamedTuple):
    """One parameter in the query, or in the headers."""

    name: str
    help: str
    kind: str = "string"
    place: str = "query"


class Operation(NamedTuple):
    """*answer* is the type of the JSON, several of them, or a media type; None where there are errors only.

    *takes* is the type of the JSON, IMAGES, BYTES, or several of these.

    *also* are further statuses with the same answer; *accepted* is the type of the JSON of a 202, which has a Location,
    as the answer itself has where it is *located*. *problems* are the statuses of errors, beside ALWAYS, KEYED and
    BODY; they are told as problem+json, or as the JSON of the type *error*.
    """

    tag: str
    answer: Any
    status: int
    problems: tuple[int, ...]
    takes: Any
    query: tuple[Query, ...]
    also: tuple[int, ...]
    error: Any
    accepted: Any
    located: bool


class Nothing(msgspec.Struct):
    """An empty object: the change is said by the address."""


IMAGES = "multipart/form-data"
BYTES = "application/octet-stream"

ADMIN = Query("Authorization", "`Bearer …` with the admin token, where one is set, or an admin key", place="header")
REQUEST_ID = Query("X-Request-Id", "Your id for this request, 1 to 64 of `A-Za-z0-9._:-`", place="header")


def operation(
    tag: str,
    answer: Any,
    *,
    status: int = 200,
    also: tuple[int, ...] = (),
    problems: tuple[int, ...] = (),
    takes: Any = None,
    query: tuple[Query, ...] = (),
    error: Any = None,
    accepted: Any = None,
    located: bool = False,
) -> Callable[[View], View]:
    """Say what a view takes and answers; what it does is said in its docstring."""

    def say(view: View) -> View:
        said = Operation(tag, answer, status, problems, takes, query, also, error, accepted, located)
        view.operation = said  # type: ignore[attr-defined]
        return view

    return say
