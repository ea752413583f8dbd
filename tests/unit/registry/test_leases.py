"""The table of leases, by a clock that the tests set."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.errors import BadRequest
from chassis.rpc.registry_pb2 import Lease
from services.registry.leases import LeaseTable, check_lease


def lease(instance_id: str = "a", **fields: Any) -> Lease:
    given = {"model_key": "acme-coco-1", "address": f"127.0.0.1:{8500 + ord(instance_id)}", "ttl_s": 10.0} | fields
    return Lease(instance_id=instance_id, **given)


def held(*leases: Lease, ours: bool = True, now: float = 0.0) -> LeaseTable:
    table = LeaseTable()
    for it in leases:
        table.take(it, now, ours=ours, renewal="first")
    return table


def test_a_lease_lives_until_its_time_is_over() -> None:
    table = held(lease())
    assert table.expire(9.99, heard=0) == []
    assert [it.lease.instance_id for it in table.expire(10.0, heard=0)] == ["a"]
    assert table.live() == []


def test_a_renewal_counts_from_when_it_comes() -> None:
    table = held(lease())
    table.take(lease(), 8.0, ours=True, renewal="second")
    assert table.expire(17.9, heard=0) == []
    assert [it.renewal for it in table.expire(18.0, heard=0)] == ["second"]


def test_only_a_renewal_that_says_something_else_is_a_change() -> None:
    table = held(lease())
    assert not table.take(lease(), 1.0, ours=True, renewal="2")
    assert table.take(lease(draining=True), 2.0, ours=True, renewal="3")


def test_the_next_expiry_is_the_earliest() -> None:
    table = held(lease("a"), lease("b", ttl_s=3.0))
    assert table.next_expiry(ours=True) == 3.0
    assert table.next_expiry(ours=False) is None


def test_a_learnt_lease_ends_only_when_mongodb_was_heard_after_its_time() -> None:
    table = held(lease(), ours=False)
    assert table.next_expiry(ours=False) == 10.0
    assert table.expire(99.0, heard=9.9) == []
    assert len(table.expire(99.0, heard=10.0)) == 1


def test_a_lease_that_is_announced_to_us_is_not_learnt_any_more() -> None:
    table = held(lease(), ours=False)
    assert table.learnt() == ["a"]
    table.take(lease(), 1.0, ours=True, renewal="2")
    assert table.learnt() == []


def test_a_new_process_on_an_address_outlives_the_one_before() -> None:
    table = held(lease("a", address="127.0.0.1:1", started_at_ms=1), lease("b", started_at_ms=1))
    newer = lease("c", address="127.0.0.1:1", started_at_ms=2)
    assert table.outlived_by(newer) == ["a"]
    table.take(newer, 0.0, ours=True, renewal="")
    assert table.outlived_by(newer) == ["a"]
    assert table.outlived_by(lease("a", address="127.0.0.1:1", started_at_ms=1)) == []


def test_a_dropped_lease_is_gone_once() -> None:
    table = held(lease())
    assert table.drop("a")
    assert not table.drop("a")
    assert len(table) == 0


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("instance_id", ""),
        ("model_key", ""),
        ("address", ""),
        ("address", "localhost"),
        ("address", "localhost:0"),
        ("address", "localhost:99999"),
        ("address", ":8501"),
        ("ttl_s", 0.0),
        ("ttl_s", -1.0),
        ("ttl_s", float("nan")),
        ("ttl_s", float("inf")),
        ("ttl_s", 3601.0),
    ],
)
def test_a_bad_field_of_a_lease_is_named(field: str, bad: Any) -> None:
    wrong = lease()
    setattr(wrong, field, bad)
    with pytest.raises(BadRequest, match=f"{field}: "):
        check_lease(wrong)


def test_all_bad_fields_of_a_lease_are_named_together() -> None:
    with pytest.raises(BadRequest) as raised:
        check_lease(Lease())
    assert all(name in raised.value.detail for name in ("instance_id", "model_key", "address", "ttl_s"))


def test_a_good_lease_passes() -> None:
    check_lease(lease(address="[::1]:8501"))
