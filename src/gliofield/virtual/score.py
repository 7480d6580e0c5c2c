"""How near a personalization came to the truth of a virtual patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gliofield.metrics.overlap import dice
from gliofield.pipeline.result import PersonalizationResult
from gliofield.virtual.patient import VirtualPatient


@dataclass(frozen=True, kw_only=True)
class TruthScore:
    """How near a personalization came to a known truth, all on the patient's grid.

    Parameters
    ----------
    dice_t1gd, dice_flair : float
        Dice of the visible masks; where a method corrects its answer to the outlines it holds by construction.
    dice_infiltration : float
        Dice of {u > 0.02}, most of which no scan shows.
    mean_absolute_error : float
        Mean |u - truth| over voxels where either exceeds 0.01.
    seed_error_mm : float or None
        Distance of the seeds [mm]; None where the method gives none.
    """

    dice_t1gd: float
    dice_flair: float
    dice_infiltration: float
    mean_absolute_error: float
    seed_error_mm: float | None


def score_against_truth(result: PersonalizationResult, patient: VirtualPatient) -> TruthScore:
    """Score a personalization of a virtual patient.

    Raises
    ------
    GridMismatchError
        If the result lies on another grid than the patient.
    """
    truth, estimate = patient.cell_density, result.density_patient
    truth.grid.require_same_as(estimate.grid, self_name="truth", other_name="result")
    thresholds = patient.thresholds
    nan = float("nan")
    either = (truth.data > 0.01) | (estimate.data > 0.01)
    return TruthScore(
        dice_t1gd=dice(thresholds.tumor_core(estimate.data), thresholds.tumor_core(truth.data), if_both_empty=nan),
        dice_flair=dice(thresholds.whole_tumor(estimate.data), thresholds.whole_tumor(truth.data), if_both_empty=nan),
        dice_infiltration=dice(estimate.data > 0.02, truth.data > 0.02, if_both_empty=nan),
        mean_absolute_error=float(np.abs(estimate.data - truth.data)[either].mean()),
        seed_error_mm=None
        if result.seed_patient_mm is None
        else float(np.linalg.norm(np.subtract(result.seed_patient_mm, patient.parameters.seed_mm))),
    )
