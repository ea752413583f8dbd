"""What an adapter makes of its config and of the engine's inputs."""

from __future__ import annotations

import numpy as np
import pytest

from chassis.errors import BadRequest, UnsupportedMedia
from services.model_server.adapters import ADAPTERS
from services.model_server.engines.engine import TensorSpec
from tests.adapter_models import adapter, picture


def image_spec(name: str = "image", kind: str = "uint8") -> TensorSpec:
    return TensorSpec(name, np.dtype(kind), (None, None, None, 3))


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(BadRequest) as raised:
        adapter("ssd_mobilenet_v2", score_threshold=2, max_regions="many", treshold=0.5, resize="lanczos")

    for name in ("score_threshold", "max_regions", "treshold: unknown", "resize"):
        assert name in raised.value.detail


@pytest.mark.parametrize("dnnarch", ADAPTERS)
def test_every_adapter_refuses_an_unknown_field_and_takes_an_empty_config(dnnarch: str) -> None:
    with pytest.raises(BadRequest, match="nonsense: unknown"):
        adapter(dnnarch, inputs=(), nonsense=1)
    assert "tensor" in adapter(dnnarch, inputs=()).tasks


def test_an_unknown_dnnarch_is_told_which_there_are() -> None:
    with pytest.raises(BadRequest, match="ssd_mobilenet_v2"):
        adapter("ssd_mobilenet_v3")


def test_the_engine_says_what_the_tensor_is_called_and_typed() -> None:
    prepared = adapter("ssd_mobilenet_v2", inputs=[image_spec("in:0", "float32")]).prepare(picture(), "bbox")

    assert {name: (array.dtype, array.shape) for name, array in prepared.tensors.items()} == {
        "in:0": (np.dtype(np.float32), (300, 300, 3))
    }
    rounded = adapter("ssd_mobilenet_v2", inputs=[image_spec()]).prepare(picture(), "bbox").tensors["image"]
    assert rounded.dtype == np.uint8
    np.testing.assert_allclose(rounded, prepared.tensors["in:0"], atol=0.51)


def test_a_config_that_does_not_meet_the_engine_is_refused() -> None:
    with pytest.raises(BadRequest, match="uint8"):
        adapter("ssd_mobilenet_v2", inputs=[image_spec()], dtype="float32")
    with pytest.raises(BadRequest, match="int64"):
        adapter("ssd_mobilenet_v2", inputs=[image_spec(kind="int64")])
    with pytest.raises(BadRequest, match="left, right"):
        adapter("ssd_mobilenet_v2", inputs=[image_spec("left"), image_spec("right")])
    with pytest.raises(BadRequest, match="'other'"):
        adapter("ssd_mobilenet_v2", inputs=[image_spec()], input="other")


def test_a_picture_that_would_not_fit_the_engines_shape_is_refused_at_once() -> None:
    fixed = TensorSpec("image", np.dtype(np.uint8), (None, 513, 513, 3))
    planes = TensorSpec("image", np.dtype(np.uint8), (1, 3, 300, 300))

    for spec, config in ((fixed, {}), (planes, {}), (TensorSpec("x", np.dtype(np.uint8), (None, 4)), {})):
        with pytest.raises(BadRequest, match="has the shape"):
            adapter("ssd_mobilenet_v2", inputs=[spec], **config)
    adapter("deeplabv3_mnv2", inputs=[fixed])
    adapter("ssd_mobilenet_v2", inputs=[planes], layout="nchw")
    adapter("ssd_mobilenet_v2", inputs=[fixed], resize="none")


def test_normalisation_channels_and_layout_are_as_configured() -> None:
    inputs = [TensorSpec("x", np.dtype(np.float32), (None, 3, 48, 64))]
    plain = adapter("ssd_mobilenet_v2", input_width=64, input_height=48)
    turned = adapter(
        "ssd_mobilenet_v2",
        inputs=inputs,
        input_width=64,
        input_height=48,
        layout="nchw",
        channels="bgr",
        mean=[1, 2, 3],
        std=[2, 4, 8],
    )
    rgb = plain.prepare(picture(64, 48), "bbox").tensors["image"]

    tensor = turned.prepare(picture(64, 48), "bbox").tensors["x"]

    assert tensor.shape == (3, 48, 64)
    assert tensor.flags.c_contiguous
    for place, (channel, mean, std) in enumerate([(2, 1, 2), (1, 2, 4), (0, 3, 8)]):
        np.testing.assert_allclose(tensor[place], (rgb[:, :, channel] - mean) / std, rtol=1e-6)


def test_what_is_no_image_is_refused_before_anything_else() -> None:
    with pytest.raises(UnsupportedMedia):
        adapter("efficientnet_lite0").prepare(b"no image", "classify")
