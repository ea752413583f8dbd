"""The gRPC services on a model server's one port, over one replica. Health and reflection come with RpcServer."""

from __future__ import annotations

import grpc

from chassis.rpc import model_server_pb2_grpc
from services.model_server.replica import Replica
from services.model_server.servicer import ModelServerServicer

SERVICE_NAMES = ("servoir.v1.ModelServer",)


def register(server: grpc.Server, replica: Replica) -> None:
    """Add every service to *server*."""
    model_server_pb2_grpc.add_ModelServerServicer_to_server(ModelServerServicer(replica), server)
