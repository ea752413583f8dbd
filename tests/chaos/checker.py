"""The promises, as functions of a history: each returns the violations that it finds, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.chaos.history import Answered, History

#: After its deadline a request may be under way for this long: the answer's way back, a paused gateway aside.
HANG_S = 8.0
#: The clock of an execution's log line is read a little after the decision to run it.
LATE_S = 0.1
#: For so long before a kill Redis may have put off writing its append-only file, where the disk was slow.
FORGETS_S = 2.0

REFUSED = (429, 503)
LOST = 0


def violations(history: History) -> list[str]:
    """Return everything that breaks a promise in *history*; empty when all are kept."""
    checks = (
        every_request_has_one_answer,
        every_answer_is_right_for_its_bytes,
        nothing_runs_after_its_deadline,
        nothing_is_refused_without_a_reason,
        usage_equals_answers,
        nothing_stays_behind,
    )
    return [violation for check in checks for violation in check(history)]


def every_request_has_one_answer(history: History) -> Iterable[str]:
    """Yield what was answered twice, never, or long after its deadline."""
    answers: dict[str, list[Answered]] = {}
    for answer in history.answered:
        answers.setdefault(answer.request_id, []).append(answer)
    for sent in history.sent:
        found = answers.get(sent.request_id, [])
        if len(found) != 1:
            yield f"{sent.request_id}: {len(found)} answers"
        elif found[0].at > sent.at + sent.timeout_s + HANG_S and not _broken(history, sent.at, found[0].at, "pause"):
            took = found[0].at - sent.at
            yield f"{sent.request_id}: answered {took:.1f} s after it was sent, timeout {sent.timeout_s:g} s"


def every_answer_is_right_for_its_bytes(history: History) -> Iterable[str]:
    """Yield answers of other bytes, and statuses that no fault explains."""
    digests = {sent.request_id: sent.digest for sent in history.sent}
    for answer in history.answered:
        if answer.status == 200 and answer.digest != digests.get(answer.request_id):
            yield f"{answer.request_id}: answered for other bytes"
        if answer.status not in (200, 429, 503, 504, LOST):
            yield f"{answer.request_id}: status {answer.status}"


def nothing_runs_after_its_deadline(history: History) -> Iterable[str]:
    """Yield executions that began too late to be of use.

    A client says how long it waits, not until when: while the gateway that its words lie at is paused, nobody has read
    them, so such a pause moves the deadline.
    """
    sent = {sent.request_id: sent for sent in history.sent}
    for execution in history.executed:
        if request := sent.get(execution.request_id):
            deadline = request.at + request.timeout_s + _gateways_paused_s(history, request.at, execution.at)
            if execution.at > deadline + LATE_S:
                yield f"{execution.request_id}: ran {execution.at - deadline:.2f} s after its deadline"


def _gateways_paused_s(history: History, began: float, ended: float) -> float:
    """Return the seconds of the span during which a gateway was paused."""
    pauses = (f for f in history.faults if f.kind == "pause" and f.target.startswith("gateway"))
    return sum(max(0.0, min(ended, pause.ended) - max(began, pause.began)) for pause in pauses)


def nothing_is_refused_without_a_reason(history: History) -> Iterable[str]:
    """Yield refusals, timeouts and lost connections at times when nothing was broken."""
    sent_at = {sent.request_id: sent.at for sent in history.sent}
    for answer in history.answered:
        began = sent_at.get(answer.request_id, answer.at)
        if answer.status in (*REFUSED, 504, LOST) and not _broken(history, began, answer.at):
            yield f"{answer.request_id}: status {answer.status} while nothing was broken"


def usage_equals_answers(history: History) -> Iterable[str]:
    """Yield requests counted twice, answered but not counted, or counted as something else.

    A client that lost its connection, or whose answer was lost with Redis's connection, may have been counted once.
    What was answered just before Redis was killed may have been forgotten (docs/queue.md), and then not count, or as
    late.
    """
    counts = Counter(counted.request_id for counted in history.counted)
    statuses = {counted.request_id: counted.status for counted in history.counted}
    for request_id, count in counts.items():
        if count > 1:
            yield f"{request_id}: counted {count} times"
    for answer in history.answered:
        counted = statuses.get(answer.request_id)
        forgotten = counted in (504, None) and may_be_forgotten(history, answer)
        if answer.status == 200 and counted != 200 and not forgotten:
            yield f"{answer.request_id}: answered 200, counted {counted}"
        if answer.status == 429 and counted is not None:
            yield f"{answer.request_id}: refused with 429, counted {counted}"


def may_be_forgotten(history: History, answer: Answered) -> bool:
    """Return whether *answer* may not have been in Redis's append-only file when Redis was killed."""
    kills = (fault for fault in history.faults if (fault.kind, fault.target) == ("kill", "redis"))
    return any(kill.began - FORGETS_S <= answer.at <= kill.began + LATE_S for kill in kills)


def meanwhile(history: History, violation: str) -> str:
    """Return what was broken while the request that *violation* begins with was under way, in seconds of its life."""
    ends = {answer.request_id: answer.at for answer in history.answered}
    for sent in history.sent:
        if violation.startswith(sent.request_id):
            ended = max(ends.get(sent.request_id, 0.0), sent.at + sent.timeout_s)
            faults = (f for f in history.faults if f.began <= ended and sent.at <= f.ended + history.recovery_s)
            told = (f"{f.kind} {f.target} {f.began - sent.at:+.2f} to {f.ended - sent.at:+.2f} s" for f in faults)
            return f"timeout {sent.timeout_s:g} s; " + ", ".join(told)
    return ""


def nothing_stays_behind(history: History) -> Iterable[str]:
    """Yield Redis keys that were not there before the run."""
    for key in sorted(history.keys_after - history.keys_before):
        yield f"left in Redis: {key}"


def _broken(history: History, began: float, ended: float, *kinds: str) -> bool:
    """Return whether a fault (of *kinds*, or any), or the recovery from one, falls into the span."""
    faults = (fault for fault in history.faults if not kinds or fault.kind in kinds)
    return any(fault.began <= ended and began <= fault.ended + history.recovery_s for fault in faults)
