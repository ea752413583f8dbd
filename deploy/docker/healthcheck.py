"""``python3 healthcheck.py http URL | grpc HOST:PORT``: exits with 0 where a service in this container is ready.

For a container's health check: ``http`` wants an answer of 200, ``grpc`` the standard health service to say SERVING.
"""

from __future__ import annotations

import sys

TIMEOUT_S = 3.0


def _http(url: str) -> str:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            return "" if answer.status == 200 else f"HTTP {answer.status}"
    except (URLError, OSError) as error:
        return str(error)


def _grpc(address: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return str(error.code())
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "" if serving else health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def fault(kind: str, where: str) -> str:
    """Return what is wrong with the service at *where*; nothing where it is ready."""
    return {"http": _http, "grpc": _grpc}[kind](where)


def main(kind: str, where: str) -> int:
    """Ask; print what is wrong, and return the exit code."""
    wrong = fault(kind, where)
    if wrong:
        print(f"{where}: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
