"""The table of settings is what the code says."""

from __future__ import annotations

from docs.settings_table import NAMES, PAGE, classes, names, page


def test_the_table_and_the_list_of_variables_are_current() -> None:
    assert PAGE.read_text() == page(), "run `make settings` and commit what it writes"
    assert NAMES.read_text() == names(), "run `make settings` and commit what it writes"


def test_every_setting_has_a_line_of_help_and_a_row() -> None:
    written = PAGE.read_text()
    for settings in classes():
        for field in settings.__dataclass_fields__.values():
            assert field.metadata.get("help"), f"{settings.__qualname__}.{field.name}"
            assert f"| `SERVOIR_{field.name.upper()}` |" in written
