"""One prediction request: its images to the queue together, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chassis import logs
from chassis.errors import ModelFailed, ServoirError
from services.gateway.envelope import Outcome, read_prediction
from services.gateway.problems import Problem, problem_of
from services.gateway.uploads import Upload
from services.queue.client import Answer, AsyncQueueClient, PredictCall

log = logs.logger()


class _Told(msgspec.Struct):
    title: str = ServoirError.title
    detail: str = "the prediction failed"


async def predict(queue: AsyncQueueClient, images: Sequence[Upload], call: PredictCall) -> list[Outcome]:
    """Return an outcome for each image, in order; images with an error of their own are not queued.

    The rest are admitted together or not at all: TooBusy or Unavailable comes before anything was accepted.
    """
    usable = [image for image in images if image.error is None]
    answers = iter(await queue.predict([image.content for image in usable], call))
    return [outcome_of(image, None if image.error else next(answers)) for image in images]


def outcome_of(image: Upload, answer: Answer | None) -> Outcome:
    """Return what came of *image*: its own error, or what the queue answered."""
    known = Outcome(image.key, image.filename, len(image.content))
    if image.error is not None:
        return known._replace(problem=problem_of(image.error))
    assert answer is not None
    return answered_outcome(known, answer)


def answered_outcome(image: Outcome, answer: Answer) -> Outcome:
    """Return *image* with what the queue answered."""
    if answer.status != 200:
        return image._replace(answer=answer, problem=answered_problem(answer))
    try:
        return image._replace(answer=answer, prediction=read_prediction(answer.body))
    except msgspec.MsgspecError as error:
        log.error("prediction_unreadable", reason=str(error))
        problem = Problem(500, ModelFailed.title, "the model gave an answer that cannot be read")
        return image._replace(answer=answer, problem=problem)


def answered_problem(answer: Answer) -> Problem:
    """Return the problem that the queue answered one image with."""
    try:
        told = msgspec.json.decode(answer.body, type=_Told)
    except msgspec.MsgspecError:
        told = _Told()
    return Problem(answer.status, told.title, told.detail)


def worst(outcomes: Sequence[Outcome]) -> Problem | None:
    """Return the problem that stands for a request of which no image could be answered, else None.

    The highest status wins: where anything is worth another try, the whole is.
    """
    problems = [outcome.problem for outcome in outcomes if outcome.problem is not None]
    return max(problems, key=lambda problem: problem.status) if len(problems) == len(outcomes) else None


def problems_by_image(outcomes: Sequence[Outcome]) -> dict[str, Problem] | None:
    """Return the problem of each image that has one, where there were several images."""
    return {one.key: one.problem for one in outcomes if one.problem} if len(outcomes) > 1 else None


def slowest(outcomes: Sequence[Outcome]) -> Answer:
    """Return the answer that was longest on its way; at least one image must have been answered."""
    return max(
        (outcome.answer for outcome in outcomes if outcome.answer), key=lambda answer: answer.wait_s + answer.service_s
    )
