"""The API keys as a gateway knows them: a copy of the registry's, kept fresh by itself, that outlives the registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from chassis import logs
from chassis.errors import Unavailable
from chassis.rpc import registry_pb2 as pb
from services.registry.api_keys import ApiKey, KnownKey, TokenHash, api_key_json, id_of, opens
from services.registry.stream import Stream

log = logs.logger()


class KeyRing:
    """Follows the registry's API keys in a thread of its own; knows the last it was told while that is away.

    A change costs what has changed, a look-up one hash, however many keys there are. Safe to use from several threads.
    Create and start it after a fork. *clock* is Unix time in seconds, by which keys expire.
    """

    def __init__(self, address: str, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[str, KnownKey] = {}
        self._connected = threading.Event()
        self._stream = Stream(address, "API keys", lambda stub: stub.WatchApiKeys(pb.WatchApiKeysRequest()), self._take)

    def start(self) -> None:
        """Start following; ``wait`` says when the keys are there."""
        self._stream.start()

    def stop(self) -> None:
        """End the thread; what is known stays."""
        self._stream.stop()

    def wait(self, timeout_s: float) -> bool:
        """Return whether the keys have come, waiting for them up to *timeout_s*."""
        return self._connected.wait(timeout_s)

    def find(self, token: str) -> ApiKey | None:
        """Return the key that *token* opens now; None for one that is malformed, unknown, wrong, expired or revoked.

        Raises Unavailable where the registry was never reached.
        """
        known = self._known.get(id_of(token))
        if known is None:
            if not self._connected.is_set():
                raise Unavailable(
                    "the API keys are not known yet: the registry has not been reached", retry_after_s=1.0
                )
            return None
        return known.key if opens(token, known, now_ms=self._clock() * 1000) else None

    def _take(self, delta: pb.ApiKeysDelta) -> None:
        told = dict(map(_understood, delta.changed))
        changed = {key_id: known for key_id, known in told.items() if known}
        if delta.whole:
            self._known = changed
        else:
            self._known.update(changed)
            for key_id in (*delta.removed, *(told.keys() - changed.keys())):
                self._known.pop(key_id, None)
        self._connected.set()


def known_message(known: KnownKey) -> pb.KnownApiKey:
    """Return a key as it is told to gateways."""
    hashes = (pb.TokenHash(sha256=it.sha256, until_ms=it.until_ms) for it in known.hashes)
    return pb.KnownApiKey(key=pb.ApiKey(api_key_json=api_key_json(known.key)), hashes=hashes)


class _Named(msgspec.Struct):
    """What a key of any version has."""

    id: str


def _understood(message: pb.KnownApiKey) -> tuple[str, KnownKey | None]:
    """Return the id and the key of a message.

    None in its place, logged, where a newer version says of it what this one does not know: it may forbid something.
    """
    text = message.key.api_key_json
    try:
        key = msgspec.json.decode(text, type=ApiKey)
    except msgspec.ValidationError as error:
        key_id = msgspec.json.decode(text, type=_Named).id
        log.error("api_key_not_understood", api_key=key_id, reason=str(error)[:200])
        return key_id, None
    return key.id, KnownKey(key, tuple(TokenHash(it.sha256, it.until_ms) for it in message.hashes))
