"""servoir.yaml: which models run on this machine, how many servers of each, and under which settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from chassis.settings import faults_of, load
from cli.errors import Stop
from cli.settings import Ports, as_variables

MOST_MODEL_SERVERS = 99
"""So many fit between the first model server's port and the metrics' ports."""


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model: *model* is a demo model's key or a folder; *settings* are those of its servers."""

    model: str
    replicas: Annotated[int, msgspec.Meta(ge=0, le=MOST_MODEL_SERVERS)] = 1
    memory_cap: str = ""
    default: bool = True
    settings: dict[str, Any] = {}


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; *settings* are those of all services."""

    models: list[ModelEntry]
    ports: dict[str, int] = {}
    settings: dict[str, Any] = {}


def read_deployment(path: Path) -> Deployment:
    """Return what the file at *path* says; raises Stop naming what is wrong with it."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        deployment = msgspec.convert(document, Deployment)
    except FileNotFoundError as error:
        raise Stop(f"no such file: {path}", "Name the configuration with SERVOIR_CONFIG.") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise Stop(f"{path}: {error}", "See the servoir.yaml of the checkout for what it may say.") from error
    _check(path, deployment)
    return deployment


def ports_of(deployment: Deployment, environment: dict[str, str]) -> Ports:
    """Return the suite's ports; the *environment* stands over the file. Raises BadSettings."""
    return load(Ports, {**as_variables(deployment.ports, suffix="_PORT"), **environment})


def _check(path: Path, deployment: Deployment) -> None:
    unknown = [name for name in deployment.ports if f"{name}_port" not in Ports.__dataclass_fields__]
    if unknown:
        known = ", ".join(field.removesuffix("_port") for field in Ports.__dataclass_fields__)
        raise Stop(f"{path}: ports: no such port: {', '.join(unknown)}", f"There are: {known}.")
    _check_settings(path, deployment)
    names = [entry.model for entry in deployment.models]
    if len(set(names)) < len(names):
        raise Stop(f"{path}: a model is named twice", "Say `replicas: 2` for two servers of one model.")
    if sum(entry.replicas for entry in deployment.models) > MOST_MODEL_SERVERS:
        raise Stop(f"{path}: more than {MOST_MODEL_SERVERS} model servers", "One machine holds fewer: lower replicas.")


def _check_settings(path: Path, deployment: Deployment) -> None:
    """Raise Stop naming every setting of the file that no service knows, or cannot read."""
    faults = faults_of(as_variables(deployment.settings))
    for entry in deployment.models:
        faults += [f"{entry.model}: {fault}" for fault in faults_of(as_variables(entry.settings))]
    if faults:
        raise Stop("\n".join([f"{path}: settings:", *faults]), "docs/settings.md lists what there is.")
