"""Changes which models a running suite serves, while requests come: release, retire, scale.

The order is always the same: what is new serves before anything is sent to it; what is old ends when nothing is sent to
it any more, and has answered what it has. What was done is remembered before anything ends, so that a command which is
broken off leaves a suite that serves, and `servoir up` one that serves the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import msgspec

from cli import waiting
from cli.acceptance import Demands
from cli.deployment import ModelEntry
from cli.errors import Exit, Stop
from cli.figures import read_figures
from cli.model_set import Entries, of_problem, problem_of
from cli.output import step
from cli.programs import programs, servers_of
from cli.suite import Suite
from cli.supervision import Away
from cli.versions import Move, plan_move

SETTLE_S = 2.0
PATIENCE_S = 120.0
_LEASE_S = 60.0
_PAUSE_S = 0.2
_NO_DEMANDS = Demands()


class Rollout:
    """Changes to the models of *suite*, which must run here.

    A version has no more traffic when nothing of it has waited or been answered for *settle_s*; that is waited for for
    at most *patience_s*.
    """

    def __init__(self, suite: Suite, *, settle_s: float = SETTLE_S, patience_s: float = PATIENCE_S) -> None:
        suite.supervisor.check_runs()
        self._suite = suite
        self._settle_s, self._patience_s = settle_s, patience_s

    def release(self, key: str, *, replicas: int = 0, keep_old: bool = False, demands: Demands = _NO_DEMANDS) -> Move:
        """Serve the model *key* in the place of the version that its short key finds now; return what moved.

        Without *replicas* it has as many servers as that one. *demands* on its report are told to the registry, which
        holds the release to them and keeps what it was accepted on. Raises Stop, with nothing changed, where *key* does
        not come to serve; and with both versions served where requests still come for the old one, by its full key.
        """
        suite = self._suite
        suite.gateway.publish(suite.stored(key).modelinfo)
        move = plan_move(suite.gateway.models(), key)
        if keep_old and move.newer:
            problem = f"{problem_of(key)} finds {move.newer[-1]} for as long as that is released"
            raise Stop(problem, "Release it without --keep-old.", code=Exit.REFUSED)
        before = suite.models.entries()
        entry = _entry(before, move, replicas)
        beside = {key: entry, **{at: kept for at, kept in of_problem(before, problem_of(key)).items() if at != key}}
        with self._taken_back_on_failure(key, before):
            self._serve(key, suite.models.with_change(problem_of(key), beside))
        suite.models.remember(problem_of(key), beside)
        self._point_to(move, demands)
        if not keep_old:
            for version in move.replaced:
                self._end(version, at_once=version in move.newer)
        return move

    def retire(self, key: str) -> None:
        """Let nothing find the model *key* any more, and end its servers when they have answered what they have."""
        self._end(key, at_once=True)

    def scale(self, key: str, replicas: int) -> None:
        """Serve the model *key* with *replicas* servers; raises Stop, with nothing changed, where one does not come."""
        before = self._suite.models.entries()
        if key not in before:
            raise Stop(
                f"{key} is not served here", f"Served are: {', '.join(before) or 'none'}. `servoir release` adds."
            )
        problem = problem_of(key)
        wanted = {**of_problem(before, problem), key: msgspec.structs.replace(before[key], replicas=replicas)}
        if replicas < before[key].replicas:
            self._suite.models.remember(problem, wanted)
            with step(f"{key}: the others have answered what they had, and ended"):
                self._suite.apply_model_servers(key, self._suite.models.entries())
            return
        with self._taken_back_on_failure(key, before):
            self._serve(key, self._suite.models.with_change(problem, wanted))
        self._suite.models.remember(problem, wanted)

    # -- the new -----------------------------------------------------------------------------------

    @contextmanager
    def _taken_back_on_failure(self, key: str, before: Entries) -> Iterator[None]:
        """Make the models *before* those that are served again, where what is done here fails.

        A suite that was stopped meanwhile stays so: nothing of this is remembered, so that it starts as it was before.
        """
        try:
            yield
        except Away:
            raise
        except (Stop, KeyboardInterrupt) as failure:
            self._suite.apply_model_servers(key, before)
            if isinstance(failure, Stop):
                advice = f"Whole logs are in {self._suite.supervisor.logs}."
                raise Stop(f"{failure.problem}\nNothing has changed.", advice, code=failure.code) from failure
            raise

    def _serve(self, key: str, entries: Mapping[str, ModelEntry]) -> None:
        """Make *entries* what runs, and return when all servers of *key* serve, and the queue counts on them."""
        self._suite.start_model_servers(self._suite.apply_model_servers(key, entries))
        with step(f"the queue sends to {entries[key].replicas} of {key}"):
            leases = partial(self._counted, key, entries[key].replicas)
            _wait(leases, timeout_s=_LEASE_S, problem=f"{key} serves, but the dispatcher does not find it")

    def _counted(self, key: str, replicas: int) -> bool:
        return any(row["model"] == key and row["replicas"] >= replicas for row in self._suite.gateway.queues())

    def _point_to(self, move: Move, demands: Demands) -> None:
        gateway = self._suite.gateway
        with step(f"{move.key} is released"):
            gateway.release(move.key, demands.body)
            for task in move.tasks:
                gateway.set_default(task, move.key)
            for version in move.newer:
                gateway.retire(version)

    # -- the old -----------------------------------------------------------------------------------

    def _end(self, key: str, *, at_once: bool) -> None:
        """Retire *key* and end its servers: once nothing asks for it, or *at_once*, whoever asks for it by its key."""
        suite = self._suite
        if not at_once:
            with step(f"requests have left {key}"):
                self._wait_until_quiet(key, f"`servoir retire {key}` ends it, whoever asks for it by its whole key.")
        suite.gateway.retire(key)
        with step(f"{key} is retired, and has answered what it had"):
            self._wait_until_quiet(key, "A gateway does not follow the registry: `servoir logs --service gateway`.")
        left = of_problem(suite.models.entries(), problem_of(key))
        if left.pop(key, None) is not None:
            suite.models.remember(problem_of(key), left)
            with step(f"the servers of {key} have ended"):
                suite.apply_model_servers(key, suite.models.entries())

    def _wait_until_quiet(self, key: str, advice: str) -> None:
        """Return when nothing of *key* has waited or been answered for a while; Stop with *advice* where it goes on."""
        ports = [server.ports[1] for server in servers_of(key, programs(self._suite.plan()))]
        state = self._traffic(key, ports)
        changed_s = began_s = time.monotonic()
        while state[0] or time.monotonic() - changed_s < self._settle_s:
            if time.monotonic() - began_s > self._patience_s:
                raise Stop(f"requests still come for {key}: its servers run on", advice)
            time.sleep(_PAUSE_S)
            before, state = state, self._traffic(key, ports)
            if state[0] or state != before:
                changed_s = time.monotonic()

    def _traffic(self, key: str, ports: list[int]) -> tuple[int, list[float]]:
        """Return how many items of *key* are accepted and not answered, and how many each of its servers answered."""
        rows = [row for row in self._suite.gateway.queues() if row["model"] == key]
        open_items = sum(row[kind] for row in rows for kind in ("interactive", "batch", "suspects", "at_work"))
        return open_items, [read_figures(port).get("servoir_model_server_items_total", 0.0) for port in ports]


def _entry(entries: Mapping[str, ModelEntry], move: Move, replicas: int) -> ModelEntry:
    """Return how the released model is to be served: as it is, else as the one that it stands in for."""
    old = entries.get(move.replaced[-1]) if move.replaced else None
    like = entries.get(move.key) or msgspec.structs.replace(old or ModelEntry(move.key), model=move.key)
    servers = replicas or like.replicas or (old.replicas if old else 0) or 1
    return msgspec.structs.replace(like, replicas=servers)


def _wait(condition: waiting.Condition, *, timeout_s: float, problem: str) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise Stop(problem, "`servoir logs --service dispatcher` may say why.", code=Exit.NOT_READY)
        time.sleep(_PAUSE_S)
