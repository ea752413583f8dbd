"""Logs: one JSON line per event on standard output, each with the service's name and the request's id.

``log = logs.logger()`` at the top of a module, ``log.info("batch_answered", items=8)`` where something happens.
Event names are past tense and snake_case; the rest are fields. Secrets and payloads never go into a log; an API key's
token that came in as something else, say a part of a path, loses its secret on the way.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from chassis.log_lines import LogLines, standard_output

_TOKEN = re.compile(rb"(sv_[0-9a-z]{12})_[0-9A-Za-z]+")
_OUTPUTS: list[LogLines] = []
_ENCODER = msgspec.json.Encoder(enc_hook=str, order=None)


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    try:
        line = _ENCODER.encode(event)
    except UnicodeEncodeError:  # a name of a file, say, whose bytes are no text
        line = json.dumps(event, default=str).encode()
    return _TOKEN.sub(rb"\1_***", line) if b"sv_" in line else line


class _Handler(logging.Handler):
    """The standard library's loggers, into the same lines."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.warning(self.format(record).encode())


def configure(service: str, level: str = "info") -> None:
    """Set the process's logging up, once, at its start; the standard library's loggers speak through it too.

    Who asks for ``debug`` has every line at once, also of a process that is killed.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    always: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        lambda _, __, event: {"service": service, **event},
    ]
    shared = [structlog.contextvars.merge_contextvars, *always, structlog.processors.format_exc_info]

    def gap(missing: int) -> bytes:
        event: MutableMapping[str, Any] = {"event": "log_lines_dropped", "lines": missing}
        for step in always:
            event = step(None, "warning", event)
        return _render(None, "", event)

    lines = LogLines(standard_output(), at_once=number <= logging.DEBUG, gap=gap)
    _OUTPUTS[:] = [lines]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda _, __, event: _render(_, __, event).decode(),
        ],
    )
    handler = _Handler(lines)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def flush() -> None:
    """Write what waits; for a process that is about to end without its exit handlers."""
    for lines in _OUTPUTS:
        lines.flush()


def logger() -> Any:
    """Return a logger that takes an event's name and its fields."""
    return structlog.get_logger()


def without_password(url: str) -> str:
    """Return a URL as it may be shown: its user stays, the password does not."""
    scheme, _, rest = url.partition("://")
    user, at, hosts = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}:***@{hosts}" if at else url
