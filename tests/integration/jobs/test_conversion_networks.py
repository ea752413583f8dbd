"""Networks between frameworks: graphs made fit, suppression rebuilt, numbers halved, engines built without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chassis.errors import BadRequest
from services.jobs.conversion import onnx_models, quantizing, tensorrt
from services.jobs.conversion.suppression import OPERATION, dense, handlers, kept_list

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def network(sides: int = 8) -> Any:
    """Return an ONNX network of two convolutions, a sum, and an end with shapes of its own."""
    chance = np.random.default_rng(1)
    weights = {
        "w1": chance.normal(size=(4, 3, 3, 3)),
        "w2": chance.normal(size=(4, 4, 1, 1)),
        "b": chance.normal(size=4),
    }
    helper = onnx.helper
    nodes = [
        helper.make_node("Transpose", ["image:0"], ["t"], perm=[0, 3, 1, 2], name="turn"),
        helper.make_node("Conv", ["t", "w1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
        helper.make_node("Conv", ["r1", "w2", "b"], ["c2"], name="second"),
        helper.make_node("Add", ["r1", "c2"], ["a"], name="sum"),
        helper.make_node("Flatten", ["a"], ["out:0"], name="end"),
    ]
    shape = helper.make_tensor_value_info("image:0", 1, [None, sides, sides, 3])
    out = helper.make_tensor_value_info("out:0", 1, [None, 4 * sides * sides])
    initializers = [onnx.numpy_helper.from_array(it.astype(np.float32), name) for name, it in weights.items()]
    graph = helper.make_graph(nodes, "g", [shape], [out], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: Any, **given: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, given)
    return outputs


PICTURES = np.random.default_rng(2).random((3, 8, 8, 3), np.float32)


def test_tensors_get_the_names_that_the_model_has_and_an_open_batch() -> None:
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "scores"})

    assert onnx_models.input_shapes(model) == {"image": [None, 8, 8, 3]}
    np.testing.assert_allclose(run(model, image=PICTURES)[0], run(network(), **{"image:0": PICTURES})[0], atol=1e-5)


def test_a_name_that_is_taken_inside_is_made_free() -> None:
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "a"})

    assert [output.name for output in model.graph.output] == ["a"]
    np.testing.assert_allclose(run(model, image=PICTURES)[0], run(network(), **{"image:0": PICTURES})[0], atol=1e-5)


def test_in_half_the_weights_are_half_and_the_answers_near() -> None:
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})

    half = onnx_models.halved(model, leave=OPERATION)

    onnx.checker.check_model(half, full_check=True)
    assert {weight.data_type for weight in half.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert [value.type.tensor_type.elem_type for value in (*half.graph.input, *half.graph.output)] == [1, 1]
    whole, near = run(model, image=PICTURES)[0], run(half, image=PICTURES)[0]
    assert 0 < np.abs(whole - near).max() < 0.05


def test_what_is_to_be_left_stays_in_whole_numbers() -> None:
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})

    half = onnx_models.halved(model, leave="second")

    kinds = {weight.name: weight.data_type for weight in half.graph.initializer}
    assert kinds["w2"] == onnx.TensorProto.FLOAT
    assert kinds["w1/half"] == onnx.TensorProto.FLOAT16
    run(half, image=PICTURES)


def test_in_eighths_the_answers_are_near_what_it_was_calibrated_on(tmp_path: Path) -> None:
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})
    onnx_models.save(model, tmp_path / "whole.onnx")
    given = ({"image": picture} for picture in PICTURES)

    quantizing.quantized(tmp_path / "whole.onnx", tmp_path / "eighths.onnx", given, leave=OPERATION)

    eighths = onnx_models.read(tmp_path / "eighths.onnx")
    assert "QuantizeLinear" in {node.op_type for node in eighths.graph.node}
    whole, near = run(model, image=PICTURES)[0], run(eighths, image=PICTURES)[0]
    assert 0 < np.abs(whole - near).max() < 0.05 * np.abs(whole).max()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_is_built_on_a_machine_without_a_gpu(precision: str) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})
    model = model if precision == "fp32" else onnx_models.halved(model, leave=OPERATION)

    built = tensorrt.build(
        model.SerializeToString(), onnx_models.input_shapes(model), tensorrt.Profile(1, 2, 4), ["sm86", "sm89"]
    )

    assert len(built.engine) > 1000
    assert built.builder.startswith("tensorrt_rtx ")
    assert built.gpus == ("sm86", "sm89")


def test_what_tensorrt_does_not_take_is_said() -> None:
    pytest.importorskip("tensorrt_rtx")
    with pytest.raises(BadRequest, match="TensorRT does not take the model"):
        tensorrt.build(b"no model", {}, tensorrt.Profile(1, 1, 1), ["sm89"])
    with pytest.raises(BadRequest, match=r"TensorRT needs pictures of one size; image takes \[None, 8, 3\]"):
        model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})
        tensorrt.build(model.SerializeToString(), {"image": [None, None, 8, 3]}, tensorrt.Profile(1, 1, 1), ["sm89"])


@pytest.mark.slow
@pytest.mark.parametrize("form", [kept_list, dense])
def test_suppression_gives_what_tensorflow_gives(form: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    tf2onnx = pytest.importorskip("tf2onnx")
    chance = np.random.default_rng(3)
    corners = np.sort(chance.random((2, 60, 1, 2, 2)), axis=3).reshape(2, 60, 1, 4).astype(np.float32)
    scores = chance.random((2, 60, 3)).astype(np.float32) ** 3

    @tf.function(input_signature=[tf.TensorSpec([None, 60, 1, 4]), tf.TensorSpec([None, 60, 3])])
    def suppress(boxes: Any, given: Any) -> Any:
        return tuple(
            tf.image.combined_non_max_suppression(
                boxes, given, 40, 40, iou_threshold=0.5, score_threshold=0.2, clip_boxes=True
            )
        )

    model, _ = tf2onnx.convert.from_function(
        suppress,
        input_signature=suppress.input_signature,
        opset=17,
        custom_op_handlers=handlers(form),
    )
    names = [it.name for it in model.graph.input]

    ours = run(model, **dict(zip(names, (corners, scores), strict=True)))

    for one, other in zip(ours, suppress(corners, scores), strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-6)


@pytest.mark.gpu
def test_an_engine_that_was_built_ahead_answers_as_the_network_does(tmp_path: Path) -> None:
    from services.model_server.engines import EngineOptions, open_engine

    model = onnx_models.named(network(), {"image:0": "image", "out:0": "out"})
    built = tensorrt.build(
        model.SerializeToString(), onnx_models.input_shapes(model), tensorrt.Profile(1, 2, 4), tensorrt.GPUS
    )
    (tmp_path / "model.engine").write_bytes(built.engine)

    engine = open_engine("tensorrt", [tmp_path / "model.engine"], EngineOptions())

    np.testing.assert_allclose(engine.infer({"image": PICTURES})["out"], run(model, image=PICTURES)[0], atol=1e-2)


@pytest.mark.slow
def test_a_saved_model_loses_its_resizing_and_takes_floats(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from services.jobs.conversion.tensorflow import freeze, to_onnx

    class Net(tf.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self.weights = tf.Variable(np.random.default_rng(4).random((3, 3, 3, 2), np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            resized = tf.image.resize(tf.cast(image, tf.float32), (16, 12), antialias=True)
            return {"scores": tf.reduce_mean(tf.nn.conv2d(resized, self.weights, 1, "SAME"), (1, 2)), "seen": resized}

    net = Net()
    tf.saved_model.save(net, str(tmp_path / "net"), signatures=net.__call__)
    pictures = np.random.default_rng(5).integers(0, 256, (3, 16, 12, 3), np.uint8)

    model, done = to_onnx(freeze(tmp_path), "onnx", (None, 16, 12, 3))

    assert (done.floats, done.resizings) == (True, 1)
    assert onnx_models.input_shapes(model) == {"image": [None, 16, 12, 3]}
    assert "Resize" not in {node.op_type for node in model.graph.node}
    scores, seen = run(model, image=pictures.astype(np.float32))
    np.testing.assert_allclose(seen, pictures)
    np.testing.assert_allclose(scores, net(tf.constant(pictures))["scores"].numpy(), rtol=1e-4)


@pytest.mark.slow
def test_operations_that_onnx_does_not_know_are_named(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from services.jobs.conversion.tensorflow import freeze, to_onnx

    net = tf.Module()
    net.call = tf.function(
        lambda image: {"out": tf.math.digamma(image)},
        input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32, name="image")],
    )
    tf.saved_model.save(net, str(tmp_path / "net"), signatures=net.call)

    with pytest.raises(BadRequest, match="operations that ONNX does not know: Digamma"):
        to_onnx(freeze(tmp_path), "onnx", (None, 8, 8, 3))


@pytest.mark.slow
def test_a_keras_file_is_converted_as_the_engine_reads_it(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from services.jobs.conversion.tensorflow import freeze, to_onnx

    layers = [tf.keras.Input((8, 8, 3), name="image"), tf.keras.layers.Conv2D(4, 3), tf.keras.layers.Flatten()]
    net = tf.keras.Sequential(layers)
    net.save(tmp_path / "net.keras")

    model, _ = to_onnx(freeze(tmp_path), "onnx", (None, 8, 8, 3))

    [name] = onnx_models.input_shapes(model)
    assert [output.name for output in model.graph.output] == ["output_0"]
    np.testing.assert_allclose(run(model, **{name: PICTURES})[0], net(PICTURES).numpy(), atol=1e-5)
