"""The promises under fire, in a short form; `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.run import run
from tests.chaos.subjects import Echo


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_promise_is_kept_while_every_part_is_killed_and_paused(tmp_path: Path, seed: int) -> None:
    history = run(tmp_path, Echo(tmp_path / "model"), seed=seed, faults=25)

    assert violations(history) == [], history.summary()
    assert len(history.faults) == 25
    assert sum(answer.status == 200 for answer in history.answered) > 100
