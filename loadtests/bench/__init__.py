"""``python -m loadtests.bench``: what a suite costs, as ratios measured in one run; docs/performance.md explains it."""
