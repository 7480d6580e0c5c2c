"""Cohorts for tests: patients whose files hold a word, worked on by a stand-in, and real ones in the phantom.

The stand-in writes the JSON files of a result in a millisecond; what is tested with it is who is worked on, and when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from phantom_brain import phantom_labels, write_phantom_patient

from gliofield.cohort import CohortRun, find_cohort, run_cohort, work
from gliofield.errors import ImageError
from gliofield.output import atomic_folder
from gliofield.pipeline import PersonalizationSettings
from gliofield.report.result_folder import RESULT_MARKER

NUMBERS = {
    "verdict": "no-concern",
    "concerns": [],
    "dice_patient_space": {"t1gd": 0.5, "flair": 0.75, "combined": 1.25},
    "tumor_volume_ml": {"tumor_core": 4.0, "whole_tumor": 40.0},
    "registration": {"brain_overlap": 0.95, "tissue_overlap": {"mean": 0.5}},
}


def write_words(folder: Path, names, *, seg: Mapping[str, str] | None = None) -> Path:
    """BraTS folders whose images hold the patient's name, and whose segmentation says so or something else."""
    for name in names:
        place = folder / name
        place.mkdir(parents=True)
        for ending in ("t1", "flair"):
            (place / f"p_{ending}.nii.gz").write_text(f"{ending} of {name}")
        (place / "p_seg.nii.gz").write_text((seg or {}).get(name, f"outlines of {name}"))
    return folder


class StandIn:
    """Works on patients in place of the pipeline; fails for those whose segmentation says ``broken``.

    Attributes
    ----------
    seen : list of str
        Names of patients, in the order in which they were worked on.
    """

    def __init__(self, monkeypatch) -> None:
        self.seen: list[str] = []
        self.numbers: dict[str, Mapping] = {}

        def personalize(worker, patient, atlas, method, report) -> None:
            self.seen.append(patient.name)
            said = patient.files.segmentation.read_text()
            if said == "broken":
                raise ImageError(f"{patient.files.segmentation} is broken.")
            if said == "a fault":
                raise ZeroDivisionError("of ours")
            write_result(worker.work.result_folder(patient), self.numbers.get(patient.name, NUMBERS))

        monkeypatch.setattr(work.PatientWorker, "_personalize", personalize)


def write_result(folder: Path, quality: Mapping = NUMBERS) -> None:
    """The JSON files of a result."""
    with atomic_folder(folder, replace=True, marker=RESULT_MARKER) as partial:
        settings = {"settings": {"method": "distance"}, "inputs": {"sha256": {}, "structural_image": "t1"}}
        parameters = {"parameters": {"growth_time_days": 100.0}, "identifiable": {"diffusion_length_mm": 8.0}}
        contents = {"quality": quality, "parameters": parameters, "provenance": settings}
        for name, content in contents.items():
            (partial / f"{name}.json").write_text(json.dumps(content))


def write_phantoms(folder: Path, number: int) -> Path:
    """Real patients in the phantom, with tumors of different sizes: p0, p1, …"""
    for place in range(number):
        write_phantom_patient(folder / f"p{place}", labels=phantom_labels(8.0 + place, 16.0 + 2 * place))
    return folder


def cohort_of(place: Path, out: Path, atlas: Path, *, run: CohortRun | None = None, seed: int = 0, **given):
    """Run all patients at a place in this process, by distances and without registration."""
    settings = PersonalizationSettings(registration="none", seed=seed)
    how = run or CohortRun(workers=1)
    return run_cohort(
        find_cohort(place), out, **{"method": "distance", "atlas": str(atlas), **given}, settings=settings, run=how
    )
