from chassis.rpc import model_server_pb2 as _model_server_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("modelinfo_json",)
    MODELINFO_JSON_FIELD_NUMBER: _ClassVar[int]
    modelinfo_json: bytes
    def __init__(self, modelinfo_json: _Optional[bytes] = ...) -> None: ...

class PublishModelRequest(_message.Message):
    __slots__ = ("modelinfo_json", "actor")
    MODELINFO_JSON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    modelinfo_json: bytes
    actor: str
    def __init__(self, modelinfo_json: _Optional[bytes] = ..., actor: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("org_name", "problem_id")
    ORG_NAME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_ID_FIELD_NUMBER: _ClassVar[int]
    org_name: str
    problem_id: str
    def __init__(self, org_name: _Optional[str] = ..., problem_id: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class SetModelStatusRequest(_message.Message):
    __slots__ = ("key", "status", "actor", "require", "on_set")
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_FIELD_NUMBER: _ClassVar[int]
    ON_SET_FIELD_NUMBER: _ClassVar[int]
    key: str
    status: str
    actor: str
    require: _containers.RepeatedScalarFieldContainer[str]
    on_set: str
    def __init__(self, key: _Optional[str] = ..., status: _Optional[str] = ..., actor: _Optional[str] = ..., require: _Optional[_Iterable[str]] = ..., on_set: _Optional[str] = ...) -> None: ...

class CheckAcceptanceRequest(_message.Message):
    __slots__ = ("key", "require", "on_set")
    KEY_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_FIELD_NUMBER: _ClassVar[int]
    ON_SET_FIELD_NUMBER: _ClassVar[int]
    key: str
    require: _containers.RepeatedScalarFieldContainer[str]
    on_set: str
    def __init__(self, key: _Optional[str] = ..., require: _Optional[_Iterable[str]] = ..., on_set: _Optional[str] = ...) -> None: ...

class Acceptance(_message.Message):
    __slots__ = ("report_id", "set_name", "met")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    SET_NAME_FIELD_NUMBER: _ClassVar[int]
    MET_FIELD_NUMBER: _ClassVar[int]
    report_id: str
    set_name: str
    met: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, report_id: _Optional[str] = ..., set_name: _Optional[str] = ..., met: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelsSnapshot(_message.Message):
    __slots__ = ("models", "default_keys")
    class DefaultKeysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_KEYS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    default_keys: _containers.ScalarMap[str, str]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., default_keys: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SetDefaultModelRequest(_message.Message):
    __slots__ = ("task", "key", "actor")
    TASK_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    task: str
    key: str
    actor: str
    def __init__(self, task: _Optional[str] = ..., key: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class SetDefaultModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListHistoryRequest(_message.Message):
    __slots__ = ("key", "limit")
    KEY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    key: str
    limit: int
    def __init__(self, key: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListHistoryResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[HistoryEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[HistoryEntry, _Mapping]]] = ...) -> None: ...

class HistoryEntry(_message.Message):
    __slots__ = ("key", "action", "actor", "at_ms", "before", "after", "detail")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    key: str
    action: str
    actor: str
    at_ms: int
    before: str
    after: str
    detail: str
    def __init__(self, key: _Optional[str] = ..., action: _Optional[str] = ..., actor: _Optional[str] = ..., at_ms: _Optional[int] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("id", "model_key", "kind", "set_name", "set_sha256", "figures", "made_at_ms", "actor", "document_json")
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SET_NAME_FIELD_NUMBER: _ClassVar[int]
    SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    MADE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_key: str
    kind: str
    set_name: str
    set_sha256: str
    figures: _containers.ScalarMap[str, float]
    made_at_ms: int
    actor: str
    document_json: bytes
    def __init__(self, id: _Optional[str] = ..., model_key: _Optional[str] = ..., kind: _Optional[str] = ..., set_name: _Optional[str] = ..., set_sha256: _Optional[str] = ..., figures: _Optional[_Mapping[str, float]] = ..., made_at_ms: _Optional[int] = ..., actor: _Optional[str] = ..., document_json: _Optional[bytes] = ...) -> None: ...

class PutReportResponse(_message.Message):
    __slots__ = ("stored",)
    STORED_FIELD_NUMBER: _ClassVar[int]
    stored: bool
    def __init__(self, stored: bool = ...) -> None: ...

class GetReportRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListReportsRequest(_message.Message):
    __slots__ = ("model_key", "limit")
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    model_key: str
    limit: int
    def __init__(self, model_key: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListReportsResponse(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[Report]
    def __init__(self, reports: _Optional[_Iterable[_Union[Report, _Mapping]]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("instance_id", "model_key", "address", "capacity", "ttl_s", "draining", "resident_bytes", "memory_cap_bytes", "engine", "started_at_ms", "metrics_address", "shared_memory")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_CAP_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    METRICS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SHARED_MEMORY_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    model_key: str
    address: str
    capacity: _model_server_pb2.Capacity
    ttl_s: float
    draining: bool
    resident_bytes: int
    memory_cap_bytes: int
    engine: str
    started_at_ms: int
    metrics_address: str
    shared_memory: str
    def __init__(self, instance_id: _Optional[str] = ..., model_key: _Optional[str] = ..., address: _Optional[str] = ..., capacity: _Optional[_Union[_model_server_pb2.Capacity, _Mapping]] = ..., ttl_s: _Optional[float] = ..., draining: bool = ..., resident_bytes: _Optional[int] = ..., memory_cap_bytes: _Optional[int] = ..., engine: _Optional[str] = ..., started_at_ms: _Optional[int] = ..., metrics_address: _Optional[str] = ..., shared_memory: _Optional[str] = ...) -> None: ...

class AnnounceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("instance_id",)
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    def __init__(self, instance_id: _Optional[str] = ...) -> None: ...

class WithdrawResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchLeasesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeasesSnapshot(_message.Message):
    __slots__ = ("leases",)
    LEASES_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    def __init__(self, leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ...) -> None: ...

class UsageBatch(_message.Message):
    __slots__ = ("batch_id", "sums", "answered")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    sums: _containers.RepeatedCompositeFieldContainer[UsageSum]
    answered: str
    def __init__(self, batch_id: _Optional[str] = ..., sums: _Optional[_Iterable[_Union[UsageSum, _Mapping]]] = ..., answered: _Optional[str] = ...) -> None: ...

class UsageSum(_message.Message):
    __slots__ = ("client_id", "model_key", "status", "answered_at_ms", "bucket", "images", "requests", "payload_bytes", "service_s")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_S_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    model_key: str
    status: int
    answered_at_ms: int
    bucket: int
    images: int
    requests: int
    payload_bytes: int
    service_s: float
    def __init__(self, client_id: _Optional[str] = ..., model_key: _Optional[str] = ..., status: _Optional[int] = ..., answered_at_ms: _Optional[int] = ..., bucket: _Optional[int] = ..., images: _Optional[int] = ..., requests: _Optional[int] = ..., payload_bytes: _Optional[int] = ..., service_s: _Optional[float] = ...) -> None: ...

class RecordUsageResponse(_message.Message):
    __slots__ = ("stored",)
    STORED_FIELD_NUMBER: _ClassVar[int]
    stored: bool
    def __init__(self, stored: bool = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ("client_id", "model_key", "from_ms", "to_ms", "by")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    TO_MS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    model_key: str
    from_ms: int
    to_ms: int
    by: str
    def __init__(self, client_id: _Optional[str] = ..., model_key: _Optional[str] = ..., from_ms: _Optional[int] = ..., to_ms: _Optional[int] = ..., by: _Optional[str] = ...) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[UsageRow]
    def __init__(self, rows: _Optional[_Iterable[_Union[UsageRow, _Mapping]]] = ...) -> None: ...

class UsageRow(_message.Message):
    __slots__ = ("group", "requests", "statuses", "payload_bytes", "service_s", "latency_histogram", "images")
    class GroupEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StatusesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    group: _containers.ScalarMap[str, str]
    requests: int
    statuses: _containers.ScalarMap[int, int]
    payload_bytes: int
    service_s: float
    latency_histogram: _containers.RepeatedScalarFieldContainer[int]
    images: int
    def __init__(self, group: _Optional[_Mapping[str, str]] = ..., requests: _Optional[int] = ..., statuses: _Optional[_Mapping[int, int]] = ..., payload_bytes: _Optional[int] = ..., service_s: _Optional[float] = ..., latency_histogram: _Optional[_Iterable[int]] = ..., images: _Optional[int] = ...) -> None: ...

class RollUpUsageRequest(_message.Message):
    __slots__ = ("days_before_ms", "forget_before_ms")
    DAYS_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    FORGET_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    days_before_ms: int
    forget_before_ms: int
    def __init__(self, days_before_ms: _Optional[int] = ..., forget_before_ms: _Optional[int] = ...) -> None: ...

class RollUpUsageResponse(_message.Message):
    __slots__ = ("more",)
    MORE_FIELD_NUMBER: _ClassVar[int]
    more: bool
    def __init__(self, more: bool = ...) -> None: ...

class ApiKey(_message.Message):
    __slots__ = ("api_key_json",)
    API_KEY_JSON_FIELD_NUMBER: _ClassVar[int]
    api_key_json: bytes
    def __init__(self, api_key_json: _Optional[bytes] = ...) -> None: ...

class CreateApiKeyRequest(_message.Message):
    __slots__ = ("api_key_json", "actor")
    API_KEY_JSON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    api_key_json: bytes
    actor: str
    def __init__(self, api_key_json: _Optional[bytes] = ..., actor: _Optional[str] = ...) -> None: ...

class IssuedApiKey(_message.Message):
    __slots__ = ("key", "token")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    token: str
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., token: _Optional[str] = ...) -> None: ...

class ListApiKeysRequest(_message.Message):
    __slots__ = ("client_id",)
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    def __init__(self, client_id: _Optional[str] = ...) -> None: ...

class ListApiKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ApiKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[ApiKey, _Mapping]]] = ...) -> None: ...

class RevokeApiKeyRequest(_message.Message):
    __slots__ = ("id", "actor")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    actor: str
    def __init__(self, id: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class RotateApiKeyRequest(_message.Message):
    __slots__ = ("id", "grace_s", "actor")
    ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    grace_s: float
    actor: str
    def __init__(self, id: _Optional[str] = ..., grace_s: _Optional[float] = ..., actor: _Optional[str] = ...) -> None: ...

class WatchApiKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ApiKeysDelta(_message.Message):
    __slots__ = ("whole", "changed", "removed")
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    whole: bool
    changed: _containers.RepeatedCompositeFieldContainer[KnownApiKey]
    removed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, whole: bool = ..., changed: _Optional[_Iterable[_Union[KnownApiKey, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ...) -> None: ...

class KnownApiKey(_message.Message):
    __slots__ = ("key", "hashes")
    KEY_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    hashes: _containers.RepeatedCompositeFieldContainer[TokenHash]
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., hashes: _Optional[_Iterable[_Union[TokenHash, _Mapping]]] = ...) -> None: ...

class TokenHash(_message.Message):
    __slots__ = ("sha256", "until_ms")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    until_ms: int
    def __init__(self, sha256: _Optional[str] = ..., until_ms: _Optional[int] = ...) -> None: ...

class GetReadinessRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Readiness(_message.Message):
    __slots__ = ("degraded", "detail")
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    degraded: bool
    detail: str
    def __init__(self, degraded: bool = ..., detail: _Optional[str] = ...) -> None: ...
