"""What runs on this machine: the programs of a suite, with their commands, environments and ports, in their order.

A pure plan: nothing is written, made or started here, nor looked up but where the servers' binaries are.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cli.deployment import MOST_MODEL_SERVERS, Deployment, ModelEntry, variables_of_services
from cli.errors import Stop
from cli.settings import ROOT, Ports, Settings, as_variables
from cli.slots import assigned
from embedded import mongod, nginx, valkey
from embedded.front_door import FrontDoor, Tls

PARTS = ("mongod", "valkey", "registry", "dispatcher", "jobs", "gateway", "nginx")
"""All programs but the model servers, in the order in which they start; the model servers follow."""
MODEL_SERVER = "model-"
_MODEL_LOADED_S = 15
_LONGEST_SOCKET = 100


@dataclass(frozen=True)
class Program:
    """One process to keep alive: *ports* are those that it listens on, *stop_s* is how long it may take to end.

    Its *folders* must be there when it starts. One that ends before it has run for *start_s* is started again after a
    growing pause, else at once.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    stop_s: int = 10
    start_s: int = 1
    folders: tuple[Path, ...] = ()

    @property
    def place(self) -> int:
        """Its place in the order of starting; the order of stopping is the reverse."""
        return PARTS.index(self.name) if self.name in PARTS else len(PARTS)


class Served(NamedTuple):
    """A model of the deployment: its key, its entry, and the folder that its servers read."""

    key: str
    entry: ModelEntry
    folder: Path


@dataclass(frozen=True)
class Plan:
    """Everything that the programs are made from."""

    settings: Settings
    ports: Ports
    deployment: Deployment
    models: Sequence[Served]
    admin_token: str
    slots: Mapping[str, int] = field(default_factory=dict)
    """The slots of the model servers that run now."""

    @property
    def mongo_url(self) -> str:
        """The MongoDB that the registry writes to."""
        return self.settings.mongo_url or mongod.url(self.ports.mongo_port)

    @property
    def redis_url(self) -> str:
        """The Redis that holds the queue; our own through its socket, where pictures cost less than over TCP."""
        if self.settings.redis_url:
            return self.settings.redis_url
        if socket := self.redis_socket:
            return f"unix://{quote(str(socket))}?db=0"
        return f"redis://127.0.0.1:{self.ports.redis_port}/0"

    @property
    def redis_socket(self) -> Path | None:
        """The socket of our own Redis; None where the data folder's name is too long for one."""
        socket = self.settings.home.absolute() / "run" / "valkey.sock"
        return socket if len(str(socket)) <= _LONGEST_SOCKET else None

    @property
    def url(self) -> str:
        """Where the suite answers this machine: the front door, or behind it where that speaks TLS."""
        return local_url(self.settings, self.ports)


def local_url(settings: Settings, ports: Ports) -> str:
    """Return where the suite answers HTTP on this machine; a certificate is for its public name, not for 127.0.0.1."""
    return f"http://127.0.0.1:{ports.gateway_port if settings.tls_certificate else ports.http_port}"


def programs(plan: Plan) -> list[Program]:
    """Return every program of *plan*, in the order in which they start."""
    return [*_stores(plan), *_services(plan), *model_servers(plan)]


def model_servers(plan: Plan) -> list[Program]:
    """Return one program for each replica. A replica keeps its port when others are added or taken away."""
    most = max((served.entry.replicas for served in plan.models), default=0)
    wanted = {
        f"{MODEL_SERVER}{served.key}-{replica}": served
        for replica in range(most)
        for served in plan.models
        if replica < served.entry.replicas
    }
    slots = assigned(list(wanted), plan.slots)
    if max(slots.values(), default=0) >= MOST_MODEL_SERVERS:
        raise Stop(f"more than {MOST_MODEL_SERVERS} model servers", "One machine holds fewer: lower replicas.")
    return [_model_server(plan, served, name, slots[name]) for name, served in wanted.items()]


def servers_of(key: str, wanted: Sequence[Program]) -> list[Program]:
    """Return those of the programs *wanted* that serve the model *key*."""
    return [program for program in wanted if program.name.rpartition("-")[0] == f"{MODEL_SERVER}{key}"]


def _stores(plan: Plan) -> Iterator[Program]:
    data = plan.settings.home / "data"
    if not plan.settings.mongo_url:
        folder, port = data / "mongod", plan.ports.mongo_port
        command = mongod.command(port, folder, server=mongod.binary(plan.settings.mongod))
        yield Program("mongod", command, ports=(port,), stop_s=30, folders=(folder,))
    if not plan.settings.redis_url:
        folder, port = data / "valkey", plan.ports.redis_port
        command = valkey.command(port, folder, socket=plan.redis_socket)
        yield Program("valkey", command, ports=(port,), stop_s=20, folders=(folder,))


def _services(plan: Plan) -> Iterator[Program]:
    ports = plan.ports
    registry = {
        "SERVOIR_REGISTRY_ADDRESS": f"127.0.0.1:{ports.registry_port}",
        "SERVOIR_MONGO_URL": plan.mongo_url,
        "SERVOIR_METRICS_PORT": str(ports.registry_metrics_port),
    }
    yield _service(plan, "registry", "services.registry", registry, (ports.registry_port, ports.registry_metrics_port))
    dispatcher = {**_both(plan), "SERVOIR_METRICS_PORT": str(ports.dispatcher_metrics_port)}
    yield _service(plan, "dispatcher", "services.queue", dispatcher, (ports.dispatcher_metrics_port,), stop_s=30)
    jobs = {**_both(plan), **_jobs(plan), "SERVOIR_METRICS_PORT": str(ports.jobs_metrics_port)}
    yield _service(plan, "jobs", "services.jobs", jobs, (ports.jobs_metrics_port,), stop_s=30)
    gateway = {
        **_both(plan),
        **_jobs(plan),
        "SERVOIR_GATEWAY_ADDRESS": f"127.0.0.1:{ports.gateway_port}",
        "SERVOIR_ADMIN_TOKEN": plan.admin_token,
        "SERVOIR_MAX_UPLOAD_BYTES": str(plan.settings.max_upload_bytes),
        "SERVOIR_MAX_PREDICT_TIMEOUT_S": str(plan.settings.max_predict_timeout_s),
    }
    yield _service(plan, "gateway", "services.gateway", gateway, (ports.gateway_port,), stop_s=40)
    door = front_door(plan)
    read = {"SERVOIR_NGINX_SHA256": hashlib.sha256(nginx.text(door).encode()).hexdigest()}  # changed: restarted
    https = (ports.https_port,) if plan.settings.tls_certificate else ()
    yield Program("nginx", nginx.command(nginx.configuration(door.folder)), read, (ports.http_port, *https))


def front_door(plan: Plan) -> FrontDoor:
    """Return the front door of *plan*, whose configuration is to be written before nginx starts."""
    settings, ports, tls = plan.settings, plan.ports, None
    if settings.tls_certificate and settings.tls_key:
        address = f"{settings.http_host}:{ports.https_port}"
        tls = Tls(address, settings.tls_certificate, settings.tls_key, public_port=ports.https_port)
    return FrontDoor(
        settings.home / "run" / "nginx",
        http_address=f"{settings.http_host}:{ports.http_port}",
        gateways=(f"127.0.0.1:{ports.gateway_port}",),
        max_upload_bytes=settings.max_upload_bytes,
        longest_answer_s=settings.max_predict_timeout_s,
        tls=tls,
        worker_processes="1" if settings.http_host == "127.0.0.1" else "auto",
    )


def _model_server(plan: Plan, served: Served, name: str, slot: int) -> Program:
    port, metrics_port = plan.ports.model_port + slot, plan.ports.model_metrics_port + slot
    environment = {
        "SERVOIR_MODEL": str(served.folder),
        "SERVOIR_ADDRESS": f"127.0.0.1:{port}",
        "SERVOIR_REGISTRY_ADDRESS": f"127.0.0.1:{plan.ports.registry_port}",
        "SERVOIR_METRICS_PORT": str(metrics_port),
        **({"SERVOIR_MEMORY_CAP": served.entry.memory_cap} if served.entry.memory_cap else {}),
        **as_variables(served.entry.settings),
    }
    server = _service(plan, name, "services.model_server", environment, (port, metrics_port), stop_s=40)
    return replace(server, start_s=_MODEL_LOADED_S)


def _service(
    plan: Plan, name: str, module: str, environment: dict[str, str], ports: tuple[int, ...], *, stop_s: int = 10
) -> Program:
    """Return one of our own services; its *environment* stands over the deployment's settings."""
    own = {**variables_of_services(plan.deployment), **environment}
    own = {"SERVOIR_HOME": str(plan.settings.home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **own}
    return Program(name, [sys.executable, "-m", module], own, ports, stop_s)


def _both(plan: Plan) -> dict[str, str]:
    return {
        "SERVOIR_REDIS_URL": plan.redis_url,
        "SERVOIR_REGISTRY_ADDRESS": f"127.0.0.1:{plan.ports.registry_port}",
    }


def _jobs(plan: Plan) -> dict[str, str]:
    """Return where jobs keep files, and what they may read: on one machine all that its operator may."""
    told = {"SERVOIR_JOBS_FOLDER": str(plan.settings.home / "jobs")}
    return told if "jobs_sources" in plan.deployment.settings else {**told, "SERVOIR_JOBS_SOURCES": "/"}
