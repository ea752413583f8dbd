"""``servoir logs``: the lines of all services together, in the order of their times."""

from __future__ import annotations

import sys
import time

import click

from cli.errors import Stop
from cli.log_lines import LogFile, merged
from cli.suite import Suite

_PAUSE_S = 0.2


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--lines", "-n", default=100, show_default=True, help="The most lines to begin with; 0: all.")
@click.option("--request", "request_id", default="", help="Only lines that name this request_id.")
@click.option("--service", default="", help="Only services whose name begins so: gateway, model- …")
@click.pass_obj
def logs(suite: Suite, follow: bool, lines: int, request_id: str, service: str) -> None:
    """Show what the services of this machine log, one JSON line per event."""
    folder = suite.supervisor.logs
    files = [LogFile(path) for path in sorted(folder.glob("*.log")) if path.name.startswith(service)]
    if not files:
        raise Stop(f"no logs in {folder}", "Start the suite with `servoir up`.")
    shown = [line for line in merged(files) if request_id in line]
    _print(shown[-lines:] if lines else shown)
    while follow:
        time.sleep(_PAUSE_S)
        _print([line for line in merged(files) if request_id in line])


def _print(lines: list[str]) -> None:
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


COMMANDS = [logs]
