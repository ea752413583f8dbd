"""Ray Serve: a proxy in front, replicas as actors, batches formed in the replica."""
# mypy: ignore-errors

from __future__ import annotations

import signal

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from loadtests.rivals.model import Model
from loadtests.rivals.settings import ROUTE, ServerSettings, told

_TOLD = told()


@serve.deployment
class Pictures:
    """Runs the model; bodies come and go as they are."""

    def __init__(self, settings: ServerSettings) -> None:
        self._model = Model(settings.rival_model, threads=settings.rival_threads, batch_size=settings.rival_batch_size)

    @serve.batch(max_batch_size=_TOLD.rival_batch_size, batch_wait_timeout_s=_TOLD.rival_wait_ms / 1000.0)
    async def predict(self, pictures: list[bytes]) -> list[bytes]:
        """Answer a batch that Ray Serve formed of several requests."""
        return self._model(pictures)

    async def __call__(self, request: Request) -> Response:
        return Response(await self.predict(await request.body()), media_type="application/json")


def main() -> None:
    """Serve until told to stop."""
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    http = {"host": "127.0.0.1", "port": _TOLD.rival_port, "request_timeout_s": _TOLD.rival_timeout_s}
    serve.start(http_options=http)
    deployment = Pictures.options(
        num_replicas=_TOLD.rival_workers,
        max_ongoing_requests=max(8, 2 * _TOLD.rival_batch_size),
        max_queued_requests=_TOLD.rival_queue_limit,
        ray_actor_options={"num_cpus": 0.5},
    )
    serve.run(deployment.bind(_TOLD), route_prefix=f"/{ROUTE}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
