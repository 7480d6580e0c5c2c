"""Two cohorts of the same patients, number by number: two methods, two settings, two versions.

Pairs are patients that are done in both, by name. Every number has its mean difference with a bootstrap interval and
Wilcoxon's signed-rank test (`metrics.paired_test`); as many numbers are looked at, p is also given as Holm (1979)
corrects it. A difference is the second cohort minus the first; what is better is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gliofield.cohort.numbers import COMPARED
from gliofield.cohort.table import Row
from gliofield.errors import ParameterError, unknown_name
from gliofield.metrics import PairedTest, mean_of, paired_difference, paired_test
from gliofield.report.tables import Column, ResultTable, number

#: Stands for every number that both cohorts have.
ALL_NUMBERS = "all"


@dataclass(frozen=True, kw_only=True)
class ComparedNumber:
    """One number in both cohorts.

    Parameters
    ----------
    name, words : str
        The column, and what it is.
    first, second : float
        Means over the pairs.
    test : PairedTest
        Of the differences, second minus first.
    holm_p_value : float
        Its p corrected for all numbers of the comparison.
    higher, lower : int
        Pairs in which the second is higher, and lower.
    """

    name: str
    words: str
    first: float
    second: float
    test: PairedTest
    holm_p_value: float
    higher: int
    lower: int


@dataclass(frozen=True, kw_only=True)
class CohortComparison:
    """What two cohorts differ in.

    Parameters
    ----------
    first, second : str
        What they are called.
    num_pairs : int
        Patients done in both.
    only_first, only_second : tuple of str
        Patients done in one alone.
    numbers : tuple of ComparedNumber
        In order.
    """

    first: str
    second: str
    num_pairs: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    numbers: tuple[ComparedNumber, ...]

    def table(self) -> ResultTable:
        """A row for each number."""
        columns = [
            Column("number", "words", key="name"),
            Column(self.first, "first"),
            Column(self.second, "second"),
            Column("difference", lambda row: row.test.mean, "+.3g", key="difference"),
            Column("95 % interval", lambda row: f"{number(row.test.low, '+.3g')} … {number(row.test.high, '+.3g')}"),
            Column("p (Wilcoxon)", lambda row: row.test.p_value, ".2g", key="p_value"),
            Column("p (Holm)", "holm_p_value", ".2g"),
            Column("higher/lower", lambda row: f"{row.higher}/{row.lower}"),
            Column("pairs", lambda row: row.test.number, key="num_pairs"),
        ]
        note = f"{self.num_pairs} patients are done in both" + "".join(
            f"; in {name} alone: {len(those)}"
            for name, those in ((self.first, self.only_first), (self.second, self.only_second))
            if those
        )
        title = f"{self.second} against {self.first}"
        return ResultTable(columns=columns, rows=self.numbers, name="comparison", title=title, note=f"{note}.")


def compare_cohorts(
    first: Sequence[Row],
    second: Sequence[Row],
    *,
    names: tuple[str, str] = ("first", "second"),
    numbers: Sequence[str] = (),
    seed: int = 0,
) -> CohortComparison:
    """Compare two cohorts.

    Parameters
    ----------
    first, second : sequence of mapping
        Their tables (`read_table`).
    names : (str, str)
        What to call them.
    numbers : sequence of str
        Columns to compare; none: those of `COMPARED`; ``"all"``: every number both have.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ParameterError
        If no patient is done in both, or a number is in neither table.
    """
    done = [{str(row["patient"]): row for row in rows if row.get("status") == "done"} for rows in (first, second)]
    both = [name for name in done[0] if name in done[1]]
    if not both:
        raise ParameterError(
            f"no patient is done in both cohorts: expected the same names, got {_some(done[0])} and {_some(done[1])}."
        )
    rng = np.random.default_rng(seed)
    found = []
    for name in _chosen(numbers, [row for each in done for row in each.values()]):
        values = [[_number(each[patient].get(name)) for patient in both] for each in done]
        test = paired_test(values[1], values[0], rng=rng)
        if test.number:
            found.append((name, values, test))
    holm = _holm([test.p_value for _, _, test in found])
    return CohortComparison(
        first=names[0],
        second=names[1],
        num_pairs=len(both),
        only_first=tuple(name for name in done[0] if name not in done[1]),
        only_second=tuple(name for name in done[1] if name not in done[0]),
        numbers=tuple(_compared(name, values, test, p) for (name, values, test), p in zip(found, holm, strict=True)),
    )


def _compared(name: str, values: Sequence[Sequence[float]], test: PairedTest, holm: float) -> ComparedNumber:
    gaps = np.subtract(values[1], values[0])
    pairs = [[value for value, gap in zip(row, gaps, strict=True) if not np.isnan(gap)] for row in values]
    counted = paired_difference(values[1], values[0], least=0.0)
    return ComparedNumber(
        name=name,
        words=COMPARED.get(name, name),
        first=mean_of(pairs[0]).mean,
        second=mean_of(pairs[1]).mean,
        test=test,
        holm_p_value=holm,
        higher=counted.wins,
        lower=counted.losses,
    )


def _chosen(numbers: Sequence[str], rows: Sequence[Row]) -> list[str]:
    there = list(dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, int | float)))
    if ALL_NUMBERS in numbers:
        return there
    for name in numbers:
        if name not in there:
            raise ParameterError(unknown_name("number of the cohorts", name, there))
    return list(numbers) or [name for name in COMPARED if name in there]


def _number(value: str | int | float | None) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _some(names: object) -> str:
    shown = list(names)[:3] if isinstance(names, dict) else []
    return ", ".join(shown) + ", …" if shown else "none"


def _holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p: of m in rising order the i-th (from 0) times m − i, at least the one before, at most 1."""
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
