"""Waiting for a background job with a bar, and showing how it ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.errors import Exit
from cli.jobs import ENDED, BackgroundJobs
from cli.output import console, print_json

_LOOK_S = 0.5


def follow_to_end(found: BackgroundJobs, job: str, *, folder: Path | None, as_json: bool) -> None:
    """Show how *job* goes on until it is over, then what came out; its files go into *folder*, where one is named.

    Ends the command with the exit code of a failure where the job did not end well.
    """
    told = until_over(found, job, quiet=as_json)
    files = []
    if folder is not None:
        files = [str(found.fetch(job, file["name"], folder)) for file in found.results(job)]
    if as_json:
        print_json({**told, "files": files})
    else:
        console.print(f"{told['id']}: {told['state']}" + (f": {told['problem']}" if told.get("problem") else ""))
        for name, value in told["figures"].items():
            console.print(f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}", markup=False)
        for name in files or [f"`servoir jobs results {job} --to FOLDER` fetches the report."]:
            console.print(name, markup=False)
    if told["state"] != "done":
        raise SystemExit(Exit.FAILED)


def until_over(found: BackgroundJobs, job: str, *, quiet: bool) -> dict[str, Any]:
    """Show a bar, unless it is to be *quiet*, until *job* is over; return how it ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    told = found.job(job)
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task(told["state"], total=None)
        while told["state"] not in ENDED:
            doing = told["stage"] or told["state"]
            progress.update(bar, description=doing, completed=told["done"], total=told["total"] or None)
            time.sleep(_LOOK_S)
            told = found.job(job)
    return told
