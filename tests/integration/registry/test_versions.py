"""Two versions at once, as in an upgrade that rolls or is taken back: a newer registry, or what it left in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import msgspec
import pymongo
import pytest

from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_server import RpcServer
from services.registry.api_keys import ApiKey, KnownKey, Terms, issue, rotate
from services.registry.client import KeyRing, ModelCatalogue, RegistryClient
from services.registry.documents import api_key_document, model_document
from services.registry.key_ring import known_message
from tests.integration.registry.conftest import StartRegistry, modelinfo
from tests.parts import wait_until

NOW_MS = 1_700_000_000_000


class KeyOfTomorrow(ApiKey, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of a version with one more field, which forbids something."""

    countries: tuple[str, ...] = ()


def of_tomorrow(known: KnownKey, **fields: object) -> KnownKey:
    key = KeyOfTomorrow(**(msgspec.structs.asdict(known.key) | fields))
    return KnownKey(key, known.hashes, known.version)


def made(client_id: str) -> tuple[KnownKey, str]:
    return issue(Terms(client_id=client_id), actor="root", now_ms=NOW_MS)


class RegistryOfTomorrow(registry_pb2_grpc.RegistryServicer):
    """Tells models and API keys with fields that the gateways of today do not know."""

    def __init__(self, *deltas: pb.ApiKeysDelta) -> None:
        self._deltas = deltas

    def WatchModels(  # noqa: N802
        self, request: pb.WatchModelsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ModelsSnapshot]:
        document = msgspec.to_builtins(modelinfo()) | {"colour": "green"}
        yield pb.ModelsSnapshot(models=[pb.Model(modelinfo_json=msgspec.json.encode(document))])

    def WatchApiKeys(  # noqa: N802
        self, request: pb.WatchApiKeysRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ApiKeysDelta]:
        yield from self._deltas


Serve = Callable[[RegistryOfTomorrow], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a registry of tomorrow; return its address."""
    servers: list[RpcServer] = []

    def start(registry: RegistryOfTomorrow) -> str:
        def add(server: grpc.Server) -> None:
            registry_pb2_grpc.add_RegistryServicer_to_server(registry, server)

        servers.append(RpcServer("127.0.0.1:0", add, service_names=[], threads=4))
        return f"127.0.0.1:{servers[-1].start()}"

    yield start
    for server in servers:
        server.stop(0)


@pytest.fixture
def ring_of(serve: Serve) -> Iterator[Callable[..., KeyRing]]:
    """Start key rings that follow a registry of tomorrow."""
    rings: list[KeyRing] = []

    def start(*deltas: pb.ApiKeysDelta) -> KeyRing:
        ring = KeyRing(serve(RegistryOfTomorrow(*deltas)))
        rings.append(ring)
        ring.start()
        assert ring.wait(30)
        return ring

    yield start
    for ring in rings:
        ring.stop()


def whole(*known: KnownKey) -> pb.ApiKeysDelta:
    return pb.ApiKeysDelta(whole=True, changed=map(known_message, known))


def test_models_of_a_newer_registry_are_served(serve: Serve) -> None:
    catalogue = ModelCatalogue(serve(RegistryOfTomorrow()))
    catalogue.start()
    assert catalogue.wait(30)

    assert catalogue.find("acme-coco-1", "bbox") == modelinfo()
    catalogue.stop()


def test_a_key_of_a_newer_registry_that_uses_nothing_new_opens(ring_of: Callable[..., KeyRing]) -> None:
    known, token = made("ann")

    assert ring_of(whole(of_tomorrow(known))).find(token) == known.key


def test_a_key_that_may_forbid_what_is_not_known_opens_nothing_and_hides_no_other(
    ring_of: Callable[..., KeyRing],
) -> None:
    (ann, token), (bob, other) = made("ann"), made("bob")
    ring = ring_of(whole(of_tomorrow(ann, countries=("at",)), bob))

    assert ring.find(token) is None
    assert ring.find(other) == bob.key


def test_a_key_that_comes_to_use_what_is_not_known_opens_nothing_from_then_on(ring_of: Callable[..., KeyRing]) -> None:
    known, token = made("ann")
    turned, _ = rotate(known, grace_s=60, now_ms=NOW_MS)
    change = pb.ApiKeysDelta(changed=[known_message(of_tomorrow(turned, countries=("at",)))])
    ring = ring_of(whole(known), change)

    wait_until(lambda: ring.find(token) is None, what="the ring to forget the key")


def test_what_a_newer_registry_left_in_mongodb_is_read_and_kept(mongo_url: str, start_registry: StartRegistry) -> None:
    (ann, _), (bob, _) = made("ann"), made("bob")
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.models.insert_one(model_document(modelinfo()) | {"colour": "green"})
        client.servoir.history.insert_one({"key": "acme-coco-1", "action": "publish", "at_ms": 1, "colour": "green"})
        client.servoir.api_keys.insert_one(api_key_document(of_tomorrow(ann)))
        client.servoir.api_keys.insert_one(api_key_document(of_tomorrow(bob, countries=("at",))))
        registry = RegistryClient(start_registry())
        registry.set_status("acme-coco-1", "released", actor="root")

        assert registry.models() == [modelinfo(status="released")]
        assert [entry.action for entry in registry.history()] == ["status", "publish"]
        assert registry.api_keys() == [ann.key]
        kept = client.servoir.models.find_one()
        assert kept and (kept["colour"], kept["status"]) == ("green", "released")
    registry.close()
