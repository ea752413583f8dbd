"""The gRPC services on a model server's one port, over one replica. Health and reflection come with RpcServer."""

from __future__ import annotations

from pathlib import Path

import grpc

from chassis.rpc import inference_pb2_grpc, model_server_pb2_grpc
from services.model_server.inference_service import SERVICE_NAME, InferenceServicer
from services.model_server.replica import Replica
from services.model_server.servicer import ModelServerServicer

SERVICE_NAMES = ("servoir.v1.ModelServer", SERVICE_NAME)


def register(server: grpc.Server, replica: Replica, shared_memory: Path) -> None:
    """Add every service to *server*; payloads may be in *shared_memory*, a folder."""
    model_server_pb2_grpc.add_ModelServerServicer_to_server(ModelServerServicer(replica, shared_memory), server)
    inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(InferenceServicer(replica), server)
