"""API keys in a suite of real processes with two gateways: made over HTTP, taken everywhere, held to their quota."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.chaos.world import World
from tests.integration.gateway.conftest import PREDICT
from tests.parts import wait_until

V3 = "/api/vision/v3"
ROOT = {"Authorization": "Bearer the-admin-token"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A suite whose gateways ask for keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVOIR_API_KEYS", "on")
        patch.setenv("SERVOIR_ADMIN_TOKEN", "the-admin-token")
        made = World(tmp_path_factory.mktemp("keyed"), dispatchers=1, model_servers=1, gateways=2)
    wait_until(lambda: all(predict(made, number, ROOT).status_code == 200 for number in (0, 1)), what="it serves")
    yield made
    made.stop()


def call(world: World, method: str, path: str, headers: dict[str, str], **how: Any) -> httpx.Response:
    return httpx.request(method, f"http://{world.gateways[0]}{V3}{path}", headers=headers, verify=False, **how)


def predict(world: World, gateway: int, headers: dict[str, str]) -> httpx.Response:
    files = [("image", (name, b"GIF89a\5\0\5\0")) for name in ("a.gif", "b.gif")]
    url = f"http://{world.gateways[gateway]}{PREDICT}?q=chaos-echo-1"
    return httpx.post(url, files=files, headers=headers, timeout=20, verify=False)


def create(world: World, client: str, **terms: Any) -> tuple[str, dict[str, str]]:
    """Make a key that both gateways know; return its id and the header that opens it."""
    made = call(world, "POST", "/keys", ROOT, json={"client_id": client, **terms})
    assert made.status_code == 201
    key = {"X-Api-Key": made.json()["token"]}
    for address in world.gateways:
        url = f"http://{address}{V3}/models"
        wait_until(lambda url=url: httpx.get(url, headers=key, verify=False).status_code == 200, what="it is known")
    return made.json()["key"]["id"], key


def test_a_key_opens_both_gateways_until_it_is_revoked(keyed: World) -> None:
    key_id, key = create(keyed, "ann")
    assert [predict(keyed, number, key).status_code for number in (0, 1)] == [200, 200]

    assert call(keyed, "DELETE", f"/keys/{key_id}", ROOT, json={}).status_code == 200

    for number in (0, 1):
        wait_until(lambda number=number: predict(keyed, number, key).status_code == 401, what="it opens nothing")


def test_a_rotated_key_has_two_tokens_for_a_while(keyed: World) -> None:
    key_id, old = create(keyed, "ann")
    new = {"X-Api-Key": call(keyed, "POST", f"/keys/{key_id}/rotate", ROOT, json={"grace_s": 3600}).json()["token"]}

    wait_until(lambda: predict(keyed, 1, new).status_code == 200, what="the new token is known")
    assert predict(keyed, 1, old).status_code == 200
    call(keyed, "POST", f"/keys/{key_id}/rotate", ROOT, json={"grace_s": 0})
    wait_until(lambda: predict(keyed, 1, new).status_code == 401, what="without grace, the token before has ended")


def test_a_days_requests_are_counted_over_both_gateways_and_told(keyed: World) -> None:
    _, key = create(keyed, "daily", requests_per_day=3)

    answers = [predict(keyed, number, key) for number in (0, 1, 0, 1)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].headers["RateLimit-Policy"] == '"day";q=3;w=86400'
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 86_400
    assert "used up" in answers[-1].json()["detail"]


def test_usage_is_by_client_and_a_client_sees_its_own(keyed: World) -> None:
    _, ann = create(keyed, "usage-ann")
    _, bob = create(keyed, "usage-bob")
    for key in (ann, ann, bob):
        assert predict(keyed, 0, key).status_code == 200

    def counted(key: dict[str, str]) -> dict[str, tuple[int, int]]:
        rows = call(keyed, "GET", "/usage?by=client", key).json()["rows"]
        return {row["client"]: (row["requests"], row["images"]) for row in rows}

    wait_until(lambda: counted(ann) == {"usage-ann": (2, 4)}, what="usage arrives, requests and images apart")
    wait_until(lambda: counted(ROOT).items() >= {"usage-ann": (2, 4), "usage-bob": (1, 2)}.items())
    assert call(keyed, "GET", "/usage?client=usage-bob", ann).status_code == 403


def test_while_the_registry_is_away_keys_open_and_none_is_made(keyed: World) -> None:
    _, key = create(keyed, "ann")
    keyed.parts["registry"].kill()
    try:
        assert predict(keyed, 1, key).status_code == 200
        assert predict(keyed, 1, {"X-Api-Key": "sv_0123456789ab_" + "x" * 32}).status_code == 401
        assert call(keyed, "POST", "/keys", ROOT, json={"client_id": "bob"}).status_code == 503
    finally:
        keyed.parts["registry"].start()
    wait_until(lambda: call(keyed, "GET", "/keys", ROOT).status_code == 200, what="the registry is back")


def test_no_token_gets_into_any_log(keyed: World) -> None:
    key_id, key = create(keyed, "quiet")
    token = key["X-Api-Key"]
    predict(keyed, 0, key)
    predict(keyed, 0, {"Authorization": f"Bearer {token}x"})
    call(keyed, "GET", f"/keys/{token}", ROOT)
    call(keyed, "GET", f"/nowhere/{token}", key)

    def logged() -> str:
        return "".join(part.log.read_text(errors="replace") for part in keyed.parts.values())

    wait_until(lambda: f'"api_key":"{key_id}"' in logged(), what="the key's name")
    wait_until(lambda: f"/nowhere/sv_{key_id}_***" in logged(), what="the last request")
    assert token.rpartition("_")[2] not in logged()
    assert "the-admin-token" not in logged()
