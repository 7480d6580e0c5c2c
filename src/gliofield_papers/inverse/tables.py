"""The tables of ``gliofield papers inverse`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gliofield.metrics.errors_by_tissue import INVERSE_LEVELS
from gliofield.report.tables import markdown_table, mean_cell, number, section
from gliofield_papers.inverse.comparison import MethodAnswer
from gliofield_papers.inverse.evaluation import InverseEvaluation, InverseScore
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
_TISSUES = ("gray_matter", "white_matter", "csf")


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
    sections = [
        conditions + (f" {small}" if any(score.is_small for score in evaluation.scores) else ""),
        section(
            "Mean absolute error",
            "As the authors compute it: over the true tumor in white and gray matter, over the predicted one in CSF, "
            "where without mass effect no tumor is (-; the paper writes 0). Lines marked paper are its Table 1, on "
            "other tumors.",
            _errors(evaluation),
        ),
        section(
            "Mean absolute error where either tumor is",
            "False tumor outside the true one counts here.",
            _union_errors(evaluation),
        ),
        section(
            "Dice at the paper's levels",
            "Mean over tumors with a value; in parentheses, where not 0, those without one: neither density exceeds "
            "the level.",
            _dice(evaluation),
        ),
        section(
            "Location, and what went otherwise",
            "Seeds outside the tissue were moved to it before the simulation. Location errors are of the prediction.",
            _locations(evaluation),
        ),
        section(
            "Seconds",
            f"Median of up to {evaluation.settings.num_timed} tumors, one at a time on one thread: the prediction "
            "alone, and the one simulation that follows.",
            _seconds(evaluation),
        ),
    ]
    return "\n\n".join(sections)


def methods_report(answers: Sequence[MethodAnswer]) -> str:
    """Tables of methods beside each other: means, and each query."""
    methods = list(dict.fromkeys(answer.method for answer in answers))
    by_method = {name: [answer for answer in answers if answer.method == name] for name in methods}
    means = [[name, *_mean_cells(own)] for name, own in by_method.items()]
    rows = [
        [own[0].query, own[0].group, *(_dice_cell(answer) for answer in own)]
        for own in zip(*by_method.values(), strict=True)
    ]
    failures = sorted({f"- {own.query}, {own.method}: {own.failure}" for own in answers if own.failure})
    sections = [
        section(
            "Methods on masks in the atlas",
            "Mean Dice with the masks and median seconds of the method alone; failures count as no value.",
            markdown_table(["method", "queries", "failed", "T1Gd", "FLAIR", "sum", "seconds"], means),
        ),
        section("Each query", "Dice T1Gd + FLAIR.", markdown_table(["query", "group", *methods], rows)),
    ]
    return "\n\n".join(sections + (["Failed:\n\n" + "\n".join(failures)] if failures else []))


def methods_record(answers: Sequence[MethodAnswer]) -> list[dict[str, Any]]:
    """Answers for JSON, without their slices."""
    return [{name: value for name, value in asdict(answer).items() if name != "axial_slice"} for answer in answers]


def _mean_cells(answers: Sequence[MethodAnswer]) -> list[str]:
    found = [answer.agreement for answer in answers if answer.agreement is not None]
    seconds = float(np.median([answer.seconds for answer in answers]))
    cells = [f"{len(answers)}", f"{len(answers) - len(found)}"]
    if not found:
        return [*cells, "-", "-", "-", number(seconds)]
    columns = ([each.dice_t1gd or 0.0 for each in found], [each.dice_flair for each in found])
    t1gd, flair = (float(np.mean(column)) for column in columns)
    return [*cells, f"{t1gd:.3f}", f"{flair:.3f}", f"{t1gd + flair:.3f}", number(seconds)]


def _dice_cell(answer: MethodAnswer) -> str:
    if answer.agreement is None:
        return "failed"
    return f"{answer.agreement.dice_t1gd or 0.0:.2f} + {answer.agreement.dice_flair:.2f}"


def _label(score: InverseScore) -> list[str]:
    return [f"{score.name} (small)" if score.is_small else score.name, score.growth_model, score.targets]


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:g}-{bounds[1]:g}"


def _errors(evaluation: InverseEvaluation) -> str:
    rows = [
        [*_label(score), f"{score.num_training_tumors}", *(number(score.published[name].mean) for name in _TISSUES)]
        for score in evaluation.scores
    ]
    models = {score.growth_model for score in evaluation.scores}
    rows += [
        ["paper", model, targets, "80000", *(number(value) for value in values)]
        for model, targets, values in _PAPER
        if model in models
    ]
    return markdown_table(["network", "tumor model", "predicted", "training tumors", "GM", "WM", "CSF"], rows)


def _union_errors(evaluation: InverseEvaluation) -> str:
    rows = [
        [*_label(score), *(number(score.union[name].mean) for name in (*_TISSUES, "all"))]
        for score in evaluation.scores
    ]
    return markdown_table(["network", "tumor model", "predicted", "GM", "WM", "CSF", "all"], rows)


def _dice(evaluation: InverseEvaluation) -> str:
    rows = [[f"{level:g}", *(mean_cell(score.dice[level]) for score in evaluation.scores)] for level in INVERSE_LEVELS]
    return markdown_table(["level", *(_label(score)[0] for score in evaluation.scores)], rows)


def _locations(evaluation: InverseEvaluation) -> str:
    rows = [
        [
            _label(score)[0],
            number(score.location_mm.mean, ".2f"),
            number(score.location_mm.percentile_95, ".2f"),
            number(score.location_axis_mm.mean, ".2f"),
            f"{score.num_clamped}",
            number(score.seed_moved_mm.mean, ".2f"),
            f"{score.num_not_simulated}",
            f"{score.num_without_core}",
        ]
        for score in evaluation.scores
    ]
    headers = ["network", "mm", "95 % [mm]", "per axis [mm]", "clamped", "moved [mm]", "not simulated", "no core"]
    return markdown_table(headers, rows)


def _seconds(evaluation: InverseEvaluation) -> str:
    rows = [
        [_label(score)[0], score.growth_model, f"{score.num_members}", number(score.network_s),
         number(score.simulation_s)]
        for score in evaluation.scores
    ]  # fmt: skip
    return markdown_table(["network", "tumor model", "members", "network [s]", "simulation [s]"], rows)
