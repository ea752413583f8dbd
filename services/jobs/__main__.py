"""``python -m services.jobs``: a worker of background jobs, until SIGTERM."""

from __future__ import annotations

import sys

from chassis import logs, metrics
from chassis.command_line import take_no_options
from chassis.errors import ServoirError
from chassis.settings import BadSettings, load
from services.jobs.broker import Broker, Schedule
from services.jobs.caretaker import Caretaker
from services.jobs.records import Records, connect, translated
from services.jobs.settings import Settings
from services.jobs.worker import serve


def main() -> int:
    """Start; return the process's exit status."""
    take_no_options("services.jobs", "A worker of background jobs.")
    try:
        settings = load(Settings)
    except BadSettings as error:
        print(f"servoir jobs: {error}", file=sys.stderr)
        return 2
    logs.configure("jobs", settings.log_level)
    client = connect(settings.redis_url)
    try:
        with translated():
            client.ping()
    except ServoirError:
        advice = "start Valkey or Redis there, or give SERVOIR_REDIS_URL"
        print(f"servoir jobs: no Redis at {logs.without_password(settings.redis_url)}: {advice}", file=sys.stderr)
        return 1
    settings.jobs_folder.mkdir(parents=True, exist_ok=True)
    try:
        metrics.serve(settings.metrics_port, settings.metrics_host)
    except metrics.CannotShow as error:
        print(f"servoir jobs: {error}", file=sys.stderr)
        return 1
    broker = Broker(client)
    caretaker = Caretaker(Records(client, broker.enqueue), broker, Schedule(client), lease_s=settings.jobs_lease_s)
    serve(settings, caretaker)
    caretaker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
