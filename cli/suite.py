"""A suite on this machine, from its configuration to running programs and published models."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TextIO

import msgspec

from chassis.settings import environment
from cli import admin_token, leftovers, ports, waiting
from cli.deployment import Deployment, ModelEntry, ports_of, read_deployment, settings_of
from cli.errors import Exit, Stop
from cli.gateway import Gateway
from cli.model_folder import ModelFolder, read_model_folder
from cli.model_set import Entries, ModelSet
from cli.output import step
from cli.programs import MODEL_SERVER, Plan, Program, Served, front_door, local_url, programs, servers_of
from cli.settings import ROOT, Settings
from cli.slots import read_slots, write_slots
from cli.store import Store
from cli.supervision import Supervisor
from demo.models import MODELS as DEMO_MODELS
from embedded import Missing, mongod, nginx

_START_S = 60.0
_MODEL_START_S = 300.0
_STOP_S = 120.0
_LAST_LINES = 6


class Suite:
    """The suite that the settings and their servoir.yaml describe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.home / "store")
        self.supervisor = Supervisor(settings.home)

    @cached_property
    def deployment(self) -> Deployment:
        """What servoir.yaml says."""
        return read_deployment(self.settings.config)

    @cached_property
    def deployed(self) -> Settings:
        """The settings with what servoir.yaml says of them, over which the environment stands."""
        return settings_of(self.deployment, self.settings, environment())

    @cached_property
    def gateway(self) -> Gateway:
        """The suite over HTTP, at SERVOIR_URL where that is set."""
        url = self.settings.url or local_url(self.deployed, ports_of(self.deployment, environment()))
        return Gateway(url, admin_token=admin_token.read(self.settings), api_key=self.settings.api_key)

    @cached_property
    def models(self) -> ModelSet:
        """Which models are to be served: those of servoir.yaml, and what was changed since."""
        written = {self._key(entry): entry for entry in self.deployment.models}
        return ModelSet(self.settings.home / "models.json", written)

    def plan(self, entries: Mapping[str, ModelEntry] | None = None) -> Plan:
        """Return the plan of everything; *entries* stand for the models that are to be served."""
        wanted = self.models.entries() if entries is None else entries
        models = [Served(key, entry, self.store.folder(key)) for key, entry in wanted.items()]
        slots = read_slots(self._slots) if self.supervisor.runs() else {}
        listening = ports_of(self.deployment, environment())
        return Plan(self.deployed, listening, self.deployment, models, admin_token.make(self.settings), slots)

    def get_models(self) -> None:
        """Bring every model that is to be served into the store; demo models are made where they are not there."""
        for key, entry in self.models.entries().items():
            if self._is_stored(entry):
                self.stored(key)
            elif entry.model not in DEMO_MODELS:
                self.store.add(read_model_folder(self._folder(entry)))
            elif self.store.find(key) is None:
                with step(f"model {key}: fetched, converted, checked"):
                    self.store.add(read_model_folder(self._made(key)))

    def start(self, plan: Plan) -> None:
        """Start everything of *plan* that does not run, publish its models, and return when all of it serves."""
        try:
            wanted = programs(plan)
        except Missing as missing:
            raise Stop(str(missing), "Then start again.", code=Exit.NOT_READY) from missing
        self._end_what_is_left()
        self._check_ports(wanted)
        self.get_models()
        self.prepare(plan, wanted)
        self._configure(plan, wanted)
        self._start_stores(plan)
        self._start_services(plan)
        if plan.models:
            self.publish(plan.models)
        self.start_model_servers(wanted)

    def prepare(self, plan: Plan, wanted: Sequence[Program]) -> None:
        """Make the folders of the programs *wanted*, and write the configuration of the front door."""
        for folder in (folder for program in wanted for folder in program.folders):
            folder.mkdir(parents=True, exist_ok=True)
        nginx.write_door(front_door(plan))

    def publish(self, models: Sequence[Served]) -> None:
        """Publish and release *models*; the first of each task is the default, if its entry does not forbid it."""
        with step(f"published: {', '.join(served.key for served in models)}"):
            tasks: set[str] = set()
            for served in models:
                model = self.gateway.publish(read_model_folder(served.folder).modelinfo)
                if model["status"] != "released":
                    self.gateway.release(served.key)
                if served.entry.default and model["task"] not in tasks:
                    tasks.add(model["task"])
                    self.gateway.set_default(model["task"], served.key)

    def start_model_servers(self, wanted: Sequence[Program]) -> None:
        """Start the model servers among *wanted*, all at once, and return when all of them serve."""
        down = {process.name for process in self.supervisor.processes() if process.state != "RUNNING"}
        servers = [program for program in wanted if program.name.startswith(MODEL_SERVER)]
        servers.sort(key=lambda program: program.name in down)
        for program in servers:
            self.supervisor.start(program.name)
        for program in servers:
            port, metrics_port = program.ports
            with step(f"{program.name} serves on 127.0.0.1:{port}"):
                self._wait(program.name, partial(waiting.model_is_served, metrics_port), timeout_s=_MODEL_START_S)

    def entries_now(self) -> Entries:
        """Return the models that are to be served, with as many replicas as they have at this moment."""
        names = [process.name for process in self.supervisor.processes()] if self.supervisor.runs() else []
        counts = Counter(name.rpartition("-")[0] for name in names)
        return {
            key: msgspec.structs.replace(entry, replicas=counts[f"{MODEL_SERVER}{key}"])
            for key, entry in self.models.entries().items()
        }

    def apply_model_servers(self, key: str, entries: Mapping[str, ModelEntry]) -> list[Program]:
        """Make the servers of *key* those that *entries* say, while everything else runs on; return them.

        Those that are no longer wanted finish what they have, and end before this returns; none is started.
        """
        self.supervisor.check_runs()
        plan = self.plan(entries)
        wanted = programs(plan)
        servers = servers_of(key, wanted)
        self._check_ports(servers)
        self._configure(plan, wanted, only=f"{MODEL_SERVER}{key}-")
        return servers

    def stored(self, key: str) -> ModelFolder:
        """Return the model *key* in the store; raises Stop where it is not there."""
        found = self.store.find(key)
        if found is None:
            raise Stop(f"{key} is not in the store of this machine", "`servoir publish FOLDER` puts it there.")
        return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else change what runs meanwhile; raises Stop where somebody does, saying who."""
        folder = self.settings.home / "run"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "changing.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _occupied(lock) from error
            lock.truncate(0)
            lock.write(f"{os.getpid()} {shlex.join(sys.argv[1:])}")
            lock.flush()
            yield

    def stop(self) -> int:
        """Stop everything, last started first; return how many processes had to be ended one by one."""
        if self.supervisor.runs():
            self.supervisor.shut_down()
        return self._end_what_is_left()

    @property
    def _slots(self) -> Path:
        return self.settings.home / "run" / "slots.json"

    def _configure(self, plan: Plan, wanted: Sequence[Program], *, only: str = "") -> None:
        first = plan.ports.model_port
        servers = [program for program in wanted if program.name.startswith(MODEL_SERVER)]
        slots = {**plan.slots, **{program.name: program.ports[0] - first for program in servers}}
        write_slots(self._slots, slots)
        self.supervisor.configure(wanted, only=only)
        known = {process.name for process in self.supervisor.processes()}
        write_slots(self._slots, {name: slot for name, slot in slots.items() if name in known})

    # -- the steps of a start ----------------------------------------------------------------------

    def _end_what_is_left(self) -> int:
        """End the processes of a supervisor that is no more; return how many. One that is about to end is waited for.

        While it is, its programs finish what they have.
        """
        if self.supervisor.ends():
            leftovers.wait(leftovers.find(self.settings.home), _STOP_S)
        return 0 if self.supervisor.runs() else leftovers.end(self.settings.home)

    def _check_ports(self, wanted: Sequence[Program]) -> None:
        """Raise Stop where a port of what does not run yet is taken."""
        running = {process.name for process in self.supervisor.processes()} if self.supervisor.runs() else set()
        ports.check_free(program for program in wanted if program.name not in running)

    def _start_stores(self, plan: Plan) -> None:
        if not plan.settings.mongo_url:
            port = plan.ports.mongo_port
            with step(f"MongoDB on 127.0.0.1:{port}"):
                self._start("mongod", lambda: waiting.listens(port))
                mongod.initiate(port)
        if not plan.settings.redis_url:
            port = plan.ports.redis_port
            with step(f"Valkey on 127.0.0.1:{port}"):
                self._start("valkey", lambda: waiting.redis_answers(port))

    def _start_services(self, plan: Plan) -> None:
        listening = plan.ports
        with step(f"registry on 127.0.0.1:{listening.registry_port}"):
            self._start("registry", lambda: waiting.listens(listening.registry_port))
        with step("dispatcher"):
            self._start("dispatcher", lambda: waiting.listens(listening.dispatcher_metrics_port))
        with step("worker of background jobs"):
            self._start("jobs", lambda: waiting.listens(listening.jobs_metrics_port))
        with step(f"gateways, behind nginx, on {plan.url}"):
            self.supervisor.start("nginx")
            self._start("gateway", lambda: waiting.listens(listening.gateway_port))
            self._wait("nginx", lambda: waiting.http_answers(f"{plan.url}/health/ready"), timeout_s=_START_S)
            self._wait_until_trusted()

    def _wait_until_trusted(self) -> None:
        """Return when the supervisor, too, counts as running what may serve already: ``status`` goes by its word."""
        for process in self.supervisor.processes():
            if not process.name.startswith(MODEL_SERVER):
                self._wait(process.name, partial(self._runs, process.name), timeout_s=_START_S)

    def _runs(self, name: str) -> bool:
        return self.supervisor.process(name).state == "RUNNING"

    def _start(self, name: str, serves: waiting.Condition) -> None:
        self.supervisor.start(name)
        self._wait(name, serves, timeout_s=_START_S)

    def _wait(self, name: str, serves: waiting.Condition, *, timeout_s: float) -> None:
        waiting.wait_for(self.supervisor, name, serves, timeout_s=timeout_s)

    # -- models ------------------------------------------------------------------------------------

    def _key(self, entry: ModelEntry) -> str:
        """Return the key of an entry's model: a folder's by the file that describes it; others say it."""
        if entry.model in DEMO_MODELS or self._is_stored(entry):
            return entry.model
        return read_model_folder(self._folder(entry)).key

    def _is_stored(self, entry: ModelEntry) -> bool:
        """Return whether an entry names a model in the store by its key; a folder of that name goes before."""
        return not self._folder(entry).is_dir() and self.store.folder(entry.model).is_dir()

    def _folder(self, entry: ModelEntry) -> Path:
        return self.settings.config.parent / Path(entry.model).expanduser()

    def _made(self, key: str) -> Path:
        """Return the folder of a demo model, made by a process of its own: TensorFlow stays out of this one."""
        cache = self.settings.cache_folder
        command = [sys.executable, "-m", "demo", "--cache", str(cache), key]
        environ = {**environment(), "TF_CPP_MIN_LOG_LEVEL": "2"}
        answer = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        if answer.returncode:
            last = "\n".join(answer.stderr.strip().splitlines()[-_LAST_LINES:])
            raise Stop(f"the demo model {key} could not be made:\n{last}", "Then start again.")
        return Path(answer.stdout.strip().splitlines()[-1])


def _occupied(lock: TextIO) -> Stop:
    """Return what to say where somebody holds *lock*, who has written into it who that is."""
    lock.seek(0)
    pid, _, arguments = lock.read().partition(" ")
    if not pid:  # it is being written at this moment
        return Stop("another command is changing what runs here", "Try again when it has ended.")
    advice = f"Try again when it has ended, or break it off: `kill -INT {pid}`."
    return Stop(f"`servoir {arguments}` (process {pid}) is changing what runs here", advice)
