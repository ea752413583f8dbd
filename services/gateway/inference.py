"""The Open Inference Protocol (KServe V2) over REST, with the extensions of Triton's clients: ``/v2``.

A model is called ``<org>-<problem>`` in the version ``<rel>``, or by its full key. A model of images takes one BYTES
tensor ``image`` of encoded files, [N,1]; what it gives are its own tensors. Items are queued one by one, and join in
batches with those of other callers. Errors are ``{"error": text}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Blueprint, Response, g
from google.protobuf.message import DecodeError

from chassis.errors import BadRequest, ModelFailed, ServoirError
from chassis.inference import join, split
from chassis.rpc import inference_pb2 as pb
from services.gateway import problems, signatures
from services.gateway.api_keys import call_of, caller, check_may_use
from services.gateway.asked import asked_timeout_s
from services.gateway.exchange import Exchange
from services.gateway.models import json_response
from services.gateway.operations import REGISTRY, Query, operation
from services.gateway.parts import Parts, parts
from services.gateway.predictions import answered_problem
from services.gateway.problems import Problem
from services.gateway.reply import Reply
from services.gateway.rest_tensors import Asked, InferRequest, InferResponse, read_request, write_response
from services.queue.client import Answer, PredictCall
from services.registry.client import Modelinfo

blueprint = Blueprint("inference", __name__, url_prefix="/v2")
TAG = "Open Inference Protocol"
TASK = "tensor"
EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration", "statistics")
_HEADER_BYTES = "Inference-Header-Content-Length"
_HEADER_VARIABLE = "HTTP_INFERENCE_HEADER_CONTENT_LENGTH"
_PROBLEMS = (400, 404, 415, 422, 429, 503, 504)


class Server(msgspec.Struct):
    """What this server is."""

    name: str
    version: str
    extensions: tuple[str, ...]


class Error(msgspec.Struct):
    """Why there is no answer."""

    error: str


@blueprint.get("")
@operation(TAG, Server, error=Error)
def server() -> Response:
    """Say what this server is."""
    return json_response(Server("servoir", "3", EXTENSIONS))


@blueprint.get("/health/live")
@operation(TAG, "text/plain", error=Error)
def live() -> Response:
    """Say that the process answers."""
    return Response(mimetype="text/plain")


@blueprint.get("/health/ready")
@operation(TAG, "text/plain", also=(503,), error=Error)
def ready() -> Response:
    """Say whether requests can be taken."""
    return Response(status=200 if parts().queue.ready() else 503, mimetype="text/plain")


@blueprint.get("/models/<name>")
@blueprint.get("/models/<name>/versions/<version>")
@operation(TAG, signatures.Metadata, problems=_PROBLEMS, error=Error)
def metadata(name: str, version: str = "") -> Response:
    """Describe a model's tensors, the batch's axis first."""
    model = find(parts(), name, version)
    return json_response(signatures.metadata(name, model, _signature(model)))


@blueprint.get("/models/<name>/config")
@blueprint.get("/models/<name>/versions/<version>/config")
@operation(TAG, signatures.Config, problems=_PROBLEMS, error=Error)
def config(name: str, version: str = "") -> Response:
    """Describe a model as Triton's clients want it: without the batch's axis."""
    model = find(parts(), name, version)
    return json_response(signatures.config(name, model, _signature(model), most=parts().settings.max_images))


@blueprint.get("/models/<name>/ready")
@blueprint.get("/models/<name>/versions/<version>/ready")
@operation(TAG, "text/plain", also=(503,), problems=(400, 404, 429, 503), error=Error)
def model_ready(name: str, version: str = "") -> Response:
    """Say whether a model is being served."""
    served = {view.model for view in parts().operator.overview() if view.replicas}
    return Response(status=200 if find(parts(), name, version).key in served else 503, mimetype="text/plain")


@blueprint.get("/models/<name>/leave")
@operation(TAG, "text/plain", problems=(400, 404), error=Error)
def leave(name: str) -> Response:
    """Say whether this caller may use a model: a proxy asks before it passes a gRPC call on to the model's servers."""
    check_may_use(caller(), find(parts(), name, ""))
    return Response(status=200, mimetype="text/plain")


@blueprint.post("/models/<name>/infer")
@blueprint.post("/models/<name>/versions/<version>/infer")
@operation(
    TAG,
    InferResponse,
    problems=_PROBLEMS,
    error=Error,
    takes=InferRequest,
    query=(Query(_HEADER_BYTES, "Length of the JSON where binary tensors follow it", "integer", "header"),),
)
async def infer(exchange: Exchange, name: str, version: str = "") -> Reply:
    """Run a model on tensors, in JSON or behind it; all items are answered, or the request fails as a whole."""
    environ, gateway = exchange.environ, exchange.gateway
    timeout_s = asked_timeout_s(environ, gateway.settings.max_predict_timeout_s)
    asked = read_request(exchange.body, _header_bytes(environ))
    model = find(gateway, name, version)
    exchange.model_key = model.key
    asked.request.model_name, asked.request.model_version = name, model.rel_num
    timeout_s = timeout_s or model.deadline_s or gateway.settings.predict_timeout_s
    call = call_of(exchange, model, TASK, exchange.left_s(timeout_s))
    answers = await gateway.queue.asynchronous.predict(_split(asked.request, gateway), call)
    return _answer(join([_read(answer) for answer in answers]), asked)


@blueprint.get("/models/stats")
@blueprint.get("/models/<name>/stats")
@blueprint.get("/models/<name>/versions/<version>/stats")
@operation(TAG, signatures.Statistics, problems=(400, 404, *REGISTRY), error=Error)
def statistics(name: str = "", version: str = "") -> Response:
    """Count what the models have answered, over all gateways, as far as usage has been written."""
    gateway = parts()
    models = [find(parts(), name, version)] if name else gateway.models.models()
    rows = {row.group["model"]: row for row in gateway.registry.usage(by="model")}
    return json_response(signatures.Statistics([signatures.statistics(model, rows.get(model.key)) for model in models]))


@blueprint.post("/repository/index")
@operation(TAG, list[signatures.Indexed], problems=(429, 503), error=Error)
def index() -> Response:
    """List the models."""
    served = {view.model for view in parts().operator.overview() if view.replicas}
    models = [model for model in parts().models.models() if model.status != "retired"]
    return json_response([signatures.indexed(model, served=model.key in served) for model in models])


@blueprint.post("/repository/models/<name>/<any(load, unload):move>")
@operation(TAG, None, problems=(400, 404, 503), error=Error)
def move_model(name: str, move: str) -> Response:
    """Refuse: a model server is started and ended by its operator, never by a client."""
    find(parts(), name, "")
    raise BadRequest(f"models do not {move} on a client's call: their servers are started and ended by the operator")


def find(gateway: Parts, name: str, version: str) -> Modelinfo:
    """Return the model called *name* in *version*; without one, the newest release."""
    key = name if not version or (name.endswith(f"-{version}") and name.count("-") == 2) else f"{name}-{version}"
    return gateway.models.find(key, TASK)


def _header_bytes(environ: Mapping[str, Any]) -> int | None:
    text = environ.get(_HEADER_VARIABLE)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"{_HEADER_BYTES}: a number of bytes")
    return int(text[:12])


def _split(message: pb.ModelInferRequest, gateway: Parts) -> list[bytes]:
    return [single.SerializeToString() for single in split(message, most=gateway.settings.max_images)]


class _Failed(ServoirError):
    """An item that was not predicted."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.status, self.title = problem.status, problem.title  # type: ignore[misc]


def _read(answer: Answer) -> pb.ModelInferResponse:
    if answer.status != 200:
        raise _Failed(answered_problem(answer))
    try:
        return pb.ModelInferResponse.FromString(answer.body)
    except DecodeError as error:
        raise ModelFailed("the model gave an answer that cannot be read") from error


def _answer(response: pb.ModelInferResponse, asked: Asked) -> Reply:
    body, header_bytes = write_response(response, asked)
    if header_bytes is None:
        return Reply(body)
    return Reply(body, content_type="application/octet-stream", headers={_HEADER_BYTES: str(header_bytes)})


def _signature(model: Modelinfo) -> signatures.Signature:
    def probe(message: pb.ModelInferRequest) -> pb.ModelInferResponse:
        gateway = parts()
        call = PredictCall(
            model_key=model.key,
            task=TASK,
            request_id=g.exchange.request_id,
            timeout_s=gateway.settings.predict_timeout_s,
        )
        return _read(gateway.queue.predict(_split(message, gateway), call)[0])

    return signatures.signature_of(model, probe)


problems.register(blueprint, as_type=Error)
