"""``make test-compose``: an engine where there is none, the images, the tests, and everything stopped again.

What follows on the command line goes to pytest. Exits with pytest's code, or 1 where something is missing, saying what.
SERVOIR_TEST_OFFICIAL_IMAGES=true pulls the images of Python, nginx, Redis and MongoDB instead of making stand-ins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from embedded import Missing as MissingServer
from tests.compose.engine import Missing, compose, running_engine
from tests.compose.image_builds import build_all, variables
from tests.parts import ROOT


def main(arguments: list[str]) -> int:
    """Do it all; return the exit code."""
    try:
        with running_engine() as address:
            program = compose()
            environ = {**os.environ, **address}
            build_all(program, environ)
            told = {"SERVOIR_TEST_COMPOSE": json.dumps(program), **variables()}
            command = [sys.executable, "-m", "pytest", "-m", "compose", "tests/compose", *arguments]
            return subprocess.run(command, cwd=ROOT, env={**environ, **told}).returncode
    except (Missing, MissingServer) as missing:
        print(f"make test-compose: {missing}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
