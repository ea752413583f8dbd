"""A whole suite of real processes to do harm to: Redis, MongoDB, registry, dispatchers, model servers, gateways."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import redis

from cli.waiting import listens
from services.registry.client import RegistryClient, read_modelinfo
from tests.chaos.history import Counted, Executed
from tests.chaos.subjects import Echo, Subject
from tests.parts import Server, free_port, start_mongod, start_redis

MODEL = Echo.key


class World:
    """Every part is a ``tests.parts.Server`` under its name in ``parts``; each keeps its port over its lives."""

    def __init__(
        self,
        folder: Path,
        subject: Subject | None = None,
        *,
        dispatchers: int = 2,
        model_servers: int = 2,
        gateways: int = 2,
    ) -> None:
        self.folder = folder
        self.subject = subject or Echo(folder / "model")
        self.parts: dict[str, Server] = {}
        self._folder_of("redis"), self._folder_of("mongod")
        self.parts["redis"], self.redis_url = start_redis(folder / "redis")
        self.mongo_url = self._start_mongod(folder / "mongod")
        self.registry_address = f"127.0.0.1:{free_port()}"
        self._start("registry", ["services.registry"], self.registry_address, SERVOIR_MONGO_URL=self.mongo_url)
        self._publish()
        for number in range(dispatchers):
            self._start(f"dispatcher-{number}", ["services.queue"], None)
        for number in range(model_servers):
            address = f"127.0.0.1:{free_port()}"
            options = ["--model", str(self.subject.folder), "--address", address, "--tune", "off"]
            options += ["--max-batch-size", "8", "--concurrency", "1"]
            self._start(f"model-server-{number}", ["services.model_server", *options], address)
        self.gateways = [f"127.0.0.1:{free_port()}" for _ in range(gateways)]
        for number, address in enumerate(self.gateways):
            self._start(f"gateway-{number}", ["services.gateway"], address, SERVOIR_GATEWAY_ADDRESS=address)

    def stop(self) -> None:
        """End every part; those that use others first."""
        for part in reversed(self.parts.values()):
            part.stop()

    def keys(self) -> frozenset[str]:
        """Return the names of all keys in Redis, without what differs from process to process."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            return frozenset(key for key in client.scan_iter(count=1000) if not client.ttl(key) > 0)

    def waiting(self) -> int:
        """Return how many items of the model are in its stream: accepted and not answered."""
        with redis.Redis.from_url(self.redis_url) as client:
            return sum(client.xlen(key) for key in client.scan_iter("*:requests", count=1000))

    def executed(self) -> Iterator[Executed]:
        """Yield what the model servers' logs say that they ran."""
        for name, part in self.parts.items():
            if name.startswith("model-server"):
                for line in part.log.read_text(errors="replace").splitlines():
                    yield from _executions(line)

    def counted(self) -> list[Counted]:
        """Return what usage in MongoDB counts; the sums are held to it."""
        with pymongo.MongoClient[dict[str, Any]](self.mongo_url) as client:
            batches = list(client["servoir"]["usage_batches"].find())
        lines = [line.split() for batch in batches for line in batch["answered"].splitlines()]
        summed = sum(one["images"] for batch in batches for one in batch["sums"])
        assert summed == len(lines), f"usage sums up {summed} images, and names {len(lines)}"
        return [Counted(request_id, int(status)) for request_id, _, status in lines]

    def _start_mongod(self, folder: Path) -> str:
        """Start MongoDB and return its URL."""
        self.parts["mongod"], url = start_mongod(folder)
        return url

    def _folder_of(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _start(self, name: str, module: list[str], address: str | None, **env: str) -> None:
        shared = {
            "SERVOIR_REDIS_URL": self.redis_url,
            "SERVOIR_REGISTRY_ADDRESS": self.registry_address,
            "SERVOIR_METRICS_PORT": "0",
            "SERVOIR_HOME": str(self.folder),
            "SERVOIR_GATEWAY_WORKERS": "1",
            "SERVOIR_LOG_LEVEL": "debug",  # executions are read from logs, of the killed too
        }
        log = self.folder / f"{name}.log"
        self.parts[name] = Server([sys.executable, "-m", *module], _ready(address), log, env={**shared, **env})

    def _publish(self) -> None:
        registry = RegistryClient(self.registry_address)
        registry.publish(read_modelinfo(self.subject.folder / f"{self.subject.key}.yaml"), actor="chaos")
        registry.set_status(self.subject.key, "released", actor="chaos")
        registry.close()


def _ready(address: str | None) -> Callable[[], bool]:
    """Return what tells whether somebody listens at *address*; where there is none, a process is ready at once."""
    if address is None:
        return lambda: True
    port = int(address.rpartition(":")[2])
    return lambda: listens(port)


def _executions(line: str) -> Iterator[Executed]:
    """Yield what a log line says was run, and when it was begun."""
    try:
        event = json.loads(line)
    except ValueError:
        return
    if event.get("event") == "batch_answered":
        for request_id, began_at in zip(event["request_ids"], event["began_at"], strict=True):
            if began_at is not None:
                yield Executed(request_id, began_at)
