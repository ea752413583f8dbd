"""The figures of this server under the names that Triton gives them, where they mean the same.

Existing dashboards and autoscalers find them. They are read from our own when they are asked for, and cost nothing
before. An item here is a request there: items come one by one, whoever sent them together.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from services.model_server.metrics import BATCHES, DECODE, ITEM_SECONDS, ITEMS, POSTPROCESS

_US = 1e6
_LABELS = ["model", "version"]


class TritonNames(Collector):
    """Shows nothing before ``model`` is set to the key of what this process serves."""

    model = ""

    def collect(self) -> Iterator[Metric]:
        """Yield each figure, with the model's name and version as Triton labels it."""
        if not self.model:
            return
        name, _, version = self.model.rpartition("-")
        for what, (meaning, value) in _figures().items():
            # Of no type: a counter would have to end in _total, which Triton's do not.
            family = UnknownMetricFamily(f"nv_inference_{what}", meaning, labels=_LABELS)
            family.add_metric([name, version], value)
            yield family


def _figures() -> dict[str, tuple[str, float]]:
    good, all_items = _sum(ITEMS, "_total", status="200"), _sum(ITEMS, "_total")
    decode, post = _sum(DECODE, "_sum"), _sum(POSTPROCESS, "_sum")
    wait, infer = _sum(ITEM_SECONDS, "_total", part="wait"), _sum(ITEM_SECONDS, "_total", part="infer")
    return {
        "request_success": ("Items that were answered with 200", good),
        "request_failure": ("Items that were answered with another status", all_items - good),
        "count": ("Items that were answered with 200", good),
        "exec_count": ("Batches that were answered", _sum(BATCHES, "_total")),
        "request_duration_us": ("From bytes to the answer, summed over items", (decode + wait + infer + post) * _US),
        "queue_duration_us": ("Waiting in this server for an execution, summed over items", wait * _US),
        "compute_input_duration_us": ("Bytes to the input tensor, summed over items", decode * _US),
        "compute_infer_duration_us": ("Inside the engine, summed over items", infer * _US),
        "compute_output_duration_us": ("Tensors to the answer, summed over items", post * _US),
    }


def _sum(metric: Collector, suffix: str, **labels: str) -> float:
    """Return the sum of the samples of *metric* whose name ends with *suffix* and that have these *labels*."""
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix) and labels.items() <= sample.labels.items()
    )


TRITON = TritonNames()
REGISTRY.register(TRITON)
