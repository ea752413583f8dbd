"""The API's description in OpenAPI 3.1, made from its addresses, their docstrings and their types."""

from __future__ import annotations

import inspect
import re
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Any, get_args, get_origin

import msgspec
from flask import Blueprint, Flask, Response, current_app
from werkzeug.routing import Rule

from services.gateway.api_keys import OPEN
from services.gateway.envelope import EnvelopeV2, EnvelopeV3, File
from services.gateway.models import json_response
from services.gateway.operations import ALWAYS, BODY, BYTES, IMAGES, KEYED, REQUEST_ID, Operation, Query
from services.gateway.problems import PROBLEM_TYPE, ProblemBody

blueprint = Blueprint("openapi", __name__)
_REF = "#/components/schemas/{name}"
_CHOICE = re.compile(r"<any\(([^)]*)\):(\w+)>")
_RETRY_AFTER = ("Retry-After", "integer", "Seconds")
_HEADERS = {
    401: ("WWW-Authenticate", "string", "`Bearer`"),
    405: ("Allow", "string", "The methods that the address takes"),
    416: ("Content-Range", "string", "How many bytes there are: `bytes */175`"),
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
"""What always comes with a status."""
_LOCATION = ("Location", "string", "Where it is to be looked at; that of a job has its result, too")
_ACCEPTED = "Accepted: it is not done yet; its state, and at its end its result, are at `Location`"
_HEADER_TEXT = "^[ -~]*$"
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where this deployment asks for keys"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same in another header"},
}
_ABOUT = """Servoir serves vision models. Every error is `application/problem+json`; below `/v2`, `{"error": text}`.
`X-Request-Id` is sent back with every answer and stands in every service's log.
At any address: 400 for what is not well-formed HTTP, 414 for a long address, 431 for large headers."""


@blueprint.get("/openapi.json")
def description() -> Response:
    """Send this description."""
    return json_response(describe(current_app))


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of *app*: every address whose view says its operation."""
    found = [(rule, app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()]
    said = [(rule, view, view.operation) for rule, view in found if hasattr(view, "operation")]
    paths: dict[str, Any] = {}
    for rule, view, operation in sorted(said, key=lambda entry: entry[0].rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = paths.setdefault(re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule), {})
            path[method.lower()] = _operation(rule, method, view.__doc__ or "", operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Servoir", "version": "3", "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "security": [{"bearer": []}, {"header": []}, {}],
        "components": {"schemas": _schemas([operation for _, _, operation in said]), "securitySchemes": _SCHEMES},
    }


def _text(doc: str) -> str:
    """Return a docstring as Markdown: names in code, each paragraph on one line."""
    paragraphs = [" ".join(part.split()) for part in inspect.cleandoc(doc).split("\n\n")]
    return re.sub(r"``([^`]+)``|\*(\w+)\*", r"`\1\2`", "\n\n".join(paragraphs))


def _operation(rule: Rule, method: str, doc: str, operation: Operation) -> dict[str, Any]:
    summary, _, more = _text(doc).partition("\n\n")
    name = re.sub(r"\W+", "_", rule.rule).strip("_")
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}_{name}",
        "tags": [operation.tag],
        "summary": summary,
        "description": more,
        "parameters": [*_in_path(rule), *(_parameter(query) for query in (*operation.query, REQUEST_ID))],
        "responses": _answers(operation, () if rule.endpoint in OPEN else KEYED),
    }
    if rule.endpoint in OPEN:
        described["security"] = []
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": _body(operation.takes)}
    return described


def _in_path(rule: Rule) -> list[dict[str, Any]]:
    choices = {name: re.split(r",\s*", text) for text, name in _CHOICE.findall(rule.rule)}
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | _choice(choices.get(name))}
        for name in sorted(rule.arguments)
        if f"{name}>" in rule.rule
    ]


def _choice(choices: list[str] | None) -> dict[str, Any]:
    return {"enum": choices} if choices else {}


def _parameter(query: Query) -> dict[str, Any]:
    schema = {"type": query.kind}
    if query.place == "header" and query.kind == "string":
        schema["pattern"] = _HEADER_TEXT
    return {"name": query.name, "in": query.place, "description": query.help, "schema": schema}


def _body(takes: Any) -> dict[str, Any]:
    if isinstance(takes, tuple):
        kinds = [_reference(kind) for kind in takes if not isinstance(kind, str)]
        media = [_body(kind) for kind in takes if isinstance(kind, str)]
        return reduce(or_, media, {"application/json": {"schema": {"anyOf": kinds}}})
    if takes == BYTES:
        return {BYTES: {"schema": {"type": "string", "contentMediaType": BYTES}}}
    if takes != IMAGES:
        return {"application/json": {"schema": _reference(takes)}}
    image = {"type": "string", "contentMediaType": "application/octet-stream"}
    properties = {
        "image": {"type": "array", "items": image, "minItems": 1, "description": "One or more image files"},
        "q": {
            "type": "string",
            "description": "The model: `<org>-<problem>[-<rel>]`; without release the newest",
        },
    }
    return {IMAGES: {"schema": {"type": "object", "required": ["image"], "properties": properties}}}


def _answers(operation: Operation, also: tuple[int, ...]) -> dict[str, Any]:
    answers: dict[int, dict[str, Any]] = {}
    if operation.answer is not None:
        for status in (operation.status, *operation.also):
            _add(answers, status, _content(operation.answer))
    if operation.accepted is not None:
        _add(answers, HTTPStatus.ACCEPTED, _content(operation.accepted))
    problem = {PROBLEM_TYPE: {"schema": _reference(ProblemBody)}}
    if operation.error is not None:
        problem |= {"application/json": {"schema": _reference(operation.error)}}
    for status in (*operation.problems, *also, *ALWAYS, *(() if operation.takes is None else BODY)):
        _add(answers, status, problem)
    for status, (name, kind, meaning) in _headers(operation).items():
        if status in answers:
            answers[status]["headers"] = {name: {"schema": {"type": kind}, "description": meaning}}
    return {str(status): answers[status] for status in sorted(answers)}


def _add(answers: dict[int, dict[str, Any]], status: int, content: dict[str, Any]) -> None:
    """Add what an answer of *status* may hold to what is said of it already."""
    description = _ACCEPTED if status == HTTPStatus.ACCEPTED else HTTPStatus(status).phrase
    answer = answers.setdefault(int(status), {"description": description})
    if status != HTTPStatus.NOT_MODIFIED:
        kept = answer.setdefault("content", {})
        for media, of_this in content.items():
            kept[media] = (
                {"schema": {"anyOf": [kept[media]["schema"], of_this["schema"]]}} if media in kept else of_this
            )


def _headers(operation: Operation) -> dict[int, tuple[str, str, str]]:
    located = {operation.status: _LOCATION} if operation.located else {}
    return {**_HEADERS, **located, 202: _LOCATION}


def _content(answer: Any) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "string"}}}
    if isinstance(answer, tuple):
        media = {kind: {"schema": {"type": "string"}} for kind in answer if isinstance(kind, str)}
        types = [_reference(kind) for kind in answer if not isinstance(kind, str)]
        return {"application/json": {"schema": types[0] if len(types) == 1 else {"anyOf": types}}, **media}
    return {"application/json": {"schema": _reference(answer)}}


def _reference(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is list:
        return {"type": "array", "items": _reference(get_args(kind)[0])}
    return {"$ref": _REF.format(name=kind.__name__)}


def _schemas(operations: list[Operation]) -> dict[str, Any]:
    kinds: list[Any] = [File, ProblemBody]
    for operation in operations:
        answers = operation.answer if isinstance(operation.answer, tuple) else (operation.answer,)
        takes = operation.takes if isinstance(operation.takes, tuple) else (operation.takes,)
        kinds += [
            kind
            for kind in (*answers, *takes, operation.error, operation.accepted)
            if kind is not None and not isinstance(kind, str)
        ]
    schemas = msgspec.json.schema_components(dict.fromkeys(kinds), ref_template=_REF)[1]
    for schema in schemas.values():
        schema["description"] = _text(schema.get("description", ""))
    for envelope in (EnvelopeV2, EnvelopeV3):
        result = schemas[envelope.__name__]["properties"]["result"]
        result.update(type="object", additionalProperties=_reference(File), description="By file name")
    return schemas
