"""The model servers as Prometheus's HTTP discovery reads them: whoever has a lease and shows metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chassis.rpc.registry_pb2 import Lease


def targets(leases: Iterable[Lease]) -> list[dict[str, Any]]:
    """Return one group for each model server, with its model's key and engine as labels."""
    return [
        {
            "targets": [lease.metrics_address],
            "labels": {"model": lease.model_key, "engine": lease.engine, "address": lease.address},
        }
        for lease in leases
        if lease.metrics_address
    ]
