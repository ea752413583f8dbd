"""The life of API keys over gRPC on a real mongod: make, find, rotate, revoke; who learns of it, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymongo
import pytest

from chassis.errors import NotFound, ServoirError, Unavailable, WrongState
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel
from services.registry.api_keys import issue
from services.registry.client import ApiKey, KeyRing, RegistryClient, Terms
from services.registry.documents import api_key_document
from tests.integration.registry.conftest import StartRegistry
from tests.parts import Server, free_port, start_mongod, wait_until

ANN = Terms(client_id="ann", name="ann's laptop", models=("acme-*",), requests_per_s=2.5, weight=3.0)


@pytest.fixture
def ring(registry_address: str) -> Iterator[KeyRing]:
    following = KeyRing(registry_address)
    following.start()
    assert following.wait(30)
    yield following
    following.stop()


def known(ring: KeyRing, token: str) -> ApiKey:
    """Return the key that a token opens, once the ring has been told of it."""
    wait_until(lambda: ring.find(token), what="the ring to know the key")
    key = ring.find(token)
    assert key
    return key


def test_a_new_key_opens_with_its_token_and_has_its_terms(registry: RegistryClient, ring: KeyRing) -> None:
    key, token = registry.create_api_key(ANN, actor="root")
    assert known(ring, token) == key
    assert (key.client_id, key.models, key.requests_per_s, key.created_by) == ("ann", ("acme-*",), 2.5, "root")
    assert ring.find(token[:-1] + ("0" if token[-1] != "0" else "1")) is None
    assert ring.find("nonsense") is None


def test_no_secret_is_kept(registry: RegistryClient, mongo_url: str) -> None:
    _, token = registry.create_api_key(ANN, actor="root")
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        kept = [
            str(document) for name in client.servoir.list_collection_names() for document in client.servoir[name].find()
        ]
    assert kept
    assert not [text for text in kept if token.rpartition("_")[2] in text]


def test_a_list_of_keys_holds_neither_tokens_nor_their_hashes(registry_address: str, registry: RegistryClient) -> None:
    registry.create_api_key(ANN, actor="root")
    with channel(registry_address) as open_channel:
        answer = registry_pb2_grpc.RegistryStub(open_channel).ListApiKeys(pb.ListApiKeysRequest())
    (listed,) = [json.loads(key.api_key_json) for key in answer.keys]
    assert set(listed) <= set(ApiKey.__struct_fields__)


def test_a_revoked_key_opens_nothing_any_more(registry: RegistryClient, ring: KeyRing) -> None:
    key, token = registry.create_api_key(ANN, actor="root")
    known(ring, token)
    assert registry.revoke_api_key(key.id, actor="root").revoked_at_ms
    wait_until(lambda: ring.find(token) is None, what="the ring to forget the key")
    assert registry.revoke_api_key(key.id, actor="eve") == registry.api_keys()[0]
    with pytest.raises(WrongState, match="revoked"):
        registry.rotate_api_key(key.id, grace_s=0, actor="root")


def test_a_rotated_key_opens_with_both_tokens_until_the_grace_is_over(
    registry: RegistryClient, registry_address: str
) -> None:
    later_s = 0.0
    ring = KeyRing(registry_address, clock=lambda: key.created_at_ms / 1000 + later_s)
    key, old = registry.create_api_key(ANN, actor="root")
    turned, new = registry.rotate_api_key(key.id, grace_s=3600, actor="root")
    ring.start()
    assert ring.wait(30)
    assert ring.find(new) == ring.find(old) == turned
    later_s = 3700.0
    assert ring.find(old) is None
    assert ring.find(new) == turned
    ring.stop()


def test_keys_are_listed_by_client_oldest_first_and_revoked_ones_too(registry: RegistryClient) -> None:
    made = [registry.create_api_key(Terms(client_id=name), actor="root")[0].id for name in ("ann", "bob", "ann")]
    registry.revoke_api_key(made[2], actor="root")
    assert [key.id for key in registry.api_keys()] == made
    assert [key.id for key in registry.api_keys("ann")] == [made[0], made[2]]
    assert registry.api_keys("eve") == []


def test_history_says_who_did_what_to_a_key(registry: RegistryClient) -> None:
    key, _ = registry.create_api_key(ANN, actor="root")
    registry.rotate_api_key(key.id, grace_s=0, actor="ada")
    registry.revoke_api_key(key.id, actor="eve")
    told_of = [(entry.action, entry.actor, entry.after) for entry in registry.history(f"sv_{key.id}")]
    assert told_of == [("revoke", "eve", "ann"), ("rotate", "ada", "ann"), ("create", "root", "ann")]


def test_an_unknown_key_cannot_be_changed(registry: RegistryClient) -> None:
    with pytest.raises(NotFound):
        registry.revoke_api_key("nobody", actor="root")
    with pytest.raises(NotFound):
        registry.rotate_api_key("nobody", grace_s=0, actor="root")


def test_of_many_who_rotate_at_once_each_that_is_told_a_token_can_trust_the_newest(
    registry: RegistryClient, ring: KeyRing
) -> None:
    key, _ = registry.create_api_key(ANN, actor="root")

    def rotate(_: int) -> str:
        try:
            return registry.rotate_api_key(key.id, grace_s=0, actor="root")[1]
        except ServoirError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        tokens = [token for token in pool.map(rotate, range(8)) if token]
    wait_until(lambda: sum(ring.find(token) is not None for token in tokens) == 1, what="one of them to be the newest")
    assert len(registry.history(f"sv_{key.id}")) == len(tokens) + 1


def test_what_one_registry_process_changes_the_gateways_of_all_know(
    start_registry: StartRegistry, ring: KeyRing
) -> None:
    other = RegistryClient(start_registry())
    key, token = other.create_api_key(ANN, actor="root")
    assert known(ring, token) == key
    other.revoke_api_key(key.id, actor="root")
    wait_until(lambda: ring.find(token) is None)
    other.close()


def test_a_key_that_is_deleted_by_hand_opens_nothing(registry: RegistryClient, ring: KeyRing, mongo_url: str) -> None:
    _, token = registry.create_api_key(ANN, actor="root")
    known(ring, token)
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.api_keys.delete_many({})
    wait_until(lambda: ring.find(token) is None)
    assert registry.api_keys() == []


def test_a_key_of_a_newer_version_does_not_hide_the_others(
    registry: RegistryClient, ring: KeyRing, mongo_url: str, start_registry: StartRegistry
) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.api_keys.insert_one({"_id": "of-tomorrow", "key": {"colour": "green"}})
    _, token = registry.create_api_key(ANN, actor="root")
    known(ring, token)
    late = RegistryClient(start_registry())
    assert [key.client_id for key in late.api_keys()] == ["ann"]
    late.close()


def test_a_key_that_was_revoked_while_the_ring_heard_nothing_opens_nothing(
    mongo_url: str, start_registry: StartRegistry, start_process: Callable[..., tuple[Server, str]]
) -> None:
    process, address = start_process(mongo_url)
    other, ring = RegistryClient(start_registry()), KeyRing(address)
    ring.start()
    revoked, token = other.create_api_key(ANN, actor="root")
    kept, its_token = other.create_api_key(Terms(client_id="bob"), actor="root")
    known(ring, token)
    known(ring, its_token)

    process.kill()
    other.revoke_api_key(revoked.id, actor="root")
    assert ring.find(token) == revoked
    process.start()

    wait_until(lambda: ring.find(token) is None, what="the ring to be told all keys anew")
    assert ring.find(its_token) == kept
    ring.stop()
    other.close()


def test_a_ring_that_never_reached_the_registry_is_unavailable() -> None:
    ring = KeyRing(f"127.0.0.1:{free_port()}")
    ring.start()
    with pytest.raises(Unavailable):
        ring.find(issue(ANN, actor="root", now_ms=1)[1])
    ring.stop()


def test_ten_thousand_keys_are_learnt_at_once_and_a_change_tells_only_itself(
    mongo_url: str, start_registry: StartRegistry
) -> None:
    made = [issue(Terms(client_id=f"client-{number}"), actor="root", now_ms=number + 1) for number in range(10_000)]
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.api_keys.insert_many([api_key_document(key) for key, _ in made])
    address = start_registry()
    registry, ring = RegistryClient(address), KeyRing(address)
    ring.start()
    assert ring.wait(30)
    assert all(ring.find(token) == key.key for key, token in made[::100])

    with channel(address) as open_channel:
        deltas = registry_pb2_grpc.RegistryStub(open_channel).WatchApiKeys(pb.WatchApiKeysRequest())
        whole = next(deltas)
        registry.revoke_api_key(made[5_000][0].key.id, actor="root")
        change = next(deltas)
        deltas.cancel()

    assert (whole.whole, len(whole.changed)) == (True, 10_000)
    assert (change.whole, list(change.changed), list(change.removed)) == (False, [], [made[5_000][0].key.id])
    wait_until(lambda: ring.find(made[5_000][1]) is None)
    ring.stop()
    registry.close()


def test_keys_open_while_mongodb_and_the_registry_are_away_and_changes_are_refused(
    tmp_path: Path, start_process: Callable[..., tuple[Server, str]]
) -> None:
    mongod, url = start_mongod(tmp_path)
    process, address = start_process(url)
    registry, ring = RegistryClient(address), KeyRing(address)
    ring.start()
    key, token = registry.create_api_key(ANN, actor="root")
    known(ring, token)
    mongod.kill()
    wait_until(lambda: registry.readiness().degraded)
    with pytest.raises(Unavailable):
        registry.revoke_api_key(key.id, actor="root")
    assert [it.id for it in registry.api_keys()] == [key.id]
    process.kill()
    assert ring.find(token) == key
    mongod.start()
    process.start()
    wait_until(lambda: not registry.readiness().degraded)
    registry.revoke_api_key(key.id, actor="root")
    wait_until(lambda: ring.find(token) is None, what="the ring to follow again")
    assert token not in process.log.read_text()
    ring.stop()
    registry.close()
    mongod.stop()
