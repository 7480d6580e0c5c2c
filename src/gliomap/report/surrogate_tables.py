"""The tables of ``gliomap evaluate surrogate`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gliomap.experiments.density_errors import SURROGATE_LEVELS
from gliomap.experiments.measuring import is_machine_busy
from gliomap.experiments.surrogate_evaluation import TIMED_BATCH, SurrogateEvaluation, SurrogateScore
from gliomap.report.tables import markdown_table, number, section
from gliomap.surrogate import TISSUES

#: Figs. 7 and 10 of the surrogate paper: mean Dice at 0.2, 0.4 and 0.8, on 2,000 tumors of the authors' own.
PAPER_DICE = {
    "paper": (0.821, 0.813, 0.815),
    "paper, CSF only": (0.798, 0.799, 0.801),
}


def surrogate_report(evaluation: SurrogateEvaluation) -> str:
    """Conditions and all tables, as sections of the third level."""
    is_busy = is_machine_busy(evaluation.num_cores, evaluation.load_average)
    busy = " The machine was busy: compare seconds within the table." if is_busy else ""
    small = ""
    if any(score.is_small for score in evaluation.scores):
        small = " Surrogates marked small were trained with less than the paper's setting."
    conditions = (
        f"{evaluation.num_samples} test tumors in {evaluation.num_anatomies} anatomies nobody trained on, at "
        f"{evaluation.spacing_mm:g} mm; {evaluation.architecture}, {evaluation.num_cores} cores, load average "
        f"{evaluation.load_average:.1f}; networks on {evaluation.device}.{busy}{small}"
    )
    return "\n\n".join(
        [
            conditions,
            section(
                "Dice",
                "Mean over tumors with a value; in parentheses, where not 0, those without one: neither density "
                "exceeds the level. Lines marked paper are of other tumors.",
                _dice(evaluation),
            ),
            section(
                "Mean absolute error",
                "As the authors compute it (over the true tumor in white and gray matter, over the predicted one in "
                "CSF), with the 5th and 95th percentiles over tumors; and over the voxels where either has tumor.",
                _errors(evaluation),
            ),
            section(f"Dice at {SURROGATE_LEVELS[0]:g} by growth time", "Mean over tumors.", _by_time(evaluation)),
            section(
                "Seconds per tumor",
                f"Medians over {evaluation.num_timed} tumors: one at a time, in batches of {TIMED_BATCH}, and of the "
                "solver on one thread of this machine, which computes the whole grid. Above 1, the solver is faster.",
                _seconds(evaluation),
            ),
        ]
    )


def surrogate_record(evaluation: SurrogateEvaluation) -> dict[str, Any]:
    """The evaluation for JSON, without the errors of single tumors."""
    record = asdict(evaluation)
    for score in record["scores"]:
        del score["errors"]
    return record


def surrogate_label(score: SurrogateScore) -> str:
    """Name of a surrogate in tables and figures; small ones are marked."""
    return f"{score.name} (small)" if score.is_small else score.name


def _dice(evaluation: SurrogateEvaluation) -> str:
    rows = []
    for score in evaluation.scores:
        cells = []
        for value in score.dice.values():
            missing = f" ({value.num_undefined})" if value.num_undefined else ""
            cells.append(f"{number(value.mean, '.3f')}{missing}")
        rows.append([surrogate_label(score), score.tissues, score.loss, *cells])
    rows += [
        [name, "csf" if "CSF" in name else ", ".join(TISSUES), "tumor-and-csf", *(f"{value:.3f}" for value in values)]
        for name, values in PAPER_DICE.items()
    ]
    return markdown_table(["surrogate", "tissues", "loss", *(f"{level:g}" for level in SURROGATE_LEVELS)], rows)


def _errors(evaluation: SurrogateEvaluation) -> str:
    rows = []
    for score in evaluation.scores:
        cells = []
        for name in TISSUES:
            value = score.published[name]
            cells.append(f"{number(value.mean)} ({number(value.percentile_5)}-{number(value.percentile_95)})")
        rows.append([surrogate_label(score), *cells, number(score.union["all"].mean)])
    return markdown_table(["surrogate", "WM", "GM", "CSF", "either tumor"], rows)


def _by_time(evaluation: SurrogateEvaluation) -> str:
    times = sorted({time for score in evaluation.scores for time in score.dice_by_time})
    rows = [
        [f"{time:g}", *(number(score.dice_by_time[time].mean, ".3f") for score in evaluation.scores)] for time in times
    ]
    return markdown_table(["days", *(surrogate_label(score) for score in evaluation.scores)], rows)


def _seconds(evaluation: SurrogateEvaluation) -> str:
    rows = [
        [surrogate_label(score), number(score.single_s), number(score.batched_s), number(evaluation.solver_s),
         number(score.single_s / evaluation.solver_s), number(score.batched_s / evaluation.solver_s)]
        for score in evaluation.scores
    ]  # fmt: skip
    headers = ["surrogate", "single [s]", "batched [s]", "solver [s]", "single / solver", "batched / solver"]
    return markdown_table(headers, rows)
