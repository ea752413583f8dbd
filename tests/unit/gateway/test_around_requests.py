"""What is so for every request: ids, problems, and which pages may send it."""

from __future__ import annotations

import pytest

from services.gateway.settings import Settings
from tests.fakes_gateway import answer, prediction
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post


def test_the_callers_id_comes_back_and_a_bad_one_is_replaced(gateway: Gateway) -> None:
    client = gateway.client

    kept = client.get("/health/live", headers={"X-Request-Id": "mine"})
    replaced = client.get("/health/live", headers={"X-Request-Id": "not good"})

    assert kept.headers["X-Request-Id"] == "mine"
    assert len(replaced.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", f"{V3}/predict/bbox", 405),
        ("DELETE", f"{V3}/models", 405),
        ("POST", f"{V3}/predict/dance", 404),
        ("GET", f"{V3}//models", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
    ],
)
def test_flasks_own_errors_are_problems_too(gateway: Gateway, method: str, path: str, status: int) -> None:
    response = gateway.client.open(path, method=method)

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.json is not None
    assert response.json["request_id"] == response.headers["X-Request-Id"]
    assert ("Allow" in response.headers) == (status == 405)


def test_a_bug_is_a_bare_500(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda _: 1 // 0  # type: ignore[arg-type,return-value]

    response = post(gateway.client, f"{V3}/predict/bbox")

    assert response.status_code == 500
    assert response.json is not None
    assert response.json["detail"] == "internal error"
    assert "ZeroDivision" not in response.text
    assert "/services/" not in response.text


def test_pages_of_other_origins_may_predict_and_read_the_answers_headers(gateway: Gateway) -> None:
    client = gateway.client

    asked = client.options(
        f"{V3}/predict/bbox",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-request-timeout-s",
        },
    )
    sent = post(client, f"{V2}/predict", headers={"Origin": "https://app.example"})
    refused = post(client, f"{V2}/predict", q="no-such-1", headers={"Origin": "https://app.example"})

    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-request-timeout-s" in asked.headers["Access-Control-Allow-Headers"].lower()
    assert sent.headers["Access-Control-Allow-Origin"] == refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-Id" in sent.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("path", [f"{V3}/models", f"{V3}/models/acme-a-1/retire", f"{V3}/defaults/bbox"])
def test_pages_of_other_origins_may_not_change_anything(gateway: Gateway, path: str) -> None:
    asked = gateway.client.options(
        path,
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )

    assert "content-type" not in asked.headers.get("Access-Control-Allow-Headers", "").lower()


def test_origins_can_be_named(gateway: Gateway) -> None:
    gateway.settings = Settings(cors_origins=("https://app.example",))
    client = gateway.client

    known = post(client, f"{V3}/predict", headers={"Origin": "https://app.example"})
    other = post(client, f"{V3}/predict", headers={"Origin": "https://evil.example"})

    assert known.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Origin" not in other.headers


def test_labels_and_names_come_back_as_data_whatever_they_hold(gateway: Gateway) -> None:
    label = '</script>"\u2028'
    region = {"region_attributes": {"label": label, "score": 1}, "shape_attributes": {"name": "rect"}}
    gateway.queue.answer_to = lambda _: answer(body=prediction([region]))

    response = post(gateway.client, f"{V3}/predict")

    assert response.json is not None
    assert response.json["result"]["street.png"]["regions"][0]["region_attributes"]["label"] == label
    assert response.mimetype == "application/json"
