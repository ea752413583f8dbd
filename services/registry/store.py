"""MongoDB, and the only door to it: what is kept there, and every question that is asked of it.

    collection      a document                                                   indexes besides _id
    models          _id key; the modelinfo's fields                              (read whole into memory)
    defaults        _id task; key                                                (read whole into memory)
    history         key, action, actor, at_ms, before, after, detail             _HISTORY_INDEXES
    reports         _id report id; services/registry/report.py                   _REPORT_INDEXES
    leases          _id instance; lease (protobuf), by (process), renewal,       renewed_at, forgotten after an hour
                    renewed_at
    api_keys        _id key id; key (its fields), hashes (sha256, until_ms),     (read whole into memory)
                    version
    usage_batches   _id batch id; sums, answered (registry.proto: UsageBatch)      _USAGE_INDEXES
    usage_days      _id; sums of a day (services/registry/usage_days.py)         answered_at_ms

Every write is acknowledged by a majority, from its journal. A document and its history are written in one transaction.
MongoDB's failures leave here as Unavailable, and as BadRequest where a document cannot be stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import pymongo
from bson.errors import BSONError
from pymongo import DeleteOne, IndexModel, MongoClient, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.write_concern import WriteConcern

from chassis import logs, metrics
from chassis.errors import BadRequest, Conflict, NotFound, Unavailable, WrongState
from chassis.settings import BadSettings
from services.registry.api_keys import KnownKey
from services.registry.documents import (
    Change,
    Document,
    EndedLease,
    StoredLease,
    api_key_document,
    history_entry,
    known_key,
    lease_document,
    model_document,
    stored_lease,
)
from services.registry.modelinfo import STATUSES_BEFORE, Modelinfo, parse_understood, understand_modelinfo

log = logs.logger()
ERRORS = metrics.Counter("servoir_registry_mongodb_errors_total", "calls to MongoDB that failed")

_FIND_TIMEOUT_MS = 2000
_SILENCE_MS = 3000
_CALL_TIMEOUT_S = 5.0
_CHANGES_WAIT_MS = 1000
_FORGET_LEASES_S = 3600
_HISTORY_INDEXES = [
    IndexModel([("key", 1), ("at_ms", -1), ("_id", -1)]),
    IndexModel([("at_ms", -1), ("_id", -1)]),
]
_REPORT_INDEXES = [IndexModel([("model_key", 1), ("made_at_ms", -1)])]
_LEASE_INDEXES = [IndexModel([("renewed_at", 1)], expireAfterSeconds=_FORGET_LEASES_S)]
_USAGE_INDEXES = [
    IndexModel([("sums.answered_at_ms", 1)]),
    IndexModel([("sums.client_id", 1), ("sums.answered_at_ms", 1)]),
    IndexModel([("sums.model_key", 1), ("sums.answered_at_ms", 1)]),
]

T = TypeVar("T")


class Changes:
    """An open stream of changes to models, defaults, leases and API keys."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def next(self) -> Change | None:
        """Return the next change, or None when there was none for a while; raises Unavailable where none can come."""
        try:
            event = self._stream.try_next()
        except PyMongoError as error:
            raise Unavailable("changes: MongoDB is away") from error
        if event is None and not self._stream.alive:
            raise Unavailable("changes: the database was dropped")
        if event is None or "documentKey" not in event:
            return None
        collection, document = event["ns"]["coll"], event.get("fullDocument")
        lease = stored_lease(document) if collection == "leases" and document else None
        return Change(collection, str(event["documentKey"]["_id"]), lease)


class Store:
    """The registry's database; safe to use from several threads. ``open`` it first.

    While ``there`` is false every call but ``changes`` is refused at once, so that nobody waits for a MongoDB that is
    known to be away. Who follows the changes says so (services/registry/follower.py).
    """

    def __init__(self, url: str, database: str) -> None:
        """Prepare for the database at *url*; raises BadSettings where that is no such URL."""
        self._shown = logs.without_password(url)
        self.process_id = uuid.uuid4().hex
        self.there = True
        try:
            self._client: MongoClient[Document] = MongoClient(
                url,
                serverSelectionTimeoutMS=_FIND_TIMEOUT_MS,
                socketTimeoutMS=_SILENCE_MS,
                tz_aware=True,
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise BadSettings(f"SERVOIR_MONGO_URL: {self._shown} is not a MongoDB URL") from error
        self.db = self._client.get_database(database, write_concern=WriteConcern("majority", j=True))

    def open(self) -> None:
        """Reach MongoDB and make the indexes; raises Unavailable saying where it was looked for, and what to do."""
        try:
            if not self._is_replicated():
                raise Unavailable(
                    f"MongoDB at {self._shown} is not a replica set, which the registry needs "
                    "(a set of one will do): start mongod with --replSet, and call rs.initiate()"
                )
            self.db.history.create_indexes(_HISTORY_INDEXES)
            self.db.reports.create_indexes(_REPORT_INDEXES)
            self.db.leases.create_indexes(_LEASE_INDEXES)
            self.db.usage_batches.create_indexes(_USAGE_INDEXES)
            self.db.usage_days.create_index("answered_at_ms")
        except OperationFailure as error:
            raise Unavailable(
                f"MongoDB at {self._shown} refuses us: check the user, the password and the user's rights "
                f"(readWrite on {self.db.name}) in SERVOIR_MONGO_URL (code {error.code})"
            ) from error
        except PyMongoError as error:
            raise Unavailable(
                f"cannot use MongoDB at {self._shown}: start it there, or say where it is with SERVOIR_MONGO_URL "
                f"({type(error).__name__})"
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # -- models -----------------------------------------------------------------------------------------------------

    def models(self) -> list[Modelinfo]:
        """Return all models that can be read."""
        with self.asked("models"):
            return parse_understood(self.db.models.find())

    def defaults(self) -> dict[str, str]:
        """Return the default key of each task that has one."""
        with self.asked("defaults"):
            return {document["_id"]: document["key"] for document in self.db.defaults.find()}

    def publish(self, modelinfo: Modelinfo, *, actor: str) -> tuple[Modelinfo, bool]:
        """Store a model; return it and whether it is new: one that is the same, status and reports apart, stays.

        Raises Conflict where another is there.
        """
        with self.asked("publish"):
            try:
                self.with_history(
                    lambda session: self.db.models.insert_one(model_document(modelinfo), session=session),
                    history_entry(modelinfo.key, "publish", actor, after=modelinfo.status),
                )
                return modelinfo, True
            except DuplicateKeyError:
                kept = self._model(modelinfo.key)
        if msgspec.structs.replace(kept, status=modelinfo.status, reports=modelinfo.reports) != modelinfo:
            raise Conflict(f"{modelinfo.key} is there already, with another description or other files")
        return kept, False

    def set_status(self, key: str, status: str, *, actor: str, detail: str = "") -> Modelinfo:
        """Move a model to *status*, return it; raises NotFound, WrongState (a retirement of a default too)."""
        with self.asked("status"):
            kept = self._model(key)
            if kept.status == status:
                return kept
            if kept.status not in STATUSES_BEFORE[status]:
                raise WrongState(f"{key} is {kept.status}: it cannot become {status}")
            self.with_history(
                lambda session: self._move(session, kept, status),
                history_entry(key, "status", actor, before=kept.status, after=status, detail=detail),
            )
        return msgspec.structs.replace(kept, status=status)

    def set_default(self, task: str, key: str, *, actor: str) -> None:
        """Let *key* answer *task*; an empty key clears it. Raises WrongState where the model is retired."""
        with self.asked("default"):
            before = (self.db.defaults.find_one({"_id": task}) or {}).get("key", "")
            if before == key:
                return
            action = "default" if key else "no default"
            entry = history_entry(key or before, action, actor, before=before, after=task)
            self.with_history(lambda session: self._put_default(session, task, key), entry)

    def history(self, key: str, limit: int) -> list[Document]:
        """Return the newest *limit* entries, of one model or (empty *key*) of all, newest first."""
        order = [("at_ms", -1), ("_id", -1)]
        with self.asked("history"):
            return list(self.db.history.find({"key": key} if key else {}, {"_id": 0}).sort(order).limit(limit))

    def _model(self, key: str) -> Modelinfo:
        document = self.db.models.find_one({"_id": key})
        if document is None:
            raise NotFound(f"no such model: {key}")
        return understand_modelinfo(document)

    def _move(self, session: ClientSession, kept: Modelinfo, status: str) -> None:
        """Move a model, unless another has moved it since it was read."""
        moved = self.db.models.update_one(
            {"_id": kept.key, "status": kept.status}, {"$set": {"status": status}}, session=session
        )
        if not moved.modified_count:
            raise WrongState(f"{kept.key} is not {kept.status} any more: it was changed just now")
        answered = self.db.defaults.find({"key": kept.key}, session=session) if status == "retired" else ()
        if tasks := sorted(it["_id"] for it in answered):
            raise WrongState(f"{kept.key} is the default for {', '.join(tasks)}: name another default first")

    def _put_default(self, session: ClientSession, task: str, key: str) -> None:
        if key:
            # Written and taken back: of this and a retirement at the same time, MongoDB lets only one go on.
            model = self.db.models.find_one_and_update({"_id": key}, {"$set": {"held": True}}, session=session)
            self.db.models.update_one({"_id": key}, {"$unset": {"held": ""}}, session=session)
            if model and model["status"] == "retired":
                raise WrongState(f"{key} is retired")
            self.db.defaults.replace_one({"_id": task}, {"key": key}, upsert=True, session=session)
        else:
            self.db.defaults.delete_one({"_id": task}, session=session)

    def with_history(self, write: Callable[[ClientSession], T], entry: Document) -> T:
        """Do *write* and keep *entry*, both or neither."""

        def both(session: ClientSession) -> T:
            done = write(session)
            self.db.history.insert_one(dict(entry), session=session)
            return done

        with self._client.start_session() as session:
            return session.with_transaction(both)

    # -- leases -----------------------------------------------------------------------------------------------------

    def leases(self) -> list[StoredLease]:
        """Return all stored leases."""
        with self.asked("leases"):
            return [stored_lease(document) for document in self.db.leases.find()]

    def has_lease(self, instance_id: str) -> bool:
        """Say whether a lease of this instance is stored."""
        with self.asked("leases"):
            return self.db.leases.find_one({"_id": instance_id}, {"_id": 1}) is not None

    def write_leases(self, changes: Mapping[str, StoredLease | EndedLease]) -> None:
        """Store or delete the lease of each instance; one that expired stays where it was renewed elsewhere since."""
        with self.asked("leases"):
            self.db.leases.bulk_write([_lease_write(*change) for change in changes.items()], ordered=False)

    # -- API keys ---------------------------------------------------------------------------------------------------

    def api_keys(self) -> list[KnownKey]:
        """Return all keys that can be read."""
        with self.asked("API keys"):
            return [known for document in self.db.api_keys.find() if (known := known_key(document))]

    def api_key(self, id: str) -> KnownKey | None:
        """Return one key."""
        with self.asked("API keys"):
            document = self.db.api_keys.find_one({"_id": id})
        return known_key(document) if document else None

    def put_api_key(self, known: KnownKey, entry: Document) -> None:
        """Store a key over the version before it, with its history; raises WrongState where another is there."""
        with self.asked("API keys"):
            self.with_history(lambda session: self._put_key(session, known), entry)

    def _put_key(self, session: ClientSession, known: KnownKey) -> None:
        document = api_key_document(known)
        if known.version == 1:
            self.db.api_keys.insert_one(document, session=session)
            return
        before = {"_id": known.key.id, "version": known.version - 1}
        if not self.db.api_keys.replace_one(before, document, session=session).matched_count:
            raise WrongState(f"the API key {known.key.id} was changed by another just now")

    # -- usage ------------------------------------------------------------------------------------------------------

    def record_usage(self, batch_id: str, sums: Sequence[Document], answered: str) -> bool:
        """Store a batch and the *answered* that it sums up; False where one with this id is there, which stays."""
        with self.asked("usage"):
            try:
                self.db.usage_batches.insert_one({"_id": batch_id, "sums": list(sums), "answered": answered})
            except DuplicateKeyError:
                return False
        return True

    def upsert_all(self, into: Collection[Document], changes: Mapping[str, Document], session: ClientSession) -> None:
        """Change the documents with these ids, or make them: in one call for thousands of them, not in one for each."""
        upserts = [UpdateOne({"_id": name}, change, upsert=True) for name, change in changes.items()]
        into.bulk_write(upserts, ordered=False, session=session)

    # -- changes ----------------------------------------------------------------------------------------------------

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Follow what any process changes from now on; raises Unavailable."""
        watched = [{"$match": {"ns.coll": {"$in": ["models", "defaults", "leases", "api_keys"]}}}]
        try:
            stream = self.db.watch(watched, max_await_time_ms=_CHANGES_WAIT_MS)
        except PyMongoError as error:
            raise Unavailable("changes: MongoDB is away") from error
        with stream:
            yield Changes(stream)

    @contextmanager
    def asked(self, what: str, *, timeout_s: float = _CALL_TIMEOUT_S) -> Iterator[None]:
        """Raise what MongoDB's driver fails with inside as one of our errors."""
        if not self.there:
            raise Unavailable(f"{what}: MongoDB is away", retry_after_s=1.0)
        try:
            with pymongo.timeout(timeout_s):
                yield
        except (BSONError, DocumentTooLarge, OverflowError) as error:
            raise BadRequest(f"{what}: cannot be stored: {str(error)[:200]}") from error
        except PyMongoError as error:
            ERRORS.inc()
            log.warning("mongodb_failed", what=what, reason=f"{type(error).__name__}: {error}"[:300])
            raise Unavailable(f"{what}: MongoDB is away", retry_after_s=1.0) from error

    def _is_replicated(self) -> bool:
        hello = self._client.admin.command("hello")
        return "setName" in hello or hello.get("msg") == "isdbgrid"


def _lease_write(instance_id: str, change: StoredLease | EndedLease) -> ReplaceOne[Document] | DeleteOne:
    if isinstance(change, StoredLease):
        return ReplaceOne({"_id": instance_id}, lease_document(change), upsert=True)
    return DeleteOne({"_id": instance_id, "renewal": change.renewal} if change.renewal else {"_id": instance_id})
