"""The demonstration: a virtual patient made, written, read back, personalized and scored against its truth.

It goes through files like a real case does, so what works here works on a BraTS folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.anatomy import Atlas, load_atlas
from gliofield.imaging import InverseMethod
from gliofield.pipeline.case import find_case_files, read_case
from gliofield.pipeline.method_options import MethodOptions
from gliofield.pipeline.result import PersonalizationResult
from gliofield.pipeline.run import personalize
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.virtual.patient import VirtualPatient, VirtualTumor, make_virtual_patient, write_virtual_patient
from gliofield.virtual.score import TruthScore, score_against_truth


@dataclass(frozen=True, kw_only=True, eq=False)
class DemoOutcome:
    """A personalized virtual patient and its score."""

    patient: VirtualPatient
    patient_folder: Path
    result: PersonalizationResult
    score: TruthScore


def run_demo(
    patient_folder: str | os.PathLike[str],
    *,
    atlas: Atlas,
    method: str | MethodOptions | InverseMethod,
    seed: int = 0,
    tumor: VirtualTumor | None = None,
    settings: PersonalizationSettings | None = None,
    force: bool = False,
    report: Reporter = ignore_progress,
) -> DemoOutcome:
    """Make a virtual patient in `patient_folder`, personalize it from its files, and score it.

    Parameters
    ----------
    patient_folder : path
        Where the patient's BraTS folder is written.
    atlas, method, settings : see `personalize`
    seed : int
        Draws the patient: deformation, seed of the tumor, noise.
    tumor : VirtualTumor, optional
        What grows in it.
    force : bool
        Replace an existing patient folder.

    Raises
    ------
    OutputError
        If the folder exists and `force` is false.
    """
    folder = Path(patient_folder)
    report(ProgressEvent(task="grow a virtual patient", completed=0, total=1))
    patient = make_virtual_patient(load_atlas("mni152"), rng=np.random.default_rng(seed), tumor=tumor)
    write_virtual_patient(patient, folder, force=force)
    report(ProgressEvent(task="grow a virtual patient", completed=1, total=1))
    case = read_case(find_case_files(folder))
    result = personalize(case, atlas=atlas, method=method, settings=settings, report=report)
    return DemoOutcome(
        patient=patient, patient_folder=folder, result=result, score=score_against_truth(result, patient)
    )
