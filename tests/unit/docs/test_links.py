"""Links between our pages lead to files and headings that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:").match


def targets(page: Path) -> Iterator[str]:
    """Yield where the links of a page lead, but for those that leave the checkout."""
    return (target for target in _LINK.findall(page.read_text()) if not _ELSEWHERE(target))


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in addresses, as GitHub makes it of their words."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    words = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", word).replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in targets(page):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert broken == []


def test_links_are_found_and_headings_read() -> None:
    assert "queue.md#standing-claims" in targets(ROOT / "docs" / "cost-of-a-request.md")
    assert "standing-claims" in anchors(ROOT / "docs" / "queue.md")
