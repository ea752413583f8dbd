"""Resizes a picture to a model's input size as the model's own graph would, so that items of any size join in a batch.

A network is trained with one kind of resizing and is not indifferent to another. So each kind here is one that
TensorFlow has, computed to the same numbers:

================== =====================================================================================
none               no resizing: the model gets the picture as it is, and only equal sizes join in a batch
bilinear           ``tf.image.resize(…, "bilinear")``: samples at pixel centres, no smoothing
bilinear_tf1       the same from TensorFlow 1 (``half_pixel_centers=False``): samples at corners
bilinear_antialias ``tf.image.resize(…, "bilinear", antialias=True)``; by Pillow, to whole grey levels
bicubic            ``tf.image.resize(…, "bicubic")``: Keys' cubic, no smoothing
================== =====================================================================================

The bilinear ones are OpenCV's ``remap``, which from OpenCV 5 on weighs in floats; its own ``resize`` is off by a grey
level and Pillow's affine transform too. The cubic one gathers rows, then columns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from PIL import Image

Resize = Literal["none", "bilinear", "bilinear_tf1", "bilinear_antialias", "bicubic"]
_KEYS_A = -0.5
_CACHED_SIZES = 64

cv2.setNumThreads(1)  # items are prepared side by side; a pool inside each would only fight over the cores


def resize(pixels: np.ndarray, height: int, width: int, how: Resize, *, exact: bool = False) -> np.ndarray:
    """Return uint8 *pixels* [H,W,3] as [height,width,3]; the same array where it has that size already.

    The result is uint8, rounded, or float32 with *exact*: rounding moves the numbers of a detector.
    """
    if how == "none" or pixels.shape[:2] == (height, width):
        return pixels.astype(np.float32) if exact else pixels
    if how == "bilinear_antialias":
        small = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
        return small.astype(np.float32) if exact else small
    if how == "bicubic":
        smooth = _bicubic(pixels.astype(np.float32), height, width)
        return smooth if exact else np.asarray(cv2.convertScaleAbs(np.maximum(smooth, 0.0)))
    source = pixels.astype(np.float32) if exact else pixels
    maps = _sample_maps(*pixels.shape[:2], height, width, how == "bilinear")
    return np.asarray(cv2.remap(source, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _positions(size: int, wanted: int, half_pixel: bool) -> np.ndarray:
    """Return where in the source each of *wanted* samples lies, in float32 as TensorFlow reckons."""
    scale = np.float32(size) / np.float32(wanted)
    at = np.arange(wanted, dtype=np.float32)
    return (at + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else at * scale


@lru_cache(maxsize=_CACHED_SIZES)
def _sample_maps(
    height: int, width: int, wanted_height: int, wanted_width: int, half_pixel: bool
) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(_positions(width, wanted_width, half_pixel), _positions(height, wanted_height, half_pixel))
    return x, y


def _keys(distance: np.ndarray) -> np.ndarray:
    """Return Keys' cubic kernel."""
    x, a = np.abs(distance), _KEYS_A
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=_CACHED_SIZES)
def _cubic_taps(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and weights, each [4, wanted]; what lies outside weighs nothing, and the rest sums to 1."""
    at = _positions(size, wanted, half_pixel=True).astype(np.float64)
    indices = np.floor(at).astype(np.intp) + np.arange(-1, 3)[:, None]
    weights = _keys(at - indices) * ((indices >= 0) & (indices < size))
    return indices.clip(0, size - 1), (weights / weights.sum(axis=0)).astype(np.float32)


def _cubic_rows(image: np.ndarray, height: int) -> np.ndarray:
    """Return float32 *image* [H,W,3] as [height,W,3]; whole rows are gathered, which is the quick direction."""
    indices, weights = _cubic_taps(image.shape[0], height)
    total: np.ndarray = image[indices[0]]
    total *= weights[0][:, None, None]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        tap = image[index]
        tap *= weight[:, None, None]
        total += tap
    return total


def _bicubic(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    low = _cubic_rows(pixels, height)
    return np.asarray(cv2.transpose(_cubic_rows(cv2.transpose(low), width)))
