"""Triton: writes a model repository, and becomes ``tritonserver``, as the ``nvidia-pytriton`` wheel carries it."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from chassis.settings import environment
from loadtests.rivals.settings import ROUTE, ServerSettings, told

_ROOT = Path(__file__).parent.parent.parent.parent
_MODEL = "loadtests.rivals.servers.triton_model"
_WAITING_SHARE = 0.8
"""Of its time a request may wait, so that what is left is enough to run it."""


def config(settings: ServerSettings) -> str:
    """Return the model's ``config.pbtxt``: one BYTES tensor in and one out, in batches where they are wanted."""
    lines = [
        f'name: "{ROUTE}"',
        'backend: "python"',
        f"max_batch_size: {settings.rival_batch_size}",
        'input [{ name: "image", data_type: TYPE_STRING, dims: [1] }]',
        'output [{ name: "answer", data_type: TYPE_STRING, dims: [1] }]',
        f"instance_group [{{ kind: KIND_CPU, count: {settings.rival_workers} }}]",
        "dynamic_batching {",
        f"  max_queue_delay_microseconds: {1000 * settings.rival_wait_ms}",
        "  default_queue_policy {",
        "    timeout_action: REJECT",
        f"    default_timeout_microseconds: {int(1e6 * _WAITING_SHARE * settings.rival_timeout_s)}",
        f"    max_queue_size: {settings.rival_queue_limit}",
        "  }",
        "}",
    ]
    return "\n".join([*lines, ""])


def write_repository(settings: ServerSettings, paths: Sequence[Path]) -> Path:
    """Write the folder of models that Triton serves, and return it.

    The wheel's Python backend looks at no PYTHONPATH: the model's file itself names the *paths* that it imports from.
    """
    repository = settings.rival_home / "repository"
    version = repository / ROUTE / "1"
    version.mkdir(parents=True, exist_ok=True)
    (version.parent / "config.pbtxt").write_text(config(settings))
    lines = ["import sys", f"sys.path[:0] = {[str(path) for path in paths]}", f"from {_MODEL} import *", ""]
    (version / "model.py").write_text("\n".join(lines))
    return repository


def write_backend(carried: Path, home: Path) -> Path:
    """Put the Python backend for this Python together, of the files in *carried*; return the backends' folder."""
    backends = home / "backends"
    shutil.copytree(carried / "backends", backends, dirs_exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = backends / "python" / "triton_python_backend_stub"
    shutil.copy(carried / "python_backend_stubs" / version / stub.name, stub)
    stub.chmod(0o755)
    return backends


def main() -> None:
    """Become the server."""
    settings = told()
    packages = Path(sysconfig.get_path("purelib"))
    carried = packages / "pytriton" / "tritonserver"
    program = carried / "bin" / "tritonserver"
    program.chmod(0o755)
    options = {
        "model-repository": write_repository(settings, [_ROOT, packages]),
        "backend-directory": write_backend(carried, settings.rival_home),
        "http-address": "127.0.0.1",
        "http-port": settings.rival_port,
        "allow-grpc": "false",
        "allow-metrics": "false",
        "log-info": "false",
    }
    variables = {**environment(), "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    os.execve(program, [str(program), *arguments], variables)


if __name__ == "__main__":
    main()
