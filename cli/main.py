"""``servoir``: one command for whoever runs a suite. Each group of commands is a file in ``cli/commands``."""

from __future__ import annotations

import sys
from typing import Any

import click

from chassis.settings import BadSettings, load
from cli.commands import (
    completion,
    convert,
    doctor,
    down,
    evaluate,
    install,
    jobs,
    keys,
    logs,
    models,
    predict,
    publish,
    quarantine,
    queue,
    release,
    restart,
    scale,
    status,
    up,
    usage,
)
from cli.errors import Exit, Stop
from cli.output import print_problem
from cli.settings import Settings
from cli.suite import Suite


class _Group(click.Group):
    """Ends a command that stopped with its words and its exit code, never with a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            context.obj = Suite(load(Settings))
            return super().invoke(context)
        except Stop as stop:
            print_problem(stop.problem, stop.advice)
            sys.exit(stop.code)
        except PermissionError as error:
            print_problem(f"no permission: {error.filename}", "Choose a SERVOIR_HOME that this user may write to.")
            sys.exit(Exit.FAILED)
        except BadSettings as error:
            print_problem(str(error), "Correct these variables, or the `settings:` and `ports:` of servoir.yaml.")
            sys.exit(Exit.FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="servoir")
def main() -> None:
    """Serve vision models from a durable queue.

    Everything of a suite on this machine lies under SERVOIR_HOME. Exit codes: 0 done; 1 failed; 2 wrong command line;
    3 refused by the suite; 4 the suite is away; 5 a part of it does not run.
    """


for _module in (
    up,
    down,
    status,
    logs,
    publish,
    models,
    release,
    restart,
    predict,
    jobs,
    evaluate,
    convert,
    scale,
    queue,
    quarantine,
    keys,
    usage,
    doctor,
    install,
    completion,
):
    for _command in _module.COMMANDS:
        main.add_command(_command)

if __name__ == "__main__":
    main()
