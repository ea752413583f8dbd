"""Resizes a picture to a model's input size as the model's own graph would, so that items of any size join in a batch.

A network is trained with one kind of resizing and is not indifferent to another. So each kind here is one that
TensorFlow has, computed to the same numbers (within 0.001 of 255 before rounding):

================== =====================================================================================
none               no resizing: the model gets the picture as it is, and only equal sizes join in a batch
bilinear           ``tf.image.resize(…, "bilinear")``: samples at pixel centres, no smoothing
bilinear_tf1       the same from TensorFlow 1 (``half_pixel_centers=False``): samples at corners
bilinear_antialias ``tf.image.resize(…, "bilinear", antialias=True)``, also Pillow's BILINEAR: smooths
bicubic            ``tf.image.resize(…, "bicubic")``: Keys' cubic, no smoothing
================== =====================================================================================

The two that sample are OpenCV's ``remap``, which from OpenCV 5 on weighs in floats; its own ``resize`` is off by a grey
level, and Pillow's affine transform too. The others gather weighted rows, then columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

Resize = Literal["none", "bilinear", "bilinear_tf1", "bilinear_antialias", "bicubic"]
_CACHED_SIZES = 64
_OPENCV_SIDES = 2**15 - 1

cv2.setNumThreads(1)  # items are prepared side by side; a pool inside each would only fight over the cores


def resize(pixels: np.ndarray, height: int, width: int, how: Resize, *, exact: bool = False) -> np.ndarray:
    """Return uint8 *pixels* [H,W,3] as [height,width,3]; the same array where it has that size already.

    The result is uint8, rounded, or float32 with *exact*: rounding moves the numbers of a detector.
    """
    if how == "none" or pixels.shape[:2] == (height, width):
        return pixels.astype(np.float32) if exact else pixels
    if how in ("bilinear", "bilinear_tf1"):
        rows, columns, x, y = _samples(*pixels.shape[:2], height, width, how == "bilinear")
        source = pixels[rows] if columns is None else pixels[rows][:, columns]
        source = source.astype(np.float32) if exact else source
        return np.asarray(cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    low = _weighted_rows(pixels, height, how)
    image = cv2.transpose(_weighted_rows(cv2.transpose(low), width, how))
    return np.asarray(image if exact else cv2.convertScaleAbs(np.maximum(image, 0.0)))


def _positions(size: int, wanted: int, half_pixel: bool) -> np.ndarray:
    """Return where in the source each of *wanted* samples lies, in float32 as TensorFlow reckons."""
    scale = np.float32(size) / np.float32(wanted)
    at = np.arange(wanted, dtype=np.float32)
    return (at + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else at * scale


def _between(size: int, wanted: int, half_pixel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the source lines that the samples lie between, and where each sample lies, counted in those lines."""
    at = _positions(size, wanted, half_pixel).clip(0, size - 1)
    lower = np.floor(at).astype(np.intp)
    lines = np.unique([lower, (lower + 1).clip(max=size - 1)])
    return lines, (np.searchsorted(lines, lower) + (at - lower)).astype(np.float32)


@lru_cache(maxsize=_CACHED_SIZES)
def _samples(
    height: int, width: int, wanted_height: int, wanted_width: int, half_pixel: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the rows that are needed, the columns (None: all), and the maps of x and y in what is left by them.

    Rows are cheap to pick, and a huge picture is not made floats for the few that count. Columns are not, and are
    picked only where a row is too long for OpenCV.
    """
    rows, down = _between(height, wanted_height, half_pixel)
    columns, across = _between(width, wanted_width, half_pixel)
    if width < _OPENCV_SIDES:
        x, y = np.meshgrid(_positions(width, wanted_width, half_pixel), down)
        return rows, None, x, y
    x, y = np.meshgrid(across, down)
    return rows, columns, x, y


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(distance)))


def _keys(distance: np.ndarray) -> np.ndarray:
    """Return Keys' cubic kernel, a = -1/2."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


_KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int, bool]] = {
    "bilinear_antialias": (_triangle, 1, True),
    "bicubic": (_keys, 2, False),
}
"""The kernel, how far it reaches, and whether it widens when a picture shrinks."""


@lru_cache(maxsize=_CACHED_SIZES)
def _taps(size: int, wanted: int, how: Resize) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and weights, each [taps, wanted]; what lies outside weighs nothing, and the rest sums to 1."""
    kernel, reach, widens = _KERNELS[how]
    stretch = max(size / wanted, 1.0) if widens else 1.0
    at = _positions(size, wanted, half_pixel=True).astype(np.float64)
    span = np.arange(int(np.ceil(2 * reach * stretch)) + 1)
    indices = np.ceil(at - reach * stretch).astype(np.intp) + span[:, None]
    weights = kernel((at - indices) / stretch) * ((indices >= 0) & (indices < size))
    return indices.clip(0, size - 1), (weights / weights.sum(axis=0)).astype(np.float32)


def _weighted_rows(image: np.ndarray, height: int, how: Resize) -> np.ndarray:
    """Return *image* [H,W,3] as float32 [height,W,3]; whole rows are gathered, which is the quick direction."""
    indices, weights = _taps(image.shape[0], height, how)
    total = np.zeros((height, *image.shape[1:]), np.float32)
    for index, weight in zip(indices, weights, strict=True):
        if weight.any():
            total += image[index] * weight[:, None, None]
    return total
