"""A label's colour is fixed."""

from __future__ import annotations

from chassis.colors import color_of


def test_a_label_has_the_color_that_it_had_in_every_release() -> None:
    assert color_of("bicycle") == (0.0, 0.4652, 1.0)
    assert color_of("") == (1.0, 0.0, 0.0)


def test_colors_are_shares_of_one_and_differ_between_labels() -> None:
    colors = [color_of(label) for label in ("person", "car", "dog", "cat", "bicycle", "truck", "lane", "cup", "bær")]

    assert all(0.0 <= part <= 1.0 for color in colors for part in color)
    assert len(set(colors)) == len(colors)
