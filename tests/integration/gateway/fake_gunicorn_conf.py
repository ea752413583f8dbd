"""A gateway's Gunicorn as it is, but over fakes: there is nothing to check before its start."""

from __future__ import annotations

from typing import Any

from services.gateway.gunicorn_conf import *  # noqa: F403

wsgi_app = "tests.integration.gateway.fake_suite:build()"


def on_starting(server: Any) -> None:  # type: ignore[no-redef]
    """Start at once."""
