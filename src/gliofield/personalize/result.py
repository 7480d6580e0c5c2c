"""What `personalize` returns, as values; `report.result_folder` writes it to disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.personalize.case import Case
from gliofield.personalize.method import AtlasEstimate
from gliofield.registration import RegistrationQuality, RegistrationResult
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True)
class MaskAgreement:
    """Dice of the thresholded density with the tumor masks in one space.

    `dice_t1gd` is None where the patient has no tumor core; `combined` is the sum over the modalities there are,
    `num_modalities` its largest possible value (the papers' Dice_T1Gd + Dice_FLAIR when it is 2).
    """

    dice_t1gd: float | None
    dice_flair: float

    @property
    def combined(self) -> float:
        """Sum of the Dice values there are."""
        return self.dice_flair + (self.dice_t1gd or 0.0)

    @property
    def num_modalities(self) -> int:
        """1 or 2."""
        return 1 if self.dice_t1gd is None else 2


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonalizationResult:
    """Everything one personalization found out.

    Parameters
    ----------
    case : Case
        The patient.
    density_patient : Volume
        Tumor-cell density on the case's grid (RAS+), float32 in [0, 1], 0 outside the brain.
    estimate : AtlasEstimate
        Density in the atlas, parameters, runners-up.
    candidate_densities_patient : tuple of Volume
        Densities of the candidates of which they were asked for, best first, as `density_patient`.
    seed_patient_mm : tuple of 3 float
        Seed of the tumor in the patient's world [mm, RAS+].
    registration : RegistrationResult
        Transform between the two spaces.
    registration_quality : RegistrationQuality
        What the transform does to brain and tumor.
    thresholds : VisibilityThresholds
        Densities taken as visible.
    agreement_patient, agreement_atlas : MaskAgreement
        Dice in both spaces.
    tumor_outside_domain : mapping of str to float or None
        Part of core and whole tumor outside the simulation domain, on its grid, which no simulation can match.
    concerns : tuple of str
        What a reader of the result should know, in plain words.
    settings : mapping
        Settings of the run, JSON-ready.
    seconds : mapping of str to float
        Wall time of every stage.
    method_name : str
    references : tuple of str
        Papers behind the methods used.
    posterior_patient : mapping of str to Volume
        Maps of the method's posterior (``mean``, ``std``, ``probability_t1gd``, ``probability_flair``) as
        `density_patient`; empty where the method has none.
    """

    case: Case
    density_patient: Volume
    estimate: AtlasEstimate
    candidate_densities_patient: tuple[Volume, ...]
    seed_patient_mm: tuple[float, float, float]
    registration: RegistrationResult
    registration_quality: RegistrationQuality
    thresholds: VisibilityThresholds
    agreement_patient: MaskAgreement
    agreement_atlas: MaskAgreement
    tumor_outside_domain: Mapping[str, float | None]
    concerns: tuple[str, ...]
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]
    method_name: str
    references: tuple[str, ...]
    posterior_patient: Mapping[str, Volume] = field(default_factory=dict)
