"""A client that holds every answer to the API's own description: all tests of the gateway are tests of that, too."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client, TestResponse

from services.gateway.openapi import describe


class DescribedClient(Client):
    """A client of the gateway over *app*."""

    def __init__(self, application: Any, app: Flask) -> None:
        super().__init__(application)
        self._addresses, self._paths = app.url_map.bind(""), describe(app)["paths"]

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send a request and read its answer; fails where that is not among those that are described.

        An answer that nobody reads would not end, and not be counted.
        """
        response = super().open(*args, **{"buffered": True, **kwargs})
        asked = response.request
        described = self._described(asked.method, asked.path)
        if described is not None:
            _check(response, described, f"{asked.method} {asked.path}")
        return response

    def _described(self, method: str, path: str) -> Any:
        """Return what is described of an address; None for a page, and for what is no address."""
        try:
            rule, _ = self._addresses.match(path, method=method, return_rule=True)
        except HTTPException:
            return None
        return self._paths.get(re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule), {}).get(method.lower())


def _check(response: TestResponse, described: dict[str, Any], what: str) -> None:
    answer = described["responses"].get(str(response.status_code))
    assert answer is not None, f"{what}: {response.status_code} is not described"
    media = answer.get("content", {})
    assert not media or {response.mimetype, "*/*"} & set(media), f"{what}: {response.status_code} {response.mimetype}"
    missing = [name for name in answer.get("headers", {}) if name not in response.headers]
    assert not missing, f"{what}: {response.status_code} without {missing}"
