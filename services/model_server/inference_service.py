"""``inference.GRPCInferenceService``: the standard protocol over a replica, through the same pipeline as Predict.

The one model of this process is called ``<org>-<problem>``, in the version ``<rel>``; its full key is a name too. A
model of images takes one BYTES tensor ``image`` of encoded files, or its own tensors. The first axis is the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import grpc

from chassis import logs
from chassis.errors import NotFound, ServoirError
from chassis.inference import join, split
from chassis.rpc import inference_pb2 as pb
from chassis.rpc import inference_pb2_grpc
from services.model_server import inference_metadata
from services.model_server.adapters.tensors import TASK
from services.model_server.inference_statistics import InferenceStatistics
from services.model_server.metrics import count_batch
from services.model_server.pipeline import Done, Pipeline, Work
from services.model_server.replica import Replica, State

log = logs.logger()
SERVICE_NAME = "inference.GRPCInferenceService"
EXTENSIONS = ("model_configuration", "model_repository", "statistics")


class InferenceServicer(inference_pb2_grpc.GRPCInferenceServiceServicer):
    """What clients of the Open Inference Protocol call."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._statistics = InferenceStatistics()

    # -- server ------------------------------------------------------------------------------------

    def ServerLive(self, request: pb.ServerLiveRequest, context: grpc.ServicerContext) -> pb.ServerLiveResponse:
        """Say that the process answers."""
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, request: pb.ServerReadyRequest, context: grpc.ServicerContext) -> pb.ServerReadyResponse:
        """Say whether the model takes work."""
        return pb.ServerReadyResponse(ready=self._replica.state is State.SERVING)

    def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ServerMetadataResponse:
        """Say what this server is."""
        return pb.ServerMetadataResponse(
            name="servoir", version=inference_metadata.server_version(), extensions=EXTENSIONS
        )

    def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, context: grpc.ServicerContext
    ) -> pb.RepositoryIndexResponse:
        """List the one model."""
        state = self._replica.state
        if request.ready and state is not State.SERVING:
            return pb.RepositoryIndexResponse()
        model = pb.RepositoryIndexResponse.ModelIndex(
            name=self._names()[0],
            version=self._replica.modelinfo.rel_num,
            state="READY" if state is State.SERVING else "UNAVAILABLE",
            reason="" if state is State.SERVING else state.value,
        )
        return pb.RepositoryIndexResponse(models=[model])

    # -- model -------------------------------------------------------------------------------------

    def ModelReady(self, request: pb.ModelReadyRequest, context: grpc.ServicerContext) -> pb.ModelReadyResponse:
        """Say whether the named model is here and takes work."""
        here = self._is_here(request.name, request.version)
        return pb.ModelReadyResponse(ready=here and self._replica.state is State.SERVING)

    def ModelMetadata(
        self, request: pb.ModelMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ModelMetadataResponse:
        """Describe the model's tensors, batch axis first."""
        self._check(request.name, request.version)
        loaded = self._replica.loaded
        return inference_metadata.metadata(request.name, self._replica.modelinfo, loaded)

    def ModelConfig(self, request: pb.ModelConfigRequest, context: grpc.ServicerContext) -> pb.ModelConfigResponse:
        """Describe the model as Triton's clients want it: the batch axis apart."""
        self._check(request.name, request.version)
        loaded = self._replica.loaded
        return pb.ModelConfigResponse(
            config=inference_metadata.model_config(request.name, self._replica.modelinfo, loaded)
        )

    def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, context: grpc.ServicerContext
    ) -> pb.ModelStatisticsResponse:
        """Count what this protocol has been asked for since the start; no name asks for every model: the one here."""
        if request.name:
            self._check(request.name, request.version)
        name = request.name or self._names()[0]
        row = self._statistics.of(name, self._replica.modelinfo.rel_num)
        return pb.ModelStatisticsResponse(model_stats=[row])

    def ModelInfer(self, request: pb.ModelInferRequest, context: grpc.ServicerContext) -> pb.ModelInferResponse:
        """Run one request, all of whose items are answered or none."""
        self._check(request.model_name, request.model_version)
        with self._replica.working() as loaded:
            singles = split(request, most=loaded.capacity.max_batch_size)
            done = loaded.pipeline.run(self._work(singles, loaded.pipeline, context), wanted=context.is_active)
        count_batch(done)
        self._statistics.count(done)
        self._tell(request.id, done)
        response = join([_answer(item) for item in done])
        response.model_version = self._replica.modelinfo.rel_num
        return response

    def _work(
        self, singles: list[pb.ModelInferRequest], pipeline: Pipeline, context: grpc.ServicerContext
    ) -> list[Work]:
        left = context.time_remaining()
        deadline = math.inf if left is None else pipeline.clock() + left
        return [Work(single.SerializeToString(), TASK, deadline) for single in singles]

    def _tell(self, request_id: str, done: Sequence[Done]) -> None:
        log.info(
            "inference_answered",
            model_key=self._replica.modelinfo.key,
            request_id=request_id[:200],
            items=len(done),
            failed=sum(isinstance(item.answer, ServoirError) for item in done),
            decode_s=round(sum(item.decode_s for item in done), 6),
            infer_s=round(max(item.infer_s for item in done), 6),
        )

    # -- names -------------------------------------------------------------------------------------

    def _names(self) -> tuple[str, str]:
        modelinfo = self._replica.modelinfo
        return f"{modelinfo.org_name}-{modelinfo.problem_id}", modelinfo.key

    def _is_here(self, name: str, version: str) -> bool:
        return name in self._names() and version in ("", self._replica.modelinfo.rel_num)

    def _check(self, name: str, version: str) -> None:
        if not self._is_here(name, version):
            asked = f"{name[:200]} version {version[:100]}" if version else name[:200]
            raise NotFound(f"no such model here: {asked!r}; this server has {self._replica.modelinfo.key}")


def _answer(item: Done) -> pb.ModelInferResponse:
    if isinstance(item.answer, ServoirError):
        raise item.answer
    return pb.ModelInferResponse.FromString(item.answer)
