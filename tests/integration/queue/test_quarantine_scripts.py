"""What is kept of the payloads that no model server survived."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from chassis.errors import NotFound
from services.queue import broker, keys
from services.queue.answers import Answer, result_of
from services.queue.operators import QueueOperator
from services.queue.scripts import run
from tests.integration.queue.scripted import MODEL, claim, enqueue


def _quarantine(connection: redis.Redis, *payloads: bytes, **most: int) -> None:
    for number, payload in enumerate(payloads):
        enqueue(connection, number, payload=payload)
    for item in claim(connection).items:
        result = result_of(item.id, Answer(500, b"{}"), failed="[]")
        call = broker.finish(MODEL, [(result, item.meta_json, b"{}")], **most)
        run(connection, call)


def _quarantined(connection: redis.Redis) -> list[bytes]:
    entries: Any = connection.xrange(keys.of_model(MODEL, "quarantine"))
    return [fields[b"payload"] for _, fields in entries]


def test_a_quarantine_keeps_the_newest(connection: redis.Redis) -> None:
    _quarantine(connection, b"1", b"2", b"3", b"4", quarantine_items=2, quarantine_bytes=1000)

    assert _quarantined(connection) == [b"3", b"4"]
    assert run(connection, broker.drop_quarantined(MODEL, [])) == 2
    assert not list(connection.scan_iter(keys.of_model(MODEL, "quarantine*")))


def test_an_item_that_has_its_answer_already_does_not_enter(connection: redis.Redis) -> None:
    enqueue(connection, 1, payload=b"once")
    [item] = claim(connection).items
    result = result_of(item.id, Answer(500, b"{}"), failed="[]")

    call = broker.finish(MODEL, [(result, item.meta_json, b"{}")] * 2, quarantine_items=9, quarantine_bytes=1000)

    assert list(run(connection, call)) == [500, 0]
    assert _quarantined(connection) == [b"once"]


@pytest.mark.parametrize("id", ["1-1", "-", "+", "x", "0-0 ", "1-18446744073709551616", "99999999999999999999-0"])
def test_what_is_no_item_of_a_quarantine_is_not_found(connection: redis.Redis, redis_url: str, id: str) -> None:
    _quarantine(connection, b"1", quarantine_items=2, quarantine_bytes=1000)
    operator = QueueOperator(redis_url)
    [item] = operator.quarantine(MODEL)

    assert operator.quarantined(MODEL, item.id).payload == b"1"
    with pytest.raises(NotFound, match="no such item"):
        operator.quarantined(MODEL, id)
    operator.close()


def test_a_quarantine_keeps_no_more_bytes_than_it_may_and_the_newest_always(connection: redis.Redis) -> None:
    _quarantine(connection, b"1" * 40, b"2" * 40, b"3" * 40, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"2" * 40, b"3" * 40]

    [(oldest, _), _] = connection.xrange(keys.of_model(MODEL, "quarantine"))  # type: ignore[misc]
    assert run(connection, broker.drop_quarantined(MODEL, [oldest.decode(), "1-1"])) == 1
    _quarantine(connection, b"4" * 40, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"3" * 40, b"4" * 40], "what was dropped does not count"

    _quarantine(connection, b"5" * 200, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"5" * 200]
