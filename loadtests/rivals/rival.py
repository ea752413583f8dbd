"""The servers that ours is compared with: how each is started, what it is sent, and where a figure says who it is."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtests.rivals.settings import ROUTE, ServerSettings

TENSOR_HEAD_BYTES = 256
_SERVERS = "loadtests.rivals.servers"


class Rival(NamedTuple):
    """A server: *command* gives its start from the folder of its environment's programs and what it is told.

    It takes a POST to *path*: the picture's bytes as *content_type*, or where that is empty a form that holds them.
    *body* makes what is sent of a picture's bytes. *as_text* says that its answers are strings within JSON.
    """

    name: str
    package: str
    command: Callable[[Path, ServerSettings], Sequence[str]]
    path: str = f"/{ROUTE}"
    content_type: str = "image/jpeg"
    headers: Mapping[str, str] = {}
    variables: Mapping[str, str] = {}
    body: Callable[[bytes], bytes] = bytes
    as_text: bool = False


def tensor_body(picture: bytes) -> bytes:
    """Return *picture* as a request of the Open Inference Protocol, binary both ways.

    Its JSON is filled up to TENSOR_HEAD_BYTES, so that one header fits all pictures.
    """
    element = struct.pack("<I", len(picture)) + picture
    sizes = {"binary_data_size": len(element)}
    head = {
        "inputs": [{"name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": sizes}],
        "outputs": [{"name": "answer", "parameters": {"binary_data": True}}],
    }
    return json.dumps(head).encode().ljust(TENSOR_HEAD_BYTES) + element


def _module(name: str, *options: str) -> Callable[[Path, ServerSettings], Sequence[str]]:
    return lambda programs, settings: [str(programs / "python"), "-m", f"{_SERVERS}.{name}", *options]


def _mosec(programs: Path, settings: ServerSettings) -> Sequence[str]:
    options = {
        "address": "127.0.0.1",
        "port": settings.rival_port,
        "timeout": int(1000 * settings.rival_timeout_s),
        "capacity": settings.rival_queue_limit,
        "log-level": "error",
        "path": settings.rival_home / "sockets",
    }
    told = [f"--{name}={value}" for name, value in options.items()]
    return [*_module("mosec_server")(programs, settings), *told]


def _bentoml(programs: Path, settings: ServerSettings) -> Sequence[str]:
    service = f"{_SERVERS}.bentoml_server:Pictures"
    return [str(programs / "bentoml"), "serve", service, "--host", "127.0.0.1", "--port", str(settings.rival_port)]


RIVALS = (
    Rival("mosec", "mosec", _mosec),
    Rival(
        "triton",
        "nvidia-pytriton",
        _module("triton_server"),
        path=f"/v2/models/{ROUTE}/infer",
        content_type="application/octet-stream",
        headers={"Inference-Header-Content-Length": str(TENSOR_HEAD_BYTES)},
        body=tensor_body,
    ),
    Rival("litserve", "litserve", _module("litserve_server")),
    Rival(
        "bentoml",
        "bentoml",
        _bentoml,
        content_type="",
        variables={"BENTOML_DO_NOT_TRACK": "True"},
        as_text=True,
    ),
    Rival("ray", "ray", _module("ray_server"), variables={"RAY_USAGE_STATS_ENABLED": "0"}),
)
"""In the order in which they take their turns."""

NOT_TO_BE_HAD = {
    "tensorflow-serving": "PyPI carries its client only (tensorflow-serving-api); the server comes from Google's own"
    " apt repository and container images",
}
"""Why a server that one would look for is not here."""
