"""How busy and how full the GPUs are, by NVML; nothing where there is no GPU or no ``nvidia-ml-py``."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from chassis.metrics import Gauge


def _nvml() -> Any:
    """Return NVML, started, or None."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def show_gpus() -> int:
    """Add gauges of every GPU to this process's metrics, read when they are asked for; return how many there are."""
    nvml = _nvml()
    if nvml is None:
        return 0
    busy = Gauge("servoir_model_server_gpu_busy_ratio", "Share of the last second that the GPU computed.", ["gpu"])
    used = Gauge("servoir_model_server_gpu_used_bytes", "Memory in use on the GPU, by all processes.", ["gpu"])
    total = Gauge("servoir_model_server_gpu_memory_bytes", "Memory of the GPU.", ["gpu"])
    triton_busy = Gauge("nv_gpu_utilization", "Triton's name of servoir_model_server_gpu_busy_ratio.", ["gpu_uuid"])
    triton_used = Gauge("nv_gpu_memory_used_bytes", "Triton's name of the memory in use.", ["gpu_uuid"])
    triton_total = Gauge("nv_gpu_memory_total_bytes", "Triton's name of the GPU's memory.", ["gpu_uuid"])
    count = int(nvml.nvmlDeviceGetCount())
    for number in range(count):
        gpu = nvml.nvmlDeviceGetHandleByIndex(number)
        total.labels(str(number)).set(nvml.nvmlDeviceGetMemoryInfo(gpu).total)
        used.labels(str(number)).set_function(partial(_used_bytes, nvml, gpu))
        busy.labels(str(number)).set_function(partial(_busy_ratio, nvml, gpu))
        uuid = str(nvml.nvmlDeviceGetUUID(gpu))
        triton_total.labels(uuid).set(nvml.nvmlDeviceGetMemoryInfo(gpu).total)
        triton_used.labels(uuid).set_function(partial(_used_bytes, nvml, gpu))
        triton_busy.labels(uuid).set_function(partial(_busy_ratio, nvml, gpu))
    return count


def _used_bytes(nvml: Any, gpu: Any) -> float:
    return float(nvml.nvmlDeviceGetMemoryInfo(gpu).used)


def _busy_ratio(nvml: Any, gpu: Any) -> float:
    return float(nvml.nvmlDeviceGetUtilizationRates(gpu).gpu) / 100
