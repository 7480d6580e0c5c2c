"""The tables of ``gliofield papers inverse`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from gliofield.report.tables import Column, ResultTable, number, section
from gliofield_papers.differences import difference_sections
from gliofield_papers.errors_by_tissue import INVERSE_LEVELS
from gliofield_papers.inverse.comparison import MethodAnswer
from gliofield_papers.inverse.evaluation import TISSUES, InverseEvaluation, InverseScore
from gliofield_papers.measuring import is_machine_busy

# Table 1 of Learn-Morph-Infer: mean absolute errors in GM, WM and CSF, on 12,000 tumors of the authors' own.
_PAPER = (
    ("fisher-kolmogorov", "{D_w, ρ, T}, {x}", (0.461, 0.463, 0.0)),
    ("fisher-kolmogorov", "{μ1, μ2}, {x}", (0.059, 0.059, 0.0)),
    ("fisher-kolmogorov", "{μ1, μ2, x}", (0.057, 0.057, 0.0)),
    ("mass-effect", "{D_w, ρ, T}, {x}", (0.089, 0.087, 0.059)),
    ("mass-effect", "{μ1, μ2}, {x}", (0.059, 0.057, 0.054)),
    ("mass-effect", "{μ1, μ2, x}", (0.055, 0.054, 0.054)),
)

# Of the levels: those of the text of our pages.
_COMPARED_LEVELS = (0.01, 0.2, 0.8)


def inverse_report(evaluation: InverseEvaluation) -> str:
    """Conditions and all tables, as sections of the third level."""
    is_busy = is_machine_busy(evaluation.num_cores, evaluation.load_average)
    busy = " The machine was busy: compare seconds within the table." if is_busy else ""
    observation = evaluation.settings.observation
    errors = "" if observation.perturbation is None else ", with imitated errors"
    ranges = (
        f"T1Gd {_range(observation.t1gd_thresholds)} and FLAIR {_range(observation.flair_thresholds)}{errors}, drawn "
        f"with seed {evaluation.settings.seed}"
    )
    conditions = (
        f"{evaluation.num_tumors} test tumors, masks at {ranges}; "
        f"{evaluation.architecture}, {evaluation.num_cores} cores, load average {evaluation.load_average:.1f}.{busy}"
    )
    small = "Networks marked small were trained with less than the paper's setting."
    return "\n\n".join(
        [
            conditions + (f" {small}" if any(score.is_small for score in evaluation.scores) else ""),
            section(
                "Mean absolute error",
                "As the authors compute it, ± standard error over tumors: where the soft map of a tissue exceeds 1e-4, "
                "over the true tumor in white and gray matter, over the predicted one in CSF. A prediction that is "
                "refused counts as no tumor. Floor: all that the network predicts is true, and what it does not is as "
                "in its training. Lines marked paper are its Table 1, on other tumors; without mass effect it has 0 "
                "in CSF, which its solver closes to cells.",
                _errors(evaluation),
            ),
            ResultTable(
                title="Mean absolute error where either tumor is",
                note="False tumor outside the true one counts here.",
                columns=_UNION,
                rows=evaluation.scores,
            ).markdown(),
            section(
                "Dice at the paper's levels",
                "Mean ± standard error over tumors with a value; in parentheses, where not 0, those without one: "
                "neither density exceeds the level.",
                _dice(evaluation),
            ),
            *difference_sections(evaluation.scores, _label, _COMPARED_LEVELS),
            ResultTable(
                title="Location, and what went otherwise",
                note="Seeds outside the tissue were moved to it before the simulation. Location errors are of the "
                "prediction; refused ones have none.",
                columns=_LOCATIONS,
                rows=evaluation.scores,
            ).markdown(),
            ResultTable(
                title="Seconds",
                note=f"Median of up to {evaluation.settings.num_timed} tumors, one at a time on one thread: the "
                "prediction alone, and the one simulation that follows.",
                columns=_SECONDS,
                rows=evaluation.scores,
            ).markdown(),
        ]
    )


def inverse_record(evaluation: InverseEvaluation) -> dict[str, Any]:
    """The evaluation for JSON, without the errors of single tumors and their slices."""
    record = asdict(dataclasses.replace(evaluation, cases=()))
    del record["cases"]
    for score in record["scores"]:
        del score["errors"]
    return record


def methods_report(answers: Sequence[MethodAnswer]) -> str:
    """Tables of methods beside each other: means, and each query."""
    methods = list(dict.fromkeys(answer.method for answer in answers))
    by_method = {name: [answer for answer in answers if answer.method == name] for name in methods}
    queries = [by_method[methods[0]][place] for place in range(len(by_method[methods[0]]))]
    beside = [Column(name, lambda place, own=own: _dice_cell(own[place])) for name, own in by_method.items()]
    failures = sorted({f"- {own.query}, {own.method}: {own.failure}" for own in answers if own.failure})
    sections = [
        ResultTable(
            title="Methods on masks in the atlas",
            note="Mean Dice with the masks, 0 for a method that failed, and median seconds of the method alone.",
            columns=_METHODS,
            rows=[_MethodMeans.of(name, own) for name, own in by_method.items()],
        ).markdown(),
        ResultTable(
            title="Each query",
            note="Dice T1Gd + FLAIR.",
            columns=[
                Column("query", lambda place: queries[place].query),
                Column("group", lambda place: queries[place].group),
                *beside,
            ],
            rows=range(len(queries)),
        ).markdown(),
    ]
    return "\n\n".join(sections + (["Failed:\n\n" + "\n".join(failures)] if failures else []))


def methods_record(answers: Sequence[MethodAnswer]) -> list[dict[str, Any]]:
    """Answers for JSON, without their slices."""
    return [{name: value for name, value in asdict(answer).items() if name != "axial_slice"} for answer in answers]


@dataclass(frozen=True, kw_only=True)
class _MethodMeans:
    """What a method reached on all queries; one that failed has Dice 0."""

    name: str
    num_queries: int
    num_failed: int
    dice_t1gd: float
    dice_flair: float
    seconds: float

    @classmethod
    def of(cls, name: str, answers: Sequence[MethodAnswer]) -> _MethodMeans:
        found = [answer.agreement for answer in answers]
        dice = [
            [0.0 if each is None else each.dice_t1gd or 0.0, 0.0 if each is None else each.dice_flair] for each in found
        ]
        t1gd, flair = (float(column) for column in np.mean(dice, axis=0))
        return cls(
            name=name,
            num_queries=len(answers),
            num_failed=found.count(None),
            dice_t1gd=t1gd,
            dice_flair=flair,
            seconds=float(np.median([answer.seconds for answer in answers])),
        )


_METHODS = (
    Column("method", "name"),
    Column("queries", "num_queries"),
    Column("failed", "num_failed"),
    Column("T1Gd", "dice_t1gd", ".3f"),
    Column("FLAIR", "dice_flair", ".3f"),
    Column("sum", lambda means: means.dice_t1gd + means.dice_flair, ".3f"),
    Column("seconds", "seconds"),
)


def _dice_cell(answer: MethodAnswer) -> str:
    if answer.agreement is None:
        return "failed"
    return f"{answer.agreement.dice_t1gd or 0.0:.2f} + {answer.agreement.dice_flair:.2f}"


def _label(score: InverseScore) -> str:
    return f"{score.name} (small)" if score.is_small else score.name


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:g}-{bounds[1]:g}"


def _errors(evaluation: InverseEvaluation) -> str:
    models = {score.growth_model for score in evaluation.scores}
    rows = [
        (_label(score), score.growth_model, score.targets, score.num_training_tumors,
         *(score.published[name].with_error for name in TISSUES),
         " / ".join(number(score.floor[name].mean, ".3f") for name in TISSUES))
        for score in evaluation.scores
    ]  # fmt: skip
    rows += [("paper", model, targets, 80_000, *values, None) for model, targets, values in _PAPER if model in models]
    titles = ("network", "tumor model", "predicted", "training tumors", "GM", "WM", "CSF", "floor GM / WM / CSF")
    columns = [Column(title, itemgetter(place)) for place, title in enumerate(titles)]
    return ResultTable(columns=columns, rows=rows).markdown()


def _dice(evaluation: InverseEvaluation) -> str:
    scores = [Column(_label(score), lambda level, score=score: score.dice[level].cell) for score in evaluation.scores]
    return ResultTable(columns=[Column("level", lambda level: level, "g"), *scores], rows=INVERSE_LEVELS).markdown()


_NETWORK = (Column("network", _label), Column("tumor model", "growth_model"))
_UNION = (
    *_NETWORK,
    Column("predicted", "targets"),
    *(
        Column(title, lambda score, name=name: score.union[name].with_error)
        for title, name in zip(("GM", "WM", "CSF", "all"), (*TISSUES, "all"), strict=True)
    ),
)
_LOCATIONS = (
    _NETWORK[0],
    Column("mm", lambda score: score.location_mm.mean, ".2f"),
    Column("95 % [mm]", lambda score: score.location_mm.percentile_95, ".2f"),
    Column("per axis [mm]", lambda score: score.location_axis_mm.mean, ".2f"),
    Column("clamped", "num_clamped"),
    Column("moved [mm]", lambda score: score.seed_moved_mm.mean, ".2f"),
    Column("not simulated", "num_not_simulated"),
    Column("no core", "num_without_core"),
)
_SECONDS = (
    *_NETWORK,
    Column("members", "num_members"),
    Column("network [s]", "network_s"),
    Column("simulation [s]", "simulation_s"),
)
