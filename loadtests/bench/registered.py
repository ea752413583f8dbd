"""Models that are only registered: published at the registry, served by nobody."""

from __future__ import annotations

from typing import Any

import msgspec

from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel

_ACTOR = "bench"
_TIMEOUT_S = 10.0


def register(registry: str, numbers: range) -> None:
    """Publish and release a model for each of *numbers* at the registry's address."""
    with channel(registry) as open_channel:
        stub: Any = registry_pb2_grpc.RegistryStub(open_channel)
        for number in numbers:
            document = {
                "org_name": "bench",
                "problem_id": f"registered{number}",
                "rel_num": "1",
                "task": "bbox",
                "dnnarch": "echo",
                "framework_type": "echo",
            }
            told = pb.PublishModelRequest(modelinfo_json=msgspec.json.encode(document), actor=_ACTOR)
            stub.PublishModel(told, timeout=_TIMEOUT_S)
            key = f"bench-registered{number}-1"
            stub.SetModelStatus(pb.SetModelStatusRequest(key=key, status="released", actor=_ACTOR), timeout=_TIMEOUT_S)
