"""What is to be done again and again: what has expired goes, old usage is rolled up.

Each time has an id made of its moment, under which RQ's scheduler takes it but once; when it comes, it first has the
next one scheduled, and so has every worker's caretaker now and then. So each time is done once, however many schedulers
are up.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from chassis import logs
from chassis.errors import Conflict
from chassis.settings import load
from services.jobs.broker import Broker
from services.jobs.expiry import remove_expired
from services.jobs.records import Records, connect
from services.jobs.settings import Settings
from services.jobs.uploads import uploads_of
from services.registry.client import RegistryClient

log = logs.logger()
_DAY_MS = 86_400_000
EVERY_S = {"expiry": 300, "usage": 6 * 3600}
"""The tasks, each a function of this module, and the seconds from one time to the next."""


def schedule_all(broker: Broker, now_s: float) -> None:
    """Have the next time of every task scheduled, where it is not."""
    for name in EVERY_S:
        schedule_next(broker, name, now_s)


def schedule_next(broker: Broker, name: str, now_s: float) -> bool:
    """Have the next time of a task scheduled, a whole multiple of its period; return False where it is already."""
    when = datetime.fromtimestamp((int(now_s) // EVERY_S[name] + 1) * EVERY_S[name], UTC)
    return broker.schedule(f"{__name__}.{name}", when, id=f"{name}-{when:%Y%m%dT%H%M%S}")


def expiry(id: str) -> None:
    """Remove results and uploads that have expired; RQ calls this."""
    settings = load(Settings)
    client = connect(settings.redis_url)
    broker = Broker(client)
    schedule_next(broker, "expiry", time.time())
    removed = remove_expired(
        Records(client, broker.enqueue), uploads_of(settings.jobs_folder), settings.jobs_folder, time.time()
    )
    log.info("expired_removed", task=id, **removed)


def usage(id: str) -> None:
    """Have old usage rolled up, and what is older yet forgotten; RQ calls this."""
    settings = load(Settings)
    schedule_next(Broker(connect(settings.redis_url)), "usage", time.time())
    now_ms = round(time.time() * 1000)
    days_before_ms, forget_before_ms = (
        now_ms - days * _DAY_MS if days else 0
        for days in (settings.jobs_usage_hours_days, settings.jobs_usage_kept_days)
    )
    registry = RegistryClient(settings.registry_address)
    try:
        registry.roll_up_usage(days_before_ms=days_before_ms, forget_before_ms=forget_before_ms)
    except Conflict:
        log.info("usage_left_alone", task=id)
    else:
        log.info("usage_rolled_up", task=id)
    finally:
        registry.close()
