"""LitServe: uvicorn in front, a queue between processes, batches formed in the worker.

It reads the kind of a request off the annotation itself, which therefore must not be postponed.
"""
# mypy: ignore-errors

from typing import Annotated

import litserve
from fastapi import Body, Response

from loadtests.rivals.model import Model
from loadtests.rivals.settings import ROUTE, told


class Pictures(litserve.LitAPI):
    """Runs the model; bodies come and go as they are."""

    def setup(self, device: str) -> None:
        settings = told()
        self._batched = settings.rival_batch_size > 1
        self._model = Model(settings.rival_model, threads=settings.rival_threads, batch_size=settings.rival_batch_size)

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        return request

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        return inputs

    def predict(self, x: list[bytes] | bytes) -> list[bytes] | bytes:
        return self._model(x) if self._batched else self._model([x])[0]

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="application/json")


def main() -> None:
    """Serve until told to stop."""
    settings = told()
    api = Pictures(
        max_batch_size=settings.rival_batch_size, batch_timeout=settings.rival_wait_ms / 1000.0, api_path=f"/{ROUTE}"
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=settings.rival_workers,
        timeout=settings.rival_timeout_s,
        fast_queue=True,
        restart_workers=True,
    )
    server.run(host="127.0.0.1", port=settings.rival_port, generate_client_file=False, log_level="error")


if __name__ == "__main__":
    main()
