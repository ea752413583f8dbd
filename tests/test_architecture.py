"""The architecture, as tables: who may import whom, and which file is the one door to each outside system."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("chassis", "services", "cli", "demo", "embedded", "loadtests")
SERVICES = ("gateway", "jobs", "queue", "model_server", "registry")

#: Which client a service may use; a service is used by others only through its client.py.
MAY_USE = {
    "gateway": {"jobs", "queue", "registry"},
    "jobs": {"queue", "registry"},
    "queue": {"model_server", "registry"},
    "model_server": {"registry"},
    "registry": set[str](),
}

#: Outside systems, and the only files (or folders, ending in /) that import them.
DOORS = {
    "redis": (
        "chassis/redis_pool.py",
        "services/queue/",
        "services/jobs/records.py",
        "services/jobs/worker.py",
        "loadtests/bench/measures/soak.py",  # what is left in it
    ),
    "rq": ("services/jobs/broker.py", "services/jobs/worker.py"),
    "pymongo": ("services/registry/store.py", "embedded/mongod.py"),
    "bson": ("services/registry/store.py",),
    "flask": ("services/gateway/",),
    "gunicorn": ("services/gateway/",),
    "tensorflow": ("services/model_server/engines/tensorflow.py", "services/jobs/conversion/tensorflow.py", "demo/"),
    "tf2onnx": ("services/jobs/conversion/tensorflow.py",),
    "keras": ("services/model_server/engines/tensorflow.py", "demo/"),
    "onnxruntime": ("services/model_server/engines/onnx.py", "services/jobs/conversion/quantizing.py"),
    "onnx": ("services/jobs/conversion/onnx_models.py", "services/jobs/conversion/quantizing.py"),
    "pycocotools": ("services/jobs/evaluation/coco_figures.py",),
    "ai_edge_litert": ("services/model_server/engines/litert.py",),
    "tensorrt": ("services/model_server/engines/tensorrt.py", "services/jobs/conversion/tensorrt.py"),
    "tensorrt_rtx": ("services/model_server/engines/tensorrt.py", "services/jobs/conversion/tensorrt.py"),
    "click": ("cli/",),
    "rich": ("cli/", "loadtests/"),
    "matplotlib": ("loadtests/",),
    "locust": ("loadtests/",),
    "httpx": ("cli/", "loadtests/"),
    "supervisor": ("cli/supervision.py",),
}

#: What other model servers run when they are compared with ours: our engine and adapter, so that the work is the same.
MAY_LOOK_INTO_SERVICES = {"loadtests/rivals/model.py"}

ENVIRONMENT = {"os.environ", "os.environb", "os.getenv"}


def _files() -> list[Path]:
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
    )


def _imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything that *path* imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute in this project"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(path: Path, places: tuple[str, ...]) -> bool:
    name = path.relative_to(ROOT).as_posix()
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


FILES = _files()


def test_a_service_is_used_only_through_its_client_and_only_downwards() -> None:
    wrong = []
    for path in FILES:
        place = path.relative_to(ROOT).parts
        own = place[1] if place[0] == "services" and len(place) > 2 else ""
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] != "services" or len(parts) < 2 or parts[1] == own:
                continue
            if path.relative_to(ROOT).as_posix() in MAY_LOOK_INTO_SERVICES:
                continue
            if parts[2:3] != ["client"] or not own or parts[1] not in MAY_USE[own]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")

    assert not wrong, "\n".join(wrong)


def test_the_chassis_knows_no_service_and_the_rest_speaks_http_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        for name in _imports(path)
        if path.relative_to(ROOT).parts[0] != "services" and name.split(".")[0] == "services"
        if path.relative_to(ROOT).as_posix() not in MAY_LOOK_INTO_SERVICES
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("system", DOORS)
def test_each_outside_system_has_one_door(system: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in FILES
        if not _within(path, DOORS[system]) and any(name.split(".")[0] == system for name in _imports(path))
    ]

    assert not wrong, f"{system} is imported outside {DOORS[system]}"


def test_only_the_settings_read_the_environment() -> None:
    wrong = []
    for path in FILES:
        reads = {ast.unparse(node) for node in ast.walk(_module(path)) if isinstance(node, ast.Attribute)}
        if path != ROOT / "chassis/settings.py" and (reads | set(_imports(path))) & ENVIRONMENT:
            wrong.append(str(path.relative_to(ROOT)))

    assert not wrong, "read SERVOIR_… variables through chassis.settings: " + ", ".join(wrong)


def test_every_file_says_what_it_is_for_and_none_is_called_utils() -> None:
    undocumented = [str(p.relative_to(ROOT)) for p in FILES if p.read_text() and not ast.get_docstring(_module(p))]
    catch_alls = [
        str(p.relative_to(ROOT)) for p in FILES if p.stem in ("utils", "util", "common", "helpers", "base", "misc")
    ]

    assert not undocumented
    assert not catch_alls


def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_the_generated_code_is_what_the_protos_say(tmp_path: Path) -> None:
    (tmp_path / "chassis" / "rpc").mkdir(parents=True)
    for proto in sorted((ROOT / "proto").glob("*.proto")):
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "-I", f"chassis/rpc={ROOT / 'proto'}"]
            + [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
            + [f"chassis/rpc/{proto.name}"],
            check=True,
            cwd=ROOT,
        )

    fresh = {path.name: path.read_text() for path in (tmp_path / "chassis" / "rpc").iterdir()}
    committed = {name: (ROOT / "chassis" / "rpc" / name).read_text() for name in fresh}
    assert fresh == committed, "run `make proto` and commit what it writes"
