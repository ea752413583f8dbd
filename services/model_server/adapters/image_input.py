"""How an image becomes a model's input tensor: the part of ``config`` that every image adapter shares."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.images import MAX_PIXELS, Picture, Resize, decode, resize

Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]
Three = Annotated[tuple[float, ...], msgspec.Meta(min_length=3, max_length=3)]


class ImageInput(msgspec.Struct, frozen=True, kw_only=True):
    """The model's input.

    *input* is the tensor's name; the picture is brought to *input_width* x *input_height* by *resize* (images/resize.py
    has the kinds), and given as *dtype* in *layout* and *channels* order. ``(pixel - mean) / std`` is reckoned for
    float32 where either is set; pixels go from 0 to 255.

    *scaled_decoding* n > 0 lets libjpeg decode a large JPEG at a fraction of its size, as long as each side stays at
    least n times the model's input. That is quicker, and smooths where the model's own resizing would not: other
    numbers than the plain model's, if mostly no worse ones. 0 decodes in full.
    """

    input: str = "image"
    input_width: Side = 300
    input_height: Side = 300
    resize: Resize = "bilinear"
    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Three | None = None
    std: Three | None = None
    scaled_decoding: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    max_pixels: Annotated[int, msgspec.Meta(ge=1)] = MAX_PIXELS


def prepare_image(payload: bytes, settings: ImageInput) -> Prepared:
    """Return an encoded image as the model's input; raises UnsupportedMedia and Undecodable."""
    times = settings.scaled_decoding if settings.resize != "none" else 0
    at_least = (times * settings.input_height, times * settings.input_width) if times else None
    picture = decode(payload, max_pixels=settings.max_pixels, at_least=at_least)
    tensor = tensor_of(picture.pixels, settings)
    return Prepared({settings.input: tensor}, frame_of(picture))


def frame_of(picture: Picture) -> Frame:
    """Return the frame of *picture*, as it was sent."""
    return Frame(picture.width, picture.height, picture.orientation != 1)


def tensor_of(pixels: np.ndarray, settings: ImageInput) -> np.ndarray:
    """Return RGB *pixels* (uint8 [H,W,3]) resized and laid out as *settings* say."""
    image = resize(pixels, settings.input_height, settings.input_width, settings.resize)
    if settings.channels == "bgr":
        image = image[:, :, ::-1]
    if settings.dtype == "float32":
        image = image.astype(np.float32)
        if settings.mean is not None:
            image -= np.asarray(settings.mean, np.float32)
        if settings.std is not None:
            image /= np.asarray(settings.std, np.float32)
    if settings.layout == "nchw":
        image = image.transpose(2, 0, 1)
    return np.ascontiguousarray(image)
