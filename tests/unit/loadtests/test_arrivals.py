"""Open-loop arrivals: a Poisson process, the same for the same seed."""

from __future__ import annotations

import itertools
import random
import statistics

from loadtests.bench.arrivals import poisson


def test_arrivals_come_at_their_rate_with_the_gaps_of_a_poisson_process() -> None:
    times = list(itertools.islice(poisson(50.0, random.Random(7)), 20_000))

    gaps = [after - before for before, after in itertools.pairwise([0.0, *times])]
    assert abs(statistics.fmean(gaps) * 50.0 - 1.0) < 0.03
    assert abs(statistics.stdev(gaps) / statistics.fmean(gaps) - 1.0) < 0.03


def test_a_seed_gives_its_arrivals_again() -> None:
    first, again, other = (list(itertools.islice(poisson(5.0, random.Random(seed)), 10)) for seed in (1, 1, 2))

    assert first == again != other
