"""What is known of each job, in Redis, beside RQ: whoever sees or changes a job does it here.

Keys, each beginning with ``servoir:jobs:``:

==============  ======  ==============================================================================================
job:<id>        hash    ``kind``, ``queue``, ``parameters`` (JSON), ``owner`` (JSON), ``client``, ``state``, ``done``,
                        ``total``, ``stage``, ``created``, ``queued``, ``started``, ``resumed`` (when its run began,
                        with ``resumed_at`` done), ``ended``, ``expires`` (seconds of Unix time), ``keep_s``,
                        ``problem``, ``figures`` (JSON), ``runs``, ``cancel`` (1: asked for), ``vehicle`` (its RQ job).
lease:<id>      string  who runs it; expires when that one gives no sign of life.
log:<id>        list    its log, the newest lines.
all, of:<client>  zset  ids by ``created``: of everyone, of a client.
active          zset    ids of the jobs that wait or run, by ``queued``.
ends            zset    ids of the jobs that are over, by ``expires``.
==============  ======  ==============================================================================================

RQ only carries a job's id to a worker, as a vehicle that may be lost or come twice: what is to be done is said by
``state``, and who does it by the lease. Each change of a state is one step that looks and writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import redis
from redis.exceptions import RedisError

from chassis import redis_pool
from chassis.errors import Conflict, NotFound, Unavailable, WrongState
from services.jobs.job import ENDED, Job, read_job

T = TypeVar("T")
PREFIX = "servoir:jobs:"
_ALL, _ACTIVE, _ENDS = f"{PREFIX}all", f"{PREFIX}active", f"{PREFIX}ends"
_MOST_LINES = 1000
_RETRY_AFTER_S = 1.0
_CALL_TIMEOUT_S = 2.0
_CONNECTIONS = 16

Enqueue = Callable[[Any, str, str], str]
"""Puts a vehicle for a job's id into a queue, within a pipeline, and returns the vehicle's id."""


class LeaseLost(Exception):
    """Another worker has the job: this one must stop, and write nothing more."""


def connect(url: str) -> redis.Redis:
    """Return connections for threads, each opened when it is first needed; no call hangs."""
    return redis_pool.connect(url, most=_CONNECTIONS, connect_timeout_s=_CALL_TIMEOUT_S, call_timeout_s=_CALL_TIMEOUT_S)


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable where Redis is away."""
    try:
        yield
    except RedisError as error:
        raise Unavailable("the jobs' Redis is away", retry_after_s=_RETRY_AFTER_S) from error


def job_key(id: str) -> str:
    """Return the key of what is known of a job."""
    return f"{PREFIX}job:{id}"


def lease_key(id: str) -> str:
    """Return the key that says who runs a job."""
    return f"{PREFIX}lease:{id}"


def _log_key(id: str) -> str:
    return f"{PREFIX}log:{id}"


def _of(client_id: str) -> str:
    return f"{PREFIX}of:{client_id}"


class Records:
    """All jobs' records; each call raises Unavailable where Redis is away."""

    def __init__(self, client: Any, enqueue: Enqueue, *, clock: Callable[[], float] = time.time) -> None:
        self._redis, self._enqueue, self._clock = client, enqueue, clock

    # -- for whoever submits and looks ---------------------------------------------------------------

    def add(self, job: Job) -> Job:
        """Add a new job, and have it done; return it, or the one that is there under its id.

        Raises Conflict where that has other parameters.
        """

        def change(pipe: Any) -> Job:
            found = pipe.hgetall(job_key(job.id))
            pipe.multi()
            if not found:
                pipe.hset(job_key(job.id), mapping=_fields(job))
                pipe.zadd(_ALL, {job.id: job.created_s})
                pipe.zadd(_of(job.owner.client_id), {job.id: job.created_s})
                self._put(pipe, job.id, job.queue)
            return read_job(job.id, found) if found else job

        kept = self._change(job.id, change)
        if kept.parameters != job.parameters:
            raise Conflict("this idempotency key came with another job before")
        return kept

    def job(self, id: str) -> Job:
        """Return a job; raises NotFound where there is none of this name, or not any more."""
        with translated():
            return _read(id, self._redis.hgetall(job_key(id)))

    def jobs(self, client_id: str | None, *, limit: int) -> list[Job]:
        """Return a client's jobs, or with None everybody's, newest first."""
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            key = _ALL if client_id is None else _of(client_id)
            return _read_all(pipe, self._redis.zrevrange(key, 0, limit - 1))

    def log(self, id: str) -> list[str]:
        """Return the newest lines of a job's log, oldest first."""
        with translated():
            return [line.decode() for line in self._redis.lrange(_log_key(id), 0, -1)]

    def cancel(self, id: str) -> None:
        """Have a job end: at once where it waits, else as soon as its worker looks. Again is a no-op.

        Raises WrongState where it is over, and NotFound.
        """

        def change(pipe: Any) -> None:
            job = _read(id, pipe.hgetall(job_key(id)))
            running = pipe.exists(lease_key(id))
            if job.state in ENDED and job.state != "cancelled":
                raise WrongState(f"the job is over: it is {job.state}")
            pipe.multi()
            if running:
                pipe.hset(job_key(id), "cancel", 1)
            elif job.state != "cancelled":
                self._end(pipe, job, "cancelled", "")

        self._change(id, change)

    def retry(self, id: str) -> None:
        """Have a job that failed or was cancelled go on from its checkpoint; raises WrongState, and NotFound."""

        def change(pipe: Any) -> None:
            job = _read(id, pipe.hgetall(job_key(id)))
            if job.state not in ("failed", "cancelled"):
                raise WrongState(f"only what failed or was cancelled is tried again; the job is {job.state}")
            pipe.multi()
            pipe.hdel(job_key(id), "ended", "expires", "problem", "cancel")
            pipe.zrem(_ENDS, id)
            self._put(pipe, id, job.queue)

        self._change(id, change)

    # -- for workers ---------------------------------------------------------------------------------

    def claim(self, id: str, token: str, *, lease_s: float) -> Job | None:
        """Return a job that is now to be done by *token*, None where it is not to be done, or by another."""

        def change(pipe: Any) -> Job | None:
            found = pipe.hgetall(job_key(id))
            job = read_job(id, found) if found else None
            free = job and job.state not in ENDED and not pipe.exists(lease_key(id))
            pipe.multi()
            if not (job and free):
                return None
            now = self._clock()
            pipe.set(lease_key(id), token, px=round(lease_s * 1000))
            pipe.hset(job_key(id), mapping={"state": "running", "resumed": now, "resumed_at": job.done})
            pipe.hsetnx(job_key(id), "started", now)
            pipe.hincrby(job_key(id), "runs", 1)
            return job

        return self._change(id, change)

    def renew(self, id: str, token: str, *, lease_s: float, fields: Mapping[str, Any]) -> bool:
        """Keep a job's lease, and write *fields*; return whether it is to be cancelled.

        A lease that ran out while nobody else took the job is had again. Raises LeaseLost where another has it, or
        it is gone.
        """

        def change(pipe: Any) -> bool:
            holder, found = pipe.get(lease_key(id)), pipe.hgetall(job_key(id))
            if holder not in (None, token.encode()) or not found or read_job(id, found).state in ENDED:
                raise LeaseLost(id)
            pipe.multi()
            pipe.set(lease_key(id), token, px=round(lease_s * 1000))
            pipe.hset(job_key(id), mapping={"state": "running", **fields})
            return b"cancel" in found

        return self._change(id, change)

    def finish(self, id: str, token: str, state: str, problem: str, fields: Mapping[str, Any]) -> None:
        """End a job that *token* has, with its last *fields*; raises LeaseLost."""

        def change(pipe: Any) -> None:
            job = self._held(pipe, id, token)
            pipe.multi()
            if fields:
                pipe.hset(job_key(id), mapping=dict(fields))
            self._end(pipe, job, state, problem)

        self._change(id, change)

    def give_back(self, id: str, token: str, fields: Mapping[str, Any]) -> None:
        """Have another go on with a job that *token* has; raises LeaseLost."""

        def change(pipe: Any) -> None:
            job = self._held(pipe, id, token)
            pipe.multi()
            if fields:
                pipe.hset(job_key(id), mapping=dict(fields))
            pipe.delete(lease_key(id))
            self._put(pipe, id, job.queue)

        self._change(id, change)

    def add_log(self, id: str, lines: list[str]) -> None:
        """Add lines to a job's log."""
        with translated(), self._redis.pipeline() as pipe:
            pipe.rpush(_log_key(id), *lines)
            pipe.ltrim(_log_key(id), -_MOST_LINES, -1)
            pipe.execute()

    # -- for whoever looks after all jobs ------------------------------------------------------------

    def active(self) -> list[Job]:
        """Return the jobs that wait or run."""
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            return _read_all(pipe, self._redis.zrange(_ACTIVE, 0, -1))

    def unfinished(self) -> list[Job]:
        """Return the jobs that wait or run, and those that failed or were cancelled and may be tried again."""
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            return [job for job in _read_all(pipe, self._redis.zrange(_ALL, 0, -1)) if job.state != "done"]

    def put_again(self, id: str) -> bool:
        """Put a job that nobody runs into its queue again; return whether that was so."""

        def change(pipe: Any) -> bool:
            found = pipe.hgetall(job_key(id))
            job = read_job(id, found) if found else None
            alone = job and job.state not in ENDED and not pipe.exists(lease_key(id))
            pipe.multi()
            if job and alone:
                self._put(pipe, id, job.queue)
            return bool(alone)

        return self._change(id, change)

    def is_run(self, id: str) -> bool:
        """Return whether a worker that gives signs of life has the job."""
        with translated():
            return bool(self._redis.exists(lease_key(id)))

    def expired(self) -> list[str]:
        """Return the ids of the jobs whose results are not to be kept any longer."""
        with translated():
            return [name.decode() for name in self._redis.zrangebyscore(_ENDS, 0, self._clock())]

    def forget(self, id: str) -> None:
        """Forget a job."""
        with translated(), self._redis.pipeline() as pipe:
            client = self._redis.hget(job_key(id), "client") or b""
            pipe.delete(job_key(id), _log_key(id), lease_key(id))
            for key in (_ALL, _ACTIVE, _ENDS, _of(client.decode())):
                pipe.zrem(key, id)
            pipe.execute()

    # -- one step ------------------------------------------------------------------------------------

    def _change(self, id: str, change: Callable[[Any], T]) -> T:
        """Do *change*, which looks and then writes behind ``multi``, in one step; again where somebody else did.

        Returns what *change* returned when it came through.
        """
        with translated():
            changed: T = self._redis.transaction(change, job_key(id), lease_key(id), value_from_callable=True)
            return changed

    def _held(self, pipe: Any, id: str, token: str) -> Job:
        if pipe.get(lease_key(id)) not in (None, token.encode()):
            raise LeaseLost(id)
        found = pipe.hgetall(job_key(id))
        if not found or read_job(id, found).state in ENDED:
            raise LeaseLost(id)
        return read_job(id, found)

    def _put(self, pipe: Any, id: str, queue: str) -> None:
        now = self._clock()
        vehicle = self._enqueue(pipe, queue, id)
        pipe.hset(job_key(id), mapping={"state": "queued", "queued": now, "vehicle": vehicle})
        pipe.zadd(_ACTIVE, {id: now})

    def _end(self, pipe: Any, job: Job, state: str, problem: str) -> None:
        now = self._clock()
        expires = now + job.keep_s
        ended = {"state": state, "ended": now, "expires": expires, "problem": problem}
        pipe.hset(job_key(job.id), mapping=ended)
        pipe.delete(lease_key(job.id))
        pipe.zrem(_ACTIVE, job.id)
        pipe.zadd(_ENDS, {job.id: expires})


def _read(id: str, found: dict[bytes, bytes]) -> Job:
    if not found:
        raise NotFound("no such job")
    return read_job(id, found)


def _read_all(pipe: Any, names: list[bytes]) -> list[Job]:
    ids = [name.decode() for name in names]
    for name in ids:
        pipe.hgetall(job_key(name))
    return [read_job(name, found) for name, found in zip(ids, pipe.execute(), strict=True) if found]


def _fields(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "queue": job.queue,
        "parameters": job.parameters,
        "owner": msgspec.json.encode(job.owner),
        "client": job.owner.client_id,
        "created": job.created_s,
        "keep_s": job.keep_s,
        "name": job.name,
    }
