"""Leases as targets for Prometheus."""

from __future__ import annotations

from chassis.rpc.registry_pb2 import Lease
from services.registry.targets import targets


def test_each_server_that_shows_metrics_is_a_target_with_its_models_key() -> None:
    shown = Lease(
        model_key="acme-coco-1", engine="onnx", address="10.0.0.7:8501", metrics_address="10.0.0.7:8701", ttl_s=6
    )
    hidden = Lease(model_key="acme-coco-1", address="10.0.0.8:8501")

    assert targets([shown, hidden]) == [
        {
            "targets": ["10.0.0.7:8701"],
            "labels": {"model": "acme-coco-1", "engine": "onnx", "address": "10.0.0.7:8501"},
        }
    ]
