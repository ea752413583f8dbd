"""A model server's life: bind, load, tune, warm up, announce, serve, drain, end."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

from chassis import logs, metrics
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import registry_pb2
from chassis.rpc_server import RpcServer
from services.model_server import allocator, machine
from services.model_server.exits import Exit
from services.model_server.loading import Opened, adapter_of, cap_of, largest_batch, open_model
from services.model_server.memory import MemoryCap, resident_bytes
from services.model_server.metrics import AT_HAND, CAP, DEVICE, READY
from services.model_server.model_folder import open_model_folder, verify
from services.model_server.probe import probe
from services.model_server.registration import SERVICE_NAMES, register
from services.model_server.replica import Loaded, Replica
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting, Tuned, TuningCache, best, best_size, default_setting, settings_to_try
from services.model_server.warmup import Measured, measure, sizes_to_measure, warm
from services.registry.client import LeaseKeeper

log = logs.logger()
RPC_THREADS = 32
MEASURE_S = {"off": 0.1, "quick": 0.4, "full": 0.4}


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
            lambda server: register(server, self.replica),
            service_names=SERVICE_NAMES,
            threads=RPC_THREADS,
        )
        self._lease: LeaseKeeper | None = None

    def start(self) -> int:
        """Load the model and serve it; return the port. Raises CannotBind or CannotServe."""
        metrics.serve(self._settings.metrics_port)
        self._memory.start()
        port = self._rpc.start()
        log.info("model_loading", model_key=self._model.modelinfo.key, address=self._address(port))
        try:
            with machine.LowPriority():
                verify(self._model)
            self._serve(*self._load(), port)
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

    # -- load --------------------------------------------------------------------------------------

    def _load(self) -> tuple[Opened, pb.Capacity]:
        """Return the model, open and warm, and how it wants to be fed."""
        kept = self._cache().read() if self._settings.tune != "off" else None
        tuned = kept or self._tuned_by_probes()
        setting = self._fixed(tuned.setting if tuned else default_setting(machine.cores()))
        opened = open_model(self._model, setting, self._settings)
        most = largest_batch(self._model, opened.engine, self._settings)
        warm(opened.run_batch, most, concurrency=setting.concurrency)
        if tuned is None or setting != tuned.setting:
            tuned = self._measured(opened, setting, most)
        if self._settings.tune != "off" and kept != tuned:
            self._cache().write(tuned)
        told = [(row.batch_size, row.seconds, row.items_per_s) for row in tuned.measured]
        log.info("warmed_up", threads=setting.threads, concurrency=setting.concurrency, measured=told, kept=bool(kept))
        return opened, _capacity(tuned, most)

    def _fixed(self, setting: Setting) -> Setting:
        """Return *setting* with the deployment's own values in place of the tuned ones."""
        return Setting(self._settings.threads or setting.threads, self._settings.concurrency or setting.concurrency)

    def _tuned_by_probes(self) -> Tuned | None:
        """Return the best of what child processes measure; None where that is not asked for, or none could."""
        if self._settings.tune != "full":
            return None
        tried = dict.fromkeys(self._fixed(setting) for setting in settings_to_try(machine.cores()))
        trials = [trial for setting in tried if (trial := probe(setting, self._settings))]
        for trial in trials:
            fastest = best_size(trial.measured)
            log.info(
                "setting_tried",
                threads=trial.setting.threads,
                concurrency=trial.setting.concurrency,
                batch_size=fastest.batch_size,
                items_per_s=round(fastest.items_per_s, 1),
                seconds=round(fastest.seconds, 4),
            )
        return best(trials) if trials else None

    def _measured(self, opened: Opened, setting: Setting, most: int) -> Tuned:
        """Return *setting* with what this process measures at it."""
        seconds = MEASURE_S[self._settings.tune]
        rows: list[Measured] = [
            measure(opened.run_batch, size, concurrency=setting.concurrency, seconds=seconds)
            for size in sizes_to_measure(most)
        ]
        wanted = self._settings.batch_size or most
        size = min(wanted, most) if self._settings.tune == "off" else best_size(rows).batch_size
        return Tuned(setting, size, tuple(rows))

    def _cache(self) -> TuningCache:
        settings = self._settings
        asked = (settings.tune, settings.threads, settings.concurrency, settings.max_batch_size)
        modelinfo = self._model.modelinfo
        key = (machine.fingerprint(), self._model.digest, modelinfo.max_batch_size, *asked)
        return TuningCache(settings.home / "cache" / "tuning", key)

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
        if self._settings.registry_address:
            self._lease = LeaseKeeper(self._settings.registry_address, self._lease_of(capacity, port))
            self._lease.start()
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

    def _lease_of(self, capacity: pb.Capacity, port: int) -> registry_pb2.Lease:
        return registry_pb2.Lease(
            instance_id=self.replica.instance_id,
            model_key=self._model.modelinfo.key,
            address=self._address(port),
            capacity=capacity,
            ttl_s=self._settings.lease_ttl_s,
            resident_bytes=resident_bytes(),
            memory_cap_bytes=self._memory.cap_bytes,
            engine=self._model.modelinfo.framework_type,
            started_at_ms=int(self._began * 1000),
        )

    def _address(self, port: int) -> str:
        return f"{self._settings.address.rpartition(':')[0]}:{port}"


def _capacity(tuned: Tuned, most: int) -> pb.Capacity:
    times: Sequence[Measured] = [row for row in tuned.measured if row.batch_size <= most]
    return pb.Capacity(
        max_batch_size=most,
        best_batch_size=min(tuned.best_batch_size, most),
        concurrency=tuned.setting.concurrency,
        service_times=[pb.ServiceTime(batch_size=row.batch_size, seconds=row.seconds) for row in times],
    )
