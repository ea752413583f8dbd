"""The Lua scripts of ``lua/``, one per verb: each is one atomic step in Redis, called alike by threads and by asyncio.

A script has its keys by name (``K.requests``), its arguments by name (``A.left_ms``, one JSON object), and bytes in
``ARGV[2]`` and up. It is sent what all keys begin with, and those of its model: a list of every key, most of them not
needed, took longer to send and to read than many a script runs. ``lua/model.lua``, what all of them know, goes in
front of each, and what else it *knows*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import redis
from redis.exceptions import NoScriptError

from services.queue.pipe import Command, Pipe

_FOLDER = Path(__file__).parent / "lua"


_KEYS = """
local OF_MODEL = {%s}
local OF_ALL = {%s}
local K = setmetatable({}, {__index = function(keys, name)
  local key = OF_MODEL[name] and KEYS[2] .. OF_MODEL[name] or KEYS[1] .. OF_ALL[name]
  rawset(keys, name, key)
  return key
end})"""


Fill = tuple[str, bytes | memoryview]


class Call(NamedTuple):
    """One call of a script, ready to be sent: what ``run`` and ``run_async`` take.

    *fills* are keys and the bytes that are stored there in the same step, each if the script has made its key. So
    payloads do not pass through Lua, which would copy and hash them, and Redis would do nothing else meanwhile.
    """

    text: str
    sha: str
    keys: Sequence[str]
    args: Sequence[bytes]
    fills: Sequence[Fill] = ()

    @property
    def by_sha(self) -> Sequence[Command]:
        """The commands, of which the first is the script's, for a server that knows it."""
        return self._commands("EVALSHA", self.sha)

    @property
    def by_text(self) -> Sequence[Command]:
        """The same for a server that does not."""
        return self._commands("EVAL", self.text)

    def _commands(self, verb: str, script: str) -> Sequence[Command]:
        fills = [("SET", key, payload, "XX") for key, payload in self.fills]
        return [(verb, script, len(self.keys), *self.keys, *self.args), *fills]


class Script:
    """One verb: its text with the names of its keys in front, each with what its key ends in.

    *of_model* are keys of one model, *of_all* of all. *works_when_full*: it may run over ``maxmemory``. All may, except
    the one that brings new payloads: answering is what makes room again.
    """

    def __init__(
        self,
        name: str,
        of_all: Mapping[str, str],
        of_model: Mapping[str, str] = MappingProxyType({}),
        *,
        knows: Sequence[str] = (),
        works_when_full: bool = True,
    ) -> None:
        self._text = "\n".join(
            [
                "#!lua flags=allow-oom" if works_when_full else "#!lua",
                _KEYS % (_lua_table(of_model), _lua_table(of_all)),
                "local A = cjson.decode(ARGV[1])",
                *((_FOLDER / f"{part}.lua").read_text() for part in ("model", *knows, name)),
            ]
        )
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], args: Mapping[str, Any], *parts: bytes, fills: Sequence[Fill] = ()) -> Call:
        """Return the call with *keys* (what those of all begin with, and of the model), named arguments and bytes."""
        return Call(self._text, self._sha, keys, [msgspec.json.encode(args), *parts], fills)


def _lua_table(of: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = '{end}'" for name, end in of.items())


def run(client: redis.Redis, call: Call) -> Any:
    """Run a call and return its raw reply; the server is sent the script's text only when it does not know it."""
    try:
        return _run(client, call.by_sha)
    except NoScriptError:
        return _run(client, call.by_text)


def _run(client: redis.Redis, commands: Sequence[Command]) -> Any:
    step: Any = client.pipeline(transaction=len(commands) > 1)
    with step:
        for command in commands:
            step.execute_command(*command)
        return step.execute()[0]


async def run_async(pipe: Pipe, call: Call) -> Any:
    """Return the same for asyncio."""
    try:
        return await pipe.step(call.by_sha)
    except NoScriptError:
        return await pipe.step(call.by_text)
