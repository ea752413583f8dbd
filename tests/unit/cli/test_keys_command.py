"""``servoir keys``: how keys are shown, and what is taken as their id and as a duration."""

from __future__ import annotations

from typing import Any

import click
import pytest

from cli.commands.keys import Duration, KeyId, row_of, state_of

NOW_MS = 1_700_000_000_000


def key(**fields: Any) -> dict[str, Any]:
    known = {"id": "0123456789ab", "client_id": "ann", "name": "", "models": [], "requests_per_s": 0.0, "burst": 0}
    known |= {"requests_per_day": 0, "priority": "interactive", "weight": 1.0, "admin": False}
    return known | {"expires_at_ms": 0, "revoked_at_ms": 0} | fields


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "valid"),
        ({"expires_at_ms": NOW_MS + 1}, "until 2023-11-14 22:13"),
        ({"expires_at_ms": NOW_MS}, "expired 2023-11-14 22:13"),
        ({"expires_at_ms": NOW_MS, "revoked_at_ms": NOW_MS - 86_400_000}, "revoked 2023-11-13 22:13"),
    ],
)
def test_a_keys_state_says_whether_it_can_be_used(fields: dict[str, Any], state: str) -> None:
    assert state_of(key(**fields), NOW_MS) == state


def test_a_line_shows_the_limits_and_nothing_where_there_are_none() -> None:
    limited = key(models=["acme-*", "zoo-a"], requests_per_s=2.5, burst=5, requests_per_day=100, admin=True)

    assert row_of(key(), NOW_MS) == ["0123456789ab", "ann", "", "all", "", "", "interactive", "1", "valid"]
    assert row_of(limited, NOW_MS)[1:6] == ["ann (admin)", "", "acme-*, zoo-a", "2.5 (5 at once)", 100]


@pytest.mark.parametrize("text", ["0123456789ab", "sv_0123456789ab", "sv_0123456789ab_" + "x" * 32])
def test_of_a_token_only_its_id_is_sent(text: str) -> None:
    assert KeyId().convert(text, None, None) == "0123456789ab"


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("1.5m", 90), ("5s", 5)])
def test_durations_have_a_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("kind", "text"), [(KeyId(), "ann"), (KeyId(), "../x"), (Duration(), "5"), (Duration(), "-1d")]
)
def test_anything_else_is_refused(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)
