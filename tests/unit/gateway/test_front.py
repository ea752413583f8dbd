"""What is so of a request before its view: whose it is, and how much of its body is taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.gateway.front import Front
from services.gateway.settings import Settings
from tests.fakes_gateway import png
from tests.unit.gateway.asking import CHUNKED, Asked, ask
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V3

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=b"}
RELEASE, ROTATE = f"{V3}/models/acme-coco_things-1/release", f"{V3}/keys/id-1/rotate"
UPLOAD = f"{V3}/uploads/0/files/a.png"


def picture(filler: int = 0) -> bytes:
    """Return a form with a picture, and *filler* bytes beside it."""
    part = b"--b\r\nContent-Disposition: form-data; name=%b\r\n\r\n%b\r\n"
    return part % (b"filler", b"x" * filler) + part % (b"image; filename=a.png", png()) + b"--b--\r\n"


def test_what_a_change_demands_is_known_where_it_comes_in_chunks(gateway: Gateway) -> None:
    front = Front(gateway.app)

    released = ask(front, "POST", RELEASE, b'{"require":', b'["mAP>=0.99"]}', headers=JSON | CHUNKED)
    rotated = ask(front, "POST", ROTATE, b'{"grace_s": 0}', headers=JSON | CHUNKED)

    assert (released.status, rotated.status) == (200, 200)
    release, rotation = gateway.registry.calls
    assert release[-1] == {"require": ("mAP>=0.99",), "on_set": ""}
    assert rotation[:3] == ("rotate_api_key", "id-1", 0)


@pytest.mark.parametrize(("kind", "body"), [(JSON, b'{"kind": "dance"}'), (FORM, picture())])
def test_a_job_that_comes_in_chunks_is_the_job_that_comes_whole(
    gateway: Gateway, kind: dict[str, str], body: bytes
) -> None:
    front = Front(gateway.app)

    whole = ask(front, "POST", f"{V3}/jobs", body, headers=kind)
    chunked = ask(front, "POST", f"{V3}/jobs", body[:9], body[9:], headers=kind | CHUNKED)

    assert chunked.status == whole.status in (202, 400)
    assert chunked.json.get("detail") == whole.json.get("detail")
    assert all(payloads == [png()] for payloads in gateway.queue.payloads)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"{V3}/predict"), ("POST", f"{V3}/jobs"), ("PUT", UPLOAD), ("POST", RELEASE), ("POST", ROTATE)],
)
def test_without_a_key_nothing_of_a_body_is_read(gateway: Gateway, method: str, path: str) -> None:
    gateway.settings = Settings(api_keys="on")

    asked = ask(Front(gateway.app), method, path, b"x" * 1000, b"x" * 1000, headers=FORM)

    assert (asked.status, asked.taken) == (401, 0)
    assert asked.told["www-authenticate"] == "Bearer" and asked.told["x-request-id"] == asked.json["request_id"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", f"{V3}/models", 200), ("POST", "/nothing", 404), ("PUT", f"{V3}/jobs", 405)]
)
def test_what_takes_no_body_reads_none(gateway: Gateway, method: str, path: str, status: int) -> None:
    asked = ask(Front(gateway.app), method, path, b"x" * 1000, b"x" * 1000)

    assert (asked.status, asked.taken) == (status, 0)


@pytest.mark.parametrize(("method", "path"), [("POST", RELEASE), ("POST", ROTATE), ("PUT", f"{V3}/defaults/bbox")])
def test_a_change_has_a_mebibyte_at_most(gateway: Gateway, method: str, path: str) -> None:
    front = Front(gateway.app)
    pieces = [b" " * 2**19] * 5

    of_known_length = ask(front, method, path, *pieces, headers=JSON)
    chunked = ask(front, method, path, *pieces, headers=JSON | CHUNKED)
    in_one = ask(front, method, path, b" " * (2**20 + 1), headers=JSON | CHUNKED)

    assert (of_known_length.status, of_known_length.taken) == (413, 0)
    assert (chunked.status, chunked.taken) == (413, 3)
    assert in_one.status == 413
    assert not gateway.registry.calls


def test_a_background_job_has_a_mebibyte_at_most_and_a_picture_more(gateway: Gateway) -> None:
    front = Front(gateway.app)

    job = ask(front, "POST", f"{V3}/jobs", b" " * (2**20 + 1), headers=JSON)
    prediction = ask(front, "POST", f"{V3}/jobs", picture(2**21), headers=FORM)

    assert (job.status, prediction.status) == (413, 202)


def test_bodies_for_which_there_is_no_room_are_refused_and_those_that_are_here_answered(gateway: Gateway) -> None:
    gateway.settings = Settings(max_upload_bytes=1000, gateway_max_bodies_bytes=1000)  # type: ignore[arg-type]
    front = Front(gateway.app)

    form = picture(400)

    async def both() -> tuple[Asked, Asked, Asked]:
        gate = asyncio.Event()
        first = Asked(front, "POST", f"{V3}/predict", [form[:-10], form[-10:]], FORM, gate=gate.wait)
        arriving = asyncio.ensure_future(first.answered())
        while not first.taken:
            await asyncio.sleep(0)
        refused = await Asked(front, "POST", f"{V3}/predict", [form], FORM).answered()
        gate.set()
        await arriving
        return first, refused, await Asked(front, "POST", f"{V3}/predict", [form], FORM).answered()

    first, refused, later = asyncio.run(both())

    assert (first.status, refused.status, later.status) == (200, 503, 200)
    assert refused.told["retry-after"] == "1" and refused.told["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"pieces": [b"x" * 500, b"x" * 400]}, 400),
        ({"pieces": [b"x" * 500, b"x" * 400], "cut": True}, 400),
        ({"pieces": [b"x" * 500, b"x" * 600], "headers": FORM | CHUNKED}, 413),
        ({"pieces": [b"x" * 500, b"x" * 400], "gate": lambda: asyncio.sleep(60)}, 408),
    ],
    ids=["malformed", "cut off", "too large", "too slow"],
)
def test_a_body_leaves_its_room_however_it_ends(gateway: Gateway, how: dict[str, Any], status: int) -> None:
    gateway.settings = Settings(max_upload_bytes=1000, gateway_max_bodies_bytes=1000, upload_timeout_s=0.1)  # type: ignore[arg-type]
    front = Front(gateway.app)

    ended = [
        asyncio.run(Asked(front, "POST", f"{V3}/predict", **{"headers": FORM, **how}).answered()) for _ in range(3)
    ]
    good = ask(front, "POST", f"{V3}/predict", picture(700), headers=FORM)

    assert ({asked.status for asked in ended}, good.status) == ({status}, 200)


def test_room_for_less_than_one_body_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="SERVOIR_GATEWAY_MAX_BODIES_BYTES"):
        Settings(max_upload_bytes=1000, gateway_max_bodies_bytes=999)  # type: ignore[arg-type]
