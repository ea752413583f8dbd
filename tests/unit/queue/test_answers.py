"""How an answer travels, and what the settings refuse."""

from __future__ import annotations

import msgspec
import pytest

from chassis.settings import BadSettings, load
from services.queue.answers import Answer, problem, read_reply, result_of
from services.queue.settings import Settings


def test_a_reply_names_its_request_and_keeps_the_body_as_it_is() -> None:
    body = b'\x00{"a":\n1}\n\xff'
    frame = b"[7,2,200,0.5,0.1,8,1,0.01,0.02,0.03]\n" + body

    assert read_reply(frame) == (7, 2, Answer(200, body, 0.5, 0.1, 8, 1, 0.01, 0.02, 0.03))


def test_a_result_carries_all_of_an_answer_but_its_body() -> None:
    answer = Answer(200, b"body", 0.5, 0.1, 8, 1, 0.01, 0.02, 0.03)

    written = msgspec.json.decode(msgspec.json.encode(result_of("1-0", answer)))

    assert written.pop("id") == "1-0"
    assert written == {name: value for name, value in msgspec.structs.asdict(answer).items() if name != "body"}
    assert msgspec.json.decode(msgspec.json.encode(result_of("1-0", answer, failed="[]")))["failed"] == "[]"


def test_a_problem_says_what_and_why() -> None:
    assert msgspec.json.decode(problem("Late", "too late")) == {"title": "Late", "detail": "too late"}


def test_a_heart_that_beats_slower_than_it_is_waited_for_is_refused() -> None:
    with pytest.raises(BadSettings, match="SERVOIR_DISPATCHER_TTL_S"):
        load(Settings, {"SERVOIR_DISPATCHER_BEAT_S": "1", "SERVOIR_DISPATCHER_TTL_S": "1.5"})
    assert load(Settings, {}).dispatcher_ttl_s == 1.5
