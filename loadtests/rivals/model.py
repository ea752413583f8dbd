"""The work that every rival's server does: pictures in, JSON out, by the engine and adapter of our own model server.

So decoding, scaling, inference and the reading of outputs are the same code everywhere, and what differs is the
server around it. This is the one file outside ``services/`` that looks into the model server.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chassis import logs
from chassis.settings import load
from services.model_server.batches import join, part
from services.model_server.loading import open_model
from services.model_server.model_folder import open_model_folder
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting
from services.model_server.warmup import picture as plain_picture


class Model:
    """A model that is loaded and warm: called with a batch of files, it returns their answers in order."""

    def __init__(self, folder: Path, *, threads: int, batch_size: int) -> None:
        """Load the model in *folder*, one execution at a time; every batch up to *batch_size* has run once."""
        logs.configure("rival", "error")
        settings = load(ModelServerSettings, {}, model=folder)
        opened = open_model(open_model_folder(folder), Setting(threads, 1), settings)
        self._engine, self._adapter = opened.engine, opened.adapter
        self._task = min(self._adapter.tasks - {"tensor"})
        for size in range(1, batch_size + 1):
            self([plain_picture()] * size)

    def __call__(self, pictures: Sequence[bytes]) -> list[bytes]:
        """Return the JSON answer to each of *pictures*; raises what is wrong with one of them."""
        prepared = dict(enumerate(self._adapter.prepare(picture, self._task) for picture in pictures))
        answers = [b""] * len(pictures)
        for group in join(prepared, self._engine.max_batch_size or len(pictures)):
            outputs = part(self._engine.infer(group.tensors), len(group.places))
            for place, output in zip(group.places, outputs, strict=True):
                if isinstance(output, Exception):
                    raise output
                answers[place] = self._adapter.predict_json(output, prepared[place].frame, self._task)
        return answers


def main(arguments: Sequence[str]) -> int:
    """Print the answer to each picture, a line each: ``python -m loadtests.rivals.model FOLDER PICTURE …``."""
    folder, *pictures = map(Path, arguments)
    model = Model(folder, threads=1, batch_size=1)
    for picture in pictures:
        print(model([picture.read_bytes()])[0].decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
