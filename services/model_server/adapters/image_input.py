"""How an image becomes a model's input tensor: the part of ``config`` that every image adapter shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np

from chassis.errors import BadRequest
from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import MAX_PIXELS, Resize, decode, resize

Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]
Fold = Annotated[int, msgspec.Meta(ge=0, le=8)]
Three = Annotated[tuple[float, ...], msgspec.Meta(min_length=3, max_length=3)]


class ImageInput(msgspec.Struct, frozen=True, kw_only=True):
    """The model's input.

    The picture is brought to *input_width* x *input_height* by *resize* (images/resize.py has the kinds) and given as
    the tensor *input* in *dtype*, *layout* and *channels* order; empty, the first two are what the engine takes.
    ``(pixel - mean) / std`` is reckoned for float32 where either is set; pixels go from 0 to 255.

    *scaled_decoding* n > 0 lets libjpeg decode a large JPEG at a fraction of its size, as long as each side stays at
    least n times the model's input. That is quicker, and smooths where the model's own resizing would not: other
    numbers than the plain model's, if mostly no worse ones. 0 decodes in full.
    """

    input: str = ""
    input_width: Side = 300
    input_height: Side = 300
    resize: Resize = "bilinear"
    dtype: Literal["", "uint8", "float32"] = ""
    layout: Literal["nhwc", "nchw"] = "nhwc"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Three | None = None
    std: Three | None = None
    scaled_decoding: Fold = 2
    max_pixels: Annotated[int, msgspec.Meta(ge=1)] = MAX_PIXELS


class ImageReader:
    """Makes a model's input tensor of encoded images, as *config* says. Thread-safe."""

    def __init__(self, config: ImageInput, inputs: Sequence[TensorSpec]) -> None:
        """Take the engine's *inputs* for what *config* leaves open; raises BadRequest where the two do not meet."""
        self._config = config
        spec = _spec_of(config.input, inputs)
        self._name = spec.name
        self._dtype = np.dtype(config.dtype or spec.dtype)
        if self._dtype not in (np.uint8, np.float32) or (inputs and spec.dtype != self._dtype):
            raise BadRequest(f"the model's input {spec.name!r} is {spec.dtype}; config gives {self._dtype}")
        _check_shape(config, spec)

    def read(self, payload: bytes) -> Prepared:
        """Return an encoded image as the model's input; raises UnsupportedMedia and Undecodable."""
        config = self._config
        times = config.scaled_decoding if config.resize != "none" else 0
        at_least = (times * config.input_height, times * config.input_width) if times else None
        picture = decode(payload, max_pixels=config.max_pixels, at_least=at_least)
        frame = Frame(picture.width, picture.height, picture.orientation != 1)
        return Prepared({self._name: self._tensor(picture.pixels)}, frame)

    def _tensor(self, pixels: np.ndarray) -> np.ndarray:
        """Return RGB *pixels* (uint8 [H,W,3]) resized and laid out."""
        config = self._config
        exact = self._dtype == np.float32
        image = resize(pixels, config.input_height, config.input_width, config.resize, exact=exact)
        if config.channels == "bgr":
            image = image[:, :, ::-1]
        if exact and config.mean is not None:
            image = image - np.asarray(config.mean, np.float32)
        if exact and config.std is not None:
            image = image / np.asarray(config.std, np.float32)
        if config.layout == "nchw":
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image)


def _spec_of(name: str, inputs: Sequence[TensorSpec]) -> TensorSpec:
    """Return the input that images go to; without an engine at hand, a uint8 one."""
    if not inputs:
        return TensorSpec(name or "image", np.dtype(np.uint8), (None, None, None, 3))
    found = [spec for spec in inputs if spec.name == name] if name else list(inputs)
    if len(found) != 1:
        raise BadRequest(f"config.input {name!r}: the model's inputs are {', '.join(spec.name for spec in inputs)}")
    return found[0]


def _check_shape(config: ImageInput, spec: TensorSpec) -> None:
    """Raise BadRequest where pictures as *config* makes them do not fit what *spec* fixes of its shape."""
    height, width = (None, None) if config.resize == "none" else (config.input_height, config.input_width)
    given = (3, height, width) if config.layout == "nchw" else (height, width, 3)
    taken = spec.shape[1:]
    if len(taken) != 3 or any(None not in pair and pair[0] != pair[1] for pair in zip(given, taken, strict=True)):
        raise BadRequest(
            f"the model's input {spec.name!r} has the shape {list(spec.shape)}; config gives {list(given)}"
        )
