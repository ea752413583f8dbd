"""``python -m services.model_server --model FOLDER``: serves one model until SIGTERM or Drain, then exits with 0."""

from __future__ import annotations

import faulthandler
import os
import sys

from chassis import huge_pages, logs
from services.model_server.machine import LowPriority

if __name__ == "__main__":
    huge_pages.ask()
    faulthandler.enable()
    with LowPriority():  # imports are most of a start's work, and others may be busy on this machine
        from services.model_server.command import main
    code = main(sys.argv[1:])
    logs.flush()
    sys.stdout.flush()
    # Frameworks' threads may hold the interpreter's own end up for seconds; all that matters is done.
    os._exit(code)
