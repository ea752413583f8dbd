"""Errors: one tree, and a class that survives the way through a gRPC status and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import grpc
import pytest

from chassis import errors
from chassis.rpc import model_server_pb2, model_server_pb2_grpc, registry_pb2, registry_pb2_grpc
from chassis.rpc_client import channel, told
from chassis.rpc_server import MAX_DETAIL_BYTES, CannotBind, RpcServer


class Raising(registry_pb2_grpc.RegistryServicer):
    """A registry that raises the error whose class a call names, with the text behind it."""

    def GetModel(self, request: registry_pb2.GetModelRequest, context: grpc.ServicerContext) -> registry_pb2.Model:  # noqa: N802
        if request.key == "bug":
            raise ZeroDivisionError("a secret")
        name, _, text = request.key.partition(" ")
        raise errors.BY_NAME[name](text or "so it is", retry_after_s=2.5)

    def WatchModels(  # noqa: N802
        self, request: registry_pb2.WatchModelsRequest, context: grpc.ServicerContext
    ) -> Iterator[registry_pb2.ModelsSnapshot]:
        yield registry_pb2.ModelsSnapshot()
        raise errors.Unavailable("gone")


class RaisingInAStream(model_server_pb2_grpc.ModelServerServicer):
    """A model server that answers batches of ``fine``, and raises whatever error others name."""

    def Predict(  # noqa: N802
        self, requests: Iterable[model_server_pb2.PredictRequest], context: grpc.ServicerContext
    ) -> Iterator[model_server_pb2.PredictResponse]:
        for request in requests:
            if request.model_key == "bug":
                raise ZeroDivisionError("a secret")
            if request.model_key != "fine":
                raise errors.BY_NAME[request.model_key]("so it is")
            yield model_server_pb2.PredictResponse(clock_s=1.0)


@contextmanager
def served(name: str, add: Callable[[grpc.Server], None]) -> Iterator[grpc.Channel]:
    """Open a channel to a server of its own that has one service."""
    server = RpcServer("127.0.0.1:0", add, service_names=[name])
    with channel(f"127.0.0.1:{server.start()}") as line:
        yield line
    server.stop(0)


@pytest.fixture
def stub() -> Iterator[registry_pb2_grpc.RegistryStub]:
    with served("servoir.v1.Registry", partial(registry_pb2_grpc.add_RegistryServicer_to_server, Raising())) as line:
        yield registry_pb2_grpc.RegistryStub(line)


@pytest.fixture
def batches() -> Iterator[grpc.StreamStreamMultiCallable]:
    """Sends messages as one stream of batches, and reads the answers."""
    add = partial(model_server_pb2_grpc.add_ModelServerServicer_to_server, RaisingInAStream())
    with served("servoir.v1.ModelServer", add) as line:
        yield line.stream_stream("/servoir.v1.ModelServer/Predict")


@pytest.mark.parametrize("name", errors.BY_NAME)
def test_an_error_comes_back_as_its_own_class(stub: registry_pb2_grpc.RegistryStub, name: str) -> None:
    with pytest.raises(errors.ServoirError) as raised, told():
        stub.GetModel(registry_pb2.GetModelRequest(key=name))

    assert type(raised.value) is errors.BY_NAME[name]
    assert (raised.value.detail, raised.value.retry_after_s) == ("so it is", 2.5)


@pytest.mark.parametrize("character", ["x", "%", "\n", "é", "\N{SLIGHTLY SMILING FACE}"])
def test_a_text_that_is_too_long_for_a_status_is_cut(stub: registry_pb2_grpc.RegistryStub, character: str) -> None:
    with pytest.raises(errors.ServoirError) as raised, told():
        stub.GetModel(registry_pb2.GetModelRequest(key=f"WrongState {100_000 * character}"))

    assert type(raised.value) is errors.WrongState
    assert raised.value.detail.startswith(300 * character)
    assert raised.value.detail.endswith(f"{character} …")


@pytest.mark.parametrize("text", [MAX_DETAIL_BYTES * "x", MAX_DETAIL_BYTES // 6 * "é"])
def test_a_text_that_just_fits_is_whole(stub: registry_pb2_grpc.RegistryStub, text: str) -> None:
    with pytest.raises(errors.WrongState) as raised, told():
        stub.GetModel(registry_pb2.GetModelRequest(key=f"WrongState {text}"))

    assert raised.value.detail == text


def test_a_bug_is_told_without_its_text(stub: registry_pb2_grpc.RegistryStub) -> None:
    with pytest.raises(errors.ServoirError) as raised, told():
        stub.GetModel(registry_pb2.GetModelRequest(key="bug"))

    assert (raised.value.status, raised.value.detail) == (500, "internal error")


def test_a_stream_ends_with_its_error(stub: registry_pb2_grpc.RegistryStub) -> None:
    with pytest.raises(errors.Unavailable, match="gone"), told():
        list(stub.WatchModels(registry_pb2.WatchModelsRequest()))


@pytest.mark.parametrize(
    ("message", "status", "detail"),
    [
        (model_server_pb2.PredictRequest(model_key="BadRequest").SerializeToString(), 400, "so it is"),
        (model_server_pb2.PredictRequest(model_key="bug").SerializeToString(), 500, "internal error"),
        (b"no protobuf", 400, "the message is no protobuf of this method's type"),
    ],
)
def test_what_is_wrong_with_a_message_ends_its_stream_behind_the_answers_before(
    batches: grpc.StreamStreamMultiCallable, message: bytes, status: int, detail: str
) -> None:
    fine = model_server_pb2.PredictRequest(model_key="fine").SerializeToString()
    answers = batches(iter([fine, message, fine]), timeout=20)

    assert model_server_pb2.PredictResponse.FromString(next(answers)).clock_s == 1.0
    with pytest.raises(errors.ServoirError) as raised, told():
        next(answers)

    assert (raised.value.status, raised.value.detail) == (status, detail)
    assert len(list(batches(iter([fine]), timeout=20))) == 1


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with channel("127.0.0.1:1") as line, pytest.raises(errors.Unavailable), told():
        registry_pb2_grpc.RegistryStub(line).GetModel(registry_pb2.GetModelRequest(key="x"))


def test_a_taken_port_is_said_to_be_taken() -> None:
    first = RpcServer("127.0.0.1:0", lambda _: None, service_names=[])
    port = first.start()

    with pytest.raises(CannotBind, match=str(port)):
        RpcServer(f"127.0.0.1:{port}", lambda _: None, service_names=[]).start()
    first.stop(0)


def test_statuses_without_a_name_still_find_their_class() -> None:
    assert isinstance(errors.error_for(grpc.StatusCode.NOT_FOUND, ""), errors.NotFound)
    assert isinstance(errors.error_for(grpc.StatusCode.INVALID_ARGUMENT, ""), errors.BadRequest)
    assert type(errors.error_for(grpc.StatusCode.INTERNAL, "")) is errors.ServoirError
    assert type(errors.error_for(grpc.StatusCode.DATA_LOSS, "")) is errors.ServoirError
