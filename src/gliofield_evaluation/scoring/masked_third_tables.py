"""The masked third on paper: a page with the table, all numbers as JSON, a row per sector and ranking as CSV."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.metrics import Mean, mean_of, paired_difference
from gliofield.output import atomic_file
from gliofield.report.json_files import write_json
from gliofield.report.tables import csv_of, markdown_table, number
from gliofield_evaluation.scoring.masked_third import MaskedThirdEvaluation
from gliofield_evaluation.scoring.third_rankings import ELLIPSOID

_COMPARED = (ELLIPSOID, "core distance")


def patient_means(evaluation: MaskedThirdEvaluation, ranking: str) -> list[float]:
    """Mean coverage of a ranking in the sectors of each patient, in order; NaN without one."""
    return [mean_of([sector[ranking] for sector in sectors]).mean for sectors in evaluation.coverage.values()]


def masked_third_report(evaluation: MaskedThirdEvaluation) -> str:
    """Both tables, and what they rest on, in Markdown."""
    names = list(evaluation.coverage)
    number_of_sectors = evaluation.settings.num_sectors
    rows = []
    for ranking in evaluation.settings.scored:
        means = patient_means(evaluation, ranking)
        differences = [paired_difference(means, patient_means(evaluation, control)) for control in _COMPARED]
        rows.append(
            [
                ranking,
                *(number(mean, ".3f") for mean in means),
                _with_error(mean_of(means), ".3f"),
                *(f"{_with_error(found.mean, '+.3f')} ({found.wins}/{found.losses})" for found in differences),
            ]
        )
    headings = ["ranking", *names, "mean ± SEM", *(f"minus {control}" for control in _COMPARED)]
    undefined = sum(
        np.isnan(share) for sectors in evaluation.coverage.values() for one in sectors for share in one.values()
    )
    parts = [
        f"A third of the tumor is hidden, in {number_of_sectors} directions of each patient; the share of it that a "
        "ranking finds at its volume. Errors are those of the mean over patients; in brackets the patients in which a "
        "ranking is better and worse.",
        markdown_table(headings, rows),
        "Growth with nothing hidden, before a correction:",
        markdown_table(
            ["patient", "Dice sum", "foci", "tensor x, y, z", "seconds of one core"],
            [
                [name, f"{one.dice_sum:.2f}", str(one.num_foci), ", ".join(f"{a:.2f}" for a in one.axis_stretch)]
                + [f"{one.seconds:.1f}"]
                for name, one in evaluation.explained.items()
            ],
        ),
    ]
    if undefined:
        parts.append(f"{undefined} values are undefined and left out: nothing was hidden, or no ranking could be made.")
    parts += [f"Left out: {name} ({reason})" for name, reason in evaluation.left_out.items()]
    return "\n\n".join(parts)


def masked_third_record(evaluation: MaskedThirdEvaluation) -> dict[str, Any]:
    """All numbers, JSON-ready."""
    rankings = {}
    for ranking in evaluation.settings.scored:
        means = patient_means(evaluation, ranking)
        rankings[ranking] = {
            "coverage": dataclasses.asdict(mean_of(means)),
            "by_patient": dict(zip(evaluation.coverage, means, strict=True)),
            **{
                f"minus {control}": dataclasses.asdict(paired_difference(means, patient_means(evaluation, control)))
                for control in _COMPARED
            },
        }
    return {
        "settings": dataclasses.asdict(evaluation.settings),
        "rankings": rankings,
        "explained": {name: dataclasses.asdict(one) for name, one in evaluation.explained.items()},
        "left_out": dict(evaluation.left_out),
    }


def write_masked_third(evaluation: MaskedThirdEvaluation, folder: Path) -> None:
    """Write ``masked_third.md``, ``masked_third.json`` and ``sectors.csv`` into the evaluation's folder.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    rows = [
        {"patient": name, "sector": sector, "ranking": ranking, "coverage": share}
        for name, sectors in evaluation.coverage.items()
        for sector, shares in enumerate(sectors, start=1)
        for ranking, share in shares.items()
    ]
    with atomic_file(folder / "masked_third.md", replace=True) as partial:
        partial.write_text(masked_third_report(evaluation) + "\n", encoding="utf-8")
    with atomic_file(folder / "sectors.csv", replace=True) as partial:
        partial.write_text(csv_of(rows), encoding="utf-8")
    with atomic_file(folder / "masked_third.json", replace=True) as partial:
        write_json(partial, masked_third_record(evaluation))


def _with_error(value: Mean, form: str) -> str:
    return f"{number(value.mean, form)} ± {number(value.standard_error, '.3f')}"
