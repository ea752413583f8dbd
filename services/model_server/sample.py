"""``python -m services.model_server.sample --model FOLDER --pictures LIST --out FOLDER``: what a model says.

The engine and adapter that a server would use, on the pictures whose paths LIST has, line by line, one after the other,
in one thread. Writes into the folder, for the picture in line N from 0: ``outputs/N.npz``, the model's own outputs
without the batch axis; with ``--inputs`` also ``inputs/N.npz``, what the model was given; and one line of JSON of
``answers.jsonl``, so that two models, or one model before and after a conversion, can be compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from chassis import logs
from chassis.errors import ServoirError
from chassis.settings import load
from services.model_server.exits import CannotServe
from services.model_server.loading import Opened, open_model
from services.model_server.model_folder import open_model_folder, verify
from services.model_server.settings import ModelServerSettings
from services.model_server.tuning import Setting


class Said(msgspec.Struct, frozen=True):
    """What the model says to one picture: the *answer* that a client would get, or why there is none.

    *infer_cpu_s* is the processor time that the engine took, which a busy machine changes little.
    """

    picture: str
    answer: msgspec.Raw = msgspec.Raw(b"null")
    problem: str = ""
    infer_cpu_s: float = 0.0


def said(opened: Opened, pictures: Sequence[Path], out: Path, *, inputs: bool) -> Iterator[Said]:
    """Yield what the model says to each picture, having written its tensors below *out*."""
    task = min(opened.adapter.tasks - {"tensor"}, default="tensor")
    for number, picture in enumerate(pictures):
        try:
            prepared = opened.adapter.prepare(picture.read_bytes(), task)
        except (ServoirError, OSError) as error:
            yield Said(str(picture), problem=str(error))
            continue
        if inputs:
            _keep(out / "inputs" / f"{number}.npz", prepared.tensors)
        batch = {name: array[np.newaxis] for name, array in prepared.tensors.items()}
        began = time.process_time()
        outputs = {name: array[0] for name, array in opened.engine.infer(batch).items()}
        took_s = time.process_time() - began
        _keep(out / "outputs" / f"{number}.npz", outputs)
        answer = opened.adapter.predict_json(outputs, prepared.frame, task)
        yield Said(str(picture), msgspec.Raw(answer), infer_cpu_s=took_s)


def _keep(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m services.model_server.sample", description="Show pictures to a model, and keep what it says."
    )
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    parser.add_argument("--pictures", type=Path, required=True, help="a file with a picture's path on each line")
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    parser.add_argument("--inputs", action="store_true", help="keep what the model was given, too")
    parser.add_argument("--threads", type=int, default=1, help="the engine's threads")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Show the pictures; a model that cannot be opened is said in one line on standard error."""
    asked = _options(arguments)
    logs.configure("sample", "error")
    settings = load(ModelServerSettings, {}, model=asked.model)
    try:
        model = open_model_folder(asked.model)
        verify(model)
        opened = open_model(model, Setting(asked.threads, 1), settings)
    except CannotServe as error:
        print(error, file=sys.stderr)
        return 1
    pictures = [Path(line) for line in asked.pictures.read_text().splitlines() if line]
    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.out / "answers.jsonl").open("wb") as file:
        for one in said(opened, pictures, asked.out, inputs=asked.inputs):
            file.write(msgspec.json.encode(one) + b"\n")
            file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
