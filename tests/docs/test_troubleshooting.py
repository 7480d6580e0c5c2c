"""Whatever users are told has an entry in docs/troubleshooting.md, and what stands there is said by the package."""

import re

import pytest
from repository import ROOT, SOURCE

from gliofield.concern import CONCERN_LEVELS

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
CONCERNS, ERRORS = PAGE.split("\n## Errors\n")
# Messages are written over several lines, and their values in braces.
SAID = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")))


def first_cells(text: str) -> list[str]:
    """What stands in code in the first column of all tables."""
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_concern_has_an_entry_of_its_own():
    """Each name once, under its level."""
    titles = {"do-not-use": "### Do not use the map", "check": "### Check before use", "note": "### Good to know"}
    for level, title in titles.items():
        section = CONCERNS.split(title)[1].split("\n### ")[0]
        expected = [name for name, its in CONCERN_LEVELS.items() if its == level]

        assert sorted(first_cells(section)) == sorted(expected)


@pytest.mark.parametrize("message", first_cells(ERRORS))
def test_an_error_that_is_explained_is_one_that_is_raised(message):
    """Its words, up to values, stand in the source."""
    parts = [part.strip() for part in message.split("…") if part.strip()]

    assert parts
    assert [part for part in parts if part not in SAID] == []


def test_the_search_for_messages_can_fail():
    """A message that nobody writes is not found."""
    assert "the moon is not aligned with the atlas" not in SAID
    assert len(first_cells(ERRORS)) > 25
