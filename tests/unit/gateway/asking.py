"""How the tests of the gateway send a request piece by piece, as ASGI has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.gateway.front import Front

CHUNKED = {"transfer-encoding": "chunked"}


@dataclass
class Asked:
    """A request to *front*, whose body comes in *pieces*; *taken* is how many of them were asked for.

    The last one waits for *gate*; of a body that is *cut* off it never comes.
    """

    front: Front
    method: str
    path: str
    pieces: Sequence[bytes] = ()
    headers: dict[str, str] = field(default_factory=dict)
    gate: Callable[[], Awaitable[Any]] | None = None
    cut: bool = False
    taken: int = 0
    status: int = 0
    told: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def answered(self) -> Asked:
        """Return it once it is answered."""
        headers = {"content-length": str(sum(map(len, self.pieces))), **self.headers}
        if "transfer-encoding" in headers:
            del headers["content-length"]
        scope = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await self.front(scope, self._receive, self._send)
        return self

    async def _receive(self) -> Any:
        left = len(self.pieces) - self.taken
        if left <= self.cut:
            return {"type": "http.disconnect"}
        if left == 1 and self.gate:
            await self.gate()
        self.taken += 1
        return {"type": "http.request", "body": self.pieces[self.taken - 1], "more_body": left > 1}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.told = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


def ask(front: Front, method: str, path: str, *pieces: bytes, **how: Any) -> Asked:
    """Return a request that is answered."""
    return asyncio.run(Asked(front, method, path, pieces, **how).answered())
