"""Concerns, their levels, and the verdict they add up to."""

import itertools

import pytest

from gliofield.concern import (
    CONCERN_LEVELS,
    Concern,
    as_concerns,
    by_harm,
    named_concern,
    verdict_in_words,
    verdict_of,
)
from gliofield.errors import ParameterError

NOTE, CHECK, FORBIDDEN = (
    named_concern("no-t1", "There is no T1 image."),
    named_concern("cavity", "A cavity of 2 ml.", 2.0),
    named_concern("orientation", "The header is wrong.", 0.9),
)


def test_a_name_has_its_level_in_one_table():
    """And the value it was found by."""
    assert CHECK == Concern(name="cavity", level="check", text="A cavity of 2 ml.", value=2.0)
    assert str(CHECK) == "A cavity of 2 ml."
    assert named_concern("folds", "It folds.", float("nan")).value is None
    with pytest.raises(ParameterError, match="concern 'cavty' is unknown: .* Did you mean 'cavity'"):
        named_concern("cavty", "A cavity.")


def test_the_table_is_ordered_by_harm():
    """What forbids the map comes first, notes last."""
    levels = list(CONCERN_LEVELS.values())
    assert [level for level, _ in itertools.groupby(levels)] == ["do-not-use", "check", "note"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"level": "grave"}, "level of a concern 'grave' is unknown"),
        ({"name": ""}, "name and text must not be empty"),
        ({"text": ""}, "name and text must not be empty"),
        ({"value": float("inf")}, "value must be finite or None, got inf"),
    ],
)
def test_a_concern_checks_itself(fields, message):
    """Levels, texts and values that mean nothing are refused."""
    with pytest.raises(ParameterError, match=message):
        Concern(**{"name": "own", "level": "note", "text": "Of one's own.", **fields})


def test_sentences_of_other_methods_become_concerns():
    """They are to be looked at; what is neither is refused."""
    assert as_concerns(["Beware.", CHECK]) == (named_concern("method", "Beware."), CHECK)
    with pytest.raises(ParameterError, match="must be a sequence of remarks, got the text 'Beware.'"):
        as_concerns("Beware.")
    with pytest.raises(ParameterError, match="must be Concern or str, got int"):
        as_concerns([3])


@pytest.mark.parametrize(
    ("concerns", "verdict", "words"),
    [
        ((), "no-concern", "Verdict: no concern."),
        ((NOTE,), "no-concern", "Verdict: no concern; 1 note."),
        ((NOTE, CHECK), "check", "Verdict: check before use; 1 concern."),
        ((CHECK, FORBIDDEN, NOTE), "do-not-use", "Verdict: do not use this map; 2 concerns."),
    ],
)
def test_the_verdict_is_the_worst_level(concerns, verdict, words):
    """Notes do not count."""
    assert verdict_of(concerns) == verdict
    assert verdict_in_words(concerns) == words


def test_concerns_are_ordered_by_harm():
    """By level, then as in the table; unknown names come last in their level."""
    own = Concern(name="own", level="do-not-use", text="Of one's own.")
    surface = named_concern("core-on-surface", "A core that surrounds.")

    assert by_harm([NOTE, CHECK, own, surface, FORBIDDEN]) == (FORBIDDEN, own, surface, CHECK, NOTE)
