"""The page's files: what is served, how, and that nothing comes from outside."""

from __future__ import annotations

import re

import pytest

from tests.unit.gateway.conftest import Gateway

FILES = ["index.html", "style.css", "page.js", "draw.js", "formats.js", "timings.js", "icon.svg"]


def test_the_page_is_at_the_root(gateway: Gateway) -> None:
    response = gateway.client.get("/")

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert "<title>Servoir" in response.text


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_it_comes_from_outside(gateway: Gateway, name: str) -> None:
    response = gateway.client.get(f"/static/{name}")

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", response.text) == []


def test_every_file_that_the_page_names_is_there(gateway: Gateway) -> None:
    client = gateway.client
    text = "".join(client.get(f"/static/{name}").text for name in FILES)

    named = set(re.findall(r"/static/([\w.]+)", text)) | set(re.findall(r'from "\./([\w.]+)"', text))
    assert named
    assert {name: client.get(f"/static/{name}").status_code for name in named} == dict.fromkeys(named, 200)


def test_a_file_that_has_not_changed_is_not_sent_again(gateway: Gateway) -> None:
    client = gateway.client
    etag = client.get("/static/page.js").headers["ETag"]

    assert client.get("/static/page.js", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/settings.py", "/etc/passwd", "nothing.js", ""])
def test_no_other_file_is(gateway: Gateway, name: str) -> None:
    assert gateway.client.get(f"/static/{name}").status_code == 404
