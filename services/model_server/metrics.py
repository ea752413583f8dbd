"""What a model server counts. One process serves one model, so that its key is no label: its port tells it."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.errors import ServoirError
from chassis.metrics import BATCH_BUCKETS, SECONDS_BUCKETS, Counter, Gauge, Histogram
from services.model_server.memory import resident_bytes
from services.model_server.pipeline import Done

_P = "servoir_model_server_"
BATCHES = Counter(f"{_P}batches_total", "Batches that were answered.")
ITEMS = Counter(f"{_P}items_total", "Items that were answered, by the HTTP status of their outcome.", ["status"])
BATCH_SIZE = Histogram(f"{_P}batch_size_items", "Items in a batch.", buckets=BATCH_BUCKETS)
DECODE = Histogram(f"{_P}decode_seconds", "Bytes to the input tensor, of one item.", buckets=SECONDS_BUCKETS)
WAIT = Histogram(f"{_P}wait_seconds", "Decoded, waiting for a free execution; of a batch.", buckets=SECONDS_BUCKETS)
INFER = Histogram(f"{_P}infer_seconds", "Inside the engine, of a batch.", buckets=SECONDS_BUCKETS)
POSTPROCESS = Histogram(f"{_P}postprocess_seconds", "Tensors to the answer, of one item.", buckets=SECONDS_BUCKETS)
ITEM_SECONDS = Counter(
    f"{_P}item_seconds_total", "What each item was waiting for an execution, and in one; summed over items.", ["part"]
)
AT_HAND = Gauge(f"{_P}batches_at_hand", "Batches that are being worked on.")
RESIDENT = Gauge(f"{_P}resident_bytes", "What of the process lies in memory.")
DEVICE = Gauge(f"{_P}device_bytes", "What the model takes on its accelerator.")
CAP = Gauge(f"{_P}memory_cap_bytes", "What the process may take; 0: no cap.")
READY = Gauge(f"{_P}ready", "1 while the model is served.")

RESIDENT.set_function(resident_bytes)
_ANSWERED = ITEMS.labels("200")
for _status in ("400", "415", "422", "500", "504"):  # at 0 before the first: an increase from nothing is not seen
    ITEMS.labels(_status)
_ITEMS_WAIT, _ITEMS_INFER = ITEM_SECONDS.labels("wait"), ITEM_SECONDS.labels("infer")


def count_batch(done: Sequence[Done]) -> None:
    """Count one answered batch."""
    BATCHES.inc()
    BATCH_SIZE.observe(len(done))
    failed = [item.answer for item in done if isinstance(item.answer, ServoirError)]
    _ANSWERED.inc(len(done) - len(failed))
    for error in failed:
        ITEMS.labels(str(error.status)).inc()
    for item in done:
        DECODE.observe(item.decode_s)
        POSTPROCESS.observe(item.postprocess_s)
    WAIT.observe(sum(item.wait_s / item.shared for item in done))
    INFER.observe(sum(item.infer_s / item.shared for item in done))
    _ITEMS_WAIT.inc(sum(item.wait_s for item in done))
    _ITEMS_INFER.inc(sum(item.infer_s for item in done))
