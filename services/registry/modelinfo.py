"""Modelinfo: what is known of a model, checked whole, and its file form in YAML.

A document comes from a publisher and is checked here before anything believes it. All that is wrong with it is said at
once, each fault with the field's name. What a registry has accepted is taken by every version that can: a newer one's
fields, which this one does not know, are passed over (``versions.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from chassis import logs
from chassis.errors import BadRequest, NotFound
from chassis.json_text import UNREADABLE
from services.registry.keys import PART, parse_key, release_order
from services.registry.versions import known_fields, without_defaults

log = logs.logger()
TASKS = ("bbox", "polygon", "lane", "classify", "tensor")
STATUSES = ("published", "released", "retired")
STATUSES_BEFORE = {"published": (), "released": ("published", "retired"), "retired": ("released",)}
"""From which statuses a model may move to each."""

_MOST = 2**63 - 1


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model: *path* relative to the model's folder or store, its size, and its sha256 in hex."""

    path: str
    bytes: int
    sha256: str


class Modelinfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model's description. Make one from a document with ``parse_modelinfo``, which checks every field.

    A later version may add fields. None may say how a model must not be used: who does not know it passes it over, and
    uses the model.

    ``memory_cap_bytes``, ``max_batch_size`` and ``deadline_s`` of 0 leave the choice to the deployment. ``reports`` are
    the ids of its newest reports, oldest first: the registry keeps them, a publisher does not.
    """

    org_name: str
    problem_id: str
    rel_num: str
    task: str
    dnnarch: str
    framework_type: str
    classes: tuple[str, ...] = ()
    num_classes: int = 0
    config: dict[str, Any] = {}
    files: tuple[ModelFile, ...] = ()
    memory_cap_bytes: int = 0
    max_batch_size: int = 0
    deadline_s: float = 0.0
    dataset: str = ""
    metrics: dict[str, Any] = {}
    license: str = ""
    source: str = ""
    creator: str = ""
    created_on: str = ""
    description: str = ""
    status: str = "published"
    reports: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """``<org_name>-<problem_id>-<rel_num>``."""
        return f"{self.org_name}-{self.problem_id}-{self.rel_num}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it can be asked for: its own task, and raw tensors."""
        return (self.task,) if self.task == "tensor" else (self.task, "tensor")


def resolve(models: Iterable[Modelinfo], text: str) -> Modelinfo:
    """Return the model that a key stands for; raises BadRequest for a malformed key and NotFound for an unknown one.

    A full key finds its model in whatever status it is; a key without release only finds released ones.
    """
    key = parse_key(text)
    of_problem = [m for m in models if (m.org_name, m.problem_id) == (key.org_name, key.problem_id)]
    if key.rel_num:
        found = [m for m in of_problem if m.rel_num == key.rel_num]
    else:
        found = [m for m in of_problem if m.status == "released"]
    if not found:
        raise NotFound(f"no such model: {text}" if key.rel_num else f"no released model: {text}")
    return max(found, key=lambda m: release_order(m.rel_num))


def modelinfo_json(modelinfo: Modelinfo) -> bytes:
    """Return the document as JSON, without the fields that have their default."""
    return msgspec.json.encode(without_defaults(modelinfo))


def parse_modelinfo(document: bytes | Mapping[str, Any]) -> Modelinfo:
    """Return the checked Modelinfo of a publisher's JSON text or mapping; raises BadRequest naming every bad field.

    A field that this version does not know is a bad one: a publisher would believe that it means something.
    """
    fields = _mapping(document)
    faults = [f"{name}: no such field" for name in fields if name not in _KINDS]
    values: dict[str, Any] = {}
    for name, kind in _KINDS.items():
        if name not in fields:
            faults += [f"{name}: missing"] if name in _REQUIRED else []
            continue
        try:
            values[name] = msgspec.convert(fields[name], kind)
        except msgspec.ValidationError as error:
            faults.append(f"{name}: {error}")
    faults += [f"{name}: {fault}" for name, value in values.items() if (fault := _fault(name, value))]
    faults += _class_count_fault(values)
    if faults:
        raise BadRequest("bad modelinfo: " + "; ".join(faults))
    values["num_classes"] = values.get("num_classes") or len(values.get("classes", ()))
    return Modelinfo(**values)


def understand_modelinfo(document: bytes | Mapping[str, Any]) -> Modelinfo:
    """Return the Modelinfo that a registry sent or stored; raises BadRequest where it cannot be read.

    Fields of a newer version are passed over.
    """
    fields = known_fields(_mapping(document), Modelinfo.__struct_fields__)
    if isinstance(fields.get("files"), list):
        names = ModelFile.__struct_fields__
        fields["files"] = [known_fields(it, names) if isinstance(it, dict) else it for it in fields["files"]]
    return parse_modelinfo(fields)


def parse_understood(documents: Iterable[bytes | Mapping[str, Any]]) -> list[Modelinfo]:
    """Return the models of those documents that can be read.

    One that cannot, such as one with a newer version's task, is left out and logged: it must not hide the others.
    """
    understood = []
    for document in documents:
        try:
            understood.append(understand_modelinfo(document))
        except BadRequest as error:
            log.error("model_not_understood", reason=error.detail[:500])
    return understood


def read_modelinfo(path: Path) -> Modelinfo:
    """Return the Modelinfo of a YAML file; raises BadRequest, also where the file's name is not its key's."""
    modelinfo = parse_modelinfo(_from_yaml(path.read_text(encoding="utf-8")))
    if path.stem != modelinfo.key:
        raise BadRequest(f"bad modelinfo: the file is called {path.name}, its key says {modelinfo.key}.yaml")
    return modelinfo


def write_modelinfo(modelinfo: Modelinfo, folder: Path) -> Path:
    """Write ``<key>.yaml`` into *folder* and return its path."""
    import yaml  # only whoever handles files needs it: gateways do without

    path = folder / f"{modelinfo.key}.yaml"
    text = yaml.safe_dump(msgspec.to_builtins(modelinfo), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def _mapping(document: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(document, bytes):
        try:
            document = msgspec.json.decode(document)
        except UNREADABLE as error:
            raise BadRequest("bad modelinfo: not JSON") from error
    if not isinstance(document, Mapping) or not all(isinstance(name, str) for name in document):
        raise BadRequest("bad modelinfo: not a mapping of field names to values")
    return document


def _from_yaml(text: str) -> Any:
    """Return the document, with the text fields as they are written.

    YAML would read ``rel_num: 050224_120000`` as an octal number, a class ``no`` as a truth value and ``created_on`` as
    a date.
    """
    import yaml

    try:
        document, as_written = yaml.safe_load(text), yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadRequest("bad modelinfo: not YAML") from error
    if isinstance(document, dict):
        literal = [name for name in document if _KINDS.get(name) in (str, tuple[str, ...])]
        document |= {name: as_written[name] for name in literal if document[name] is not None}
    return document


def _faulty_part(value: str) -> str:
    return "" if PART.fullmatch(value) else "letters, digits, _ and . only (no -), 1 to 64 of them"


def _faulty_name(value: str) -> str:
    return "" if re.fullmatch(r"[a-z0-9][a-z0-9_.]{0,63}", value) else "a lower-case name such as ssd_mobilenet_v2"


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    return lambda value: "" if value in choices else f"{value[:64]!r} is none of {', '.join(choices)}"


def _faulty_count(value: int) -> str:
    return "" if 0 <= value <= _MOST else "a whole number of 0 or more"


def _faulty_seconds(value: float) -> str:
    return "" if 0 <= value <= 86400 else "seconds from 0 to 86400"


def _faulty_files(files: tuple[ModelFile, ...]) -> str:
    paths = [file.path for file in files]
    faults = [f"[{at}] {fault}" for at, file in enumerate(files) for fault in _file_faults(file)]
    faults += ["one path twice"] if len(set(paths)) < len(paths) else []
    return ", ".join(faults)


def _file_faults(file: ModelFile) -> list[str]:
    path = PurePosixPath(file.path)
    faults = []
    if not file.path or path.is_absolute() or ".." in path.parts or "\\" in file.path or "\0" in file.path:
        faults.append("path: a relative path without ..")
    if not 0 <= file.bytes <= _MOST:
        faults.append("bytes: a whole number of 0 or more")
    if not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
        faults.append("sha256: 64 lower-case hex digits")
    return faults


def _faulty_tree(value: Any, depth: int = 0) -> str:
    """Say what the registry could not store: nesting without end, and numbers beyond 64 bits."""
    if depth > 20:
        return "nested deeper than 20"
    if isinstance(value, int) and not -_MOST <= value <= _MOST:
        return "a number beyond 64 bits"
    if isinstance(value, dict):
        if any(not name or "\0" in name or name.startswith("$") for name in value):
            return "a member's name that is empty or starts with $"
        value = list(value.values())
    if isinstance(value, list):
        return next((fault for member in value if (fault := _faulty_tree(member, depth + 1))), "")
    return ""


def _fault(name: str, value: Any) -> str:
    return _CHECKS[name](value) if name in _CHECKS else ""


def _class_count_fault(values: Mapping[str, Any]) -> list[str]:
    classes, count = values.get("classes"), values.get("num_classes")
    if classes and count and len(classes) != count:
        return [f"num_classes: {count}, but classes has {len(classes)}"]
    return []


_KINDS: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Modelinfo)}
_REQUIRED = {field.name for field in msgspec.structs.fields(Modelinfo) if field.required}
_CHECKS: dict[str, Callable[[Any], str]] = {
    "org_name": _faulty_part,
    "problem_id": _faulty_part,
    "rel_num": _faulty_part,
    "task": _one_of(TASKS),
    "dnnarch": _faulty_name,
    "framework_type": _faulty_name,
    "num_classes": _faulty_count,
    "config": _faulty_tree,
    "files": _faulty_files,
    "memory_cap_bytes": _faulty_count,
    "max_batch_size": _faulty_count,
    "deadline_s": _faulty_seconds,
    "metrics": _faulty_tree,
    "status": _one_of(STATUSES),
}
