"""What a reader of a result should know: concerns, how much they weigh, and the verdict they add up to.

Every check of the package ends in a `Concern`: a name that never changes, a sentence, and the number that was compared.
How much each weighs stands in one table, `CONCERN_LEVELS`, most harmful first:

- ``note``: something to know; the map is what it should be.
- ``check``: look at it before the map is used.
- ``do-not-use``: the map, or what it was made from, is wrong.

The verdict of a result is its worst level, notes aside. It rests on what is compared before an answer is corrected to
the outlines, never on values that a correction makes true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gliofield.errors import ParameterError, unknown_name

Level = Literal["note", "check", "do-not-use"]
Verdict = Literal["no-concern", "check", "do-not-use"]

_LEVELS: tuple[Level, ...] = get_args(Level)

#: Level of every concern of the package by its name, most harmful first (docs/conventions.md).
CONCERN_LEVELS: dict[str, Level] = {
    "orientation": "do-not-use",
    "focus-without-cells": "do-not-use",
    "poor-match": "do-not-use",
    "small-focus-without-cells": "check",
    "mask-against-flair": "check",
    "mask-against-t1gd": "check",
    "missing-data": "check",
    "core-on-surface": "check",
    "turned-header": "check",
    "affine-overlap": "check",
    "tumor-without-cells": "check",
    "cavity": "check",
    "cells-beyond-tumor": "check",
    "brain-overlap": "check",
    "folds": "check",
    "tumor-volume-change": "check",
    "tissue-overlap": "check",
    "inverse-error": "check",
    "local-volume-change": "check",
    "brain-volume-change": "check",
    "unexplained-scan": "check",
    "outside-domain": "check",
    "method": "check",
    "beyond-training": "check",
    "untrained-thresholds": "check",
    "mask-unexplained": "check",
    "pet-unexplained": "check",
    "few-samples": "check",
    "failed-simulations": "check",
    "rough-intervals": "check",
    "small-network": "note",
    "no-uncertainty": "note",
    "prior-edge": "note",
    "little-edema": "note",
    "further-foci": "note",
    "thin-fronts": "note",
    "seed-moved": "note",
    "core-below-voxel": "note",
    "no-core": "note",
    "no-t1": "note",
}


@dataclass(frozen=True, kw_only=True)
class Concern:
    """One remark on a result.

    Parameters
    ----------
    name : str
        What was found, in a word that programs can ask for; methods from outside may use their own.
    level : {"note", "check", "do-not-use"}
        How much it weighs.
    text : str
        The remark in plain words.
    value : float or None
        The number behind it, its unit in the text; None where there is none.

    Raises
    ------
    ParameterError
        If the level is unknown, name or text are empty, or the value is not finite.
    """

    name: str
    level: Level
    text: str
    value: float | None = None

    def __post_init__(self) -> None:
        if self.level not in _LEVELS:
            raise ParameterError(unknown_name("level of a concern", self.level, _LEVELS))
        if not self.name or not self.text:
            raise ParameterError(f"Concern: name and text must not be empty, got {self.name!r} and {self.text!r}.")
        if self.value is not None and not math.isfinite(self.value):
            raise ParameterError(f"Concern {self.name!r}: value must be finite or None, got {self.value}.")

    def __str__(self) -> str:
        """The remark."""
        return self.text


def named_concern(name: str, text: str, value: float | None = None) -> Concern:
    """A concern of the package, at the level that `CONCERN_LEVELS` gives its name.

    A value that is not finite becomes None: nothing could be measured.

    Raises
    ------
    ParameterError
        If the name is not in the table.
    """
    if name not in CONCERN_LEVELS:
        raise ParameterError(unknown_name("concern", name, CONCERN_LEVELS))
    measured = None if value is None or not math.isfinite(value) else float(value)
    return Concern(name=name, level=CONCERN_LEVELS[name], text=text, value=measured)


def as_concerns(remarks: Iterable[Concern | str]) -> tuple[Concern, ...]:
    """Concerns as they are; a sentence of a method from outside becomes the concern ``method``.

    Raises
    ------
    ParameterError
        If a remark is neither, or `remarks` is a single sentence.
    """
    if isinstance(remarks, str):
        raise ParameterError(f"concerns must be a sequence of remarks, got the text {remarks!r}. Put it into a tuple.")
    return tuple(_as_concern(remark) for remark in remarks)


def _as_concern(remark: Concern | str) -> Concern:
    if isinstance(remark, Concern):
        return remark
    if isinstance(remark, str):
        return named_concern("method", remark)
    raise ParameterError(f"concerns must be Concern or str, got {type(remark).__name__}.")


def verdict_of(concerns: Iterable[Concern]) -> Verdict:
    """The worst level of some concerns, notes aside.

    Examples
    --------
    >>> verdict_of([named_concern("no-t1", "There is no T1 image.")])
    'no-concern'
    """
    worst = max((_LEVELS.index(concern.level) for concern in concerns), default=0)
    level = _LEVELS[worst]
    return "no-concern" if level == "note" else level


def by_harm(concerns: Iterable[Concern]) -> tuple[Concern, ...]:
    """Concerns by level, then in the order of `CONCERN_LEVELS`; unknown names come last in their level."""
    place = {name: number for number, name in enumerate(CONCERN_LEVELS)}
    return tuple(
        sorted(concerns, key=lambda each: (-_LEVELS.index(each.level), place.get(each.name, len(CONCERN_LEVELS))))
    )


def verdict_in_words(concerns: Sequence[Concern]) -> str:
    """First line of every report.

    Examples
    --------
    >>> verdict_in_words(())
    'Verdict: no concern.'
    """
    verdict = verdict_of(concerns)
    if verdict == "no-concern":
        return "Verdict: no concern." if not concerns else f"Verdict: no concern; {_counted(len(concerns), 'note')}."
    count = sum(concern.level != "note" for concern in concerns)
    if verdict == "check":
        return f"Verdict: check before use; {_counted(count, 'concern')}."
    return f"Verdict: do not use this map; {_counted(count, 'concern')}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
