"""The tables of the papers' commands are, to the letter, those that were stored."""

import json

import pytest
from stored_tables import FOLDER, documents

NAMES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def written():
    """All texts, from results made up of a few numbers."""
    return documents()


def test_nothing_is_left_out(written):
    """Every stored text is written, and nothing else."""
    assert sorted(written) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".json")])
def test_a_table_is_the_stored_one(written, name):
    """Markdown as it is read, CSV as it is computed with: text and numbers as the hand-written tables gave them."""
    stored = (FOLDER / name).read_text(encoding="utf-8")

    assert written[name] == stored


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".json")])
def test_a_record_holds_the_stored_values(written, name):
    """Names and numbers; the order of names is free."""
    stored = json.loads((FOLDER / name).read_text(encoding="utf-8"))

    assert json.loads(written[name]) == stored
