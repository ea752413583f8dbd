"""mosec: a Rust front, batches formed there, Python workers behind a socket.

Run as ``python -m loadtests.rivals.servers.mosec_server --port …``: mosec reads its own options.
"""
# mypy: ignore-errors

from __future__ import annotations

from mosec import Server, Worker

from loadtests.rivals.model import Model
from loadtests.rivals.settings import told


class Pictures(Worker):
    """Runs the model; bodies come and go as they are."""

    def __init__(self) -> None:
        super().__init__()
        settings = told()
        self._batched = settings.rival_batch_size > 1
        self._model = Model(settings.rival_model, threads=settings.rival_threads, batch_size=settings.rival_batch_size)

    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: list[bytes] | bytes) -> list[bytes] | bytes:
        """Answer a batch; without batching mosec gives one body, and takes one."""
        return self._model(data) if self._batched else self._model([data])[0]


def main() -> None:
    """Serve until told to stop."""
    settings = told()
    server = Server()
    server.append_worker(
        Pictures,
        num=settings.rival_workers,
        max_batch_size=settings.rival_batch_size,
        max_wait_time=max(1, settings.rival_wait_ms),
    )
    server.run()


if __name__ == "__main__":
    main()
