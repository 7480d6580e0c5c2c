"""The table of concerns in docs/conventions.md is that of the package."""

import re

from repository import ROOT

from gliofield.concern import CONCERN_LEVELS


def test_every_concern_stands_in_the_conventions_with_its_level():
    """In the same order, most harmful first."""
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    section = text.split("## Concerns and verdicts")[1].split("\n## ")[0]

    assert dict(re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z-]+) \|", section, re.MULTILINE)) == CONCERN_LEVELS
    assert re.findall(r"^\| `([a-z0-9-]+)`", section, re.MULTILINE) == list(CONCERN_LEVELS)
