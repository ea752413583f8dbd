"""From a model's folder to a model that runs: capped, verified, opened, warm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chassis import allocator, logs
from chassis.cores import cores
from chassis.errors import ServoirError
from services.model_server import machine
from services.model_server.adapters import adapter_for
from services.model_server.adapters.adapter import Adapter
from services.model_server.crew import Crew
from services.model_server.engines import Engine, EngineOptions, open_engine
from services.model_server.engines.engine import TensorSpec
from services.model_server.exits import BadModelFolder, DoesNotFit
from services.model_server.model_folder import ModelFolder
from services.model_server.pipeline import Pipeline
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting
from services.model_server.warmup import RunBatch, batch_runner

log = logs.logger()
DEFAULT_BATCH_SIZE = 8


class Opened(NamedTuple):
    """A model that runs, and what belongs to it."""

    engine: Engine
    adapter: Adapter
    pipeline: Pipeline
    run_batch: RunBatch


def cap_of(model: ModelFolder, settings: ModelServerSettings) -> int:
    """Return the memory cap: the deployment's, or else the model's; 0 for none. Raises DoesNotFit.

    Files that are larger than the cap need no trial.
    """
    cap_bytes = settings.memory_cap or model.modelinfo.memory_cap_bytes
    if cap_bytes and model.bytes > cap_bytes:
        raise DoesNotFit(f"{model.modelinfo.key} needs {model.bytes} bytes for its files alone; its cap is {cap_bytes}")
    return cap_bytes


def adapter_of(model: ModelFolder, inputs: Sequence[TensorSpec] = ()) -> Adapter:
    """Return the model's adapter; raises BadModelFolder for an unknown one, or a config that it does not take."""
    try:
        return adapter_for(model.modelinfo, inputs)
    except ServoirError as error:
        raise BadModelFolder(f"{model.modelinfo.key}: {error.detail}") from error


def largest_batch(model: ModelFolder, engine: Engine, settings: ModelServerSettings) -> int:
    """Return the most items of one call: the deployment's, or the model's, within what the engine takes."""
    asked = settings.max_batch_size or model.modelinfo.max_batch_size or DEFAULT_BATCH_SIZE
    return min(asked, engine.max_batch_size or asked)


def open_model(model: ModelFolder, setting: Setting, settings: ModelServerSettings) -> Opened:
    """Load *model* at a low priority; raises CannotServe, or MemoryError."""
    options = EngineOptions(
        threads=setting.threads,
        concurrency=setting.concurrency,
        device_cap_bytes=settings.device_memory_cap or cap_of(model, settings),
        config=model.modelinfo.config,
        float_images=model.modelinfo.task != "tensor" and model.modelinfo.config.get("dtype") != "uint8",
    )
    with machine.LowPriority():
        allocator.limit_arenas(max(2, cores()))
        engine = open_engine(model.modelinfo.framework_type, model.files, options)
        allocator.give_back()
    adapter = adapter_of(model, engine.inputs)
    execution_cores = 0 if engine.on_accelerator else setting.threads
    pipeline = Pipeline(
        engine, adapter, Crew(cores()), concurrency=setting.concurrency, execution_cores=execution_cores
    )
    return Opened(engine, adapter, pipeline, batch_runner(pipeline, adapter, engine))
