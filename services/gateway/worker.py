"""Gunicorn's threaded worker, with our way to stop and our shape of errors."""

from __future__ import annotations

import time
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from chassis import logs
from services.gateway.arrivals import taken_up
from services.gateway.problems import PROBLEM_TYPE, http_problem, problem_json
from services.gateway.request_ids import request_id_of

log = logs.logger()
_STATUS = {
    errors.LimitRequestLine: 414,
    errors.ExpectationFailed: 417,
    errors.LimitRequestHeaders: 431,
    errors.UnsupportedTransferCoding: 501,
}


class Worker(ThreadWorker):  # type: ignore[misc]
    """Refuses connections from the moment that it is told to stop, and tells malformed HTTP as problem+json.

    When it stops, it takes what waits to be accepted, then closes its listeners. Gunicorn's own keeps them open,
    unread, until its last request is answered: whoever connects meanwhile would be taken by the kernel, answered by
    nobody, and cut off at the end.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting; stopping for good closes the listeners."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            self._accept_waiting(listener)
            listener.close()

    def _accept_waiting(self, listener: object) -> None:
        taken = -1
        while taken != self.nr_conns:
            taken = self.nr_conns
            self.accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Have a thread take up a connection that has something to read, and remember since when it waits for one."""
        conn.enqueued_s = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Take up a connection, in its thread."""
        taken_up(conn.enqueued_s)
        return super().handle(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP request that we take; Gunicorn's own answer is a page that repeats the input."""
        status = _STATUS.get(type(exc), 400 if isinstance(exc, errors.ParseException) else 500)
        request_id = request_id_of(None)
        if status == 500:
            log.error("connection_failed", request_id=request_id, exc_info=exc)
        else:
            log.info("request_malformed", request_id=request_id, status=status, reason=type(exc).__name__)
        try:
            util.write_nonblock(client, raw_answer(status, request_id))
        except OSError:
            log.debug("answer_not_sent", request_id=request_id)


def raw_answer(status: int, request_id: str) -> bytes:
    """Return a whole HTTP answer with the problem of *status*; the connection ends with it."""
    problem = http_problem(status)
    body = problem_json(problem, request_id)
    lines = [
        f"HTTP/1.1 {status} {problem.title}",
        f"Content-Type: {PROBLEM_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
