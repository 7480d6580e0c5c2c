"""Networks less the first of them, tumor by tumor: what a sentence that compares two of them has to stand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from gliofield.metrics.statistics import paired_difference
from gliofield.report.tables import Column, ResultTable, number
from gliofield_papers.errors_by_tissue import DensityErrors


class Scored(Protocol):
    """A network with the errors of each test tumor, the same tumors as those of the others."""

    @property
    def name(self) -> str:
        """File of its checkpoint."""

    @property
    def errors(self) -> tuple[DensityErrors, ...]:
        """Of what it makes of each tumor."""


Score = TypeVar("Score", bound=Scored)


def difference_sections(scores: Sequence[Score], label: Callable[[Score], str], levels: Sequence[float]) -> list[str]:
    """A table of paired differences in error and in Dice at some levels; nothing of a single network."""
    first, *others = scores

    def gap(score: Score, value: Callable[[DensityErrors], float]) -> str:
        found = paired_difference([value(own) for own in score.errors], [value(own) for own in first.errors]).mean
        return f"{number(found.mean, '+.3f')} ± {number(found.standard_error, '.3f')}"

    if not others:
        return []
    table = ResultTable(
        title=f"Differences from {first.name}",
        note="Mean ± standard error over the same tumors, of one training each: another seed may move a network by "
        "more than that.",
        columns=(
            Column("network", label),
            Column("error where either is", lambda score: gap(score, lambda errors: errors.union["all"])),
            *(
                Column(f"Dice at {level:g}", lambda score, level=level: gap(score, lambda errors: errors.dice[level]))
                for level in levels
            ),
        ),
        rows=others,
    )
    return [table.markdown()]
