"""servoir.yaml: which models run on this machine, how many servers of each, and under which settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from chassis.known_variables import KNOWN
from chassis.settings import FILE_SUFFIX, faults_of, load, variable
from cli.errors import Stop
from cli.settings import Ports, Settings, as_variables

MOST_MODEL_SERVERS = 99
"""So many fit between the first model server's port and the metrics' ports."""
_BY_VARIABLE = ("home", "cache", "config", "url", "admin_token", "api_key")
"""What the command must know before it reads the file, or what is nobody's else to know."""
_EACH_ITS_OWN = ("address", "gateway_address", "jobs_folder", "metrics_port", "model", "registry_address")
"""What the command tells each process itself."""


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model: *model* is a demo model's key or a folder; *settings* are those of its servers."""

    model: str
    replicas: Annotated[int, msgspec.Meta(ge=0, le=MOST_MODEL_SERVERS)] = 1
    memory_cap: str = ""
    default: bool = True
    settings: dict[str, Any] = {}


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; *settings* are those of all services, and the command's own."""

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
    return msgspec.structs.replace(deployment, settings=_anchored(deployment.settings, path.absolute().parent))


def ports_of(deployment: Deployment, environment: dict[str, str]) -> Ports:
    """Return the suite's ports; the *environment* stands over the file. Raises BadSettings."""
    return load(Ports, {**as_variables(deployment.ports, suffix="_PORT"), **environment})


def settings_of(deployment: Deployment, told: Settings, environment: dict[str, str]) -> Settings:
    """Return the command's own settings: those *told* by the *environment*, and of the others what the file says.

    Raises BadSettings.
    """
    written = {name: text for name, text in as_variables(deployment.settings).items() if _is_ours(name)}
    said = {name.removesuffix(FILE_SUFFIX) for name, text in environment.items() if text}
    left = {name: text for name, text in written.items() if name.removesuffix(FILE_SUFFIX) not in said}
    read = load(Settings, left)
    names = {name.removesuffix(FILE_SUFFIX) for name in left}
    return replace(told, **{field: value for field, value in vars(read).items() if variable(field) in names})


def variables_of_services(deployment: Deployment) -> dict[str, str]:
    """Return what the file says to services: all but the command's own settings, of which it tells them their part."""
    return {name: text for name, text in as_variables(deployment.settings).items() if not _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.removesuffix(FILE_SUFFIX) in map(variable, Settings.__dataclass_fields__)


def _anchored(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return *settings* with paths that count from *folder*, where the file is, as those of models do."""
    return {
        name: str(folder / Path(value).expanduser()) if KNOWN.get(variable(name)) == "path" else value
        for name, value in settings.items()
    }


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
    """Raise Stop naming every setting of the file that no service knows or can read, or that must stand elsewhere."""
    faults = _faults(deployment.settings)
    for entry in deployment.models:
        faults += [f"{entry.model}: {fault}" for fault in _faults(entry.settings)]
    if faults:
        raise Stop("\n".join([f"{path}: settings:", *faults]), "docs/settings.md lists what there is.")


def _faults(settings: dict[str, Any]) -> list[str]:
    return [*faults_of(as_variables(settings)), *filter(None, map(_misplaced, settings))]


def _misplaced(name: str) -> str:
    """Return where a setting must stand instead; nothing where the file is the place for it."""
    field = name.lower().removesuffix(FILE_SUFFIX.lower())
    if field in Ports.__dataclass_fields__:
        return f"{name}: a port: say `{field.removesuffix('_port')}: …` under `ports:`"
    if field in _BY_VARIABLE:
        return f"{name}: not this file's to say: set the variable {variable(name)}"
    return f"{name}: `servoir` tells each process its own" if field in _EACH_ITS_OWN else ""
