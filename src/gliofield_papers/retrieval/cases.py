"""Five cases that show the range of what is found, as the thesis picks its Table 2.

The thesis divides its patients by the combined Dice of their exact best match into five bins of equal width and picks
one of each, trying to keep the average of what strategies preserve (Rosier 2022, section 4.2). Which one that was
cannot be repeated, so here it is the query nearest to the middle of its bin; the first of several. Bins without a query
give no case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield_papers.queries.matching_queries import REAL_GROUP, MatchingQueries
from gliofield_papers.queries.retrieval_queries import SYNTHETIC_GROUP
from gliofield_papers.retrieval.published import THESIS_DICE_BINS
from gliofield_papers.retrieval.ranking import Matches

_NUM_BINS = len(THESIS_DICE_BINS)
_TWO_GROUPS = (REAL_GROUP, SYNTHETIC_GROUP)


@dataclass(frozen=True, kw_only=True)
class RetrievalCase:
    """A query picked to be shown.

    Parameters
    ----------
    row : int
        Its number among the queries.
    name, group : str
        Its own.
    dice_bin : (low, high)
        Bin of combined Dice it was picked from.
    """

    row: int
    name: str
    group: str
    dice_bin: tuple[float, float]


def pick_cases(queries: MatchingQueries, best: Matches) -> tuple[RetrievalCase, ...]:
    """Up to five real patients by the bins of the thesis, and up to five held-out tumors by bins over their own range.

    Without a group ``synthetic``, the first other group takes its place. Queries without a core have no combined Dice
    and are not picked.
    """
    kinds = tuple(dict.fromkeys(queries.groups))
    others = [kind for kind in kinds if kind not in _TWO_GROUPS]
    synthetic = [SYNTHETIC_GROUP] if SYNTHETIC_GROUP in kinds else others[:1]
    cases: list[RetrievalCase] = []
    for group in [kind for kind in (REAL_GROUP,) if kind in kinds] + synthetic:
        rows = np.flatnonzero([own == group for own in queries.groups])
        combined = best.combined_dice[rows]
        bins = THESIS_DICE_BINS if group == REAL_GROUP else equal_bins(combined)
        cases += [
            RetrievalCase(row=int(rows[position]), name=queries.names[rows[position]], group=group, dice_bin=dice_bin)
            for position, dice_bin in nearest_to_middles(combined, bins)
        ]
    return tuple(cases)


def equal_bins(values: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Five bins of equal width from the greatest to the least defined value; none without values.

    Examples
    --------
    >>> equal_bins(np.array([1.0, 2.0]))[0]
    (1.8, 2.0)
    """
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return ()
    edges = np.linspace(defined.max(), defined.min(), _NUM_BINS + 1).round(12)
    return tuple((float(low), float(high)) for high, low in zip(edges[:-1], edges[1:], strict=True))


def nearest_to_middles(
    values: NDArray[np.float64], bins: Sequence[tuple[float, float]]
) -> list[tuple[int, tuple[float, float]]]:
    """For each bin that holds a value the position of the one nearest to its middle; none is taken twice."""
    picked: list[tuple[int, tuple[float, float]]] = []
    for low, high in bins:
        taken = [position for position, _ in picked]
        # Rounded bounds must not lose the values they were made of.
        inside = [
            position
            for position, value in enumerate(values)
            if low - 1e-9 <= value <= high + 1e-9 and position not in taken
        ]
        if inside:
            middle = (low + high) / 2.0
            picked.append((min(inside, key=lambda position: abs(values[position] - middle)), (low, high)))
    return picked
