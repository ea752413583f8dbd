"""``servoir evaluate``, ``reports`` and ``history``: what a model is worth, and who released it on what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli import acceptance
from cli.commands.following import follow_to_end
from cli.completions import model_keys
from cli.jobs import BackgroundJobs
from cli.output import json_option, print_json, print_table
from cli.sources import as_sources
from cli.suite import Suite

_TASKS = ("bbox", "polygon", "lane", "classify")
_FORMATS = ("coco", "via", "voc", "yolo", "folders", "csv", "tusimple")
_SHOWN = ("mAP", "mAP_50", "segm_mAP", "lane_accuracy", "top_1", "top_5", "score_difference", "edge_difference_pixels")


@click.command()
@click.argument("key", shell_complete=model_keys)
@click.argument("labelled_set")
@click.option("--pictures", default="", help="Where its pictures are, if not beside its annotations.")
@click.option(
    "--format", "format", type=click.Choice(_FORMATS), help="What the set is written in; else it is found out."
)
@click.option("--task", type=click.Choice(_TASKS), help="What is asked; the model's own task.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="SET=MODEL",
    help="A label of the set in the model's words; SET= ignores it.",
)
@click.option("--name", "set_name", default="", help="What the set is called in reports and demands.")
@click.option("--no-record", is_flag=True, help="Do not keep the report at the registry.")
@click.option("--upload", is_flag=True, help="Send the files; else a suite on this machine reads them itself.")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Write the report (page and JSON) there.")
@json_option
@click.pass_obj
def evaluate(
    suite: Suite,
    key: str,
    labelled_set: str,
    pictures: str,
    format: str | None,
    task: str | None,
    labels: tuple[str, ...],
    set_name: str,
    no_record: bool,
    upload: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Judge the model KEY on LABELLED_SET: a folder, an archive or an annotation file.

    Its pictures go through the queue behind everybody else's. The report is a page to look at, a JSON to read, and
    a document at the registry, on whose figures a release can depend: `servoir release KEY --require 'mAP>=0.2'`.
    """
    found = BackgroundJobs(suite.gateway)
    asked: dict[str, Any] = {
        "model": key,
        "task": task or _task_of(suite, key),
        "labelled_set": as_sources(suite, found, [labelled_set], upload=upload),
        "set_name": set_name or Path(labelled_set).stem,
        "labels": dict(_label(text) for text in labels),
        "record": not no_record,
    }
    asked |= {"pictures": as_sources(suite, found, [pictures], upload=upload)} if pictures else {}
    asked |= {"format": format} if format else {}
    follow_to_end(found, found.start("evaluate", asked), folder=folder, as_json=as_json)


@click.command()
@click.argument("key", default="", shell_complete=model_keys)
@json_option
@click.pass_obj
def reports(suite: Suite, key: str, as_json: bool) -> None:
    """List the reports on the model KEY, or on all, newest first."""
    found = acceptance.reports(suite.gateway, key)
    if as_json:
        print_json(found)
        return
    rows = [(it["made"][:19], it["model"], it["kind"], it["set"], _figures(it["figures"]), it["id"]) for it in found]
    print_table(["made", "model", "kind", "on", "figures", "report"], rows)


@click.command()
@click.argument("key", default="", shell_complete=model_keys)
@json_option
@click.pass_obj
def history(suite: Suite, key: str, as_json: bool) -> None:
    """Tell who published, released, retired or reported on the model KEY, or on any, and on what figures."""
    found = acceptance.history(suite.gateway, key)
    if as_json:
        print_json(found)
        return
    rows = [(it["at"][:19], it["model"], it["action"], it["after"], it["by"], it["detail"]) for it in found]
    print_table(["at", "model", "what", "to", "by", "on"], rows)


def _task_of(suite: Suite, key: str) -> str:
    models = suite.gateway.models()["models"]
    tasks = {"-".join(model[part] for part in ("org_name", "problem_id", "rel_num")): model["task"] for model in models}
    return next((task for known, task in tasks.items() if known == key or known.startswith(f"{key}-")), "bbox")


def _label(text: str) -> tuple[str, str]:
    name, _, to = text.partition("=")
    return name, to


def _figures(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {figures[name]:.3f}" for name in _SHOWN if name in figures)


COMMANDS = [evaluate, reports, history]
