"""What answers of strategies amount to on a group of queries: shares of top n, ranks, seconds, reconstructions.

Statistics are of what is defined: values that are NaN are left out, and of none at all the result is NaN. An infinite
rank, of a query without an answer, counts as what it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gliofield.metrics.statistics import Mean, mean_of, paired_difference
from gliofield_papers.retrieval.answers import StrategyAnswers
from gliofield_papers.retrieval.pipeline import PatientPipeline
from gliofield_papers.retrieval.ranking import RankedAnswers
from gliofield_papers.retrieval.strategies import RetrievalStrategy

TOP = (1, 5, 15)


@dataclass(frozen=True, kw_only=True, eq=False)
class StrategyResult:
    """A strategy, what it answered, and what that is worth."""

    label: str
    strategy: RetrievalStrategy
    answers: StrategyAnswers
    ranked: RankedAnswers


@dataclass(frozen=True, kw_only=True)
class StrategyScore:
    """A strategy on one group of queries.

    Parameters
    ----------
    label, group : str
        Which.
    num_queries, num_unanswered : int
        Queries asked, and those it refused or found nothing for; these count as misses.
    top1, top5, top15 : float
        Share of queries whose best match by the strategy has an exact rank of at most 1, 5, 15.
    median_rank, worst_rank : float
        Of the best match; inf where it is an unanswered query.
    num_shared : float
        Mean number of its 15 hits that belong to the exact 15.
    dice_lost, dice_lost_error, dice_lost_p90 : float
        Mean with its standard error and 90th percentile of Δ over answered queries.
    combined_dice : float
        Mean combined Dice of its best match, over answered queries with a core.
    """

    label: str
    group: str
    num_queries: int
    num_unanswered: int
    top1: float
    top5: float
    top15: float
    median_rank: float
    worst_rank: float
    num_shared: float
    dice_lost: float
    dice_lost_error: float
    dice_lost_p90: float
    combined_dice: float

    def top_interval(self, n: int) -> tuple[float, float]:
        """Wilson's 95 % interval of the share of queries whose best match is among the n best; NaN without queries."""
        share = getattr(self, f"top{n}")
        if not self.num_queries:
            return math.nan, math.nan
        found = binomtest(round(share * self.num_queries), self.num_queries).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True, kw_only=True)
class PairedScore:
    """A trained network less a control that learned nothing, query by query on a group that both answered.

    Parameters
    ----------
    label, control, group : str
        Which.
    top1, top5, top15 : Mean
        Differences of the shares of queries within the exact n best.
    dice_lost : Mean
        Difference of Δ; below 0 where the network loses less.
    """

    label: str
    control: str
    group: str
    top1: Mean
    top5: Mean
    top15: Mean
    dice_lost: Mean


@dataclass(frozen=True, kw_only=True)
class StrategyTiming:
    """What a strategy costs [s].

    Parameters
    ----------
    label : str
        Which.
    num_timed : int
        Queries timed.
    median_s, p90_s : float
        Median and 90th percentile of a query, everything loaded.
    is_ranking_alone : bool
        Whether these are of the ranking without the Dice of its hits; otherwise of the whole search.
    loading_s : float
        Opening the database and the index from the cache, for a network reading its checkpoint.
    with_loading_s : float
        A single query from nothing: loading and the median query.
    first_opening_s : float
        The first opening, which may have had to prepare the index.
    pipeline_s : float
        Registration, masks to the atlas, loading, query and density back to the patient, medians over patients; NaN
        without patients.
    """

    label: str
    num_timed: int
    median_s: float
    p90_s: float
    is_ranking_alone: bool
    loading_s: float
    with_loading_s: float
    first_opening_s: float
    pipeline_s: float


@dataclass(frozen=True, kw_only=True)
class ReconstructionScore:
    """Mean Dice of masks with what a network makes of them; `num_flair` and `num_t1gd` masks."""

    label: str
    group: str
    num_flair: int
    dice_flair: float
    num_t1gd: int
    dice_t1gd: float


def score_of(result: StrategyResult, group: str, rows: NDArray[np.intp]) -> StrategyScore:
    """Accuracy of a strategy on the queries of a group, by their numbers."""
    ranked, rows = result.ranked, rows[result.answers.asked[rows]]
    rank, lost = ranked.rank[rows], ranked.dice_lost[rows]
    shares = [float(np.mean(rank <= top)) if len(rows) else float("nan") for top in TOP]
    return StrategyScore(
        label=result.label,
        group=group,
        num_queries=len(rows),
        num_unanswered=int(np.count_nonzero(np.isinf(rank))),
        top1=shares[0],
        top5=shares[1],
        top15=shares[2],
        median_rank=_median(rank),
        worst_rank=_greatest(rank),
        num_shared=_mean(ranked.num_shared[rows]),
        dice_lost=_mean(lost),
        dice_lost_error=mean_of(lost.tolist()).standard_error,
        dice_lost_p90=_percentile_90(lost),
        combined_dice=_mean(ranked.best.combined_dice[rows]),
    )


def paired_score(result: StrategyResult, control: StrategyResult, group: str, rows: NDArray[np.intp]) -> PairedScore:
    """A network against a control on the queries of a group, by their numbers, that both were asked."""
    rows = rows[result.answers.asked[rows] & control.answers.asked[rows]]
    own, others = result.ranked, control.ranked

    def gain(values: NDArray[Any], of_control: NDArray[Any]) -> Mean:
        return paired_difference(values[rows].tolist(), of_control[rows].tolist()).mean

    shares = {f"top{top}": gain(own.rank <= top, others.rank <= top) for top in TOP}
    return PairedScore(
        label=result.label,
        control=control.label,
        group=group,
        dice_lost=gain(own.dice_lost, others.dice_lost),
        **shares,
    )


def timing_of(result: StrategyResult, patients: Sequence[PatientPipeline], opening_s: float) -> StrategyTiming:
    """What a strategy costs; opening the database is a part of its loading."""
    seconds = result.answers.seconds
    median_s, loading_s = _median(seconds), opening_s + result.answers.loading_s
    around_s = _median(np.array([patient.seconds_without_query for patient in patients]))
    return StrategyTiming(
        label=result.label,
        num_timed=int(np.count_nonzero(np.isfinite(seconds))),
        median_s=median_s,
        p90_s=_percentile_90(seconds),
        is_ranking_alone=result.answers.is_ranking_alone,
        loading_s=loading_s,
        with_loading_s=loading_s + median_s,
        first_opening_s=result.answers.first_opening_s,
        pipeline_s=around_s + loading_s + median_s,
    )


def reconstruction_of(result: StrategyResult, group: str, rows: NDArray[np.intp]) -> ReconstructionScore:
    """Mean Dice of a network's reconstructions of the queries of a group, by their numbers."""
    flair, t1gd = result.answers.reconstruction_of(group, rows).T
    return ReconstructionScore(
        label=result.label,
        group=group,
        num_flair=int(np.count_nonzero(~np.isnan(flair))),
        dice_flair=_mean(flair),
        num_t1gd=int(np.count_nonzero(~np.isnan(t1gd))),
        dice_t1gd=_mean(t1gd),
    )


def _defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values that are not NaN, sorted."""
    return np.sort(values[~np.isnan(values)])


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the defined values; NaN if there are none."""
    defined = _defined(values)
    return float(defined.mean()) if len(defined) else float("nan")


def _percentile_90(values: NDArray[np.float64]) -> float:
    defined = _defined(values)
    return float(np.percentile(defined, 90)) if len(defined) else float("nan")


def _greatest(values: NDArray[np.float64]) -> float:
    defined = _defined(values)
    return float(defined[-1]) if len(defined) else float("nan")


def _median(values: NDArray[np.float64]) -> float:
    """Median of the defined values, some of which may be infinite; NaN if there are none."""
    defined = _defined(values)
    if len(defined) == 0:
        return float("nan")
    low, high = float(defined[(len(defined) - 1) // 2]), float(defined[len(defined) // 2])
    return low if low == high else (low + high) / 2.0
