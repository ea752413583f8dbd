"""A suite of real processes behind nginx, with two of everything that may have two, to replace part by part."""

from __future__ import annotations

from pathlib import Path

import psutil
import pymongo
from pymongo.errors import PyMongoError

from cli.waiting import listens
from embedded import mongod
from tests.chaos.world import World
from tests.e2e.traffic import Traffic
from tests.integration.deploy.doors import Door
from tests.parts import Server, free_port, wait_until

KEY = "chaos-echo-1"
SOME_ANSWERS = 60


class Rolling(World):
    """A World with nginx in front; *three_nodes* make its MongoDB a set of three."""

    def __init__(self, folder: Path, *, three_nodes: bool = False) -> None:
        self._three_nodes = three_nodes
        super().__init__(folder)
        self.door = Door(folder, *self.gateways)
        self.url = self.door.url

    def stop(self) -> None:
        self.door.stop()
        super().stop()

    def traffic(self, **options: object) -> Traffic:
        """Return clients that ask the model through nginx."""
        return Traffic(self.url, KEY, **options)  # type: ignore[arg-type]

    def replace(self, name: str) -> None:
        """End a part as a supervisor does, and start it again."""
        part = self.parts[name]
        assert part.terminate() == 0, part.log.read_text()[-2000:]
        part.start()

    def workers(self, name: str) -> set[int]:
        """Return the processes of a gateway."""
        return {child.pid for child in psutil.Process(self.parts[name].process.pid).children()}

    def times_logged(self, name: str, event: str) -> int:
        """Return how often a part has logged *event*, over all its lives."""
        return self.parts[name].log.read_text(errors="replace").count(f'"event":"{event}"')

    def primary(self) -> str:
        """Return the name of the part that is MongoDB's primary; wait for one."""
        found: list[str] = []

        def known() -> bool:
            with pymongo.MongoClient[dict[str, object]](self.mongo_url, serverSelectionTimeoutMS=1000) as client:
                try:
                    client.admin.command("ping")
                except PyMongoError:
                    return False
                found.extend([f"mongod-{client.primary[1]}"] if client.primary else [])
            return bool(found)

        wait_until(known, what="a primary")
        return found[0]

    def _start_mongod(self, folder: Path) -> str:
        if not self._three_nodes:
            return super()._start_mongod(folder)
        ports = [free_port() for _ in range(3)]
        for port in ports:
            place = self._folder_of(f"mongod-{port}")
            command = mongod.command(port, place)
            self.parts[f"mongod-{port}"] = Server(command, lambda port=port: listens(port), place / "mongod.log")
        mongod.initiate(*ports)
        return mongod.url(*ports)


def some_more(traffic: Traffic, answers: int = SOME_ANSWERS) -> None:
    """Return when so many more requests have been answered."""
    before = len(traffic.seen)
    wait_until(lambda: len(traffic.seen) >= before + answers, timeout_s=60, what="more answers")
