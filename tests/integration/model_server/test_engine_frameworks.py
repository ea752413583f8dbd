"""Each engine on real models: what it takes and gives, from several threads, one by one and in batches."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from chassis.errors import BadRequest
from services.model_server.engines import Engine, EngineOptions, open_engine
from services.model_server.exits import BadModelFolder, LoadFailed, MissingPackage
from tests.frameworks import THREADS, tensorflow
from tests.model_folders import ready_models, saved_model
from tests.parts import wait_until
from tests.tiny_models import litert_model, onnx_model

OPTIONS = EngineOptions(threads=THREADS, concurrency=2)


def original(name: str) -> list[Path]:
    return [ready_models() / "original" / name]


def inputs_for(engine: Engine, items: int, *, side: int = 96) -> dict[str, np.ndarray]:
    """Return a batch of different noise for each item, in whole grey levels."""
    chance = np.random.default_rng(0)
    batch = {}
    for spec in engine.inputs:
        shape = (items, *(side if size is None else size for size in spec.shape[1:]))
        batch[spec.name] = chance.integers(0, 255, shape).astype(spec.dtype)
    return batch


def row(tensors: dict[str, np.ndarray], at: int) -> dict[str, np.ndarray]:
    return {name: array[at : at + 1] for name, array in tensors.items()}


def assert_same_alone_and_in_a_batch(engine: Engine) -> None:
    batch = inputs_for(engine, 4)
    together = engine.infer(batch)
    with ThreadPoolExecutor(4) as threads:
        alone = list(threads.map(lambda at: engine.infer(row(batch, at)), range(4)))

    assert {spec.name for spec in engine.outputs} == set(together)
    for name, array in together.items():
        assert len(array) == 4
        for at in range(4):
            np.testing.assert_allclose(array[at], alone[at][name][0], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_saved_model_gives_the_same_numbers_alone_and_in_a_batch() -> None:
    engine = open_engine("tensorflow", list(saved_model("efficientnet_lite0").values()), OPTIONS)

    assert engine.max_batch_size is None
    assert_same_alone_and_in_a_batch(engine)


@pytest.mark.slow
def test_a_saved_model_with_variables_gives_the_same_numbers_frozen() -> None:
    tf = tensorflow()
    files = list(saved_model("mlnd_lane_fcn").values())
    engine = open_engine("tensorflow", files, OPTIONS)
    batch = inputs_for(engine, 2)
    loaded = tf.saved_model.load(str(ready_models() / "mlnd_lane_fcn"))
    constants = {name: tf.constant(array.astype(np.uint8)) for name, array in batch.items()}
    bare = {name: tensor.numpy() for name, tensor in loaded.signatures["serving_default"](**constants).items()}

    ours = engine.infer(batch)

    assert set(ours) == set(bare)
    for name, array in bare.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_keras_file_is_served_under_its_own_names(tmp_path: Path) -> None:
    tf = tensorflow()
    image = tf.keras.Input((8,), name="image")
    scale = tf.keras.Input((8,), name="scale")
    outputs = [tf.keras.layers.Dense(3)(image * scale), tf.keras.layers.Dense(2)(scale)]
    model = tf.keras.Model([image, scale], outputs)
    model.save(tmp_path / "model.keras")
    chance = np.random.default_rng(0)
    batch = {name: chance.random((4, 8)).astype(np.float32) for name in ("image", "scale")}

    engine = open_engine("tensorflow", [tmp_path / "model.keras"], OPTIONS)
    ours = engine.infer(batch)

    first, second = (tensor.numpy() for tensor in model([batch["image"], batch["scale"]]))
    np.testing.assert_allclose(ours["output_0"], first, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours["output_1"], second, rtol=1e-4, atol=1e-5)
    assert {spec.name for spec in engine.inputs} == {"image", "scale"}


@pytest.mark.slow
def test_a_saved_model_that_cannot_be_frozen_is_served_as_it_is(tmp_path: Path) -> None:
    tf = tensorflow()
    words = tf.lookup.KeyValueTensorInitializer(tf.constant([1, 2], tf.int64), tf.constant([10.0, 20.0]))
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(words, -1.0)
    taken = tf.TensorSpec((None, 1), tf.int64, name="number")
    module.serve = tf.function(lambda number: {"word": module.table.lookup(number)}, input_signature=[taken])
    tf.saved_model.save(module, tmp_path, signatures={"serving_default": module.serve})

    engine = open_engine("tensorflow", [path for path in tmp_path.rglob("*") if path.is_file()], OPTIONS)

    assert engine.infer({"number": np.array([[1], [2], [3]])})["word"].tolist() == [[10.0], [20.0], [-1.0]]


@pytest.mark.slow
def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"nothing of the kind")

    with pytest.raises(LoadFailed, match="tensorflow could not load the model"):
        open_engine("tensorflow", [tmp_path / "saved_model.pb"], OPTIONS)


def test_onnx_runtime_serves_a_real_model_from_several_threads() -> None:
    engine = open_engine("onnx", original("twinlitenet.onnx"), OPTIONS)
    image = inputs_for(engine, 1)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(engine.infer, [image, image])

    assert engine.max_batch_size == 1
    assert {name: array.shape for name, array in first.items()} == {"da": (1, 2, 360, 640), "ll": (1, 2, 360, 640)}
    np.testing.assert_array_equal(first["da"], second["da"])


def test_onnx_runtime_is_given_bytes_as_the_text_that_they_are(tmp_path: Path) -> None:
    graph = "g (string[N,1] given) => (string[N,1] back) { back = Identity(given) }"
    engine = open_engine("onnx", [onnx_model(tmp_path, graph)], OPTIONS)

    assert engine.infer({"given": np.array([[b"abc"], ["ä".encode()]], object)})["back"].tolist() == [["abc"], ["ä"]]
    with pytest.raises(BadRequest, match="'given': its BYTES are not all UTF-8"):
        engine.infer({"given": np.array([[b"\xff"]], object)})


@pytest.mark.parametrize("items", [1, 3, 4])
def test_a_model_of_batches_of_four_is_served_with_fewer(items: int, tmp_path: Path) -> None:
    graph = "g (float[4,2] one) => (float[4,2] double) { double = Add(one, one) }"
    engine = open_engine("onnx", [onnx_model(tmp_path, graph)], OPTIONS)
    batch = np.arange(2 * items, dtype=np.float32).reshape(items, 2)

    assert engine.max_batch_size == 4
    np.testing.assert_array_equal(engine.infer({"one": batch})["double"], 2 * batch)


def test_litert_gives_the_same_numbers_alone_and_in_a_batch() -> None:
    engine = open_engine("litert", original("selfie_segmentation.tflite"), OPTIONS)

    assert engine.max_batch_size is None
    assert_same_alone_and_in_a_batch(engine)


def test_litert_says_that_a_model_takes_one_image_at_a_time_and_gives_quantised_outputs_as_real_numbers() -> None:
    engine = open_engine("litert", original("mobilenet_v2_1.0_224_quant.tflite"), OPTIONS)

    (scores,) = engine.infer(inputs_for(engine, 1)).values()

    assert engine.max_batch_size == 1
    assert scores.dtype == np.float32
    assert 0.0 < float(scores.max()) <= 1.0


def test_litert_runs_a_guest_beside_as_many_executions_as_agreed(tmp_path: Path) -> None:
    engine = open_engine("litert", [litert_model(tmp_path)], EngineOptions(concurrency=1))
    three, held = np.array([[3.0]], np.float32), threading.Event()
    go = threading.Event()

    class Held(dict[str, np.ndarray]):
        def __getitem__(self, name: str) -> np.ndarray:
            held.set()
            go.wait(20)
            return super().__getitem__(name)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(engine.infer, Held(number=three))
        assert held.wait(20)
        guest = threads.submit(engine.infer, {"number": three})
        wait_until(guest.done)
        assert not first.done()
        go.set()

    assert first.result() == guest.result()


@pytest.mark.parametrize(
    ("signature", "double", "square"),
    [
        ({}, "StatefulPartitionedCall:0", "StatefulPartitionedCall:1"),
        ({"double": "StatefulPartitionedCall:0", "square": "StatefulPartitionedCall:1"}, "double", "square"),
    ],
    ids=["its tensors", "its signature"],
)
def test_litert_gives_every_output_by_the_name_of(
    signature: dict[str, str], double: str, square: str, tmp_path: Path
) -> None:
    engine = open_engine("litert", [litert_model(tmp_path, signature)], OPTIONS)

    answers = engine.infer({"number": np.array([[3.0], [4.0]], np.float32)})

    assert [spec.name for spec in engine.inputs] == ["number"]
    assert {spec.name for spec in engine.outputs} == set(answers) == {double, square}
    assert answers[double].tolist() == [[6.0], [8.0]]
    assert answers[square].tolist() == [[9.0], [16.0]]


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    for framework, name in (("onnx", "model.onnx"), ("litert", "model.tflite")):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(LoadFailed, match=f"{framework} could not load the model"):
            open_engine(framework, [tmp_path / name], OPTIONS)


@pytest.mark.parametrize("framework", ["onnx", "litert"])
def test_a_folder_without_a_file_of_the_framework_is_refused(framework: str, tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("no model")

    with pytest.raises(BadModelFolder, match="found: none"):
        open_engine(framework, [tmp_path / "readme"], OPTIONS)


@pytest.mark.parametrize(
    ("framework", "package"), [("onnx", "onnxruntime"), ("litert", "ai_edge_litert"), ("tensorflow", "tensorflow")]
)
def test_a_missing_framework_is_an_error_that_names_the_extra(
    framework: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingPackage, match=rf"pip install -e '\.\[{framework}\]' in the checkout"):
        open_engine(framework, [], OPTIONS)
