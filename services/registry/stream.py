"""A thread that follows one of the registry's streams for ever; what breaks is opened again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import grpc

from chassis import logs
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel

log = logs.logger()
_LONGEST_RETRY_S = 1.0


class Stream:
    """Opens a stream of the registry at *address* with *call*, and gives each of its messages to *take*.

    *what* names it in the log. Create and start it after a fork.
    """

    def __init__(self, address: str, what: str, call: Callable[[Any], Any], take: Callable[[Any], None]) -> None:
        self._address = address
        self._what = what
        self._open = call
        self._take = take
        self._call: Any = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"{what} follower", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._call is not None:
            self._call.cancel()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        lost = False
        with channel(self._address) as open_channel:
            stub = registry_pb2_grpc.RegistryStub(open_channel)
            while not self._stopped.is_set():
                try:
                    self._call = self._open(stub)
                    if self._stopped.is_set():
                        return
                    for message in self._call:
                        self._take(message)
                        lost = False
                except grpc.RpcError as failure:
                    if not lost and not self._stopped.is_set():
                        log.warning("registry_lost", address=self._address, what=self._what, reason=str(failure.code()))
                    lost = True
                self._stopped.wait(random.uniform(0.1, _LONGEST_RETRY_S))
