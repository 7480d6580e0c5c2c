"""The tables of ``gliofield papers surrogate`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from gliofield.report.tables import Column, ResultTable, number, section
from gliofield_papers.differences import difference_sections
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS, MeanValue
from gliofield_papers.forward.evaluation import SurrogateEvaluation, SurrogateScore
from gliofield_papers.forward.seconds import TIMED_BATCH
from gliofield_papers.measuring import is_machine_busy
from gliofield_papers.surrogate import TISSUES

#: Figs. 7 and 10 of the surrogate paper: mean Dice of the network alone at 0.2, 0.4 and 0.8, on 2,000 tumors of the
#: authors' own.
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
                "Within the cube around the seed. First what the model gives, which is 0 outside the tissue, then the "
                "network alone as published, which shows tumor in CSF as well. Mean over tumors with a value; in "
                "parentheses, where not 0, those without one: neither density exceeds the level; ±: standard error. "
                "Lines marked paper are of other tumors.",
                _dice(evaluation),
            ),
            ResultTable(
                title="Mean absolute error",
                note="As the authors compute it, with the 5th and 95th percentiles over tumors: over the true tumor in "
                "white and gray matter, and over the predicted one in CSF, where only the network alone has any. The "
                "last column is of what the model gives, over the voxels where either has tumor.",
                columns=_ERRORS,
                rows=evaluation.scores,
            ).markdown(),
            *difference_sections(evaluation.scores, surrogate_label, SURROGATE_LEVELS),
            section(
                f"Dice at {SURROGATE_LEVELS[0]:g} by growth time",
                "Of what the model gives; mean ± standard error over tumors.",
                _by_time(evaluation),
            ),
            section("Seconds per tumor", _seconds_text(evaluation), _seconds(evaluation)),
        ]
    )


def surrogate_record(evaluation: SurrogateEvaluation) -> dict[str, Any]:
    """The evaluation for JSON, without the errors of single tumors."""
    record = asdict(evaluation)
    for score in record["scores"]:
        del score["errors"], score["network_errors"]
    return record


def surrogate_label(score: SurrogateScore) -> str:
    """Name of a surrogate in tables and figures; small ones are marked."""
    return f"{score.name} (small)" if score.is_small else score.name


def _dice(evaluation: SurrogateEvaluation) -> str:
    rows = [
        [surrogate_label(score), score.tissues, score.loss, *score.dice.values(), *score.network_dice.values()]
        for score in evaluation.scores
    ]
    for name, values in PAPER_DICE.items():
        tissues = "csf" if "CSF" in name else ", ".join(TISSUES)
        rows.append([name, tissues, "tumor-and-csf", *(None for _ in values), *values])
    levels = [f"{level:g}" for level in SURROGATE_LEVELS]
    titles = ("surrogate", "tissues", "loss", *levels, *(f"network {level}" for level in levels))
    columns = [Column(title, lambda row, place=place: _cell(row[place])) for place, title in enumerate(titles)]
    return ResultTable(columns=columns, rows=rows).markdown()


def _cell(value: MeanValue | float | str | None) -> str | None:
    return value.cell if isinstance(value, MeanValue) else f"{value:.3f}" if isinstance(value, float) else value


def _with_percentiles(value: MeanValue) -> str:
    return f"{number(value.mean)} ({number(value.percentile_5)}-{number(value.percentile_95)})"


_ERRORS = (
    Column("surrogate", surrogate_label),
    *(
        Column(title, lambda score, name=name: _with_percentiles(score.published[name]))
        for title, name in zip(("WM", "GM", "CSF, network alone"), TISSUES, strict=True)
    ),
    Column("either tumor", lambda score: score.union["all"].with_error),
)


def _by_time(evaluation: SurrogateEvaluation) -> str:
    columns = [
        Column(surrogate_label(score), lambda time, score=score: score.dice_by_time[time].with_error)
        for score in evaluation.scores
    ]
    times = sorted({time for score in evaluation.scores for time in score.dice_by_time})
    return ResultTable(columns=[Column("days", lambda time: time, "g"), *columns], rows=times).markdown()


def _seconds_text(evaluation: SurrogateEvaluation) -> str:
    threads = f"{evaluation.num_threads} thread" + ("s" if evaluation.num_threads > 1 else "")
    conditions = f"solver and networks with {threads}"
    if evaluation.device != "cpu":
        conditions = f"solver with {threads} of the processor, networks on {evaluation.device}"
    batches = ""
    if _has_solver_batches(evaluation):
        batches = " Batched, the solver computes on the device too, all timed tumors of an anatomy at once."
    return (
        f"Medians over {evaluation.num_timed} tumors, in turn; {conditions}. Networks take one tumor at a time, and "
        f"batches of {TIMED_BATCH}; the solver takes one at a time, on the whole grid.{batches} Above 1, the solver is "
        "faster."
    )


def _seconds(evaluation: SurrogateEvaluation) -> str:
    solver_s, batched_s, name = evaluation.solver_s, evaluation.solver_s, "solver"
    batches = []
    if _has_solver_batches(evaluation):
        batched_s, name = evaluation.solver_batched_s, "solver batched"
        batches = [Column("solver batched [s]", lambda score: batched_s)]
    columns = [
        Column("surrogate", surrogate_label),
        Column("single [s]", "single_s"),
        Column("batched [s]", "batched_s"),
        Column("solver [s]", lambda score: solver_s),
        *batches,
        Column("single / solver", lambda score: score.single_s / solver_s),
        Column(f"batched / {name}", lambda score: score.batched_s / batched_s),
    ]
    return ResultTable(columns=columns, rows=evaluation.scores).markdown()


def _has_solver_batches(evaluation: SurrogateEvaluation) -> bool:
    return math.isfinite(evaluation.solver_batched_s)
