"""Model keys and the order of releases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import BadRequest
from services.registry.keys import parse_key, release_order


def newest(*releases: str) -> str:
    return max(releases, key=release_order)


def test_a_full_key_has_three_parts() -> None:
    assert parse_key("acme-coco_things-1") == ("acme", "coco_things", "1")


def test_a_key_without_release_has_an_empty_one() -> None:
    assert parse_key("acme-coco_things") == ("acme", "coco_things", "")


@pytest.mark.parametrize(
    "text", ["", "acme", "-", "a--1", "a-b-", "-b-1", "a-b-c-1", "a-b-1\n", "a b-c-1", "../a-b-1", "ä-b-1", "a-.-1"]
)
def test_any_other_text_is_no_key(text: str) -> None:
    with pytest.raises(BadRequest, match="malformed model key"):
        parse_key(text)


def test_what_is_said_of_a_bad_key_stays_short() -> None:
    with pytest.raises(BadRequest) as raised:
        parse_key("x" * 100_000)
    assert len(raised.value.detail) < 400


def test_whole_numbers_order_as_numbers() -> None:
    assert newest("9", "10", "2") == "10"


def test_trained_models_order_by_their_date_not_by_their_text() -> None:
    assert newest("311223_235959", "010124_000000") == "010124_000000"


def test_a_number_stands_over_a_date_and_a_date_over_other_text() -> None:
    assert newest("1", "010124_000000", "zz") == "1"
    assert newest("010124_000000", "zz") == "010124_000000"


def test_what_looks_like_a_date_but_is_none_orders_as_text() -> None:
    assert release_order("321399_000000")[0] == 0


@given(st.lists(st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.]{0,15}\Z"), min_size=1))
def test_every_release_has_a_place_in_the_order(releases: list[str]) -> None:
    backwards = list(reversed(releases))
    assert sorted(releases, key=release_order) == sorted(backwards, key=release_order)
