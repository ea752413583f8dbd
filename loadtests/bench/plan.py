"""What a run of the bench has: its folder, its models and pictures, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chassis.cores import cores
from loadtests.bench import models, pictures
from loadtests.bench.generator import Picture
from loadtests.bench.models import Model

BODY_BYTES = 50_000


@dataclass(frozen=True)
class Plan:
    """*echo* takes no time; *paced* takes it as an accelerator does, without CPU: 160 ms for a batch of 8."""

    home: Path
    quick: bool
    real: list[Model]
    echo: Model
    paced: Model
    photographs: list[Picture]
    body: Picture

    def lasts(self, seconds: float, *, quick: float) -> float:
        """Return how long a measurement takes: *seconds*, or *quick* in a quick run."""
        return quick if self.quick else seconds

    @property
    def turns(self) -> range:
        """How often what takes turns is measured."""
        return range(1 if self.quick else 3)

    @property
    def detector(self) -> Model:
        """The model that stands for all where one is enough."""
        return next((model for model in self.real if model.task == "bbox"), self.real[0])

    @property
    def measured(self) -> list[Model]:
        """The real models that are measured: all, or in a quick run the detector alone."""
        return [self.detector] if self.quick else self.real

    @property
    def photographs_folder(self) -> Path:
        """Where the photographs are."""
        return self.home / "photographs"

    @property
    def cores(self) -> int:
        """The cores that everything here shares."""
        return cores()


def plan(home: Path, *, cache: Path, models_folder: Path | None, pictures_folder: Path | None, quick: bool) -> Plan:
    """Return the plan of a run that keeps what it needs in *home*."""
    real = models.models_in(models_folder) if models_folder else models.demo_models(cache)
    return Plan(
        home=home,
        quick=quick,
        real=real,
        echo=models.echo_model(home, "echo"),
        paced=models.echo_model(home, "paced", delay_s=0.12, delay_per_item_s=0.005),
        photographs=pictures.photographs(pictures_folder, home / "photographs"),
        body=pictures.of_bytes(BODY_BYTES, home),
    )
