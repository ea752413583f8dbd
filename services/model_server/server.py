"""A model server's life: bind, load, tune, warm up, announce, serve, drain, end."""

from __future__ import annotations

import gc
import socket
import time

from chassis import allocator, logs, metrics, notify, shared_memory
from chassis.addresses import host_of, is_loopback
from chassis.cores import cores
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import registry_pb2
from chassis.rpc_server import RpcServer
from services.model_server import machine
from services.model_server.exits import Exit
from services.model_server.gpus import show_gpus
from services.model_server.loading import Opened, adapter_of, cap_of
from services.model_server.memory import MemoryCap, resident_bytes
from services.model_server.metrics import AT_HAND, CAP, DEVICE, READY
from services.model_server.model_folder import open_model_folder, verify
from services.model_server.preparing import prepare
from services.model_server.registration import SERVICE_NAMES, register
from services.model_server.replica import Loaded, Replica
from services.model_server.settings import ModelServerSettings
from services.model_server.triton_metrics import TRITON
from services.registry.client import LeaseKeeper

log = logs.logger()
_DISPATCHERS = 2
_OTHER_CALLS = 32
EVERY_INTERFACE = ("", "0.0.0.0", "[::]", "::")


class ModelServer:
    """One model on one port. ``start`` returns when it serves, ``run`` when it has ended."""

    def __init__(self, settings: ModelServerSettings) -> None:
        self._settings = settings
        self._began = time.time()
        self._model = open_model_folder(settings.model)
        adapter_of(self._model)
        self._memory = MemoryCap(cap_of(self._model, settings))
        self.replica = Replica(self._model.modelinfo, self._memory)
        self._rpc = RpcServer(
            settings.address,
            lambda server: register(server, self.replica, settings.shared_memory),
            service_names=SERVICE_NAMES,
            threads=_rpc_threads(settings),
        )
        self._lease: LeaseKeeper | None = None

    def start(self) -> int:
        """Load the model and serve it; return the port. Raises CannotBind, CannotShow or CannotServe."""
        self._show_metrics()
        self._memory.start()
        port = self._rpc.start()
        log.info("model_loading", model_key=self._model.modelinfo.key, address=self._address(port))
        try:
            with machine.LowPriority():
                verify(self._model)
            self._serve(*prepare(self._model, self._settings), port)
        except MemoryError as error:
            self._memory.out_of_memory(error)
            raise
        return port

    def run(self) -> Exit:
        """Serve until ``replica.drain_asked``, finish what is at hand, leave."""
        self.start()
        self.replica.drain_asked.wait()
        self.stop()
        return Exit.DRAINED

    def stop(self) -> None:
        """Take no new batch, finish those at hand, withdraw the lease, and end."""
        notify.stopping()
        self.replica.drain()
        READY.set(0)
        self._rpc.serving(False)
        log.info("draining", model_key=self._model.modelinfo.key, batches=self.replica.batches_at_hand)
        if self._lease:
            self._lease.update(draining=True)
        finished = self.replica.wait_until_idle(self._settings.drain_timeout_s)
        if self._lease:
            self._lease.stop()
        self._rpc.stop(1.0)
        self._memory.stop()
        log.info("drained", model_key=self._model.modelinfo.key, all_finished=finished)

    def _show_metrics(self) -> None:
        metrics.serve(self._settings.metrics_port, self._settings.metrics_host)
        if self._settings.metrics_port:
            show_gpus()

    # -- serve -------------------------------------------------------------------------------------

    def _serve(self, opened: Opened, capacity: pb.Capacity, port: int) -> None:
        allocator.give_back()
        gc.freeze()  # a framework's million objects are not to be searched for garbage between two batches
        self._memory.serve()
        AT_HAND.set_function(lambda: self.replica.batches_at_hand)
        CAP.set(self._memory.cap_bytes)
        DEVICE.set_function(opened.engine.device_bytes)
        self.replica.serve(Loaded(opened.engine, opened.adapter, opened.pipeline, capacity))
        self._rpc.serving(True)
        READY.set(1)
        TRITON.model = self._model.modelinfo.key
        if self._settings.registry_address:
            self._announce(self._lease_of(capacity, port))
        log.info(
            "model_serving",
            model_key=self._model.modelinfo.key,
            address=self._address(port),
            max_batch_size=capacity.max_batch_size,
            best_batch_size=capacity.best_batch_size,
            concurrency=capacity.concurrency,
            resident_bytes=resident_bytes(),
            started_in_s=round(time.time() - self._began, 2),
        )
        notify.ready()

    def _announce(self, lease: registry_pb2.Lease) -> None:
        registry_address = self._settings.registry_address
        if is_for_this_machine_alone(lease.address, registry_address):
            advice = "where its dispatchers are elsewhere too, give SERVOIR_ADDRESS or SERVOIR_ANNOUNCE_HOST"
            log.warning(
                "announced_to_this_machine_alone", address=lease.address, registry=registry_address, advice=advice
            )
        self._lease = LeaseKeeper(registry_address, lease)
        self._lease.start()

    def _lease_of(self, capacity: pb.Capacity, port: int) -> registry_pb2.Lease:
        metrics_port = self._settings.metrics_port
        return registry_pb2.Lease(
            instance_id=self.replica.instance_id,
            model_key=self._model.modelinfo.key,
            address=announced(self._settings, port),
            capacity=capacity,
            ttl_s=self._settings.lease_ttl_s,
            resident_bytes=resident_bytes(),
            memory_cap_bytes=self._memory.cap_bytes,
            engine=self._model.modelinfo.framework_type,
            started_at_ms=int(self._began * 1000),
            metrics_address=announced(self._settings, metrics_port) if metrics_port else "",
            shared_memory=shared_memory.name_of(self._settings.shared_memory),
        )

    def _address(self, port: int) -> str:
        return f"{self._settings.address.rpartition(':')[0]}:{port}"


def _rpc_threads(settings: ModelServerSettings) -> int:
    """Return how many calls may be open at a time: each stream of batches holds a thread, also between two batches.

    A dispatcher has one for each execution, for a batch that waits and for a newcomer's item; while one hands a model
    over to another, there are two dispatchers.
    """
    return _DISPATCHERS * ((settings.concurrency or cores()) + 2) + _OTHER_CALLS


def announced(settings: ModelServerSettings, port: int) -> str:
    """Return the address that the lease gives out; one of every interface is nobody's, so it becomes this machine's.

    In a container that is the container's own name, which its network resolves.
    """
    host = settings.announce_host or settings.address.rpartition(":")[0]
    return f"{socket.gethostname() if host in EVERY_INTERFACE else host}:{port}"


def is_for_this_machine_alone(address: str, registry_address: str) -> bool:
    """Say whether a lease gives out an *address* of this machine's loopback at a registry that seems to be elsewhere.

    Dispatchers that are elsewhere as well look for the server on their own machine, and each request of the model waits
    for its deadline in vain.
    """
    return is_loopback(host_of(address)) and not is_loopback(host_of(registry_address))
