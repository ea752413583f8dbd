"""Which dispatcher feeds which model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.queue.ownership import owned_by, owner_of

NAMES = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=8)


def test_without_a_dispatcher_nobody_owns_a_model() -> None:
    assert owner_of("m", []) is None
    assert owned_by("me", ["m"], []) == set()


@given(NAMES, NAMES)
def test_each_model_has_one_owner_whoever_reckons(models: set[str], dispatchers: set[str]) -> None:
    shares = [owned_by(dispatcher, models, sorted(dispatchers)) for dispatcher in dispatchers]

    assert sorted(model for share in shares for model in share) == sorted(models)


@given(NAMES, NAMES, st.text(min_size=1, max_size=8))
def test_when_one_joins_models_move_only_to_it(models: set[str], dispatchers: set[str], new: str) -> None:
    for model in models:
        assert owner_of(model, dispatchers | {new}) in {owner_of(model, dispatchers), new}


def test_the_models_are_shared_out() -> None:
    models = [f"acme-m{number}-1" for number in range(300)]

    assert all(60 < len(owned_by(me, models, "abc")) < 140 for me in "abc")
