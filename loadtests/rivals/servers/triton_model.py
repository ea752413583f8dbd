"""Triton's side of the model: its Python backend loads this through the file in the repository."""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import triton_python_backend_utils as triton

from loadtests.rivals.model import Model
from loadtests.rivals.settings import told


class TritonPythonModel:
    """One instance, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        settings = told()
        self._model = Model(settings.rival_model, threads=settings.rival_threads, batch_size=settings.rival_batch_size)

    def execute(self, requests: list) -> list:
        """Answer the requests that Triton put together, in one run of the model."""
        inputs = [triton.get_input_tensor_by_name(request, "image").as_numpy().reshape(-1) for request in requests]
        answers = iter(self._model([picture for pictures in inputs for picture in pictures]))
        return [self._response([next(answers) for _ in pictures]) for pictures in inputs]

    def _response(self, answers: list[bytes]) -> triton.InferenceResponse:
        array = np.array(answers, dtype=np.object_).reshape(-1, 1)
        return triton.InferenceResponse(output_tensors=[triton.Tensor("answer", array)])
