"""Scores on a virtual cohort in Markdown: by condition, by kind, and what methods say of their own uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gliofield.metrics import Mean, PairedDifference
from gliofield.report.tables import markdown_table, number, section
from gliofield.scoring.case_rankings import CORE_MARGIN, WHOLE_MARGIN
from gliofield_evaluation.scoring.case_scorer import CONTROLS
from gliofield_evaluation.scoring.stated_uncertainty import NUM_BINS
from gliofield_evaluation.scoring.virtual_scores import ScoredCase, VirtualEvaluation
from gliofield_evaluation.scoring.virtual_summary import (
    UncertaintySummary,
    difference,
    mean_score,
    ratio,
    uncertainty_summary,
)

_EQUAL_VOLUME = (
    "At the volume K of the core with a 15 mm margin, in what can be treated [%]: mean ± standard error. Differences "
    "are paired, in points; in brackets wins/losses (by more than 0.1) and the worst patient."
)
_OTHER = (
    "V95: volume that holds 95 % of the cells outside the core, mean, and over that of a margin case by case. Density "
    "error: mean |u − truth| outside the core where either exceeds 0.01. Cells: those of the density outside the core "
    "over the true ones. Dice: T1Gd + FLAIR before any correction, of cases with a core."
)


def virtual_report(evaluation: VirtualEvaluation, *, relative_error: float | None = None) -> str:
    """Everything that was found, as sections of the third level.

    Parameters
    ----------
    evaluation : VirtualEvaluation
        What was found.
    relative_error : float, optional
        Constant relative error of the cells outside the core that was tuned on the tune patients; None: tune it here.
    """
    several = len(evaluation.conditions) > 1
    parts = [_counts(evaluation)]
    if several:
        note = "Cells outside the core; any recurrence: minus the core margin, in points (wins/losses, worst)."
        parts.append(section("By condition", note, _by_condition(evaluation)))
    for condition in evaluation.conditions:
        cases = evaluation.under(condition)
        parts.append(section(f"Equal volume, condition {condition}", _EQUAL_VOLUME, _equal_volume(evaluation, cases)))
        parts.append(section(f"Volume and density, condition {condition}", _OTHER, _other(evaluation, cases)))
    for condition in evaluation.conditions:
        note = "Cells outside the core, minus the core margin."
        parts.append(section(f"By kind, condition {condition}", note, _by_kind(evaluation, condition)))
    groups = {f"condition {condition}": evaluation.under(condition) for condition in evaluation.conditions}
    if several:
        groups["all conditions"] = evaluation.cases
    for method in evaluation.methods:
        for name, cases in groups.items():
            found = uncertainty_summary(cases, method, relative_error)
            if found is not None:
                parts.append(section(f"Stated uncertainty of {method}, {name}", *_uncertainty(found)))
    return "\n\n".join(parts)


def _counts(evaluation: VirtualEvaluation) -> str:
    """What was scored, what is undefined and what failed."""
    lines = []
    for condition in evaluation.conditions:
        cases = evaluation.under(condition)
        facts = [case.scores[CONTROLS].facts for case in cases]
        without_core = sum(not fact["has_core"] for fact in facts)
        empty = [sum(not fact[f"recurrence_{name}_voxels"] for fact in facts) for name in ("enhancing", "any")]
        lines.append(
            f"- {condition}: {len(cases)} patients; {without_core} without a core, which leave the tables at equal "
            f"volume; {empty[0]} without an enhancing recurrence, {empty[1]} without any."
        )
    failed = [
        f"- {case.name}, {case.condition}: not all of {method} is there ({case.scores[method].error})"
        for method in (CONTROLS, *evaluation.methods)
        for case in evaluation.cases
        if case.scores[method].error
    ]
    return "\n".join(lines + failed)


def _equal_volume(evaluation: VirtualEvaluation, cases: Sequence[ScoredCase]) -> str:
    headings = ["ranking", "cells outside core", "minus core margin", "minus whole-tumor margin", "all cells"]
    headings += ["recurrence, enhancing", "recurrence, any", "minus core margin"]
    return _table(
        headings,
        evaluation,
        lambda ranking: [
            _points(mean_score(cases, ranking, "cells")),
            _gap(difference(cases, ranking, CORE_MARGIN, "cells")),
            _gap(difference(cases, ranking, WHOLE_MARGIN, "cells")),
            _points(mean_score(cases, ranking, "cells_total"), with_error=False),
            _points(mean_score(cases, ranking, "recurrence_enhancing")),
            _points(mean_score(cases, ranking, "recurrence_any")),
            _gap(difference(cases, ranking, CORE_MARGIN, "recurrence_any")),
        ],
    )


def _other(evaluation: VirtualEvaluation, cases: Sequence[ScoredCase]) -> str:
    headings = ["ranking", "V95 [ml]", "over core margin", "over whole-tumor margin", "density error", "cells", "Dice"]
    return _table(
        headings,
        evaluation,
        lambda ranking: [
            number(mean_score(cases, ranking, "volume_95_ml").mean, ".0f"),
            _with_error(ratio(cases, ranking, CORE_MARGIN, "volume_95_ml"), ".3f"),
            _with_error(ratio(cases, ranking, WHOLE_MARGIN, "volume_95_ml"), ".3f"),
            number(mean_score(cases, ranking, "density_error").mean, ".4f"),
            _with_error(mean_score(cases, ranking, "cells_ratio"), ".2f"),
            _with_error(mean_score(cases, ranking, "dice_sum"), ".3f"),
        ],
    )


def _by_condition(evaluation: VirtualEvaluation) -> str:
    conditions = evaluation.conditions
    return _table(
        ["ranking", *conditions],
        evaluation,
        lambda ranking: [
            "; ".join(
                _gap(difference(evaluation.under(condition), ranking, CORE_MARGIN, metric))
                for metric in ("cells", "recurrence_any")
            )
            for condition in conditions
        ],
    )


def _by_kind(evaluation: VirtualEvaluation, condition: str) -> str:
    kinds = [kind for kind in evaluation.kinds if evaluation.under(condition, kind)]
    return _table(
        ["ranking", *(f"{kind} ({len(evaluation.under(condition, kind))})" for kind in kinds)],
        evaluation,
        lambda ranking: [
            _gap(difference(evaluation.under(condition, kind), ranking, CORE_MARGIN, "cells")) for kind in kinds
        ],
    )


def _uncertainty(found: UncertaintySummary) -> list[str]:
    low, high = found.binomial
    text = (
        f"The stated 95 % interval holds the true cells outside the core in {found.num_inside} of {found.num_cases} "
        f"cases ({number(found.part_inside, '.1%')}; of so many cases 95 % is {low:.1%} to {high:.1%}). Mean interval "
        f"score {number(found.interval_score.mean)} ml; of a constant relative error of "
        f"{number(found.relative_error)}, {'given' if found.is_error_given else 'tuned on these very cases'}, "
        f"{number(found.constant_score.mean)} ml."
    )
    if found.bins is None:
        return [text]
    rows = [
        [f"{index / NUM_BINS:.1f}-{(index + 1) / NUM_BINS:.1f}", str(voxels)]
        + ([f"{stated / voxels:.3f}", f"{true / voxels:.3f}", f"{gap:+.3f}"] if voxels else ["-"] * 3)
        for index, (voxels, stated, true, gap) in enumerate(
            zip(found.bins.num_voxels, found.bins.stated, found.bins.true, found.bins.gaps(), strict=True)
        )
    ]
    return [
        text,
        "P(u > 0.2) outside the core within 30 mm of the whole tumor, voxels of all cases together:",
        markdown_table(["stated", "voxels", "mean stated", "true part", "gap"], rows),
    ]


def _table(headings: Sequence[str], evaluation: VirtualEvaluation, cells: Callable[[str], list[str]]) -> str:
    return markdown_table(headings, [[ranking, *cells(ranking)] for ranking in evaluation.rankings])


def _points(value: Mean, *, with_error: bool = True) -> str:
    if math.isnan(value.mean):
        return "-"
    error = f" ± {number(100.0 * value.standard_error, '.1f')}" if with_error else ""
    return f"{100.0 * value.mean:.1f}{error}"


def _gap(found: PairedDifference) -> str:
    if math.isnan(found.mean.mean):
        return "-"
    return (
        f"{100.0 * found.mean.mean:+.1f} ± {number(100.0 * found.mean.standard_error, '.1f')} "
        f"({found.wins}/{found.losses}, {100.0 * found.worst:+.1f})"
    )


def _with_error(value: Mean, form: str) -> str:
    return "-" if math.isnan(value.mean) else f"{value.mean:{form}} ± {number(value.standard_error, form)}"
