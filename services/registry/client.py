"""The door to the registry for every other service: its models, its leases, its API keys, and where usage goes.

All are safe to use from several threads; open them after a fork. What fails raises from the tree of
``chassis/errors.py``: Unavailable where the registry, or MongoDB behind a write, is away.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import grpc
import msgspec

from chassis import logs
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import aio_channel, channel, told
from services.registry.api_keys import CLASSES, ApiKey, Terms, parse_terms
from services.registry.key_ring import KeyRing
from services.registry.keys import ModelKey, parse_key
from services.registry.lease_keeper import LeaseKeeper
from services.registry.model_catalogue import ModelCatalogue
from services.registry.modelinfo import (
    TASKS,
    ModelFile,
    Modelinfo,
    modelinfo_json,
    parse_modelinfo,
    read_modelinfo,
    understand_modelinfo,
    write_modelinfo,
)
from services.registry.report import Report, read_report, report_message
from services.registry.usage import LATENCY_BOUNDS_S, latency_bucket, percentile_s
from services.registry.versions import known_fields, without_defaults

__all__ = [
    "CLASSES",
    "LATENCY_BOUNDS_S",
    "TASKS",
    "ApiKey",
    "AsyncRegistryClient",
    "KeyRing",
    "LeaseKeeper",
    "ModelCatalogue",
    "ModelFile",
    "ModelKey",
    "Modelinfo",
    "RegistryClient",
    "Report",
    "Terms",
    "follow_leases",
    "latency_bucket",
    "modelinfo_json",
    "parse_key",
    "parse_modelinfo",
    "parse_terms",
    "percentile_s",
    "read_modelinfo",
    "write_modelinfo",
]

log = logs.logger()
_LONGEST_RETRY_S = 1.0
_ROLL_UP_TIMEOUT_S = 60.0


class RegistryClient:
    """Calls to the registry at *address* (``host:port``); each ends within *timeout_s*."""

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        self._channel = channel(address)
        self._stub = registry_pb2_grpc.RegistryStub(self._channel)
        self._timeout_s = timeout_s

    def publish(self, modelinfo: Modelinfo, *, actor: str) -> Modelinfo:
        """Store a new model and return it as it is kept; the same document again is a no-op.

        Raises Conflict where another is there under its key, and BadRequest naming all bad fields.
        """
        request = pb.PublishModelRequest(modelinfo_json=modelinfo_json(modelinfo), actor=actor)
        with told():
            return understand_modelinfo(self._stub.PublishModel(request, timeout=self._timeout_s).modelinfo_json)

    def model(self, key: str) -> Modelinfo:
        """Return the model of a key (without a release: the newest released one); raises BadRequest, NotFound."""
        with told():
            return understand_modelinfo(
                self._stub.GetModel(pb.GetModelRequest(key=key), timeout=self._timeout_s).modelinfo_json
            )

    def models(self, org_name: str = "", problem_id: str = "") -> list[Modelinfo]:
        """Return the models in the order of their keys, oldest release first, in whatever status they are."""
        request = pb.ListModelsRequest(org_name=org_name, problem_id=problem_id)
        with told():
            answer = self._stub.ListModels(request, timeout=self._timeout_s)
        return [understand_modelinfo(model.modelinfo_json) for model in answer.models]

    def set_status(
        self, key: str, status: str, *, actor: str, require: Sequence[str] = (), on_set: str = ""
    ) -> Modelinfo:
        """Release or retire a model; the status that it has already is a no-op. Raises WrongState, NotFound.

        A release may *require* figures of its newest report (``mAP>=0.20``), on the labelled set *on_set* where there
        are reports on several; what it was accepted on goes into its history.
        """
        request = pb.SetModelStatusRequest(key=key, status=status, actor=actor, require=require, on_set=on_set)
        with told():
            return understand_modelinfo(self._stub.SetModelStatus(request, timeout=self._timeout_s).modelinfo_json)

    def set_default(self, task: str, key: str, *, actor: str) -> None:
        """Let *key* answer *task* where a request names no model; an empty key clears it.

        A key without release follows the newest released one. Raises BadRequest where the model cannot do *task*,
        WrongState where it is retired, NotFound.
        """
        with told():
            self._stub.SetDefaultModel(
                pb.SetDefaultModelRequest(task=task, key=key, actor=actor), timeout=self._timeout_s
            )

    def history(self, key: str = "", *, limit: int = 100) -> list[pb.HistoryEntry]:
        """Return who did what to the model of a full key, or to any, and when; newest first."""
        with told():
            answer = self._stub.ListHistory(pb.ListHistoryRequest(key=key, limit=limit), timeout=self._timeout_s)
        return list(answer.entries)

    def acceptance(self, key: str, require: Sequence[str], *, on_set: str = "") -> pb.Acceptance:
        """Return what a release would be accepted on; raises WrongState naming every demand that is not met."""
        request = pb.CheckAcceptanceRequest(key=key, require=require, on_set=on_set)
        with told():
            answer: pb.Acceptance = self._stub.CheckAcceptance(request, timeout=self._timeout_s)
        return answer

    def put_report(self, report: Report) -> bool:
        """Keep a report and link it from its model; False where it is there already. Raises NotFound, BadRequest."""
        with told():
            return bool(self._stub.PutReport(report_message(report), timeout=self._timeout_s).stored)

    def report(self, id: str) -> Report:
        """Return a report with its document; raises NotFound."""
        with told():
            return read_report(self._stub.GetReport(pb.GetReportRequest(id=id), timeout=self._timeout_s))

    def reports(self, model_key: str = "", *, limit: int = 100) -> list[Report]:
        """Return the reports on the model of a full key, or on all, without their documents, newest first."""
        request = pb.ListReportsRequest(model_key=model_key, limit=limit)
        with told():
            return [read_report(it) for it in self._stub.ListReports(request, timeout=self._timeout_s).reports]

    def record_usage(self, batch: pb.UsageBatch) -> bool:
        """Store a batch once, durably; return False where this batch was there already."""
        with told():
            return bool(self._stub.RecordUsage(batch, timeout=self._timeout_s).stored)

    def usage(
        self, *, by: str = "", client_id: str = "", model_key: str = "", from_ms: int = 0, to_ms: int = 0
    ) -> list[pb.UsageRow]:
        """Return sums of usage from *from_ms* to before *to_ms* (Unix time; 0: no bound), ordered by their groups.

        *by* joins ``client``, ``model``, ``hour``, ``day`` and ``status`` with commas; without any there is one row,
        or none where nothing was used. ``percentile_s(row.latency_histogram, 0.95)`` reads a row's histogram.
        """
        request = pb.GetUsageRequest(by=by, client_id=client_id, model_key=model_key, from_ms=from_ms, to_ms=to_ms)
        with told():
            return list(self._stub.GetUsage(request, timeout=self._timeout_s).rows)

    def roll_up_usage(self, *, days_before_ms: int, forget_before_ms: int = 0) -> None:
        """Sum up by the day what was used before *days_before_ms* (Unix time; 0: nothing); forget what is older yet.

        Raises Conflict where another does the same just now.
        """
        request = pb.RollUpUsageRequest(days_before_ms=days_before_ms, forget_before_ms=forget_before_ms)
        with told():
            while self._stub.RollUpUsage(request, timeout=_ROLL_UP_TIMEOUT_S).more:
                pass

    def create_api_key(self, terms: Terms, *, actor: str) -> tuple[ApiKey, str]:
        """Make an API key; return it and its token, which nobody can be told again. Raises BadRequest."""
        request = pb.CreateApiKeyRequest(api_key_json=msgspec.json.encode(without_defaults(terms)), actor=actor)
        with told():
            issued = self._stub.CreateApiKey(request, timeout=self._timeout_s)
        return _api_key(issued.key), issued.token

    def api_keys(self, client_id: str = "") -> list[ApiKey]:
        """Return the keys of a client, or of all, oldest first, revoked ones too."""
        with told():
            answer = self._stub.ListApiKeys(pb.ListApiKeysRequest(client_id=client_id), timeout=self._timeout_s)
        return [_api_key(key) for key in answer.keys]

    def revoke_api_key(self, id: str, *, actor: str) -> ApiKey:
        """End a key for good; again is a no-op. Raises NotFound."""
        with told():
            return _api_key(
                self._stub.RevokeApiKey(pb.RevokeApiKeyRequest(id=id, actor=actor), timeout=self._timeout_s)
            )

    def rotate_api_key(self, id: str, *, grace_s: float, actor: str) -> tuple[ApiKey, str]:
        """Give a key a new token and return both; the token that it had is taken for *grace_s* yet.

        Raises NotFound, BadRequest, and WrongState where the key is revoked.
        """
        request = pb.RotateApiKeyRequest(id=id, grace_s=grace_s, actor=actor)
        with told():
            issued = self._stub.RotateApiKey(request, timeout=self._timeout_s)
        return _api_key(issued.key), issued.token

    def readiness(self) -> pb.Readiness:
        """Say whether the registry has all that it needs (``degraded``, ``detail``)."""
        with told():
            answer: pb.Readiness = self._stub.GetReadiness(pb.GetReadinessRequest(), timeout=self._timeout_s)
        return answer

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _api_key(message: pb.ApiKey) -> ApiKey:
    """Return a key to look at, without a newer version's fields; what it opens is for a ``KeyRing`` to say."""
    fields = known_fields(msgspec.json.decode(message.api_key_json), ApiKey.__struct_fields__)
    return msgspec.convert(fields, ApiKey)


class AsyncRegistryClient:
    """What a dispatcher asks of the registry, for asyncio; create it inside the event loop."""

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        self._channel = aio_channel(address)
        self._stub = registry_pb2_grpc.RegistryStub(self._channel)
        self._timeout_s = timeout_s

    async def record_usage(self, batch: pb.UsageBatch) -> bool:
        """Store a batch once, durably; return False where this batch was there already."""
        with told():
            return bool((await self._stub.RecordUsage(batch, timeout=self._timeout_s)).stored)

    async def model(self, key: str) -> Modelinfo:
        """Return the model of a key; raises BadRequest, NotFound."""
        with told():
            answer = await self._stub.GetModel(pb.GetModelRequest(key=key), timeout=self._timeout_s)
            return understand_modelinfo(answer.modelinfo_json)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


async def follow_leases(address: str) -> AsyncIterator[list[pb.Lease]]:
    """Yield all live leases, and all again after every change, for ever.

    Silent while the registry is away: the last list stays valid, and a new one comes when it is back.
    """
    connected = True
    async with aio_channel(address) as open_channel:
        stub = registry_pb2_grpc.RegistryStub(open_channel)
        while True:
            try:
                async for snapshot in stub.WatchLeases(pb.WatchLeasesRequest()):
                    connected = True
                    yield list(snapshot.leases)
            except grpc.RpcError as failure:
                if connected:
                    log.warning("registry_lost", address=address, what="leases", reason=str(failure.code()))
                connected = False
            await asyncio.sleep(random.uniform(0.1, _LONGEST_RETRY_S))
