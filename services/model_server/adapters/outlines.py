"""Masks to outlines: each connected part of a mask as one rectangle and one polygon in the image's own pixels. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import cv2
import msgspec
import numpy as np

from services.model_server.adapters.adapter import Frame
from services.model_server.adapters.image_input import ImageInput
from services.model_server.adapters.regions import Polygon, Region, rect, region


class OutlineConfig(ImageInput, frozen=True, kw_only=True):
    """Which parts count, and how closely an outline follows its part.

    *min_area* is a share of the image; *simplify* the most that an outline may stray, in pixels of the mask;
    *max_regions* the most instances, the largest first.
    """

    min_area: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.001
    simplify: Annotated[float, msgspec.Meta(ge=0.0, le=64.0)] = 1.0
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 100


class Part(NamedTuple):
    """One connected part: *inside* (bool [H,W]) and its outer *contour* (int [N,2], x and y) in the mask's pixels."""

    inside: np.ndarray
    contour: np.ndarray
    area: int


def parts(mask: np.ndarray, config: OutlineConfig) -> list[Part]:
    """Return the connected parts (8 neighbours) of bool *mask* [H,W] that are large enough, the largest first."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = [number for number in range(1, count) if areas[number] >= config.min_area * mask.size]
    largest = sorted(large, key=lambda number: -int(areas[number]))[: config.max_regions]
    return [_part(numbers == number, int(areas[number]), config) for number in largest]


def _part(inside: np.ndarray, area: int, config: OutlineConfig) -> Part:
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outer = max(contours, key=len)
    return Part(inside, cv2.approxPolyDP(outer, config.simplify, True).reshape(-1, 2), area)


def to_image(points: np.ndarray, shape: tuple[int, ...], frame: Frame) -> tuple[list[int], list[int]]:
    """Return *points* ([N,2], x and y, centres of pixels of a mask of *shape*) as x and y in *frame*'s pixels."""
    scale = np.asarray([frame.width / shape[1], frame.height / shape[0]])
    last = np.asarray([frame.width - 1, frame.height - 1])
    placed = np.rint((points + 0.5) * scale - 0.5).clip(0, last).astype(int)
    return placed[:, 0].tolist(), placed[:, 1].tolist()


def instance(part: Part, label: str, score: float, frame: Frame) -> Iterator[Region]:
    """Yield the rectangle and the polygon of one *part*."""
    rows, columns = np.flatnonzero(part.inside.any(axis=1)), np.flatnonzero(part.inside.any(axis=0))
    across, down = frame.width / part.inside.shape[1], frame.height / part.inside.shape[0]
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    edges = (left * across, top * down, right * across, bottom * down)
    around = rect(edges, frame)
    if around is not None:
        yield region(label, score, around)
        yield region(label, score, Polygon(*to_image(part.contour, part.inside.shape, frame)))
