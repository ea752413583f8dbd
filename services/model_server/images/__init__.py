"""Encoded images to RGB pixels, and pixels to a model's input size: one path for everything, one set of numbers."""

from services.model_server.images.decode import MAX_PIXELS, Picture, decode
from services.model_server.images.resize import Resize, resize

__all__ = ["MAX_PIXELS", "Picture", "Resize", "decode", "resize"]
