"""What `servoir doctor` looks at: each examination finds a thing right, doubtful or wrong, and says what to do."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil

from chassis import huge_pages, interpreter
from chassis.settings import ENVIRONMENT, PRODUCTION, BadSettings, environment, parse_bytes
from cli import leftovers, own_redis, ports
from cli.errors import Stop
from cli.findings import Finding, clock, mongodb_version
from cli.output import readable_bytes
from cli.programs import programs
from cli.settings import Settings
from cli.suite import Suite
from embedded import Missing, mongod, nginx, valkey

_LEAST_DISK_BYTES = 2 * 2**30
_LEAST_OPEN_FILES = 1024


def examine(suite: Suite) -> Iterator[Finding]:
    """Yield what each examination of *suite* and its machine finds; none of them changes anything."""
    for examination in (
        _python,
        _environment,
        _configuration,
        _mongodb,
        _redis,
        _servers,
        _ports,
        _disk,
        _memory,
        _huge_pages,
        _open_files,
        _store,
        _health,
    ):
        yield from examination(suite)


def _python(_: Suite) -> Iterator[Finding]:
    right = interpreter.is_optimised()
    advice = "Requests cost less CPU with one that has them, as Debian, uv and container images bring it: "
    advice += "`make clean`, then `make up PYTHON=…`."
    yield Finding("Python", "ok" if right else "warning", interpreter.version(), "" if right else advice)


def _environment(_: Suite) -> Iterator[Finding]:
    """Say which defaults hold; a wrong value of SERVOIR_ENV ends every command before this one."""
    production = environment().get(ENVIRONMENT) == PRODUCTION
    found = "production: API keys are asked for, pages of other origins kept out" if production else "development"
    yield Finding("environment", "ok", found)


def _configuration(suite: Suite) -> Iterator[Finding]:
    try:
        models = suite.plan().models
    except Stop as stop:
        yield Finding("configuration", "wrong", stop.problem, stop.advice)
    except BadSettings as error:
        yield Finding("configuration", "wrong", str(error), "Correct these variables.")
    else:
        yield Finding("configuration", "ok", f"{suite.settings.config}, {len(models)} models")


def _mongodb(suite: Suite) -> Iterator[Finding]:
    settings = _settings(suite)
    if url := settings.mongo_url:
        yield from _own_mongodb(url)
        return
    try:
        binary = mongod.binary(settings.mongod)
    except Missing as missing:
        yield Finding("MongoDB", "wrong", str(missing))
        return
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.split()
    version = next((word.removeprefix("v") for word in said if word.startswith("v") and word[1:2].isdigit()), "0.0")
    yield mongodb_version(version, f"at {binary}", "Install a newer one, or name another binary with SERVOIR_MONGOD.")


def _settings(suite: Suite) -> Settings:
    """Return what servoir.yaml and the environment say; the latter alone where the file is wrong, as is told apart."""
    try:
        return suite.deployed
    except (Stop, BadSettings):
        return suite.settings


def _own_mongodb(url: str) -> Iterator[Finding]:
    try:
        version, set_name, theirs_s = mongod.describe(url)
    except TimeoutError as error:
        yield Finding("MongoDB", "wrong", str(error), "Start it, or correct SERVOIR_MONGO_URL.")
        return
    yield mongodb_version(version, "at SERVOIR_MONGO_URL", "Upgrade it: 7.0 and 8.0 are supported by its makers.")
    if not set_name:
        advice = "Make it a replica set, of one node at least: start it with --replSet, then rs.initiate()."
        yield Finding("MongoDB", "wrong", "is no replica set", advice)
    yield clock("MongoDB", theirs_s, time.time())


def _redis(suite: Suite) -> Iterator[Finding]:
    """Look at a Redis of the operator's own; the one that is started here is set up right."""
    if not (url := _settings(suite).redis_url):
        return
    try:
        append_only = own_redis.ask(url, "CONFIG", "GET", "appendonly")[1:] == ["yes"]
        seconds, microseconds = own_redis.ask(url, "TIME")
    except (own_redis.NoAnswer, ValueError) as error:
        yield Finding("Redis", "wrong", str(error), "Start it, or correct SERVOIR_REDIS_URL.")
        return
    advice = "" if append_only else "Set `appendonly yes`, or accepted requests are lost when it dies."
    found = "keeps an append-only file" if append_only else "keeps no append-only file"
    yield Finding("Redis", "ok" if append_only else "wrong", found, advice)
    yield clock("Redis", int(seconds) + int(microseconds) / 1e6, time.time())


def _servers(suite: Suite) -> Iterator[Finding]:
    servers: list[tuple[str, Callable[[], str]]] = [("nginx", nginx.binary)]
    if not _settings(suite).redis_url:
        servers.append(("Valkey", valkey.binary))
    for name, binary in servers:
        try:
            yield Finding(name, "ok", binary())
        except Missing as missing:
            yield Finding(name, "wrong", str(missing))


def _ports(suite: Suite) -> Iterator[Finding]:
    try:
        wanted = programs(suite.plan())
        running = {process.name for process in suite.supervisor.processes()} if suite.supervisor.runs() else set()
        ports.check_free(program for program in wanted if program.name not in running)
    except (Stop, Missing) as fault:
        yield Finding("ports", "wrong", str(fault), fault.advice if isinstance(fault, Stop) else "")
        return
    except BadSettings:
        return
    yield Finding("ports", "ok", "held by this suite" if running else "free")


def _disk(suite: Suite) -> Iterator[Finding]:
    place = suite.settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    enough = free >= _LEAST_DISK_BYTES
    advice = "" if enough else f"Free space under {suite.settings.home}, or move it with SERVOIR_HOME."
    yield Finding("disk", "ok" if enough else "wrong", f"{readable_bytes(free)} free", advice)


def _memory(suite: Suite) -> Iterator[Finding]:
    """Compare what the model servers may take with what the machine has."""
    try:
        entries = suite.deployment.models
        caps = sum(parse_bytes(entry.memory_cap) * entry.replicas for entry in entries if entry.memory_cap)
    except (Stop, ValueError) as fault:
        yield Finding("memory", "wrong", str(fault), "Correct memory_cap in servoir.yaml: 2GiB and the like.")
        return
    whole = psutil.virtual_memory().total
    fits = caps <= whole
    advice = "" if fits else "Lower memory_cap or replicas in servoir.yaml, or the system will end processes."
    found = f"{readable_bytes(whole)}; model servers may take {readable_bytes(caps)}"
    yield Finding("memory", "ok" if fits else "warning", found, advice)


def _huge_pages(_: Suite) -> Iterator[Finding]:
    granted = huge_pages.granted()
    found = "given to model servers" if granted else "not given to programs"
    advice = (
        f"Models run up to a tenth faster with them, where the system has them: `echo madvise > {huge_pages.SYSTEM}`."
    )
    yield Finding("huge pages", "ok" if granted else "warning", found, "" if granted else advice)


def _open_files(_: Suite) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft >= _LEAST_OPEN_FILES
    advice = "" if enough else f"`ulimit -n {min(hard, 65536)}` before `servoir up`."
    yield Finding("open files", "ok" if enough else "warning", f"{soft} for each process", advice)


def _store(suite: Suite) -> Iterator[Finding]:
    """Hold every stored file of the deployment's models to its sha256."""
    try:
        for served in suite.plan().models:
            suite.store.find(served.key)
    except Stop as stop:
        advice = f"Delete that model's folder in {suite.settings.home / 'store'}, and publish it again."
        yield Finding("model store", "wrong", stop.problem, advice)
    except BadSettings:
        return
    else:
        yield Finding("model store", "ok", "every file is what it was published as")


def _health(suite: Suite) -> Iterator[Finding]:
    if not suite.supervisor.runs():
        left = leftovers.find(suite.settings.home)
        advice = "`servoir down` ends what is left of an earlier run." if left else ""
        found = f"does not run; {len(left)} processes of an earlier run are left" if left else "does not run"
        yield Finding("suite", "warning" if left else "ok", found, advice)
        return
    down = [process.name for process in suite.supervisor.processes() if process.state not in ("RUNNING", "STARTING")]
    advice = "`servoir logs --service NAME` shows why; `servoir up` starts what is stopped." if down else ""
    yield Finding("suite", "wrong" if down else "ok", f"does not run: {', '.join(down)}" if down else "runs", advice)
