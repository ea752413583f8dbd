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

What a picture takes here is a few times what it has in pixels, whatever its shape: one of a single row is not made 224
rows of its whole width first. What is kept for the next picture is bounded too, however many sizes come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

Resize = Literal["none", "bilinear", "bilinear_tf1", "bilinear_antialias", "bicubic"]
_KEPT_SIDES = 64
_KEPT_MAPS = 8
"""Few, as a map has 8 bytes for each pixel of the model's input; a camera's pictures are all of one size."""

_LONG_ROW = 2**13
"""Of longer rows the pixels that count are picked first; of 2**15 and more OpenCV would take none."""

_STEEP = 16
"""Lines for one, from which on lines are made one by one: the weights of a whole side would be too many to keep."""

_LARGE = 2**22
"""Pixels of an intermediate picture, in floats, from which on it is worth asking whether the other axis leaves less."""

cv2.setNumThreads(1)  # items are prepared side by side; a pool inside each would only fight over the cores


def resize(pixels: np.ndarray, height: int, width: int, how: Resize, *, exact: bool = False) -> np.ndarray:
    """Return uint8 *pixels* [H,W,3] as [height,width,3]; the same array where it has that size already.

    The result is uint8, rounded, or float32 with *exact*: rounding moves the numbers of a detector.
    """
    if how == "none" or pixels.shape[:2] == (height, width):
        return pixels.astype(np.float32) if exact else pixels
    if how in ("bilinear", "bilinear_tf1"):
        return _sampled(pixels, height, width, how == "bilinear", exact=exact)
    image = _weighted(pixels, height, width, how)
    return np.asarray(image if exact else cv2.convertScaleAbs(np.maximum(image, 0.0)))


def _positions(size: int, wanted: int, half_pixel: bool) -> np.ndarray:
    """Return where in the source each of *wanted* samples lies, in float32 as TensorFlow reckons."""
    scale = np.float32(size) / np.float32(wanted)
    at = np.arange(wanted, dtype=np.float32)
    return (at + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else at * scale


@lru_cache(maxsize=_KEPT_SIDES)
def _between(size: int, wanted: int, half_pixel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the source lines that the samples lie between, and where each sample lies, counted in those lines."""
    at = _positions(size, wanted, half_pixel).clip(0, size - 1)
    lower = np.floor(at).astype(np.intp)
    lines = np.unique([lower, (lower + 1).clip(max=size - 1)])
    return lines, (np.searchsorted(lines, lower) + (at - lower)).astype(np.float32)


@lru_cache(maxsize=_KEPT_MAPS)
def _maps(
    height: int, width: int, wanted_height: int, wanted_width: int, half_pixel: bool
) -> tuple[np.ndarray, np.ndarray | slice, np.ndarray, np.ndarray]:
    """Return the rows and the columns to pick from the source, and the maps of x and y in what they leave.

    Rows are cheap to pick, and a huge picture is not made floats for the few that count. Columns are not, and are
    picked only out of long rows.
    """
    rows, down = _between(height, wanted_height, half_pixel)
    if width < _LONG_ROW:
        return rows, slice(None), *np.meshgrid(_positions(width, wanted_width, half_pixel), down)
    columns, across = _between(width, wanted_width, half_pixel)
    return rows, columns, *np.meshgrid(across, down)


def _sampled(pixels: np.ndarray, height: int, width: int, half_pixel: bool, *, exact: bool) -> np.ndarray:
    rows, columns, x, y = _maps(*pixels.shape[:2], height, width, half_pixel)
    source = pixels[rows][:, columns]
    source = source.astype(np.float32) if exact else source
    return np.asarray(cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


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


def _taps(size: int, wanted: int, how: Resize, lines: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and weights of *lines* of those wanted, each [taps, lines].

    What lies outside weighs nothing, and the rest sums to 1.
    """
    kernel, reach, widens = _KERNELS[how]
    stretch = max(size / wanted, 1.0) if widens else 1.0
    at = _positions(size, wanted, half_pixel=True)[lines].astype(np.float64)
    span = np.arange(int(np.ceil(2 * reach * stretch)) + 1)
    indices = np.ceil(at - reach * stretch).astype(np.intp) + span[:, None]
    weights = kernel((at - indices) / stretch) * ((indices >= 0) & (indices < size))
    return indices.clip(0, size - 1), (weights / weights.sum(axis=0)).astype(np.float32)


_kept_taps = lru_cache(maxsize=_KEPT_SIDES)(_taps)


def _weighted(pixels: np.ndarray, height: int, width: int, how: Resize) -> np.ndarray:
    """Return *pixels* as float32 [height,width,3], by rows and then columns.

    Columns come first where rows would leave an intermediate larger than what goes in and out, or simply large, and
    columns leave a smaller one.
    """
    rows_first, columns_first = height * pixels.shape[1], pixels.shape[0] * width
    usual = min(max(pixels.shape[0] * pixels.shape[1], height * width), _LARGE)
    if columns_first < rows_first and rows_first > usual:
        return _weighted_rows(_weighted_columns(pixels, width, how), height, how)
    return _weighted_columns(_weighted_rows(pixels, height, how), width, how)


def _weighted_columns(image: np.ndarray, width: int, how: Resize) -> np.ndarray:
    return np.asarray(cv2.transpose(_weighted_rows(cv2.transpose(image), width, how)))


def _weighted_rows(image: np.ndarray, height: int, how: Resize) -> np.ndarray:
    """Return *image* [H,W,3] as float32 [height,W,3]; whole rows are gathered, which is the quick direction."""
    total = np.zeros((height, *image.shape[1:]), np.float32)
    if len(image) > _STEEP * height:
        for row in range(height):
            indices, weights = _taps(len(image), height, how, slice(row, row + 1))
            np.einsum("t,twc->wc", weights[:, 0], image[indices[:, 0]], out=total[row])
        return total
    for index, weight in zip(*_kept_taps(len(image), height, how), strict=True):
        if weight.any():
            total += image[index] * weight[:, None, None]
    return total
