"""Real photographs that come with scikit-image, as the files that they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from demo.packages import CannotFetch

NAMES = ("astronaut", "chelsea", "coffee")


def path(name: str) -> Path:
    """Return the file of the photograph *name*: one of NAMES, a PNG file; raises CannotFetch."""
    spec = importlib.util.find_spec("skimage")
    for place in (spec.submodule_search_locations or []) if spec else []:
        file = Path(place) / "data" / f"{name}.png"
        if file.exists():
            return file
    raise CannotFetch(f"no photograph {name!r}: install the package 'scikit-image'")
