from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("model_key", "items", "at_once", "instance_id")
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    model_key: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    at_once: bool
    instance_id: str
    def __init__(self, model_key: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., at_once: bool = ..., instance_id: _Optional[str] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "request_id", "task", "payload", "time_left_s", "by_s", "spot")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIME_LEFT_S_FIELD_NUMBER: _ClassVar[int]
    BY_S_FIELD_NUMBER: _ClassVar[int]
    SPOT_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    task: str
    payload: bytes
    time_left_s: float
    by_s: float
    spot: Spot
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., task: _Optional[str] = ..., payload: _Optional[bytes] = ..., time_left_s: _Optional[float] = ..., by_s: _Optional[float] = ..., spot: _Optional[_Union[Spot, _Mapping]] = ...) -> None: ...

class Spot(_message.Message):
    __slots__ = ("region", "offset", "size", "number")
    REGION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    region: str
    offset: int
    size: int
    number: int
    def __init__(self, region: _Optional[str] = ..., offset: _Optional[int] = ..., size: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("outcomes", "timings", "clock_s")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_S_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    timings: Timings
    clock_s: float
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., clock_s: _Optional[float] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("id", "prediction", "problem", "gone", "timings")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    prediction: bytes
    problem: Problem
    gone: bool
    timings: Timings
    def __init__(self, id: _Optional[str] = ..., prediction: _Optional[bytes] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ..., gone: bool = ..., timings: _Optional[_Union[Timings, _Mapping]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("status", "title", "detail")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    status: int
    title: str
    detail: str
    def __init__(self, status: _Optional[int] = ..., title: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("decode_s", "wait_s", "infer_s", "postprocess_s", "total_s")
    DECODE_S_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    INFER_S_FIELD_NUMBER: _ClassVar[int]
    POSTPROCESS_S_FIELD_NUMBER: _ClassVar[int]
    TOTAL_S_FIELD_NUMBER: _ClassVar[int]
    decode_s: float
    wait_s: float
    infer_s: float
    postprocess_s: float
    total_s: float
    def __init__(self, decode_s: _Optional[float] = ..., wait_s: _Optional[float] = ..., infer_s: _Optional[float] = ..., postprocess_s: _Optional[float] = ..., total_s: _Optional[float] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("batches_left",)
    BATCHES_LEFT_FIELD_NUMBER: _ClassVar[int]
    batches_left: int
    def __init__(self, batches_left: _Optional[int] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Description(_message.Message):
    __slots__ = ("model_key", "instance_id", "engine", "tasks", "capacity", "resident_bytes", "device_bytes", "memory_cap_bytes", "clock_s")
    MODEL_KEY_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_CAP_BYTES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_S_FIELD_NUMBER: _ClassVar[int]
    model_key: str
    instance_id: str
    engine: str
    tasks: _containers.RepeatedScalarFieldContainer[str]
    capacity: Capacity
    resident_bytes: int
    device_bytes: int
    memory_cap_bytes: int
    clock_s: float
    def __init__(self, model_key: _Optional[str] = ..., instance_id: _Optional[str] = ..., engine: _Optional[str] = ..., tasks: _Optional[_Iterable[str]] = ..., capacity: _Optional[_Union[Capacity, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., device_bytes: _Optional[int] = ..., memory_cap_bytes: _Optional[int] = ..., clock_s: _Optional[float] = ...) -> None: ...

class Capacity(_message.Message):
    __slots__ = ("max_batch_size", "best_batch_size", "concurrency", "service_times")
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    BEST_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIMES_FIELD_NUMBER: _ClassVar[int]
    max_batch_size: int
    best_batch_size: int
    concurrency: int
    service_times: _containers.RepeatedCompositeFieldContainer[ServiceTime]
    def __init__(self, max_batch_size: _Optional[int] = ..., best_batch_size: _Optional[int] = ..., concurrency: _Optional[int] = ..., service_times: _Optional[_Iterable[_Union[ServiceTime, _Mapping]]] = ...) -> None: ...

class ServiceTime(_message.Message):
    __slots__ = ("batch_size", "seconds")
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    batch_size: int
    seconds: float
    def __init__(self, batch_size: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...
