"""``locust -f loadtests/locustfile.py --host http://127.0.0.1:8080``: users like ours on a suite that runs.

``--host`` may name several front doors, with commas. ``--shape`` says how many users there are when; ``--processes 4``
or ``--master`` and ``--worker`` spread them over processes and machines. At the end a report is written.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.runners import WorkerRunner

from loadtests import report
from loadtests.curves import CURVES
from loadtests.samples import Sampler
from loadtests.served import look, photographs, shots
from loadtests.shapes import Shape
from loadtests.users import Browser, JobSubmitter, Misbehaving, Predictor, TensorClient

__all__ = ["Browser", "JobSubmitter", "Misbehaving", "Predictor", "Shape", "TensorClient"]

_SAMPLE_S = 1.0

logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: Any) -> None:
    parser.add_argument("--shape", choices=sorted(CURVES), default="steady", help="how many users there are when")
    parser.add_argument("--pictures", default="", help="a folder of photographs; the demo's")
    parser.add_argument("--timeout", type=float, default=5.0, help="the deadline that users ask for, in seconds")
    parser.add_argument("--api-key", default="", is_secret=True, help="sent as a bearer token")
    parser.add_argument("--admin-token", default="", is_secret=True, help="to watch the queues with")
    parser.add_argument("--report", default="out/loadtest.html", help="where the report goes")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _look_around(environment: Any, **_: Any) -> None:
    """Learn what is served and the right answers, before the first user comes."""
    options = environment.parsed_options
    environment.headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    address = options.host.split(",")[0].strip()
    files = photographs(Path(options.pictures) if options.pictures else None)
    environment.served = look(address, shots(files), environment.headers)
    if not isinstance(environment.runner, WorkerRunner):
        watching = {"Authorization": f"Bearer {options.admin_token}"} if options.admin_token else environment.headers
        environment.sampler = Sampler(environment, address, watching)
        environment.sampling = gevent.spawn(_sample, environment.sampler)
        environment.shape_class.reset_time()  # what looking around took is not part of the test


def _sample(sampler: Sampler) -> None:
    while True:
        sampler.take()
        gevent.sleep(_SAMPLE_S)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def _write_report(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    environment.sampling.kill()
    options, path = environment.parsed_options, Path(environment.parsed_options.report)
    about = f"{options.shape}, up to {options.num_users} users, {options.run_time} s on {options.host}"
    report.write(path, environment.runner.stats, environment.sampler.samples, about)
