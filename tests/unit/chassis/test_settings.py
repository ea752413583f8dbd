"""Settings: what is read from the environment, and that all that is wrong is said at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chassis.settings import BadSettings, Bytes, described, faults_of, load, parse_bytes, setting


@dataclasses.dataclass(frozen=True)
class Kettle:
    litres: float = setting(1.5, help="how much it holds")
    cups: int = setting(4, help="how many it fills")
    whistles: bool = setting(False, help="whether it can be heard")
    shelf: Path = setting(Path("/shelf"), help="where it stands")
    cap: Bytes = setting(Bytes(0), help="how much memory it may have")
    teas: tuple[str, ...] = setting((), help="what it is for")
    owner: str | None = setting(None, help="whose it is")

    def __post_init__(self) -> None:
        if self.cups < 1:
            raise ValueError("cups: at least 1")


def test_defaults_stand_where_the_environment_says_nothing() -> None:
    assert load(Kettle, {"SERVOIR_CUPS": ""}) == Kettle()


def test_every_kind_of_value_is_read() -> None:
    environ = {
        "SERVOIR_LITRES": "2.25",
        "SERVOIR_CUPS": "6",
        "SERVOIR_WHISTLES": "Yes",
        "SERVOIR_SHELF": "/top",
        "SERVOIR_CAP": "2GiB",
        "SERVOIR_TEAS": "green, black,",
        "SERVOIR_OWNER": "ada",
    }

    assert load(Kettle, environ) == Kettle(2.25, 6, True, Path("/top"), Bytes(2 * 2**30), ("green", "black"), "ada")


def test_a_path_counts_from_where_it_was_said() -> None:
    assert load(Kettle, {"SERVOIR_SHELF": "var/top"}).shelf == Path.cwd() / "var" / "top"
    assert load(Kettle, {"SERVOIR_SHELF": "~/top"}).shelf == Path.home() / "top"


def test_false_is_false() -> None:
    assert load(Kettle, {"SERVOIR_WHISTLES": "false"}).whistles is False


def test_an_override_stands_over_the_environment_and_none_is_no_override() -> None:
    assert load(Kettle, {"SERVOIR_CUPS": "6"}, cups=2, litres=None) == Kettle(cups=2)


def test_all_bad_values_are_named_together() -> None:
    with pytest.raises(BadSettings) as raised:
        load(Kettle, {"SERVOIR_CUPS": "many", "SERVOIR_WHISTLES": "loud", "SERVOIR_CAP": "2 buckets"})

    assert all(name in str(raised.value) for name in ("SERVOIR_CUPS", "SERVOIR_WHISTLES", "SERVOIR_CAP"))


def test_what_the_settings_refuse_themselves_is_a_bad_setting() -> None:
    with pytest.raises(BadSettings, match="at least 1"):
        load(Kettle, {"SERVOIR_CUPS": "0"})


def test_a_setting_without_a_default_must_be_given() -> None:
    @dataclasses.dataclass(frozen=True)
    class Needy:
        url: str

    with pytest.raises(BadSettings, match="SERVOIR_URL: not set"):
        load(Needy, {})


def test_a_value_is_read_from_the_file_that_its_variable_names(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("ada\n")
    (tmp_path / "cups").write_text("6")

    environ = {"SERVOIR_OWNER_FILE": str(tmp_path / "owner"), "SERVOIR_CUPS_FILE": str(tmp_path / "cups")}

    assert load(Kettle, environ) == Kettle(owner="ada", cups=6)


def test_an_empty_file_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("\n")

    assert load(Kettle, {"SERVOIR_OWNER_FILE": str(tmp_path / "owner")}) == Kettle()


def test_a_value_and_a_file_for_it_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("secret of ada")

    with pytest.raises(BadSettings, match="SERVOIR_OWNER: set, and SERVOIR_OWNER_FILE as well") as raised:
        load(Kettle, {"SERVOIR_OWNER": "bob", "SERVOIR_OWNER_FILE": str(tmp_path / "owner")})

    assert "secret" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "cups").write_bytes(b"\xff\xfe")
    environ = {"SERVOIR_OWNER_FILE": str(tmp_path / "nowhere"), "SERVOIR_CUPS_FILE": str(tmp_path / "cups")}

    with pytest.raises(BadSettings) as raised:
        load(Kettle, environ)

    assert "SERVOIR_OWNER: cannot read the file" in str(raised.value) and "No such file" in str(raised.value)
    assert "SERVOIR_CUPS: cannot read the file" in str(raised.value) and "it is no text" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "number"), [("512", 512), ("64MiB", 64 * 2**20), (" 1.5 GB ", 1_500_000_000), ("2gib", 2 * 2**30)]
)
def test_sizes_are_read_with_their_units(text: str, number: int) -> None:
    assert parse_bytes(text) == number


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1e3", "2 buckets"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_bytes(text)


def test_variables_that_nobody_knows_are_named_with_what_was_meant() -> None:
    environ = {"SERVOIR_LITERS": "2", "SERVOIR_REDIS_ULR": "redis://x", "SERVOIR_CUPS": "many", "PATH": "/bin"}

    with pytest.raises(BadSettings) as wrong:
        load(Kettle, environ)

    lines = str(wrong.value).splitlines()
    assert "SERVOIR_LITERS: no such setting; SERVOIR_LITRES?" in lines
    assert "SERVOIR_REDIS_ULR: no such setting; SERVOIR_REDIS_URL?" in lines
    assert any(line.startswith("SERVOIR_CUPS: ") for line in lines) and len(lines) == 3


def test_settings_of_other_services_and_of_tests_may_stand_beside() -> None:
    assert load(Kettle, {"SERVOIR_MAX_WATCHERS": "3", "SERVOIR_TEST_ANYTHING": "x"}) == Kettle()


def test_what_makes_no_sense_is_named_with_what_cannot_be_read() -> None:
    with pytest.raises(BadSettings) as wrong:
        load(Kettle, {"SERVOIR_CUPS": "0", "SERVOIR_LITRES": "many"})

    assert "SERVOIR_LITRES" in str(wrong.value) and "cups: at least 1" in str(wrong.value)


@dataclasses.dataclass(frozen=True)
class Door:
    lock: str = setting("open", help="whether it needs a key", production="shut")
    bell: bool = setting(True, help="whether it rings")


def test_production_has_defaults_of_its_own_and_what_is_set_stands_over_them() -> None:
    assert load(Door, {}).lock == load(Door, {"SERVOIR_ENV": "development"}).lock == "open"
    assert load(Door, {"SERVOIR_ENV": "production"}) == Door(lock="shut", bell=True)
    assert load(Door, {"SERVOIR_ENV": "production", "SERVOIR_LOCK": "open"}).lock == "open"
    assert load(Door, {"SERVOIR_ENV": "production"}, lock="ajar").lock == "ajar"


def test_another_environment_is_named() -> None:
    with pytest.raises(BadSettings, match=r"SERVOIR_ENV: 'prod' is none of development, production"):
        load(Door, {"SERVOIR_ENV": "prod"})


def test_a_service_can_say_what_production_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert described(Door()) == {"env": "development", "production_defaults": {}}
    monkeypatch.setenv("SERVOIR_ENV", "production")

    assert described(load(Door)) == {"env": "production", "production_defaults": {"lock": "shut"}}
    assert described(Door(lock="open")) == {"env": "production", "production_defaults": {}}


def test_values_of_any_service_can_be_judged_without_it() -> None:
    assert faults_of({"SERVOIR_GATEWAY_WORKERS": "4", "SERVOIR_QUEUE_MAX_BYTES": "1GiB"}) == []
    wrong = faults_of({"SERVOIR_GATEWAY_WORKERS": "four", "SERVOIR_GATEWAY_WORKERZ": "4"})
    assert len(wrong) == 2 and "SERVOIR_GATEWAY_WORKERS?" in wrong[0]
