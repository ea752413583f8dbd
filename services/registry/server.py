"""The registry put together: MongoDB, models, leases and API keys in memory, and the calls on one port."""

from __future__ import annotations

from chassis import logs, metrics
from chassis.rpc import registry_pb2, registry_pb2_grpc
from chassis.rpc_server import RpcServer
from services.registry.api_key_book import ApiKeyBook
from services.registry.follower import Follower
from services.registry.lease_book import LeaseBook
from services.registry.models import Models
from services.registry.servicer import RegistryServicer
from services.registry.settings import RegistrySettings
from services.registry.store import Store
from services.registry.targets import targets

log = logs.logger()
_SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"].full_name
_CALL_THREADS = 16


class RegistryServer:
    """Starts only with MongoDB there; later it may go and come back, while reads and leases go on."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Prepare; raises BadSettings where a URL is none."""
        self._settings = settings
        self._store = Store(settings.mongo_url, settings.mongo_database)
        self._models = Models(self._store)
        self._leases = LeaseBook(self._store)
        self._keys = ApiKeyBook(self._store)
        self._follower = Follower(self._store, self._models, self._leases, self._keys)
        servicer = RegistryServicer(
            self._store,
            self._models,
            self._leases,
            self._keys,
            self._follower,
            max_watchers=settings.max_watchers,
        )
        self._rpc = RpcServer(
            settings.registry_address,
            lambda server: registry_pb2_grpc.add_RegistryServicer_to_server(servicer, server),
            service_names=[_SERVICE],
            threads=settings.max_watchers + _CALL_THREADS,
        )

    def start(self) -> int:
        """Start, and return the port; raises Unavailable (no MongoDB), CannotBind and CannotShow."""
        self._store.open()
        self._leases.start()
        self._follower.start()
        pages = {"/targets": lambda: targets(self._leases.feed.value)}
        metrics.serve(self._settings.metrics_port, self._settings.metrics_host, pages=pages)
        port = self._rpc.start()
        self._rpc.serving(True)
        log.info("registry_started", address=self._settings.registry_address, port=port)
        return port

    def stop(self) -> None:
        """Take no new call, end the watchers' streams, finish the calls at hand, and store the leases."""
        self._rpc.serving(False)
        self._models.feed.close()
        self._leases.feed.close()
        self._keys.feed.close()
        self._rpc.stop(self._settings.stop_grace_s)
        self._follower.stop()
        self._leases.stop()
        self._store.close()
        log.info("registry_stopped")
