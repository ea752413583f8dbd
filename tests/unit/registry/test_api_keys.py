"""API keys: their terms, their tokens, and when a token opens one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import BadRequest, WrongState
from services.registry.api_keys import KnownKey, Terms, id_of, issue, opens, parse_terms, revoke, rotate

NOW_MS = 1_700_000_000_000


def issued(**terms: Any) -> tuple[KnownKey, str]:
    return issue(Terms(**{"client_id": "ann", **terms}), actor="root", now_ms=NOW_MS)


def test_a_token_names_its_key_and_opens_it() -> None:
    known, token = issued()
    assert token.startswith(f"sv_{known.key.id}_")
    assert id_of(token) == known.key.id
    assert opens(token, known, now_ms=NOW_MS)


def test_two_tokens_are_never_the_same() -> None:
    assert len({issued()[1] for _ in range(100)}) == 100


def test_nothing_that_is_kept_of_a_key_holds_its_secret() -> None:
    known, token = issued()
    assert token.rpartition("_")[2] not in repr(known)


@given(st.data())
def test_a_token_with_one_other_letter_opens_nothing(data: st.DataObject) -> None:
    known, token = issued()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda it: it != token[at]))
    assert not opens(token[:at] + other + token[at + 1 :], known, now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["", "sv_", "Bearer", "sv_abc_def", "sv_0123456789ab_é" + "x" * 31, "x" * 10_000])
def test_what_is_no_token_names_no_key(text: str) -> None:
    assert id_of(text) == ""


def test_a_key_expires_at_its_time() -> None:
    known, token = issued(expires_at_ms=NOW_MS + 10)
    assert opens(token, known, now_ms=NOW_MS + 9)
    assert not opens(token, known, now_ms=NOW_MS + 10)


def test_after_a_rotation_the_old_token_is_taken_for_the_grace_and_no_longer() -> None:
    known, old = issued()
    turned, new = rotate(known, grace_s=60, now_ms=NOW_MS)
    assert id_of(new) == id_of(old)
    assert opens(new, turned, now_ms=NOW_MS)
    assert opens(old, turned, now_ms=NOW_MS + 59_999)
    assert not opens(old, turned, now_ms=NOW_MS + 60_000)


def test_a_rotation_that_is_repeated_leaves_the_first_token_its_grace_and_adds_nothing_to_it() -> None:
    known, first = issued()
    once, second = rotate(known, grace_s=60, now_ms=NOW_MS)
    twice, third = rotate(once, grace_s=60, now_ms=NOW_MS + 10_000)
    assert all(opens(token, twice, now_ms=NOW_MS + 59_999) for token in (first, second, third))
    assert not opens(first, twice, now_ms=NOW_MS + 60_000)
    assert opens(second, twice, now_ms=NOW_MS + 69_999)
    assert not opens(second, twice, now_ms=NOW_MS + 70_000)


def test_a_shorter_grace_holds_for_all_tokens_before() -> None:
    known, first = issued()
    once, second = rotate(known, grace_s=3600, now_ms=NOW_MS)
    twice, _ = rotate(once, grace_s=60, now_ms=NOW_MS)
    assert all(opens(token, twice, now_ms=NOW_MS + 59_999) for token in (first, second))
    assert not any(opens(token, twice, now_ms=NOW_MS + 60_000) for token in (first, second))


def test_a_rotation_without_grace_ends_every_token_before() -> None:
    known, first = issued()
    once, second = rotate(known, grace_s=60, now_ms=NOW_MS)
    twice, third = rotate(once, grace_s=0, now_ms=NOW_MS)
    assert [opens(token, twice, now_ms=NOW_MS) for token in (first, second, third)] == [False, False, True]


def test_the_newest_three_tokens_before_have_a_grace_and_what_is_over_is_not_kept() -> None:
    known, token = issued()
    tokens = [token]
    for _ in range(4):
        known, token = rotate(known, grace_s=60, now_ms=NOW_MS)
        tokens.append(token)
    assert [opens(token, known, now_ms=NOW_MS) for token in tokens] == [False, True, True, True, True]
    assert len(rotate(known, grace_s=60, now_ms=NOW_MS + 60_000)[0].hashes) == 2


def test_without_grace_the_old_token_ends_at_once() -> None:
    known, old = issued()
    turned, _ = rotate(known, grace_s=0, now_ms=NOW_MS)
    assert not opens(old, turned, now_ms=NOW_MS)


@pytest.mark.parametrize("grace_s", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_grace_that_is_no_time_is_refused(grace_s: float) -> None:
    with pytest.raises(BadRequest, match="grace_s"):
        rotate(issued()[0], grace_s=grace_s, now_ms=NOW_MS)


def test_a_revoked_key_is_opened_by_nothing_and_does_not_turn() -> None:
    known, token = issued()
    ended = revoke(known, now_ms=NOW_MS)
    assert not opens(token, ended, now_ms=NOW_MS)
    with pytest.raises(WrongState, match="revoked"):
        rotate(ended, grace_s=0, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("patterns", "allowed", "forbidden"),
    [
        ((), "any-model-1", ""),
        (("acme-coco-1",), "acme-coco-1", "acme-coco-2"),
        (("acme-coco",), "acme-coco-2", "acme-cocoa-1"),
        (("acme-*",), "acme-lanes-3", "acmes-lanes-3"),
        (("zoo-*", "*-coco-*"), "acme-coco-1", "acme-lanes-1"),
    ],
)
def test_patterns_say_which_models_may_be_used(patterns: tuple[str, ...], allowed: str, forbidden: str) -> None:
    key = issued(models=patterns)[0].key
    assert key.may_use(allowed)
    assert not (forbidden and key.may_use(forbidden))


def test_terms_are_read_from_json_and_default_to_no_limits() -> None:
    terms = parse_terms(b'{"client_id": "ann", "models": ["acme-*"], "requests_per_s": 2.5}')
    assert terms == Terms(client_id="ann", models=("acme-*",), requests_per_s=2.5)


def test_every_bad_field_of_the_terms_is_named() -> None:
    bad = {
        "client_id": "a b",
        "name": "\x00",
        "models": ["a/b"],
        "requests_per_s": -1,
        "burst": -1,
        "requests_per_day": "many",
        "priority": "first",
        "weight": 0,
        "admin": 1,
        "expires_at_ms": -1,
        "id": "mine",
    }
    with pytest.raises(BadRequest) as raised:
        parse_terms(bad)
    assert [name for name in bad if f"{name}: " not in raised.value.detail] == []


def test_no_key_can_be_the_operators() -> None:
    with pytest.raises(BadRequest, match=r"client_id: .* not admin"):
        parse_terms({"client_id": "admin"})


@pytest.mark.parametrize("document", [b"", b"[]", b"[" * 100_000, b"{}", b'{"client_id": null}', b"\xff"])
def test_what_is_no_description_of_a_key_is_refused(document: bytes) -> None:
    with pytest.raises(BadRequest, match="bad API key"):
        parse_terms(document)
