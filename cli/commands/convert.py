"""``servoir convert``: a model for another engine, as a new release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.commands.following import follow_to_end
from cli.completions import model_keys
from cli.jobs import BackgroundJobs
from cli.output import json_option
from cli.sources import as_sources
from cli.suite import Suite

_GPUS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")


@click.command()
@click.argument("key", shell_complete=model_keys)
@click.option("--to", "to", type=click.Choice(("onnx", "tensorrt")), required=True, help="The engine.")
@click.option(
    "--precision",
    type=click.Choice(("fp32", "fp16", "int8")),
    default="fp32",
    show_default=True,
    help="What numbers it reckons with.",
)
@click.option("--pictures", required=True, help="A folder or archive of pictures to hold it against its source on.")
@click.option("--calibration", default="", help="int8: pictures to calibrate on; else --pictures.")
@click.option("--rel", "rel_num", default="", help="The new release; the next whole number.")
@click.option(
    "--max-batch-size", type=click.IntRange(1, 1024), default=8, show_default=True, help="TensorRT: the most."
)
@click.option(
    "--best-batch-size", type=click.IntRange(0, 1024), default=0, help="TensorRT: to tune for; half the most."
)
@click.option("--gpu", "gpus", multiple=True, type=click.Choice(_GPUS), help="TensorRT: for these GPUs; sm89.")
@click.option("--tolerance", type=(float, float, float), metavar="SCORE PIXELS SHARE", help="How much may differ.")
@click.option("--upload", is_flag=True, help="Send the pictures; else a suite on this machine reads them itself.")
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Write the model's folder and the report there.")
@json_option
@click.pass_obj
def convert(
    suite: Suite,
    key: str,
    to: str,
    precision: str,
    pictures: str,
    calibration: str,
    rel_num: str,
    max_batch_size: int,
    best_batch_size: int,
    gpus: tuple[str, ...],
    tolerance: tuple[float, float, float] | None,
    upload: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Convert the model KEY for another engine, and publish what comes out as a new release of it.

    It is held against its source on the pictures, and refused where its answers differ by more than is let pass. Serve
    it with `servoir release`. A TensorRT engine is built ahead of time: this needs no GPU, running it does.
    """
    found = BackgroundJobs(suite.gateway)
    asked: dict[str, Any] = {"model": key, "to": to, "precision": precision, "rel_num": rel_num}
    asked |= {"max_batch_size": max_batch_size, "best_batch_size": best_batch_size}
    asked |= {"pictures": as_sources(suite, found, [pictures], upload=upload)}
    asked |= {"calibration": as_sources(suite, found, [calibration], upload=upload)} if calibration else {}
    asked |= {"gpus": list(gpus)} if gpus else {}
    asked |= {"tolerance": dict(zip(("score", "pixels", "share"), tolerance, strict=True))} if tolerance else {}
    follow_to_end(found, found.start("convert", asked), folder=folder, as_json=as_json)


COMMANDS = [convert]
