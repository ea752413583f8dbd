"""Does a conversion: the network in another form, held against its source on pictures, and published as a new release.

Until the new model has its description, whatever was begun is begun anew after a crash; from then on it is only carried
to its ends (results, store, registry), each of which takes it twice without harm.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from chassis.settings import load
from services.jobs.context import Context, Failed
from services.jobs.conversion import networks, onnx_models, page, tensorrt
from services.jobs.conversion.deviations import TOLERANCES, Deviations, Tolerance, deviations, things_in
from services.jobs.conversion.folders import described, next_release, put_into_store, sha256s, write_folder
from services.jobs.conversion.networks import Network, Source
from services.jobs.conversion.report import Calibration, ConversionReport, figures, for_registry, provenance
from services.jobs.conversion.sampling import Sample, largest_differences, sample
from services.jobs.evaluation.pictures import picture_files
from services.jobs.kinds.conversion import ConvertParameters
from services.jobs.materials import materials
from services.jobs.settings import Settings
from services.registry.client import Modelinfo, parse_modelinfo

_STEPS = 6
_MOST_CALIBRATION = 200
_FILES = {"onnx": "model.onnx", "tensorrt": "model.engine"}


def run(context: Context) -> None:
    """Do the job."""
    settings = load(Settings)
    made = context.folder / "made"
    if context.kept("report") is None:
        _convert(context, settings, made)
    report = msgspec.json.decode(context.kept("report") or b"", type=ConversionReport)
    _write_report(context, report)
    if report.faults:
        raise Failed(f"refused, the converted model deviates: {'; '.join(report.faults)}")
    context.progress(_STEPS, _STEPS, stage="publishing")
    model = parse_modelinfo(context.kept("modelinfo") or b"")
    _publish(context, settings, model, made)
    made_at_ms = int(datetime.fromisoformat(report.made_at).timestamp() * 1000)
    actor = context.client_id or "admin"
    context.registry.put_report(for_registry(report, model, made_at_ms=made_at_ms, actor=actor))
    context.describe(model=model.key, **figures(report))
    context.log(f"{model.key} is published, converted from {report.source}")


def _convert(context: Context, settings: Settings, made: Path) -> None:
    """Make the new model's folder at *made*, and keep its description and the report."""
    parameters: ConvertParameters = context.parameters
    pictures = _pictures(context, parameters.pictures, parameters.most_pictures)
    source = _source(context, settings, pictures)
    network, calibration = _network(context, settings, source, pictures)
    context.progress(3, _STEPS, stage="comparing")
    twin = _as_model(context, source.model, {_FILES["onnx"]: network.file}, "onnx", "twin", {})
    said = _say(context, settings, twin[1], pictures, "said_by_twin")
    tolerance = _tolerance(parameters)
    differences = _differences(source, said, pictures, tolerance)
    files, tools, gpus = _product(context, network)
    org, problem = source.model.org_name, source.model.problem_id
    rel_num = parameters.rel_num or next_release(context.registry.models(org, problem))
    report = ConversionReport(
        id=context.id,
        source=source.model.key,
        model_key=f"{org}-{problem}-{rel_num}",
        to=parameters.to,
        precision=parameters.precision,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source_files=sha256s(source.model),
        tools=tools,
        shape=tuple(source.said.input_shape()),
        profile=_profile(parameters) if parameters.to == "tensorrt" else None,
        gpus=gpus,
        calibration=calibration,
        checked_by="ONNX Runtime, on the network that the engine was built from" if gpus else "ONNX Runtime",
        deviations=differences,
        tolerance=tolerance,
        faults=tuple(differences.faults(tolerance)),
        infer_cpu_s={"source": round(source.said.infer_cpu_s, 6), "converted": round(said.infer_cpu_s, 6)},
    )
    model, folder = _as_model(context, source.model, files, parameters.to, rel_num, provenance(report))
    shutil.rmtree(made, ignore_errors=True)
    folder.rename(made)
    report = msgspec.structs.replace(report, files=sha256s(model))
    context.keep("modelinfo", msgspec.json.encode(model))
    context.keep("report", msgspec.json.encode(report))


def _source(context: Context, settings: Settings, pictures: list[Path]) -> Source:
    context.progress(0, _STEPS, stage="asking the source model")
    model = context.model(context.parameters.model)
    folder = settings.models / model.key
    if not folder.is_dir():
        raise Failed(
            f"{model.key} is not in the model store of the machine where the job runs (SERVOIR_JOBS_MODEL_STORE)"
        )
    said = _say(context, settings, folder, pictures, "said_by_source", inputs=True)
    for place, problem in said.problems.items():
        context.log(f"{pictures[place].name} is passed over: {problem}")
    return Source(model, folder, said)


def _network(
    context: Context, settings: Settings, source: Source, pictures: list[Path]
) -> tuple[Network, Calibration | None]:
    """Return the network in the precision that was asked for, and what it was calibrated on."""
    parameters: ConvertParameters = context.parameters
    context.progress(1, _STEPS, stage="converting")
    whole, file = context.folder / "network.onnx", context.folder / f"network_{parameters.precision}.onnx"
    timeout_s = settings.jobs_step_timeout_s
    network = networks.network(source, parameters.to, whole, check=context.check, timeout_s=timeout_s)
    context.progress(2, _STEPS, stage=f"to {parameters.precision}")
    if parameters.precision == "fp16":
        return networks.in_half(network, file), None
    if parameters.precision == "fp32":
        return network, None
    chosen, said = pictures[:_MOST_CALIBRATION], source.said
    if parameters.calibration:
        chosen = _pictures(context, parameters.calibration, _MOST_CALIBRATION)
        said = _say(context, settings, source.folder, chosen, "said_for_calibration", inputs=True)
    return networks.in_eighths(network, file, said), networks.calibration_of(chosen)


def _product(context: Context, network: Network) -> tuple[dict[str, Path], dict[str, str], tuple[str, ...]]:
    """Return the new model's files by their names, the tools that made them, and the GPUs that they are for."""
    parameters: ConvertParameters = context.parameters
    if parameters.to == "onnx":
        return {_FILES["onnx"]: network.file}, network.tools, ()
    context.progress(4, _STEPS, stage="building the engine")
    shapes = onnx_models.input_shapes(onnx_models.read(network.file))
    built = tensorrt.build(network.file.read_bytes(), shapes, _profile(parameters), parameters.gpus)
    engine = context.folder / _FILES["tensorrt"]
    engine.write_bytes(built.engine)
    name, _, version = built.builder.partition(" ")
    context.log(f"built for {', '.join(built.gpus)}: {len(built.engine)} bytes")
    return {_FILES["tensorrt"]: engine}, {**network.tools, name: version}, built.gpus


def _as_model(
    context: Context,
    source: Modelinfo,
    files: dict[str, Path],
    framework_type: str,
    rel_num: str,
    told: dict[str, object],
) -> tuple[Modelinfo, Path]:
    """Return the description and the folder, below the working folder, of a model that *source* became."""
    model = described(source, rel_num, files, framework_type=framework_type, provenance=told)
    if framework_type == "tensorrt":
        model = msgspec.structs.replace(model, max_batch_size=context.parameters.max_batch_size)
    return model, write_folder(context.folder / f"model_{rel_num}", model, files)


def _say(
    context: Context,
    settings: Settings,
    model: Path,
    pictures: list[Path],
    name: str,
    *,
    inputs: bool = False,
) -> Sample:
    out = context.folder / name
    return sample(model, pictures, out, check=context.check, timeout_s=settings.jobs_step_timeout_s, inputs=inputs)


def _differences(source: Source, said: Sample, pictures: list[Path], tolerance: Tolerance) -> Deviations:
    both = sorted(source.said.answers.keys() & said.answers.keys())
    answers = [(pictures[place].name, source.said.answers[place], said.answers[place]) for place in both]
    scores = [thing.score for _, one, _ in answers for thing in things_in(one)]
    threshold = float(source.model.config.get("score_threshold", min(scores, default=0.0)))
    return deviations(answers, largest_differences(source.said, said), threshold=threshold, tolerance=tolerance)


def _pictures(context: Context, source: str, most: int) -> list[Path]:
    path = materials(context, source)
    found = picture_files(path)[:most] if path.is_dir() else [path]
    if not found:
        raise Failed("there are no pictures to compare the models on")
    return found


def _tolerance(parameters: ConvertParameters) -> Tolerance:
    asked = parameters.tolerance
    return Tolerance(asked.score, asked.pixels, asked.share) if asked else TOLERANCES[parameters.precision]


def _profile(parameters: ConvertParameters) -> tensorrt.Profile:
    most = parameters.max_batch_size
    return tensorrt.Profile(1, parameters.best_batch_size or max(most // 2, 1), most)


def _publish(context: Context, settings: Settings, model: Modelinfo, made: Path) -> None:
    for path in sorted(made.iterdir()):
        with context.result(f"{model.key}/{path.name}") as file, path.open("rb") as written:
            shutil.copyfileobj(written, file)
    put_into_store(made, settings.models, model)
    context.registry.publish(model, actor=context.client_id or "admin")


def _write_report(context: Context, report: ConversionReport) -> None:
    with context.result("report.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(report), indent=1))
    with context.result("report.html") as file:
        file.write(page.render(report).encode())
