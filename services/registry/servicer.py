"""The registry's calls (proto/registry.proto): each checks its request, asks one part, and tells its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

import grpc
import msgspec

from chassis import metrics
from chassis.errors import BadRequest, TooBusy
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from services.registry.acceptance import Accepted, accept, parse_demand
from services.registry.api_key_book import ApiKeyBook
from services.registry.api_keys import ApiKey, api_key_json, parse_terms
from services.registry.feed import Feed
from services.registry.follower import Follower
from services.registry.key_ring import known_message
from services.registry.lease_book import LeaseBook
from services.registry.leases import check_lease
from services.registry.modelinfo import Modelinfo, modelinfo_json, parse_modelinfo
from services.registry.models import Models, Snapshot
from services.registry.report import read_report, report_message
from services.registry.reports import Reports
from services.registry.store import Store
from services.registry.usage import check_batch, parse_groups, usage_documents
from services.registry.usage_book import UsageBook
from services.registry.versions import known_fields

USAGE_IMAGES = metrics.Counter("servoir_registry_usage_images_total", "answered images whose usage is stored")
WATCHERS = metrics.Gauge("servoir_registry_watchers", "open streams of models, leases or API keys")
_MOST_HISTORY = 1000
T = TypeVar("T")


class RegistryServicer(registry_pb2_grpc.RegistryServicer):
    """Answers from memory where it can; a write waits for MongoDB. Each open stream holds a thread."""

    def __init__(
        self,
        store: Store,
        models: Models,
        leases: LeaseBook,
        keys: ApiKeyBook,
        follower: Follower,
        *,
        max_watchers: int,
    ) -> None:
        self._store = store
        self._usage = UsageBook(store)
        self._reports = Reports(store)
        self._models = models
        self._leases = leases
        self._keys = keys
        self._follower = follower
        self._places = threading.Semaphore(max_watchers)

    # -- models -----------------------------------------------------------------------------------------------------

    def PublishModel(self, request: pb.PublishModelRequest, context: grpc.ServicerContext) -> pb.Model:
        """Store a new model; whatever its document says, it starts as published."""
        modelinfo = msgspec.structs.replace(parse_modelinfo(request.modelinfo_json), status="published", reports=())
        return _model(self._models.publish(modelinfo, actor=_actor(request.actor)))

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> pb.Model:
        """Return the model of a key."""
        return _model(self._models.find(request.key))

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:
        """Return the models of an organisation and a problem."""
        models = self._models.select(request.org_name, request.problem_id)
        return pb.ListModelsResponse(models=map(_model, models))

    def SetModelStatus(self, request: pb.SetModelStatusRequest, context: grpc.ServicerContext) -> pb.Model:
        """Release or retire a model; a release may demand figures of its report, and its history says which."""
        detail = "no report demanded" if request.status == "released" else ""
        if request.require or request.on_set:
            if request.status != "released":
                raise BadRequest("require: only a release can demand a report")
            detail = str(self._accept(request.key, request.require, request.on_set))
        moved = self._models.set_status(request.key, request.status, actor=_actor(request.actor), detail=detail)
        return _model(moved)

    def CheckAcceptance(self, request: pb.CheckAcceptanceRequest, context: grpc.ServicerContext) -> pb.Acceptance:
        """Say what a release would be accepted on."""
        accepted = self._accept(request.key, request.require, request.on_set)
        return pb.Acceptance(report_id=accepted.report_id, set_name=accepted.set_name, met=accepted.met)

    def _accept(self, key: str, require: Iterable[str], on_set: str) -> Accepted:
        demands = [parse_demand(text) for text in require]
        model = self._models.find(key)
        return accept(model.key, self._reports.judged(model.key), demands, on_set=on_set)

    def SetDefaultModel(
        self, request: pb.SetDefaultModelRequest, context: grpc.ServicerContext
    ) -> pb.SetDefaultModelResponse:
        """Name the model that answers a task."""
        self._models.set_default(request.task, request.key, actor=_actor(request.actor))
        return pb.SetDefaultModelResponse()

    def ListHistory(self, request: pb.ListHistoryRequest, context: grpc.ServicerContext) -> pb.ListHistoryResponse:
        """Return who did what, newest first."""
        limit = min(request.limit or 100, _MOST_HISTORY)
        names = pb.HistoryEntry.DESCRIPTOR.fields_by_name
        entries = [pb.HistoryEntry(**known_fields(it, names)) for it in self._store.history(request.key, limit)]
        return pb.ListHistoryResponse(entries=entries)

    def WatchModels(self, request: pb.WatchModelsRequest, context: grpc.ServicerContext) -> Iterator[pb.ModelsSnapshot]:
        """Give all models, and again after each change."""
        return map(_snapshot, self._watch(self._models.feed, context))

    # -- reports ----------------------------------------------------------------------------------------------------

    def PutReport(self, request: pb.Report, context: grpc.ServicerContext) -> pb.PutReportResponse:
        """Keep a report once."""
        report = msgspec.structs.replace(read_report(request), actor=_actor(request.actor))
        stored = self._reports.put(report)
        self._models.reload_if_there()
        return pb.PutReportResponse(stored=stored)

    def GetReport(self, request: pb.GetReportRequest, context: grpc.ServicerContext) -> pb.Report:
        """Return a report."""
        return report_message(self._reports.find(request.id))

    def ListReports(self, request: pb.ListReportsRequest, context: grpc.ServicerContext) -> pb.ListReportsResponse:
        """Return reports, newest first."""
        limit = min(request.limit or 100, _MOST_HISTORY)
        return pb.ListReportsResponse(reports=map(report_message, self._reports.select(request.model_key, limit)))

    # -- leases -----------------------------------------------------------------------------------------------------

    def Announce(self, request: pb.Lease, context: grpc.ServicerContext) -> pb.AnnounceResponse:
        """Hold or renew a lease of a known model."""
        check_lease(request)
        self._models.find(request.model_key)
        self._leases.announce(request)
        return pb.AnnounceResponse()

    def Withdraw(self, request: pb.WithdrawRequest, context: grpc.ServicerContext) -> pb.WithdrawResponse:
        """End a lease."""
        if not request.instance_id:
            raise BadRequest("instance_id: missing")
        self._leases.withdraw(request.instance_id)
        return pb.WithdrawResponse()

    def WatchLeases(self, request: pb.WatchLeasesRequest, context: grpc.ServicerContext) -> Iterator[pb.LeasesSnapshot]:
        """Give all live leases, and again after each change."""
        return (pb.LeasesSnapshot(leases=leases) for leases in self._watch(self._leases.feed, context))

    # -- usage ------------------------------------------------------------------------------------------------------

    def RecordUsage(self, request: pb.UsageBatch, context: grpc.ServicerContext) -> pb.RecordUsageResponse:
        """Store a batch once."""
        check_batch(request)
        stored = self._store.record_usage(request.batch_id, usage_documents(request), request.answered)
        if stored:
            USAGE_IMAGES.inc(sum(one.images for one in request.sums))
        return pb.RecordUsageResponse(stored=stored)

    def GetUsage(self, request: pb.GetUsageRequest, context: grpc.ServicerContext) -> pb.GetUsageResponse:
        """Return sums of usage."""
        groups = parse_groups(request.by)
        return pb.GetUsageResponse(rows=self._usage.rows(request, groups))

    def RollUpUsage(self, request: pb.RollUpUsageRequest, context: grpc.ServicerContext) -> pb.RollUpUsageResponse:
        """Make sums of days from some of what is older, and forget what is older yet."""
        more = self._usage.roll_up(request.days_before_ms) if request.days_before_ms else False
        if request.forget_before_ms:
            self._usage.forget(request.forget_before_ms)
        return pb.RollUpUsageResponse(more=more)

    # -- API keys ---------------------------------------------------------------------------------------------------

    def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: grpc.ServicerContext) -> pb.IssuedApiKey:
        """Make a key and tell its token."""
        return _issued(self._keys.create(parse_terms(request.api_key_json), actor=_actor(request.actor)))

    def ListApiKeys(self, request: pb.ListApiKeysRequest, context: grpc.ServicerContext) -> pb.ListApiKeysResponse:
        """Return the keys of a client, or of all."""
        return pb.ListApiKeysResponse(keys=map(_api_key, self._keys.keys(request.client_id)))

    def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: grpc.ServicerContext) -> pb.ApiKey:
        """End a key."""
        return _api_key(self._keys.revoke(request.id, actor=_actor(request.actor)))

    def RotateApiKey(self, request: pb.RotateApiKeyRequest, context: grpc.ServicerContext) -> pb.IssuedApiKey:
        """Give a key a new token and tell it."""
        return _issued(self._keys.rotate(request.id, grace_s=request.grace_s, actor=_actor(request.actor)))

    def WatchApiKeys(self, request: pb.WatchApiKeysRequest, context: grpc.ServicerContext) -> Iterator[pb.ApiKeysDelta]:
        """Give all keys, then what changed, each time something does."""
        seen = 0
        for number, _ in enumerate(self._watch(self._keys.feed, context)):
            changed = self._keys.since(seen)
            seen = changed.revision
            yield pb.ApiKeysDelta(whole=number == 0, changed=map(known_message, changed.keys), removed=changed.removed)

    # -- itself -----------------------------------------------------------------------------------------------------

    def GetReadiness(self, request: pb.GetReadinessRequest, context: grpc.ServicerContext) -> pb.Readiness:
        """Say whether MongoDB is there."""
        there = self._follower.there
        return pb.Readiness(degraded=not there, detail="" if there else "MongoDB is away: writes are refused")

    def _watch(self, feed: Feed[T], context: grpc.ServicerContext) -> Iterator[T]:
        """Follow *feed* until the caller is gone, as one of the most watchers that there may be."""
        if not self._places.acquire(blocking=False):
            raise TooBusy("too many watchers: raise SERVOIR_MAX_WATCHERS", retry_after_s=5.0)
        WATCHERS.inc()
        try:
            context.add_callback(feed.wake)
            yield from feed.follow(context.is_active)
        finally:
            WATCHERS.dec()
            self._places.release()


def _actor(text: str) -> str:
    return text[:200] or "unknown"


def _model(modelinfo: Modelinfo) -> pb.Model:
    return pb.Model(modelinfo_json=modelinfo_json(modelinfo))


def _api_key(key: ApiKey) -> pb.ApiKey:
    return pb.ApiKey(api_key_json=api_key_json(key))


def _issued(issued: tuple[ApiKey, str]) -> pb.IssuedApiKey:
    return pb.IssuedApiKey(key=_api_key(issued[0]), token=issued[1])


def _snapshot(snapshot: Snapshot) -> pb.ModelsSnapshot:
    return pb.ModelsSnapshot(models=map(_model, snapshot.models), default_keys=snapshot.defaults)
