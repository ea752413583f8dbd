"""A model server's side of its lease: announced, renewed in time, announced again after any loss, withdrawn."""

from __future__ import annotations

import threading
from typing import Any

import grpc
from google.protobuf.message import Message

from chassis import logs
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel

log = logs.logger()
_RETRY_S = 0.5
_CALL_TIMEOUT_S = 3.0


class LeaseKeeper:
    """Keeps *lease* announced at the registry from a thread of its own, three times within each ``ttl_s``.

    Never raises because the registry is away, or does not know the model yet: it goes on trying.
    """

    def __init__(self, address: str, lease: pb.Lease) -> None:
        self._address = address
        self._lease = pb.Lease()
        self._lease.CopyFrom(lease)
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._stopped = False
        self._failing = ""
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Start announcing."""
        self._thread.start()

    def update(self, **fields: Any) -> None:
        """Change fields of the lease (``draining=True``, ``capacity=…``) and announce that at once."""
        with self._lock:
            for name, value in fields.items():
                if isinstance(value, Message):
                    getattr(self._lease, name).CopyFrom(value)
                else:
                    setattr(self._lease, name, value)
        self._due.set()

    def stop(self) -> None:
        """End announcing and withdraw the lease, which takes a few seconds at most where the registry is away."""
        self._stopped = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        with channel(self._address) as open_channel:
            stub = registry_pb2_grpc.RegistryStub(open_channel)
            while not self._stopped:
                self._due.clear()
                self._due.wait(self._lease.ttl_s / 3 if self._announce(stub) else _RETRY_S)
            self._withdraw(stub)

    def _announce(self, stub: Any) -> bool:
        with self._lock:
            lease = pb.Lease()
            lease.CopyFrom(self._lease)
        try:
            stub.Announce(lease, timeout=_CALL_TIMEOUT_S)
        except grpc.RpcError as failure:
            self._tell(failure)
            return False
        if self._failing:
            log.info("lease_announced_again", instance_id=lease.instance_id, model_key=lease.model_key)
        self._failing = ""
        return True

    def _tell(self, failure: Any) -> None:
        """Log a failure when it begins, or turns into another; not at every try."""
        reason = str(failure.code())
        if reason != self._failing:
            log.warning("lease_not_announced", address=self._address, reason=reason, detail=failure.details())
        self._failing = reason

    def _withdraw(self, stub: Any) -> None:
        try:
            stub.Withdraw(pb.WithdrawRequest(instance_id=self._lease.instance_id), timeout=_CALL_TIMEOUT_S)
        except grpc.RpcError as failure:
            log.warning("lease_not_withdrawn", address=self._address, reason=str(failure.code()))
