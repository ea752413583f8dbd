"""Where a worker that converts models finds them, and puts what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chassis.settings import setting


@dataclass(frozen=True)
class ConversionSettings:
    """Each field is the environment variable ``SERVOIR_<FIELD>``."""

    home: Path = setting(Path("~/.local/share/servoir").expanduser(), help="where the suite keeps everything")
    model_store: Path | None = setting(
        None, help="folder of models, each a folder by its key; SERVOIR_HOME/store/models"
    )
    conversion_timeout_s: float = setting(1800.0, help="the most that one step of a conversion may take")

    @property
    def models(self) -> Path:
        """The folder of models."""
        return self.model_store or self.home / "store" / "models"
