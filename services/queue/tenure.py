"""One dispatcher's ownership of one model: asked for, held under a token, lost."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from services.queue import broker
from services.queue.pipe import Pipe
from services.queue.scripts import run_async


class Tenure:
    """What the dispatcher *me* may do with *model*: everything while it has a ``token``, nothing while that is ''.

    The token is a new one each time, so that a call under an old one, still on its way, cannot take effect unseen.
    """

    def __init__(self, model: str, me: str, redis: Pipe) -> None:
        self.model, self.me = model, me
        self.token = ""
        self._redis, self._losses = redis, 0

    def lose(self) -> None:
        """Do nothing in its name before it is sure again: another may have it, or something that ran was lost."""
        self.token = ""
        self._losses += 1

    async def acquire(self, running: Collection[str]) -> int | None:
        """Own the model, unless another does (None); return how many items were put back that nobody works on.

        *running* are the ids of those that somebody works on here, at each moment.
        """
        back = 0
        while True:
            token, losses = uuid.uuid4().hex, self._losses
            reply = await run_async(self._redis, broker.acquire(self.model, self.me, token, list(running)))
            if reply[0] == b"held":
                return None
            back += int(reply[1])
            if losses == self._losses:  # else something that ran when we asked was lost meanwhile, and not put back
                self.token = token
                return back

    async def release(self) -> None:
        """Let another have it at once; what is still claimed goes back to the front."""
        await run_async(self._redis, broker.release(self.model, self.me, self.token))

    async def retire(self) -> bool:
        """Forget the model, unless somebody waits for it; return whether that was done."""
        reply = await run_async(self._redis, broker.retire(self.model, self.me, self.token))
        if reply[0] != b"retired":
            return False
        self.token = ""
        return True
