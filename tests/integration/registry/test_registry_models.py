"""The life of modelinfo over gRPC on a real mongod: publish, release, retire, defaults, history, watching."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pymongo
import pytest

from chassis.errors import BadRequest, Conflict, NotFound, TooBusy, Unavailable, WrongState
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel, error_of, told
from services.registry.client import AsyncRegistryClient, LeaseKeeper, ModelCatalogue, RegistryClient
from tests.integration.registry.conftest import StartRegistry, lease, modelinfo
from tests.parts import free_port, wait_until


@pytest.fixture
def catalogue(registry_address: str) -> Iterator[ModelCatalogue]:
    following = ModelCatalogue(registry_address)
    following.start()
    assert following.wait(30)
    yield following
    following.stop()


def released(registry: RegistryClient, rel_num: str, **fields: object) -> str:
    key = registry.publish(modelinfo(rel_num, **fields), actor="ann").key
    return registry.set_status(key, "released", actor="ann").key


def test_a_published_model_is_kept_as_it_came(registry: RegistryClient) -> None:
    registry.publish(modelinfo(description="ö"), actor="ann")
    assert registry.model("acme-coco-1") == modelinfo(description="ö")


def test_the_same_document_again_is_a_no_op_also_once_released(registry: RegistryClient) -> None:
    released(registry, "1")
    assert registry.publish(modelinfo(), actor="bob").status == "released"
    assert [entry.action for entry in registry.history()] == ["status", "publish"]


def test_another_document_under_the_same_key_is_refused(registry: RegistryClient) -> None:
    registry.publish(modelinfo(), actor="ann")
    with pytest.raises(Conflict, match="acme-coco-1 is there already"):
        registry.publish(modelinfo(description="better"), actor="bob")
    assert registry.model("acme-coco-1").description == ""


def test_of_many_who_publish_at_once_one_wins(registry: RegistryClient) -> None:
    def publish(number: int) -> str:
        try:
            return registry.publish(modelinfo(description=f"number {number}"), actor="ann").description
        except Conflict:
            return ""

    with ThreadPoolExecutor(8) as pool:
        won = [text for text in pool.map(publish, range(8)) if text]
    assert won == [registry.model("acme-coco-1").description]
    assert len(registry.history()) == 1


def test_a_bad_document_is_refused_with_all_its_faults(registry_address: str) -> None:
    with channel(registry_address) as open_channel:
        stub = registry_pb2_grpc.RegistryStub(open_channel)
        with pytest.raises(BadRequest) as raised, told():
            stub.PublishModel(pb.PublishModelRequest(modelinfo_json=b'{"org_name": "a-b", "task": "x", "y": 1}'))
    assert all(f"{name}: " in raised.value.detail for name in ("org_name", "task", "y", "problem_id", "dnnarch"))


def test_a_model_always_starts_as_published(registry: RegistryClient) -> None:
    assert registry.publish(modelinfo(status="released"), actor="ann").status == "published"


def test_a_released_model_may_retire_and_come_back(registry: RegistryClient) -> None:
    key = released(registry, "1")
    assert registry.set_status(key, "retired", actor="ann").status == "retired"
    assert registry.set_status(key, "released", actor="ann").status == "released"


@pytest.mark.parametrize(("moves", "refused"), [([], "retired"), (["released"], "published")])
def test_other_moves_are_refused(registry: RegistryClient, moves: list[str], refused: str) -> None:
    key = registry.publish(modelinfo(), actor="ann").key
    for status in moves:
        registry.set_status(key, status, actor="ann")
    with pytest.raises(WrongState, match=f"cannot become {refused}"):
        registry.set_status(key, refused, actor="ann")


def test_the_status_that_a_model_has_already_is_a_no_op(registry: RegistryClient) -> None:
    key = released(registry, "1")
    assert registry.set_status(key, "released", actor="bob").status == "released"
    assert len(registry.history(key)) == 2


def test_what_cannot_be_moved_says_why(registry: RegistryClient) -> None:
    with pytest.raises(NotFound):
        registry.set_status("acme-coco-1", "released", actor="ann")
    with pytest.raises(BadRequest, match="none of published, released, retired"):
        registry.set_status("acme-coco-1", "gone", actor="ann")
    with pytest.raises(BadRequest, match="malformed"):
        registry.set_status("acme", "released", actor="ann")


def test_a_key_without_release_is_the_newest_released_model(registry: RegistryClient) -> None:
    for rel_num in ("9", "10"):
        released(registry, rel_num)
    registry.publish(modelinfo("11"), actor="ann")
    assert registry.model("acme-coco").rel_num == "10"
    assert registry.model("acme-coco-11").status == "published"


def test_models_are_listed_in_order_and_by_organisation_and_problem(registry: RegistryClient) -> None:
    for rel_num in ("10", "9", "010124_000000"):
        registry.publish(modelinfo(rel_num), actor="ann")
    registry.publish(modelinfo(org_name="zoo"), actor="ann")
    registry.publish(modelinfo(problem_id="lanes", task="lane"), actor="ann")
    assert [it.rel_num for it in registry.models("acme", "coco")] == ["010124_000000", "9", "10"]
    assert [it.key for it in registry.models("zoo")] == ["zoo-coco-1"]
    assert len(registry.models()) == 5
    assert registry.models("nobody") == []


def test_history_says_who_did_what_and_when(registry: RegistryClient) -> None:
    key = released(registry, "1")
    registry.set_default("bbox", key, actor="bob")
    registry.set_default("bbox", "", actor="eve")
    told_of = [(it.action, it.actor, it.before, it.after) for it in registry.history(key)]
    assert told_of == [
        ("no default", "eve", key, "bbox"),
        ("default", "bob", "", "bbox"),
        ("status", "ann", "published", "released"),
        ("publish", "ann", "", "published"),
    ]
    times = [it.at_ms for it in registry.history(key)]
    assert times == sorted(times, reverse=True)
    assert min(times) > 1_600_000_000_000
    assert len(registry.history(limit=2)) == 2


def test_a_default_must_be_able_to_do_its_task(registry: RegistryClient) -> None:
    key = released(registry, "1")
    with pytest.raises(BadRequest, match="it can do bbox, tensor"):
        registry.set_default("lane", key, actor="ann")
    with pytest.raises(BadRequest, match="none of bbox"):
        registry.set_default("smell", key, actor="ann")
    with pytest.raises(NotFound):
        registry.set_default("bbox", "acme-coco-2", actor="ann")


def test_a_default_may_not_retire_nor_a_retired_model_be_a_default(registry: RegistryClient) -> None:
    key = released(registry, "1")
    registry.set_default("bbox", key, actor="ann")
    with pytest.raises(WrongState, match="default for bbox"):
        registry.set_status(key, "retired", actor="ann")
    registry.set_default("bbox", "", actor="ann")
    registry.set_status(key, "retired", actor="ann")
    with pytest.raises(WrongState, match="retired"):
        registry.set_default("bbox", key, actor="ann")


def test_of_two_who_retire_a_model_and_make_it_a_default_at_once_one_is_refused(
    start_registry: StartRegistry, registry: RegistryClient
) -> None:
    keys = [released(registry, str(number)) for number in range(20)]
    other = RegistryClient(start_registry())
    for key in keys:
        registry.set_default("bbox", "", actor="ann")
        with ThreadPoolExecutor(2) as pool:
            changes = (
                pool.submit(registry.set_default, "bbox", key, actor="ann"),
                pool.submit(other.set_status, key, "retired", actor="bob"),
            )
            refused = [change.exception() for change in changes if change.exception()]

        assert [type(error) for error in refused] == [WrongState]
    other.close()


def test_a_catalogue_follows_every_change(registry: RegistryClient, catalogue: ModelCatalogue) -> None:
    assert catalogue.models() == []
    key = released(registry, "1")
    registry.set_default("bbox", "acme-coco", actor="ann")
    wait_until(lambda: catalogue.defaults() == {"bbox": "acme-coco"})
    assert catalogue.find(None, "bbox").key == key
    newer = released(registry, "2")
    wait_until(lambda: catalogue.find("", "bbox").key == newer, what="the default to follow the newest release")
    assert catalogue.find("acme-coco-1", "tensor").key == key


def test_a_catalogue_refuses_what_cannot_be_answered(registry: RegistryClient, catalogue: ModelCatalogue) -> None:
    released(registry, "1")
    registry.set_status("acme-coco-1", "retired", actor="ann")
    registry.publish(modelinfo("2"), actor="ann")
    wait_until(lambda: [it.status for it in catalogue.models()] == ["retired", "published"])
    for q, task, error, said in (
        ("acme", "bbox", BadRequest, "malformed"),
        ("acme-coco-2", "lane", BadRequest, "it can do bbox, tensor"),
        (None, "bbox", BadRequest, "no default model for bbox"),
        ("acme-coco", "bbox", NotFound, "no released model"),
        ("acme-coco-1", "bbox", NotFound, "retired"),
        ("acme-coco-3", "bbox", NotFound, "no such model"),
    ):
        with pytest.raises(error, match=said):
            catalogue.find(q, task)


def test_a_catalogue_that_never_reached_the_registry_is_unavailable() -> None:
    catalogue = ModelCatalogue(f"127.0.0.1:{free_port()}")
    catalogue.start()
    with pytest.raises(Unavailable):
        catalogue.find("acme-coco-1", "bbox")
    assert not catalogue.wait(0.0)
    catalogue.stop()


def test_what_one_registry_process_changes_all_know(start_registry: StartRegistry, registry: RegistryClient) -> None:
    other = RegistryClient(start_registry())
    catalogue = ModelCatalogue(start_registry())
    catalogue.start()
    key = released(registry, "1")
    wait_until(lambda: catalogue.wait(0) and [it.status for it in catalogue.models()] == ["released"])
    assert other.model(key).key == key
    catalogue.stop()
    other.close()


def test_all_change_streams_survive_that_the_database_is_dropped(registry: RegistryClient, mongo_url: str) -> None:
    released(registry, "1")
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database("servoir")
    wait_until(lambda: registry.models() == [], what="the models to be gone")
    released(registry, "2")
    assert [it.rel_num for it in registry.models()] == ["2"]


def test_a_document_of_another_version_does_not_hide_the_others(start_registry: StartRegistry, mongo_url: str) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.models.insert_one({"_id": "acme-old-1", "org_name": "acme", "colour": "green"})
    address = start_registry()
    registry, catalogue = RegistryClient(address), ModelCatalogue(address)
    catalogue.start()
    registry.publish(modelinfo(), actor="ann")
    wait_until(lambda: catalogue.wait(0) and [it.key for it in catalogue.models()] == ["acme-coco-1"])
    catalogue.stop()
    registry.close()


def test_what_was_never_started_can_be_stopped() -> None:
    ModelCatalogue(f"127.0.0.1:{free_port()}").stop()
    LeaseKeeper(f"127.0.0.1:{free_port()}", lease()).stop()


def test_one_watcher_too_many_is_refused_and_a_dead_ones_place_is_free_again(start_registry: StartRegistry) -> None:
    address = start_registry(max_watchers=2)
    with channel(address) as open_channel:
        stub = registry_pb2_grpc.RegistryStub(open_channel)
        watching = [stub.WatchModels(pb.WatchModelsRequest()), stub.WatchLeases(pb.WatchLeasesRequest())]
        for call in watching:
            next(call)
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.WatchModels(pb.WatchModelsRequest()))
        assert isinstance(error_of(refused.value), TooBusy)
        watching[0].cancel()
        wait_until(lambda: _watches(stub), what="the place of the dead watcher to be free")
        assert RegistryClient(address).models() == []


def _watches(stub: registry_pb2_grpc.RegistryStub) -> bool:
    try:
        call = stub.WatchLeases(pb.WatchLeasesRequest())
        next(call)
        call.cancel()
    except grpc.RpcError:
        return False
    return True


async def _model_of(address: str, key: str) -> str:
    client = AsyncRegistryClient(address)
    try:
        return (await client.model(key)).key
    finally:
        await client.close()


def test_an_asyncio_client_reads_models_too(registry: RegistryClient, registry_address: str) -> None:
    import asyncio

    released(registry, "1")
    assert asyncio.run(_model_of(registry_address, "acme-coco")) == "acme-coco-1"
    with pytest.raises(NotFound):
        asyncio.run(_model_of(registry_address, "acme-none"))
