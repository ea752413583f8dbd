"""What happens to a model before it serves: choose how to feed it, load it, warm it up, measure it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from chassis import logs
from chassis.cores import cores
from chassis.rpc import model_server_pb2 as pb
from services.model_server import machine
from services.model_server.engine_check import EngineCheck
from services.model_server.engines import framework_version
from services.model_server.loading import Opened, largest_batch, open_model
from services.model_server.measuring import Measured, measure
from services.model_server.model_folder import ModelFolder
from services.model_server.probe import probe
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import (
    Setting,
    Trial,
    Tuned,
    TuningCache,
    best,
    best_of,
    default_setting,
    settings_to_try,
)
from services.model_server.turn import turn
from services.model_server.warmup import SampleRefused, sizes_to_measure, tensors_of_one, warm

log = logs.logger()
_MEASURE_S = {"off": 0.1, "quick": 0.8, "full": 0.8}


class Ready(NamedTuple):
    """A model, open and warm, and how it wants to be fed."""

    opened: Opened
    capacity: pb.Capacity


def prepare(model: ModelFolder, settings: ModelServerSettings) -> Ready:
    """Return *model* ready to serve; raises CannotServe, or MemoryError."""
    kept = _kept(model, settings)
    if kept or settings.tune == "off":
        return _prepare(model, settings, kept)
    with turn(_folder(settings) / "lock"):
        return _prepare(model, settings, _kept(model, settings))  # another replica may have measured it meanwhile


def _prepare(model: ModelFolder, settings: ModelServerSettings, kept: Tuned | None) -> Ready:
    tuned = kept or (_tuned_by_probes(settings) if settings.tune == "full" else None)
    setting = _fixed(tuned.setting if tuned else default_setting(cores()), settings)
    opened = open_model(model, setting, settings)
    most = largest_batch(model, opened.engine, settings)
    try:
        with machine.LowPriority():
            warm(opened.run_batch, most, concurrency=setting.concurrency)
        if tuned is None or tuned.setting != setting:
            tuned = _measured(opened, setting, most, settings)
        if settings.tune != "off" and tuned != kept:
            _cache(model, settings, settings.tune).write(tuned)
        opened.pipeline.on_engine_failure = _check_of(opened).check
    except SampleRefused as refused:
        log.warning("not_measured", reason=str(refused), detail="served cold, at fixed values")
        tuned = _fixed_values(setting, most, settings)
    opened.pipeline.execution_size = tuned.execution_size
    _tell(tuned, kept=kept is not None)
    return Ready(opened, _capacity(tuned, most))


def _check_of(opened: Opened) -> EngineCheck:
    """Return the check of an engine that has answered what it is warmed up with."""
    return EngineCheck(partial(opened.pipeline.infer, tensors_of_one(opened.adapter, opened.engine), at_once=True))


def _kept(model: ModelFolder, settings: ModelServerSettings) -> Tuned | None:
    """Return what an earlier start measured; a quick one is content with a full one's."""
    modes = {"off": (), "quick": ("full", "quick"), "full": ("full",)}[settings.tune]
    return next((kept for mode in modes if (kept := _cache(model, settings, mode).read())), None)


def _cache(model: ModelFolder, settings: ModelServerSettings, mode: str) -> TuningCache:
    asked = (mode, settings.threads, settings.concurrency, settings.max_batch_size)
    runs_on = (machine.fingerprint(), framework_version(model.modelinfo.framework_type))
    key = (*runs_on, model.digest, model.modelinfo.max_batch_size, *asked)
    return TuningCache(_folder(settings), key)


def _folder(settings: ModelServerSettings) -> Path:
    return settings.home / "cache" / "tuning"


def _fixed(setting: Setting, settings: ModelServerSettings) -> Setting:
    """Return *setting* with the deployment's own values in place of the tuned ones."""
    return Setting(settings.threads or setting.threads, settings.concurrency or setting.concurrency)


def _tuned_by_probes(settings: ModelServerSettings) -> Tuned | None:
    """Return the best of what child processes measure; None where none could."""
    tried = dict.fromkeys(_fixed(setting, settings) for setting in settings_to_try(cores()))
    trials = [trial for setting in tried if (trial := probe(setting, settings))]
    for trial in trials:
        tuned, fastest = best_of(trial)
        log.info(
            "setting_tried",
            threads=trial.setting.threads,
            concurrency=trial.setting.concurrency,
            batch_size=fastest.batch_size,
            execution_size=tuned.execution_size,
            items_per_s=round(fastest.items_per_s, 1),
            seconds=round(fastest.seconds, 4),
        )
    return best(trials) if trials else None


def _measured(opened: Opened, setting: Setting, most: int, settings: ModelServerSettings) -> Tuned:
    """Return *setting* with what this process measures at it."""
    seconds = _MEASURE_S[settings.tune]
    rows = measure(opened.run_batch, sizes_to_measure(most), concurrency=setting.concurrency, seconds=seconds)
    return _fixed_values(setting, most, settings, rows) if settings.tune == "off" else best([Trial(setting, rows)])


def _fixed_values(
    setting: Setting, most: int, settings: ModelServerSettings, measured: tuple[Measured, ...] = ()
) -> Tuned:
    return Tuned(setting, min(settings.batch_size or most, most), measured)


def _tell(tuned: Tuned, *, kept: bool) -> None:
    log.info(
        "warmed_up",
        threads=tuned.setting.threads,
        concurrency=tuned.setting.concurrency,
        best_batch_size=tuned.best_batch_size,
        execution_size=tuned.execution_size,
        seconds={row.batch_size: round(row.seconds, 5) for row in tuned.measured},
        items_per_s={row.batch_size: round(row.items_per_s, 1) for row in tuned.measured},
        kept=kept,
    )


def _capacity(tuned: Tuned, most: int) -> pb.Capacity:
    return pb.Capacity(
        max_batch_size=most,
        best_batch_size=min(tuned.best_batch_size, most),
        concurrency=tuned.setting.concurrency,
        service_times=[pb.ServiceTime(batch_size=row.batch_size, seconds=row.seconds) for row in tuned.measured],
    )
