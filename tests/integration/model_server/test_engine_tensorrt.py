"""The TensorRT engine: against the real library where it is installed, and on a GPU where there is one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.model_server.engines import EngineOptions, open_engine
from services.model_server.exits import DoesNotFit, LoadFailed, MissingPackage

HERE = [name for name in ("tensorrt", "tensorrt_rtx") if find_spec(name)]


def library() -> Any:
    if not HERE:
        pytest.skip("neither tensorrt nor tensorrt_rtx is installed: pip install -e '.[tensorrt]'")
    return pytest.importorskip(HERE[0])


def doubling_engine(folder: Path) -> Path:
    """Build an engine that doubles batches of one to four images of two numbers; this needs no GPU."""
    trt = library()
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network, config = builder.create_network(), builder.create_builder_config()
    profile = builder.create_optimization_profile()
    image = network.add_input("image", trt.float32, (-1, 2))
    double = network.add_elementwise(image, image, trt.ElementWiseOperation.SUM).get_output(0)
    double.name = "double"
    network.mark_output(double)
    profile.set_shape("image", (1, 2), (2, 2), (4, 2))
    config.add_optimization_profile(profile)
    path = folder / "double.engine"
    path.write_bytes(builder.build_serialized_network(network, config))
    return path


@pytest.mark.skipif(bool(HERE), reason="TensorRT is installed here")
def test_without_tensorrt_the_error_names_the_extra() -> None:
    with pytest.raises(MissingPackage, match=r"pip install -e '\.\[tensorrt\]' in the checkout"):
        open_engine("tensorrt", [], EngineOptions())


def test_without_a_gpu_the_error_says_so(tmp_path: Path) -> None:
    path = doubling_engine(tmp_path)
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if not int(runtime.cudaGetDeviceCount()[0]):
        pytest.skip("there is a GPU here")

    with pytest.raises(LoadFailed, match="needs an NVIDIA GPU"):
        open_engine("tensorrt", [path], EngineOptions())


@pytest.mark.gpu
def test_an_engine_file_is_served_in_batches_up_to_its_profile(tmp_path: Path) -> None:
    engine = open_engine("tensorrt", [doubling_engine(tmp_path)], EngineOptions(concurrency=2))

    assert engine.max_batch_size == 4
    for items in (1, 4, 2):
        batch = np.random.default_rng(0).random((items, 2), np.float32)
        np.testing.assert_allclose(engine.infer({"image": batch})["double"], 2 * batch)
    assert engine.device_bytes() > 0


@pytest.mark.gpu
def test_an_engine_that_needs_more_than_its_cap_is_refused_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match="its cap is 1"):
        open_engine("tensorrt", [doubling_engine(tmp_path)], EngineOptions(device_cap_bytes=1))


@pytest.mark.gpu
def test_a_file_that_is_no_engine_is_refused(tmp_path: Path) -> None:
    library()
    (tmp_path / "broken.engine").write_bytes(b"nothing of the kind")

    with pytest.raises(LoadFailed, match="is no engine"):
        open_engine("tensorrt", [tmp_path / "broken.engine"], EngineOptions())
