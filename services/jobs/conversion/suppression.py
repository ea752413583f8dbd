"""TensorFlow's CombinedNonMaxSuppression in operations of ONNX, run in batches.

tf2onnx has its own, whose identity matrix of the batch's size TensorRT refuses. Two forms take its place here; both
give what TensorFlow gives: the best first, zeros behind the last.

``kept_list`` is exact and for ONNX Runtime. The scores of what ONNX's NonMaxSuppression keeps go into a tensor of
zeros, of which the best are taken, so that every shape but that of the kept list is known.

``dense`` is for TensorRT, which builds no NonMaxSuppression ahead of time. Among the best candidates of all classes it
compares each with each, and lets those go that overlap a better one that stays. Who stays is settled in rounds: a round
settles at least one more link of the longest chain of overlaps. It differs from the exact form where a picture has more
than CANDIDATES_EACH times as many candidates as are asked for, or a chain of more than ROUNDS; how much that matters on
real pictures is measured at the end of a conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chassis.errors import BadRequest

OPERATION = "CombinedNonMaxSuppression"
CANDIDATES_EACH, MOST_CANDIDATES = 4, 1000
ROUNDS = 12
_FLOAT, _INT32 = 1, 6  # TensorProto.DataType


class Limits(NamedTuple):
    """What is asked for: most boxes of a class, and of a picture; the overlap that is too much; the least score."""

    per_class: int
    total: int
    iou: float
    score: float


class Found(NamedTuple):
    """Names of tensors: *scores* [B,M] best first, 0 for none; *class_ids* int64 [B,M]; *corners* [B,M,4]."""

    scores: str
    class_ids: str
    corners: str


class Builder:
    """Makes nodes in tf2onnx's graph, and says what they give."""

    def __init__(self, context: Any, name: str) -> None:
        self._context, self._name, self._count = context, name, 0

    def __call__(self, kind: str, *inputs: str, outputs: int = 1, named: str = "", **attributes: Any) -> Any:
        """Add a node of *kind* and return its output's name, which may be given; a tuple of names for several."""
        given = {"outputs": [named]} if named else {}
        made = self._context.make_node(
            kind, list(inputs), attr=attributes, name=self._next(kind), output_count=outputs, **given
        )
        return made.output[0] if outputs == 1 else tuple(made.output)

    def integers(self, *values: int) -> str:
        """Return a constant int64 [N]."""
        return self.constant(np.asarray(values, np.int64))

    def number(self, value: float) -> str:
        """Return a constant float32 of no axis."""
        return self.constant(np.asarray(value, np.float32))

    def constant(self, array: np.ndarray) -> str:
        """Return a constant."""
        return str(self._context.make_const(self._next("constant"), array).output[0])

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{self._name}/{kind}_{self._count}"


Form = Callable[[Builder, str, str, Limits], Found]


def handlers(form: Form) -> dict[str, Any]:
    """Return tf2onnx's ``custom_op_handlers`` that put *form* in the place of TensorFlow's operation."""
    return {OPERATION: (_replace, [OPERATION, form])}  # tf2onnx takes the first for a name


def _replace(context: Any, node: Any, name: str, arguments: list[Any]) -> None:
    """Replace *node* in tf2onnx's graph; its inputs are boxes [B,N,1,4], scores [B,N,K], and four constants."""
    boxes, scores, *_ = node.input
    limits = _limits(context, node)
    outputs, clips = list(node.output), bool(node.get_attr_value("clip_boxes", 1))
    context.remove_node(node.name)
    build = Builder(context, name)
    flat = build("Squeeze", boxes, build.integers(2))
    form: Form = arguments[0]
    found = form(build, flat, build("Transpose", scores, perm=[0, 2, 1]), limits)
    there = build("Cast", build("Greater", found.scores, build.number(0.0)), to=_FLOAT)
    corners = build("Clip", found.corners, build.number(0.0), build.number(1.0)) if clips else found.corners
    build("Mul", corners, build("Unsqueeze", there, build.integers(2)), named=outputs[0])
    build("Mul", found.scores, there, named=outputs[1])
    build("Mul", build("Cast", found.class_ids, to=_FLOAT), there, named=outputs[2])
    build("Cast", build("ReduceSum", there, build.integers(1), keepdims=0), to=_INT32, named=outputs[3])


def kept_list(build: Builder, boxes: str, scores: str, limits: Limits) -> Found:
    """Suppress exactly: *boxes* [B,N,4], *scores* [B,K,N]."""
    most = build.integers(limits.per_class)
    overlap, least = (build.constant(np.asarray([value], np.float32)) for value in (limits.iou, limits.score))
    kept = build("NonMaxSuppression", boxes, scores, most, overlap, least)
    left = build("ScatterND", build("Mul", scores, build.number(0.0)), kept, build("GatherND", scores, kept))
    best, class_ids, anchors = _best(build, left, boxes, limits.total)
    return Found(best, class_ids, _rows(build, boxes, anchors))


def dense(build: Builder, boxes: str, scores: str, limits: Limits) -> Found:
    """Suppress among the best candidates, with known shapes alone: *boxes* [B,N,4], *scores* [B,K,N]."""
    if limits.per_class < limits.total:
        raise BadRequest(f"{OPERATION}: fewer boxes of a class than of a picture cannot be converted to TensorRT")
    candidates = min(CANDIDATES_EACH * limits.total, MOST_CANDIDATES)
    best, class_ids, anchors = _best(build, scores, boxes, candidates)
    corners = _rows(build, boxes, anchors)
    stays = _who_stays(build, _covers(build, corners, class_ids, limits.iou, candidates), best)
    over = build("Cast", build("Greater", best, build.number(limits.score)), to=_FLOAT)
    left = build("Mul", build("Mul", best, build("Squeeze", stays, build.integers(2))), over)
    last, places = build("TopK", left, build.integers(limits.total), outputs=2, axis=1)
    return Found(last, _rows(build, class_ids, places), _rows(build, corners, places))


def _best(build: Builder, scores: str, boxes: str, most: int) -> tuple[str, str, str]:
    """Return the *most* best of all classes and boxes: scores, class ids, places of the boxes, each [B,most]."""
    best, places = build(
        "TopK", build("Reshape", scores, build.integers(0, -1)), build.integers(most), outputs=2, axis=1
    )
    count = build("Gather", build("Shape", boxes), build.integers(1))
    class_ids = build("Div", places, count)
    return best, class_ids, build("Sub", places, build("Mul", class_ids, count))


def _rows(build: Builder, table: str, places: str) -> str:
    """Return the rows of *table* [B,N,…] at *places* [B,M]."""
    return str(build("GatherND", table, build("Unsqueeze", places, build.integers(2)), batch_dims=1))


def _covers(build: Builder, corners: str, class_ids: str, iou: float, candidates: int) -> str:
    """Return [B,M,M]: 1 where the second is better than the first, of its class, and overlaps it too much."""
    top, left, bottom, right = build("Split", corners, outputs=4, axis=2)

    def turned(column: str) -> str:
        return str(build("Transpose", column, perm=[0, 2, 1]))

    def shared(low: str, high: str) -> str:
        least, most = build("Max", low, turned(low)), build("Min", high, turned(high))
        return str(build("Max", build("Sub", most, least), build.number(0.0)))

    area = build("Mul", build("Sub", bottom, top), build("Sub", right, left))
    common = build("Mul", shared(top, bottom), shared(left, right))
    union = build("Sub", build("Add", area, turned(area)), common)
    overlap = build("Cast", build("Greater", common, build("Mul", union, build.number(iou))), to=_FLOAT)
    kind = build("Unsqueeze", build("Cast", class_ids, to=_FLOAT), build.integers(2))
    alike = build("Cast", build("Equal", kind, turned(kind)), to=_FLOAT)
    better = build.constant(np.tril(np.ones((1, candidates, candidates), np.float32), -1))
    return str(build("Mul", build("Mul", overlap, alike), better))


def _who_stays(build: Builder, covers: str, best: str) -> str:
    """Return [B,M,1]: 1 for each that no better one covers which stays itself."""
    stays = build(
        "Unsqueeze", build("Add", build("Mul", best, build.number(0.0)), build.number(1.0)), build.integers(2)
    )
    for _ in range(ROUNDS):
        covered = build("Cast", build("Greater", build("MatMul", covers, stays), build.number(0.0)), to=_FLOAT)
        stays = build("Sub", build.number(1.0), covered)
    return str(stays)


def _limits(context: Any, node: Any) -> Limits:
    shape = context.get_shape(node.input[0]) or [None] * 4
    per_class, total, iou, score = (_constant(node, place) for place in range(2, 6))
    if shape[2] not in (1, None, -1):
        raise BadRequest(f"{OPERATION}: boxes of their own for each class ({shape[2]}) cannot be converted")
    if score < 0:
        raise BadRequest(f"{OPERATION}: a score_threshold below 0 cannot be converted; give one of 0 or more")
    if node.get_attr_value("pad_per_class", 0):
        raise BadRequest(f"{OPERATION}: pad_per_class cannot be converted")
    return Limits(int(per_class), int(total), iou, score)


def _constant(node: Any, place: int) -> float:
    given = node.inputs[place]
    if not given.is_const():
        raise BadRequest(f"{OPERATION}: its limits must be constants; input {place} is reckoned by the model")
    return float(given.get_tensor_value())
