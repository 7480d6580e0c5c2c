"""From one scan to a tumor-cell map: register, move the masks, ask an inverse method, bring its density back.

The four steps are those of Ezhov et al. 2022, "Casting the inverse problem as a database query", section 2.2, and the
same for every inverse method. Nothing is written here: `personalize` returns a value, `report.result_folder` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.segmentation import Segmentation
from gliofield.dice import dice
from gliofield.errors import DatabaseError, ParameterError, RegistrationError
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.personalize.case import Case
from gliofield.personalize.method import AtlasEstimate, AtlasObservation, InverseMethod
from gliofield.personalize.result import MaskAgreement, PersonalizationResult
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.registration import (
    DEFAULT_PRESET,
    RegistrationQuality,
    RegistrationResult,
    Transform,
    register,
    registration_preset,
    registration_quality,
)
from gliofield.volume import Volume

_PIPELINE_REFERENCE = (
    "Ezhov et al. (2022), Casting the inverse problem as a database query. The case of personalized tumor growth "
    "modeling"
)
_DEFORMABLE_REFERENCE = (
    "Avants et al. (2008), Symmetric diffeomorphic image registration with cross-correlation, "
    "doi:10.1016/j.media.2007.06.004"
)
# A part of the tumor above this outside the domain deserves a word in the result.
_NOTABLE_OUTSIDE = 0.15
# An answer whose visible tumor overlaps less than this with a mask (Dice) is not that tumor. *Chosen*.
_POOR_DICE = 0.3


@dataclass(frozen=True, kw_only=True)
class PersonalizationSettings:
    """How to personalize; the inverse method brings its own settings.

    Parameters
    ----------
    registration : str
        Name of a registration preset.
    thresholds : VisibilityThresholds
        Densities that T1Gd and FLAIR are taken to show.
    seed : int
        Seed of whatever is random.
    deterministic : bool
        Bit-identical registration from the same inputs and seed, at 2-3 times its time.
    num_threads : int or None
        Threads of the registration; None: all cores available.

    Raises
    ------
    ParameterError
        If the preset is unknown, or the seed or number of threads out of range.
    """

    registration: str = DEFAULT_PRESET
    thresholds: VisibilityThresholds = VisibilityThresholds()
    seed: int = 0
    deterministic: bool = False
    num_threads: int | None = None

    def __post_init__(self) -> None:
        registration_preset(self.registration)
        if self.seed < 0:
            raise ParameterError(f"seed must be a non-negative integer, got {self.seed}.")
        if self.num_threads is not None and self.num_threads < 1:
            raise ParameterError(f"num_threads must be at least 1, got {self.num_threads}.")


def personalize(
    case: Case,
    *,
    atlas: Atlas,
    method: InverseMethod,
    settings: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> PersonalizationResult:
    """Tumor-cell density of a patient, and the growth parameters behind it.

    Parameters
    ----------
    case : Case
        The patient (`read_case`).
    atlas : Atlas
        The atlas the method was made for.
    method : InverseMethod
        For example `QueryMethod(database)`.
    settings : PersonalizationSettings, optional
        Registration and thresholds.
    report : Reporter
        Told about every stage.

    Raises
    ------
    DatabaseError
        If the method was made for another atlas.
    RegistrationError
        If patient and atlas cannot be registered, or the tumor is lost on the way.
    """
    chosen = PersonalizationSettings() if settings is None else settings
    if method.atlas_hash != atlas.content_hash:
        raise DatabaseError(
            f"the method {method.name!r} was made for another atlas (content hash {method.atlas_hash[:12]}…) than "
            f"{atlas.name} ({atlas.content_hash[:12]}…). Use the atlas it was made for, or build a database for this "
            "one."
        )
    clock = StageClock(report)
    with clock.stage("register"):
        registration = registered(case, atlas, chosen, report)
    with clock.stage("move masks to the atlas"):
        observation = observe_in_atlas(case, registration.transform, method.grid, chosen)
    with clock.stage(method.name):
        estimate = method.estimate(observation, report=report)
    with clock.stage("move density to the patient"):
        density = density_in_patient(estimate.cell_density, registration.transform, case)
        candidate_densities = tuple(
            density_in_patient(candidate.cell_density, registration.transform, case)
            for candidate in estimate.candidates
            if candidate.cell_density is not None
        )
        posterior = {} if estimate.posterior is None else estimate.posterior.maps
        posterior_patient = {
            name: density_in_patient(volume, registration.transform, case) for name, volume in posterior.items()
        }
    with clock.stage("score"):
        scores = scored(
            case,
            atlas,
            registration,
            simulated=(observation, atlas.anatomy(method.grid, domain_rule=method.domain_rule).domain),
            in_patient=density,
            in_atlas=(estimate.cell_density, observation),
            thresholds=chosen.thresholds,
        )
    return PersonalizationResult(
        case=case,
        density_patient=density,
        estimate=estimate,
        candidate_densities_patient=candidate_densities,
        seed_patient_mm=_seed_in_patient(estimate, registration.transform),
        registration=registration,
        registration_quality=scores.quality,
        thresholds=chosen.thresholds,
        agreement_patient=scores.agreement_patient,
        agreement_atlas=scores.agreement_atlas,
        tumor_outside_domain=scores.outside_domain,
        concerns=(*scores.concerns, *estimate.concerns),
        settings=recorded_settings(chosen, atlas, method_name=method.name, domain_rule=method.domain_rule),
        seconds=clock.seconds,
        method_name=method.name,
        references=references_of(registration, method.references),
        posterior_patient=posterior_patient,
    )


def registered(
    case: Case, atlas: Atlas, settings: PersonalizationSettings, report: Reporter = ignore_progress
) -> RegistrationResult:
    """Registration of a patient with the atlas, as the settings say.

    Raises
    ------
    RegistrationError
        If they cannot be registered.
    """
    return register(
        patient_image=case.structural_image,
        atlas_image=atlas.t1,
        patient_brain=Volume(case.brain, case.grid),
        lesion=Volume(case.segmentation.whole_tumor, case.grid),
        preset=settings.registration,
        seed=settings.seed,
        deterministic=settings.deterministic,
        num_threads=settings.num_threads,
        report=report,
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a result says of its own quality; fields as in `PersonalizationResult`, concerns without the method's."""

    quality: RegistrationQuality
    agreement_patient: MaskAgreement
    agreement_atlas: MaskAgreement
    outside_domain: dict[str, float | None]
    concerns: tuple[str, ...]


def scored(
    case: Case,
    atlas: Atlas,
    registration: RegistrationResult,
    *,
    simulated: tuple[AtlasObservation, NDArray[np.bool_]],
    in_patient: Volume,
    in_atlas: tuple[Volume, AtlasObservation],
    thresholds: VisibilityThresholds,
) -> Scores:
    """Scores of densities in both spaces.

    Parameters
    ----------
    case, atlas, registration
        The patient and its way to the atlas.
    simulated : (AtlasObservation, (X, Y, Z) bool array)
        Masks and simulation domain on the grid on which tumors grew.
    in_patient : Volume
        Density on the patient's grid.
    in_atlas : (Volume, AtlasObservation)
        Density and masks in the atlas, on one grid.
    thresholds : VisibilityThresholds
        Densities taken as visible.
    """
    quality = _registration_quality(case, atlas, registration)
    observation, domain = simulated
    outside = _outside_domain(observation.segmentation, domain)
    density_atlas, observation_atlas = in_atlas
    agreement_atlas = mask_agreement(density_atlas.data, observation_atlas.segmentation, thresholds)
    return Scores(
        quality=quality,
        agreement_patient=mask_agreement(in_patient.data, case.segmentation, thresholds),
        agreement_atlas=agreement_atlas,
        outside_domain=outside,
        concerns=(*quality.concerns, *_concerns(case, observation, outside), *_poor_agreement(agreement_atlas)),
    )


def recorded_settings(
    settings: PersonalizationSettings, atlas: Atlas, *, method_name: str, domain_rule: str
) -> dict[str, Any]:
    """Settings of a run for its provenance, JSON-ready."""
    return {
        "atlas": atlas.name,
        "atlas_content_hash": atlas.content_hash,
        "domain_rule": domain_rule,
        "method": method_name,
        "registration": settings.registration,
        "t1gd_threshold": settings.thresholds.t1gd_threshold,
        "flair_threshold": settings.thresholds.flair_threshold,
        "seed": settings.seed,
        "deterministic": settings.deterministic,
    }


def references_of(registration: RegistrationResult, references: tuple[str, ...]) -> tuple[str, ...]:
    """Papers behind pipeline and registration, then those of a method."""
    return (_PIPELINE_REFERENCE, *_registration_references(registration), *references)


def observe_in_atlas(
    case: Case, transform: Transform, grid: Grid, settings: PersonalizationSettings
) -> AtlasObservation:
    """A patient's masks on a grid in atlas space, moved by the rule of the registration preset, and PET, linearly.

    A core that is lost on the way (smaller than a voxel) becomes "no core".

    Raises
    ------
    RegistrationError
        If nothing of the whole tumor is left.
    """
    observation = _observed(case, transform, grid, settings)
    if observation is None:
        raise RegistrationError(
            f"no tumor is left in atlas space: the whole tumor has {case.segmentation.whole_ml:.2f} ml in the patient "
            "and 0 voxels on the atlas grid. It is smaller than a voxel, or the registration failed (see the overview)."
        )
    return observation


def observe_in_patient(case: Case, grid: Grid, settings: PersonalizationSettings) -> AtlasObservation:
    """A patient's masks and PET on another grid of the patient's world, by the same rules as `observe_in_atlas`.

    Raises
    ------
    ParameterError
        If nothing of the whole tumor is left.
    """
    observation = _observed(case, Transform.identity(), grid, settings)
    if observation is None:
        raise ParameterError(
            f"no tumor is left at a spacing of {min(grid.spacing_mm):g} mm: the whole tumor has "
            f"{case.segmentation.whole_ml:.2f} ml in the patient. Use a smaller spacing."
        )
    return observation


def _observed(
    case: Case, transform: Transform, grid: Grid, settings: PersonalizationSettings
) -> AtlasObservation | None:
    """Masks and PET on a grid; None if nothing of the whole tumor is left."""
    rule = registration_preset(settings.registration).mask_interpolation
    whole = transform.mask_to_atlas(Volume(case.segmentation.whole_tumor, case.grid), grid, rule).data
    core = transform.mask_to_atlas(Volume(case.segmentation.tumor_core, case.grid), grid, rule).data
    if not whole.any():
        return None
    segmentation = Segmentation(tumor_core=core & whole, whole_tumor=whole, grid=grid, scheme=case.segmentation.scheme)
    pet = transform.to_atlas(case.images["pet"], grid) if "pet" in case.images else None
    return AtlasObservation(segmentation=segmentation, thresholds=settings.thresholds, pet=pet)


def density_in_patient(cell_density: Volume, transform: Transform, case: Case) -> Volume:
    """Atlas density on the patient's grid: linear, in [0, 1], 0 outside the brain."""
    moved = transform.to_patient(cell_density, case.grid).data
    return Volume(np.where(case.brain, np.clip(moved, 0.0, 1.0), 0.0).astype(np.float32), case.grid)


def mask_agreement(
    cell_density: NDArray[np.float32], segmentation: Segmentation, thresholds: VisibilityThresholds
) -> MaskAgreement:
    """Dice of the thresholded density with the masks of a segmentation on the same grid."""
    core = None
    if segmentation.has_core:
        core = dice(thresholds.tumor_core(cell_density), segmentation.tumor_core, if_both_empty=0.0)
    whole = dice(thresholds.whole_tumor(cell_density), segmentation.whole_tumor, if_both_empty=0.0)
    return MaskAgreement(dice_t1gd=core, dice_flair=whole)


def _registration_references(registration: RegistrationResult) -> tuple[str, ...]:
    """Papers behind what was really done: SyN only where something was deformed."""
    preset = registration.preset
    deformable = () if preset.deformable is None else (_DEFORMABLE_REFERENCE,)
    return (*deformable, *((preset.reference,) if preset.reference else ()))


def _registration_quality(case: Case, atlas: Atlas, registration: RegistrationResult) -> RegistrationQuality:
    is_t1_weighted = case.structural_modality in ("t1", "t1c")
    return registration_quality(
        registration.transform,
        patient_image=case.structural_image,
        patient_brain=Volume(case.brain, case.grid),
        atlas_brain=Volume(atlas.tissue_maps.brain, atlas.grid),
        atlas_tissues=atlas.tissue_maps if is_t1_weighted else None,
        tumor_core=Volume(case.segmentation.tumor_core, case.grid),
        whole_tumor=Volume(case.segmentation.whole_tumor, case.grid),
    )


def _outside_domain(segmentation: Segmentation, domain: NDArray[np.bool_]) -> dict[str, float | None]:
    def part(mask: NDArray[np.bool_]) -> float | None:
        count = int(np.count_nonzero(mask))
        return None if count == 0 else float(np.count_nonzero(mask & ~domain)) / count

    return {"tumor_core": part(segmentation.tumor_core), "whole_tumor": part(segmentation.whole_tumor)}


def _seed_in_patient(estimate: AtlasEstimate, transform: Transform) -> tuple[float, float, float]:
    seed_atlas_mm = [estimate.parameters[f"seed_{axis}_mm"] for axis in "xyz"]
    x, y, z = transform.patient_points_of(np.array([seed_atlas_mm]))[0]
    return float(x), float(y), float(z)


def _concerns(case: Case, observation: AtlasObservation, outside: Mapping[str, float | None]) -> tuple[str, ...]:
    """Plain-language remarks on data and observation."""
    remarks = []
    if not case.segmentation.has_core:
        remarks.append("no tumor core in the segmentation: the match uses the FLAIR mask alone")
    elif not observation.segmentation.has_core:
        remarks.append(
            f"the tumor core ({case.segmentation.core_ml:.2f} ml) is lost on the simulation grid: the match uses the "
            "FLAIR mask alone"
        )
    if case.structural_modality != "t1":
        remarks.append(f"no T1 image: {case.structural_modality} was registered to the T1 atlas")
    remarks.extend(
        f"{part:.0%} of the {name.replace('_', ' ')} lies outside the simulation domain, where no cells can grow"
        for name, part in outside.items()
        if part is not None and part > _NOTABLE_OUTSIDE
    )
    return tuple(remarks)


def _poor_agreement(agreement: MaskAgreement) -> tuple[str, ...]:
    """What of the tumor the answer does not show, before registration errors of the way back come in."""
    shown = {"tumor core (T1Gd)": agreement.dice_t1gd, "whole tumor (FLAIR)": agreement.dice_flair}
    return tuple(
        f"the answer hardly shows the {name}: Dice {value:.2f} in the atlas. Do not rely on it; another method may fit"
        for name, value in shown.items()
        if value is not None and value < _POOR_DICE
    )
