"""``python -m demo --cache FOLDER KEY…``: makes the demo models; prints the folder of each, one a line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.models import MODELS, build
from demo.packages import CannotFetch


def main() -> int:
    """Make the models that the arguments name (all without any), in ``FOLDER/models``."""
    arguments = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    arguments.add_argument("--cache", type=Path, required=True, help="where packages and models are kept")
    arguments.add_argument("keys", nargs="*", metavar="KEY", help=", ".join(MODELS))
    given = arguments.parse_args()
    if unknown := [key for key in given.keys if key not in MODELS]:
        arguments.error(f"no such demo model: {', '.join(unknown)} (there are: {', '.join(MODELS)})")
    try:
        for key in given.keys or MODELS:
            print(build(MODELS[key], given.cache / "downloads", given.cache / "models"), flush=True)
    except CannotFetch as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
