"""``servoir jobs``: asynchronous predictions, and background jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.answers import print_objects
from cli.commands.following import until_over
from cli.errors import Exit
from cli.jobs import BackgroundJobs, is_background, is_many, read_values
from cli.output import console, json_option, print_json, print_table, readable_bytes, readable_seconds, report
from cli.sources import as_sources, is_upload
from cli.suite import Suite

_TASKS = ("bbox", "polygon", "lane", "classify")
_FORMATS = ("jsonl", "via", "coco", "csv", "annotated", "files")

_follow = click.option("--follow", is_flag=True, help="Show how it goes on until it is over.")


@click.group()
def jobs() -> None:
    """Work that takes its time: submit it, look at it, cancel it, fetch what came out.

    Pictures are predicted without waiting, through the queue; folders, archives and lists by a worker, as a background
    job.
    """


@jobs.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--model", "key", default="", help="The model's key; without it, the default of the task answers.")
@click.option("--task", type=click.Choice(_TASKS), default="bbox", show_default=True, help="What is asked.")
@click.option("--timeout", "timeout_s", type=float, default=0.0, help="Pictures: the deadline in seconds; ten minutes.")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(_FORMATS), help="Jobs: what to write, repeatedly."
)
@click.option("--min-score", type=float, default=0.0, help="Jobs: leave out what the model is less sure of.")
@click.option("--background", is_flag=True, help="A background job, though the sources are pictures.")
@click.option("--upload", is_flag=True, help="Jobs: send the files; else a suite on this machine reads them itself.")
@_follow
@json_option
@click.pass_obj
def submit(
    suite: Suite,
    sources: tuple[str, ...],
    key: str,
    task: str,
    timeout_s: float,
    formats: tuple[str, ...],
    min_score: float,
    background: bool,
    upload: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Submit SOURCES, and print the job's id.

    Pictures are one asynchronous prediction. A folder, a zip or tar file, a list (.txt, a path on each line) or an
    upload (upload:ID) is a background job: the model over every picture of it.
    """
    many = background or follow or formats or any(is_upload(source) or is_many(Path(source)) for source in sources)
    if not many:
        job = suite.gateway.submit([Path(source) for source in sources], task=task, key=key, timeout_s=timeout_s)
        _say(job, as_json)
        return
    found = BackgroundJobs(suite.gateway)
    asked: dict[str, Any] = {"model": key, "task": task, "min_score": min_score}
    asked |= {"formats": formats} if formats else {}
    job = found.start("predict", {**asked, "source": as_sources(suite, found, sources, upload=upload)})
    _say(job, as_json and not follow)
    if follow:
        _show(until_over(found, job, quiet=as_json), as_json)


@jobs.command()
@click.argument("kind")
@click.argument("parameters", nargs=-1)
@_follow
@json_option
@click.pass_obj
def start(suite: Suite, kind: str, parameters: tuple[str, ...], follow: bool, as_json: bool) -> None:
    """Start a background job of KIND with PARAMETERS (NAME=VALUE; a value may be JSON), and print its id.

    docs/jobs.md and the suite's /docs say which kinds there are, and what they take.
    """
    found = BackgroundJobs(suite.gateway)
    job = found.start(kind, read_values(parameters))
    _say(job, as_json and not follow)
    if follow:
        _show(until_over(found, job, quiet=as_json), as_json)


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
@click.pass_obj
def list_(suite: Suite, limit: int, as_json: bool) -> None:
    """List background jobs, newest first."""
    found = BackgroundJobs(suite.gateway).jobs(limit)
    if as_json:
        print_json(found)
        return
    rows = [(job["id"], job["name"], job["client"], job["created"][:19], line_of(job)) for job in found]
    print_table(["job", "name", "client", "submitted", "state"], rows)


@jobs.command()
@click.argument("job")
@_follow
@json_option
@click.pass_obj
def show(suite: Suite, job: str, follow: bool, as_json: bool) -> None:
    """Show how JOB is doing, and at its end what was found or came out."""
    if is_background(job):
        found = BackgroundJobs(suite.gateway)
        if follow:
            _show(until_over(found, job, quiet=as_json), as_json)
        else:
            _show(found.job(job), as_json)
        return
    told = suite.gateway.job(job)
    if as_json:
        print_json(told)
    else:
        _print(told)
    if told["state"] in ("failed", "cancelled"):
        raise SystemExit(Exit.FAILED)


@jobs.command()
@click.argument("job")
@json_option
@click.pass_obj
def log(suite: Suite, job: str, as_json: bool) -> None:
    """Print the log of a background JOB."""
    lines = BackgroundJobs(suite.gateway).log(job)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        console.print(line, markup=False)


@jobs.command()
@click.argument("job")
@json_option
@click.pass_obj
def cancel(suite: Suite, job: str, as_json: bool) -> None:
    """Cancel JOB. Of an asynchronous prediction, what runs already is let finish."""
    if is_background(job):
        told = BackgroundJobs(suite.gateway).cancel(job)
        report(told, line_of(told), as_json=as_json)
    else:
        _show(suite.gateway.cancel(job), as_json)


@jobs.command()
@click.argument("job")
@_follow
@json_option
@click.pass_obj
def retry(suite: Suite, job: str, follow: bool, as_json: bool) -> None:
    """Have a background JOB that failed or was cancelled go on from where it was."""
    found = BackgroundJobs(suite.gateway)
    told = found.retry(job)
    if not (follow and as_json):
        report(told, line_of(told), as_json=as_json)
    if follow:
        _show(until_over(found, job, quiet=as_json), as_json)


@jobs.command()
@click.argument("job")
@click.argument("names", nargs=-1)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Write the files, or NAMES of them, there.")
@json_option
@click.pass_obj
def results(suite: Suite, job: str, names: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """List the files that came out of a background JOB, or fetch them."""
    found = BackgroundJobs(suite.gateway)
    files = found.results(job)
    if folder is not None:
        for name in names or [file["name"] for file in files]:
            console.print(str(found.fetch(job, name, folder)), markup=False)
    elif as_json:
        print_json(files)
    else:
        print_table(["file", ">size"], [(file["name"], readable_bytes(file["size"])) for file in files])


def _say(job: str, as_json: bool) -> None:
    if as_json:
        print_json({"id": job})
    else:
        click.echo(job)


def _show(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        console.print(line_of(told), markup=False)
        for name, value in told["figures"].items():
            console.print(f"  {name}: {value}", markup=False)
    if told["state"] in ("failed", "cancelled"):
        raise SystemExit(Exit.FAILED)


def _print(told: dict[str, Any]) -> None:
    console.print(line_of(told))
    if "answer" in told:
        print_objects(told["answer"])


def line_of(told: dict[str, Any]) -> str:
    """Return how a job of either sort is doing, in a line."""
    if "kind" in told:
        return _background_line(told)
    if "place" in told:
        left = f", about {readable_seconds(told['left_s'])} left" if "left_s" in told else ""
        return f"{told['state']}: place {told['place']} in the queue{left}"
    if "problem" in told:
        return f"{told['state']}: {told['problem']['detail']}"
    if "answer" in told:
        return str(told["state"])
    return f"{told['state']}: {told['images']['answered']} answered, {told['images']['running']} running"


def _background_line(told: dict[str, Any]) -> str:
    if "problem" in told:
        return f"{told['state']}: {told['problem']}"
    done = f" {told['done']} of {told['total']}" if told["total"] else ""
    rate = f", {told['rate']:.1f} a second" if "rate" in told else ""
    left = f", about {readable_seconds(told['left_s'])} left" if "left_s" in told else ""
    return f"{told['state']}{done}{rate}{left}"


COMMANDS = [jobs]
