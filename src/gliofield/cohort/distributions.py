"""How the numbers of a cohort are spread, and which patients lie far from the others.

A value is an outlier by its robust distance from the median, |x − median| / (1.4826 · MAD), which one odd patient does
not move (Iglewicz & Hoaglin 1993, How to detect and handle outliers, give 3.5 as the limit). What this cannot tell:
whether the many are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gliofield.cohort.numbers import COMPARED
from gliofield.cohort.table import Row

_LIMIT, _MAD_TO_STD = 3.5, 1.4826
# Below this many values "the others" mean nothing. *Chosen*.
_LEAST_VALUES = 8
# What the machine is to blame for makes no patient an outlier.
_OF_THE_MACHINE = ("seconds", "peak_memory_mb")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One number over the patients that have it.

    Parameters
    ----------
    name, words : str
        The column, and what it is.
    values : mapping of str to float
        By patient.
    median, low, high : float
        Median and quartiles.
    outliers : mapping of str to float
        Robust distances above 3.5, by patient.
    """

    name: str
    words: str
    values: Mapping[str, float]
    median: float
    low: float
    high: float
    outliers: Mapping[str, float]


def distribution_of(rows: Sequence[Row], name: str, words: str) -> Distribution | None:
    """The distribution of a column over patients that are done; None where nobody has a value.

    Examples
    --------
    >>> rows = [{"patient": str(i), "status": "done", "x": v} for i, v in enumerate([1, 2, 2, 3, 3, 3, 4, 4, 90])]
    >>> found = distribution_of(rows, "x", "a number")
    >>> found.median, list(found.outliers)
    (3.0, ['8'])
    """
    found = {str(row["patient"]): row.get(name) for row in rows if row.get("status") == "done"}
    values = {
        patient: float(value)
        for patient, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if not values:
        return None
    low, median, high = (float(each) for each in np.quantile(list(values.values()), (0.25, 0.5, 0.75)))
    return Distribution(
        name=name,
        words=words,
        values=values,
        median=median,
        low=low,
        high=high,
        outliers={} if name in _OF_THE_MACHINE else _outliers(values, median),
    )


def _outliers(values: Mapping[str, float], median: float) -> dict[str, float]:
    spread = _MAD_TO_STD * float(np.median(np.abs(np.array(list(values.values())) - median)))
    if len(values) < _LEAST_VALUES or spread == 0.0:
        return {}
    distances = {name: abs(value - median) / spread for name, value in values.items()}
    return {name: distance for name, distance in distances.items() if distance > _LIMIT}


def distributions(rows: Sequence[Row]) -> list[Distribution]:
    """Of every number that is compared (`COMPARED`) and that a patient has."""
    found = (distribution_of(rows, name, words) for name, words in COMPARED.items())
    return [each for each in found if each is not None]


def outlying(spreads: Sequence[Distribution]) -> dict[str, list[Distribution]]:
    """In what a patient lies far from the others, by patient, the farthest patient first."""
    found: dict[str, list[Distribution]] = {}
    for spread in spreads:
        for name in spread.outliers:
            found.setdefault(name, []).append(spread)
    farthest = {name: max(each.outliers[name] for each in those) for name, those in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (-farthest[name], name))}
