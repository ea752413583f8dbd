"""Whose id a request goes by."""

from __future__ import annotations

import pytest

from services.gateway.request_ids import request_id_of


def test_a_well_formed_id_is_kept() -> None:
    assert request_id_of("client-7:a.b_c") == "client-7:a.b_c"
    assert request_id_of("x" * 64) == "x" * 64


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\nb", '"', "é", "-starts-with-a-dash", "{json}"])
def test_any_other_is_replaced_by_a_new_one(given: str | None) -> None:
    made = [request_id_of(given), request_id_of(given)]

    assert all(len(new) == 32 and new.isalnum() for new in made)
    assert made[0] != made[1]
