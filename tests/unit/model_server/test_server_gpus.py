"""GPU figures: none without a GPU, and no harm done."""

from __future__ import annotations

import sys

import pytest

from services.model_server.gpus import show_gpus


def test_without_nvml_no_gpu_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert show_gpus() == 0


@pytest.mark.gpu
def test_every_gpu_is_shown() -> None:
    pytest.importorskip("pynvml")

    assert show_gpus() > 0
