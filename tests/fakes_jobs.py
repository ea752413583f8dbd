"""A job's context without Redis, queue or worker: models answer at once, and the run can be killed at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import IO, Any, TypeVar

from services.jobs.journal import Journal, replaced
from services.jobs.limits import Limits
from services.queue.client import Answer
from services.registry.client import Modelinfo, RegistryClient
from tests.fakes_gateway import answer, model, prediction

T = TypeVar("T")


class Killed(BaseException):
    """What a kill -9 is to a run: it ends here, and nothing is tidied up."""


class FakeContext:
    """One run over *folder*; it is killed at its *dies_at*-th step, if it comes so far."""

    def __init__(
        self, folder: Path, parameters: Any, *, dies_at: int = -1, answer_to: Callable[[bytes], Answer] | None = None
    ) -> None:
        self.id, self.client_id, self.parameters = "predict-0123456789abcdef", "ann", parameters
        self.folder, self.results = folder / "work", folder / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.results.mkdir(exist_ok=True)
        self.limits = Limits(picture_bytes=1000, unpacked_bytes=10**9, free_bytes=0, pictures=10**6)
        self.answer_to = answer_to or (lambda _: answer(body=prediction()))
        self.asked: list[bytes] = []
        self.lines: list[str] = []
        self.figures: dict[str, Any] = {}
        self.told = (0, 0)
        self._steps, self._dies_at = 0, dies_at

    @property
    def registry(self) -> RegistryClient:
        raise NotImplementedError

    def check(self) -> None:
        self._steps += 1
        if self._steps == self._dies_at:
            raise Killed

    def progress(self, done: int, total: int, *, stage: str = "") -> None:
        self.told = done, total
        self.check()

    def log(self, line: str) -> None:
        self.lines.append(line)

    def journal(self, name: str) -> AbstractContextManager[Journal]:
        return closing(Journal(self.folder / name))

    def keep(self, name: str, value: bytes) -> None:
        with replaced(self.folder / name) as file:
            file.write(value)

    def kept(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def result(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return replaced(self.results / name)

    def describe(self, **figures: Any) -> None:
        self.figures |= figures

    def source(self, source: str) -> Path:
        return Path(source)

    def model(self, key: str) -> Modelinfo:
        return model(key)

    def predict(self, payloads: Iterable[tuple[T, bytes]], *, model: str, task: str) -> Iterator[tuple[T, Answer]]:
        for thing, payload in payloads:
            self.check()
            self.asked.append(payload)
            yield thing, self.answer_to(payload)
