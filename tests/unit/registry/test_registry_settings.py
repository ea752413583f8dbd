"""The registry's settings."""

from __future__ import annotations

import pytest

from chassis.settings import BadSettings, load
from services.registry.settings import RegistrySettings
from services.registry.store import Store


def test_the_defaults_are_the_documented_ports() -> None:
    settings = load(RegistrySettings, {})
    assert settings.registry_address == "127.0.0.1:8400"
    assert "127.0.0.1:8017" in settings.mongo_url
    assert settings.metrics_port == 8602


@pytest.mark.parametrize(("name", "bad"), [("SERVOIR_MAX_WATCHERS", "0"), ("SERVOIR_LOG_LEVEL", "loud")])
def test_a_bad_setting_is_named(name: str, bad: str) -> None:
    with pytest.raises(BadSettings, match=name):
        load(RegistrySettings, {name: bad})


@pytest.mark.parametrize("url", ["http://u:secret@h:1", "mongodb://u:secret@", "mongodb://u:secret@h:port"])
def test_what_is_no_mongodb_url_is_a_bad_setting_that_keeps_the_secret(url: str) -> None:
    with pytest.raises(BadSettings, match="SERVOIR_MONGO_URL") as raised:
        Store(url, "servoir")
    assert "secret" not in str(raised.value)
