"""Resizing against plain sums over every source pixel, written out here from the definitions."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from services.model_server.images import Resize, resize

SIZES = [((48, 64), (20, 30)), ((31, 17), (31, 40)), ((20, 20), (50, 7)), ((5, 3), (4, 4)), ((90, 160), (9, 16))]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def cubic(x: float) -> float:
    x, a = abs(x), -0.5
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def axis(size: int, wanted: int, kernel: Callable[[float], float], *, centred: bool, smooth: bool) -> np.ndarray:
    """Return the weights [wanted, size] of a resizing along one axis."""
    scale = size / wanted
    stretch = max(scale, 1.0) if smooth else 1.0
    weights = np.zeros((wanted, size))
    for to in range(wanted):
        at = (to + 0.5) * scale - 0.5 if centred else to * scale
        if kernel is triangle and not smooth:  # a sample outside is that of the edge
            at = min(max(at, 0.0), size - 1.0)
        for source in range(size):
            weights[to, source] = kernel((at - source) / stretch)
    return weights / weights.sum(axis=1, keepdims=True)


EXPECTED: dict[Resize, tuple[Callable[[float], float], bool, bool]] = {
    "bilinear": (triangle, True, False),
    "bilinear_tf1": (triangle, False, False),
    "bilinear_antialias": (triangle, True, True),
    "bicubic": (cubic, True, False),
}


@pytest.mark.parametrize("how", EXPECTED)
@pytest.mark.parametrize(("size", "wanted"), SIZES, ids=str)
def test_every_kind_of_resizing_is_its_definition(how: Resize, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    kernel, centred, smooth = EXPECTED[how]
    pixels = noise(*size)
    rows = axis(size[0], wanted[0], kernel, centred=centred, smooth=smooth)
    columns = axis(size[1], wanted[1], kernel, centred=centred, smooth=smooth)
    expected = np.einsum("ih,hwc,jw->ijc", rows, pixels, columns)

    exact = resize(pixels, *wanted, how, exact=True)
    rounded = resize(pixels, *wanted, how)

    assert exact.dtype == np.float32
    np.testing.assert_allclose(exact, expected, atol=0.01)
    assert rounded.dtype == np.uint8
    np.testing.assert_allclose(rounded, expected.clip(0, 255), atol=0.51)


@pytest.mark.parametrize("how", EXPECTED)
def test_a_wide_picture_that_grows_in_height_is_its_definition_too(how: Resize) -> None:
    kernel, centred, smooth = EXPECTED[how]
    pixels = noise(3, 300)
    rows = axis(3, 12, kernel, centred=centred, smooth=smooth)
    columns = axis(300, 10, kernel, centred=centred, smooth=smooth)

    exact = resize(pixels, 12, 10, how, exact=True)

    np.testing.assert_allclose(exact, np.einsum("ih,hwc,jw->ijc", rows, pixels, columns), atol=0.01)


@pytest.mark.parametrize("how", EXPECTED)
def test_a_picture_with_a_very_long_side_is_resized_as_any_other(how: Resize) -> None:
    row = np.random.default_rng(5).integers(0, 256, (1, 40_000, 3), np.uint8)
    wide = np.repeat(row, 2, axis=0)

    small = resize(wide, 2, 400, how, exact=True)
    turned = resize(np.ascontiguousarray(wide.swapaxes(0, 1)), 400, 2, how, exact=True)

    np.testing.assert_allclose(turned.swapaxes(0, 1), small, atol=0.01)
    kernel, centred, smooth = EXPECTED[how]
    weights = axis(400, 4, kernel, centred=centred, smooth=smooth)
    block = resize(wide[:, :400], 2, 4, how, exact=True)
    np.testing.assert_allclose(block[0], weights @ wide[0, :400], atol=0.01)


@pytest.mark.parametrize("how", EXPECTED)
@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1_000_000), (1_000_000, 1)], ids=str)
def test_a_picture_of_one_long_row_or_column_takes_no_more_than_what_goes_in_and_out(
    how: Resize, size: tuple[int, int]
) -> None:
    pixels = noise(*size)
    most = 4 * pixels.nbytes + 6 * 224 * 224 * 3 * 4

    tracemalloc.start()
    small = resize(pixels, 224, 224, how, exact=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert small.shape == (224, 224, 3)
    assert peak < most


@pytest.mark.parametrize("how", EXPECTED)
def test_what_is_kept_for_the_next_picture_is_bounded_however_many_sizes_come(how: Resize) -> None:
    tracemalloc.start()
    for side in range(500, 600):
        resize(noise(side, side + 7), 640, 640, how)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert kept < 32 * 2**20


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    pixels = noise(8, 9)

    assert resize(pixels, 8, 9, "bilinear") is pixels
    assert resize(pixels, 3, 3, "none") is pixels
    np.testing.assert_array_equal(resize(pixels, 8, 9, "bicubic", exact=True), pixels.astype(np.float32))
