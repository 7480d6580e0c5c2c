"""The output folder of ``gliofield papers bayes``: tables, record and figures beside the files of its parts.

The parts (virtual cases, costs, patients) are written by the evaluation itself, as they are done; everything here can
be made from them again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gliofield.anatomy import Atlas
from gliofield.output import atomic_file
from gliofield.report.figure_files import write_figure
from gliofield.report.json_files import write_json
from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, Calibration
from gliofield_papers.bayes.evaluation import BayesEvaluation
from gliofield_papers.bayes.figures import calibration_figure, interval_figure, map_figure
from gliofield_papers.bayes.patient_files import PatientPosterior
from gliofield_papers.bayes.tables import RUN_LABELS, bayes_report

RECORD_FILE = "evaluation.json"


def write_bayes_folder(evaluation: BayesEvaluation, folder: Path, atlas: Atlas) -> None:
    """Write ``tables.md``, ``evaluation.json`` and the figures; older ones are replaced.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    with atomic_file(folder / "tables.md") as partial:
        partial.write_text(bayes_report(evaluation) + "\n", encoding="utf-8")
    with atomic_file(folder / RECORD_FILE) as partial:
        write_json(partial, bayes_record(evaluation))
    small = ", small" if evaluation.settings.is_small else ""
    for name, calibration in evaluation.calibration.items():
        title = f"Rank of the truth, {RUN_LABELS[name]}, {calibration.num_cases} cases{small}"
        write_figure(calibration_figure(calibration, title=title), folder / f"ranks_{name}.png", replace=True)
    write_figure(interval_figure(evaluation), folder / "coverage.png", replace=True)
    pairs = map_figure(evaluation, atlas)
    if pairs is not None:
        write_figure(pairs, folder / "map.png", replace=True)


def bayes_record(evaluation: BayesEvaluation) -> dict[str, Any]:
    """Everything but images, JSON-ready."""
    return {
        "settings": dataclasses.asdict(evaluation.settings),
        "conditions": {
            "num_domain_voxels": evaluation.num_domain_voxels,
            "num_compared_voxels": evaluation.num_compared_voxels,
            "surrogate": evaluation.surrogate,
        },
        "calibration": {name: _calibration_record(each) for name, each in evaluation.calibration.items()},
        "time_places": evaluation.time_places.tolist(),
        "cases": [dataclasses.asdict(case) for case in evaluation.cases],
        "cost": None if evaluation.cost is None else dataclasses.asdict(evaluation.cost),
        "patients": [_patient_record(patient) for patient in evaluation.patients],
        "patients_left_out": dict(evaluation.left_out),
    }


def _calibration_record(calibration: Calibration) -> dict[str, Any]:
    return {
        "num_cases": calibration.num_cases,
        "smallest_p_value": calibration.smallest_p_value,
        "coverage_levels": COVERAGE_LEVELS,
        "expected_coverage": calibration.expected_coverage,
        "coverage_errors": calibration.coverage_errors,
        "mean_coverage": calibration.mean_coverage,
        "parameters": {
            each.name: {
                "ranks": each.ranks,
                "bin_counts": each.bin_counts,
                "band": each.band,
                "p_value": each.p_value,
                "mean_place": each.mean_place,
                "mean_place_p_value": each.place_p_value,
                "coverage": each.coverage,
            }
            for each in calibration.parameters
        },
    }


def _patient_record(patient: PatientPosterior) -> dict[str, Any]:
    content = {
        each.name: getattr(patient, each.name)
        for each in dataclasses.fields(patient)
        if each.name not in ("densities", "masks", "models")
    }
    return {**content, "models": {label: dataclasses.asdict(model) for label, model in patient.models.items()}}
