"""Means, paired differences and ratios over cases of a virtual cohort, and what became of stated uncertainties."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from gliofield.metrics import Mean, PairedDifference, mean_of, paired_difference
from gliofield.scoring.case_rankings import CORE_MARGIN, WHOLE_MARGIN
from gliofield_evaluation.scoring.case_scorer import CONTROLS
from gliofield_evaluation.scoring.stated_uncertainty import (
    LEVEL,
    ReliabilityBins,
    best_relative_error,
    constant_interval,
    interval_score,
    pooled_bins,
)
from gliofield_evaluation.scoring.virtual_scores import ScoredCase, VirtualEvaluation, ranking_name

#: What is summarized of each ranking; `cells_ratio` is made of two numbers.
METRICS = (
    *("cells", "cells_total", "recurrence_enhancing", "recurrence_any", "volume_95_ml"),
    *("density_error", "cells_ratio", "dice_sum"),
)
_SHARES = METRICS[:4]


def score_of(case: ScoredCase, ranking: str, metric: str) -> float:
    """One number of a ranking in a case; NaN where undefined."""
    if metric != "cells_ratio":
        return case.value(ranking, metric)
    return _over(case.value(ranking, "cells_ml"), case.scores[CONTROLS].facts["cells_outside_core_ml"])


def mean_score(cases: Sequence[ScoredCase], ranking: str, metric: str) -> Mean:
    """Mean over cases."""
    return mean_of([score_of(case, ranking, metric) for case in cases])


def difference(cases: Sequence[ScoredCase], ranking: str, control: str, metric: str) -> PairedDifference:
    """A ranking less a control, case by case."""
    return paired_difference(*([score_of(case, name, metric) for case in cases] for name in (ranking, control)))


def ratio(cases: Sequence[ScoredCase], ranking: str, control: str, metric: str) -> Mean:
    """Mean of a ranking over a control, case by case."""
    return mean_of([_over(score_of(case, ranking, metric), score_of(case, control, metric)) for case in cases])


def _over(value: float, other: float) -> float:
    return value / other if other > 0.0 else math.nan


@dataclass(frozen=True, kw_only=True)
class UncertaintySummary:
    """What became of a method's stated uncertainty.

    Parameters
    ----------
    num_cases, num_inside : int
        Cases with a stated interval, and those whose true cells lie in it.
    binomial : (float, float)
        Where the part inside lies with 95 % chance, were the intervals right.
    interval_score, constant_score : Mean
        Scores of the stated intervals [ml], and of intervals of a constant relative error around the stated means.
    relative_error : float
        That error.
    is_error_given : bool
        Whether it was given, not tuned on these very cases.
    bins : ReliabilityBins or None
        Of all cases together; None where no probabilities are stated.
    """

    num_cases: int
    num_inside: int
    binomial: tuple[float, float]
    interval_score: Mean
    constant_score: Mean
    relative_error: float
    is_error_given: bool
    bins: ReliabilityBins | None

    @property
    def part_inside(self) -> float:
        """Part of the intervals that hold the truth; NaN without one."""
        return self.num_inside / self.num_cases if self.num_cases else math.nan


def uncertainty_summary(
    cases: Sequence[ScoredCase], method: str, relative_error: float | None = None
) -> UncertaintySummary | None:
    """Stated intervals and probabilities of a method against the truth; None where it states none.

    Parameters
    ----------
    cases : sequence of ScoredCase
        The cases.
    method : str
        Name of the method.
    relative_error : float, optional
        Constant relative error to compare with; None: the best for these cases.
    """
    stated = [(case.scores[method].stated, case.scores[CONTROLS].facts["cells_outside_core_ml"]) for case in cases]
    rows = [(found, truth) for found, truth in stated if found is not None]
    bins = [found for case in cases if (found := case.scores[method].reliability) is not None]
    if not rows and not bins:
        return None
    means, truths = [found.mean for found, _ in rows], [truth for _, truth in rows]
    error = best_relative_error(means, truths) if relative_error is None else relative_error
    low, high = stats.binom.interval(LEVEL, max(len(rows), 1), LEVEL)
    return UncertaintySummary(
        num_cases=len(rows),
        num_inside=sum(found.low <= truth <= found.high for found, truth in rows),
        binomial=(float(low) / max(len(rows), 1), float(high) / max(len(rows), 1)),
        interval_score=mean_of([interval_score(found.low, found.high, truth) for found, truth in rows]),
        constant_score=mean_of([interval_score(*constant_interval(found.mean, error), truth) for found, truth in rows]),
        relative_error=error,
        is_error_given=relative_error is not None,
        bins=pooled_bins(bins) if bins else None,
    )


def virtual_record(evaluation: VirtualEvaluation, *, relative_error: float | None = None) -> dict[str, Any]:
    """All means and differences by condition and ranking, and by kind below, JSON-ready."""
    return {
        "methods": list(evaluation.methods),
        "settings": dataclasses.asdict(evaluation.settings),
        "conditions": {
            condition: {
                **_record_of(evaluation, evaluation.under(condition)),
                "kinds": {kind: _record_of(evaluation, evaluation.under(condition, kind)) for kind in evaluation.kinds},
                "uncertainty": _uncertainties(evaluation, evaluation.under(condition), relative_error),
            }
            for condition in evaluation.conditions
        },
        "uncertainty": _uncertainties(evaluation, evaluation.cases, relative_error),
        "errors": {
            f"{case.name}, {case.condition}, {method}": scores.error
            for case in evaluation.cases
            for method, scores in case.scores.items()
            if scores.error
        },
    }


def _uncertainties(
    evaluation: VirtualEvaluation, cases: Sequence[ScoredCase], relative_error: float | None
) -> dict[str, Any]:
    """What became of stated uncertainties, by method; None where it states none."""
    found = {method: uncertainty_summary(cases, method, relative_error) for method in evaluation.methods}
    return {method: None if one is None else dataclasses.asdict(one) for method, one in found.items()}


def _record_of(evaluation: VirtualEvaluation, cases: Sequence[ScoredCase]) -> dict[str, Any]:
    rankings = {}
    for ranking in evaluation.rankings:
        means = {metric: dataclasses.asdict(mean_score(cases, ranking, metric)) for metric in METRICS}
        against = {
            f"minus {control}": {
                metric: dataclasses.asdict(difference(cases, ranking, control, metric)) for metric in _SHARES
            }
            for control in (CORE_MARGIN, WHOLE_MARGIN)
        }
        volumes = {
            f"volume_95 over {control}": dataclasses.asdict(ratio(cases, ranking, control, "volume_95_ml"))
            for control in (CORE_MARGIN, WHOLE_MARGIN)
        }
        rankings[ranking] = {**means, **against, **volumes}
    return {"num_cases": len(cases), "rankings": rankings}


def case_rows(evaluation: VirtualEvaluation) -> list[dict[str, Any]]:
    """A row per case and ranking, for a table of its own; a method without an answer has a row that says why."""
    rows = []
    for case in evaluation.cases:
        facts = case.scores[CONTROLS].facts
        for method, scores in case.scores.items():
            stated = scores.stated
            for name in scores.rankings or {"": {}}:
                ranking = ranking_name(method, name) if name else method
                rows.append(
                    {
                        **{key: getattr(case, key) for key in ("name", "split", "kind", "condition")},
                        "method": method,
                        "ranking": ranking,
                        "has_core": bool(facts["has_core"]),
                        "target_ml": facts["target_ml"],
                        "true_cells_ml": facts["cells_outside_core_ml"],
                        **{metric: score_of(case, ranking, metric) for metric in METRICS},
                        **{f"stated_{key}_ml": getattr(stated, key, math.nan) for key in ("mean", "low", "high")},
                        "seconds": scores.seconds,
                        "error": scores.error,
                    }
                )
    return rows
