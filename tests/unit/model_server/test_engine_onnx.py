"""What the ONNX engine makes of a session, without ONNX Runtime."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from services.model_server.engines.onnx import OnnxEngine


class Node(NamedTuple):
    name: str = "image"
    type: str = "tensor(float)"
    shape: tuple[int, ...] = (1, 2)


class Session:
    """A session that never runs, on *providers*."""

    def __init__(self, *providers: str) -> None:
        self._providers = providers

    def get_inputs(self) -> list[Node]:
        return [Node()]

    get_outputs = get_inputs

    def get_providers(self) -> tuple[str, ...]:
        return self._providers


@pytest.mark.parametrize("providers", [("CUDAExecutionProvider", "CPUExecutionProvider"), ("CPUExecutionProvider",)])
def test_a_session_of_cuda_keeps_no_cores_busy(providers: tuple[str, ...]) -> None:
    assert OnnxEngine(Session(*providers)).on_accelerator is (len(providers) == 2)
