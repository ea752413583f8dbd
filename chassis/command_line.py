"""The command line of a service that is told everything by variables: it has ``--help``, and nothing else."""

from __future__ import annotations

import argparse


def take_no_options(module: str, what: str) -> None:
    """Go on where ``python -m`` *module* was called without options; else end, with help or naming what is wrong."""
    told = "It is told by variables, SERVOIR_…: docs/settings.md has them all. It serves until SIGTERM."
    argparse.ArgumentParser(f"python -m {module}", description=what, epilog=told).parse_args()
