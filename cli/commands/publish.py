"""``servoir publish``: a model's folder into the store and the registry."""

from __future__ import annotations

from pathlib import Path

import click

from cli.model_folder import read_model_folder
from cli.output import console, json_option, print_json
from cli.suite import Suite


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--release", is_flag=True, help="Have its short key <org>-<problem> find it; no server is started.")
@click.option("--default", is_flag=True, help="Have it answer its task where a request names no model.")
@json_option
@click.pass_obj
def publish(suite: Suite, folder: Path, release: bool, default: bool, as_json: bool) -> None:
    """Publish the model in FOLDER: <org>-<problem>-<rel>.yaml and the weights that it names.

    Every file is checked and copied into the store of this machine. Publishing the same again does nothing.
    """
    model = read_model_folder(folder)
    published = suite.gateway.publish(model.modelinfo)
    stored = suite.store.add(model)
    if release and published["status"] != "released":
        published = suite.gateway.release(model.key)
    if default:
        suite.gateway.set_default(published["task"], model.key)
    if as_json:
        print_json(published)
        return
    console.print(f"{model.key} is published ({published['status']}); stored in {stored}")
    console.print(f"Serve it, in the place of the version before: `servoir release {model.key}`.")


COMMANDS = [publish]
