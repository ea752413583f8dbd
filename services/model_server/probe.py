"""Measures one setting of a model in a process of its own: a framework's threads cannot be changed once it runs.

``python -m services.model_server.probe '<setting and settings as JSON>' <file for the trial>``, run by the server that
tunes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from chassis import logs
from chassis.settings import load
from services.model_server import machine
from services.model_server.loading import cap_of, largest_batch, open_model
from services.model_server.measuring import measure
from services.model_server.memory import MemoryCap
from services.model_server.model_folder import open_model_folder
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting, Trial
from services.model_server.warmup import sizes_to_measure, warm

log = logs.logger()
SECONDS = 0.6
TIMEOUT_S = 60.0


def trial(setting: Setting, settings: ModelServerSettings) -> Trial:
    """Return what this process measures at *setting*."""
    model = open_model_folder(settings.model)
    memory = MemoryCap(cap_of(model, settings))
    memory.start()
    opened = open_model(model, setting, settings)
    most = largest_batch(model, opened.engine, settings)
    with machine.LowPriority():
        warm(opened.run_batch, most, concurrency=setting.concurrency)
    sizes = sizes_to_measure(most)
    return Trial(setting, measure(opened.run_batch, sizes, concurrency=setting.concurrency, seconds=SECONDS))


def probe(setting: Setting, settings: ModelServerSettings) -> Trial | None:
    """Return what a child process measures at *setting*; None where it cannot, which is logged."""
    with TemporaryDirectory(prefix="servoir-probe-") as folder:
        answer = Path(folder) / "trial.json"
        asked = msgspec.json.encode((setting, _told(settings))).decode()
        command = [sys.executable, "-m", "services.model_server.probe", asked, str(answer)]
        try:
            subprocess.run(command, check=True, timeout=TIMEOUT_S)
            return msgspec.json.decode(answer.read_bytes(), type=Trial)
        except (subprocess.SubprocessError, OSError, msgspec.DecodeError) as error:
            log.warning("probe_failed", threads=setting.threads, concurrency=setting.concurrency, reason=str(error))
            return None


def _told(settings: ModelServerSettings) -> dict[str, object]:
    """Return the settings that a probe needs."""
    return {
        "model": str(settings.model),
        "memory_cap": settings.memory_cap,
        "device_memory_cap": settings.device_memory_cap,
        "max_batch_size": settings.max_batch_size,
    }


def main(asked: str, answer: Path) -> None:
    """Measure what is *asked* and write the trial to the file *answer*."""
    logs.configure("model_server", "warning")
    setting, told = msgspec.json.decode(asked, type=tuple[Setting, dict[str, object]])
    told["model"] = Path(str(told["model"]))
    answer.write_bytes(msgspec.json.encode(trial(setting, load(ModelServerSettings, {}, **told))))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
