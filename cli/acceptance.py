"""What a release is made to depend on: figures of the model's report, asked of the suite."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from cli.errors import Exit, Stop
from cli.gateway import V3, Gateway


class Demands(NamedTuple):
    """Figures that a release *require*s (``mAP>=0.20``), of the newest report on the labelled set *on_set*."""

    require: tuple[str, ...] = ()
    on_set: str = ""

    def __bool__(self) -> bool:
        return bool(self.require or self.on_set)

    @property
    def body(self) -> dict[str, Any]:
        """What goes with a release over HTTP."""
        return {"require": list(self.require), "on": self.on_set} if self else {}


def check(gateway: Gateway, key: str, demands: Demands) -> dict[str, Any]:
    """Return what the release of *key* would be accepted on; raises Stop naming every demand that is not met."""
    query = {"model": key, "require": list(demands.require), "on": demands.on_set}
    answer = gateway.call("GET", f"{V3}/acceptance", allowed=(409,), params=query)
    if answer.status_code == 409:
        advice = f"`servoir evaluate {key} SET` makes a report; nothing was changed."
        raise Stop(answer.json()["detail"], advice, code=Exit.REFUSED)
    return cast(dict[str, Any], answer.json())


def history(gateway: Gateway, key: str) -> list[dict[str, Any]]:
    """Return who did what to the model *key*, newest first; to all models where it is empty."""
    answer = gateway.call("GET", f"{V3}/history", params={"model": key})
    return cast(list[dict[str, Any]], answer.json()["history"])


def reports(gateway: Gateway, key: str) -> list[dict[str, Any]]:
    """Return the reports on the model *key*, newest first; on all models where it is empty."""
    answer = gateway.call("GET", f"{V3}/reports", params={"model": key})
    return cast(list[dict[str, Any]], answer.json()["reports"])
