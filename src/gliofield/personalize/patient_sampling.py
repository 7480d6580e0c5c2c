"""Method ``sample`` in the patient's own anatomy: tumors grow where the patient's scans are, not in the atlas.

This is the setting of Ezhov et al. 2021 ("Learnable surrogate"): the registration brings the atlas's tissue to the
patient (`patient_anatomy`), the masks and the PET stay where they were taken, only their spacing changes, and every
simulation of `SampleMethod` runs there. So what the registration does to a tumor does not enter the likelihood, and
maps reach the patient's grid without a warp. In the atlas, where results are compared among patients, everything is
the patient's, warped: densities and maps linearly, seeds as points.

Seeds of samples are positions in the patient and named so (`seed_patient_x_mm`); those of the atlas stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Atlas
from gliofield.bayes import CredibleInterval, PosteriorSamples
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, GrowthModel
from gliofield.personalize.case import Case
from gliofield.personalize.density_posterior import DensityPosterior
from gliofield.personalize.method import AtlasEstimate
from gliofield.personalize.patient_anatomy import DEFAULT_SPACING_MM, patient_anatomy, resampled_density
from gliofield.personalize.pipeline import (
    PersonalizationSettings,
    observe_in_atlas,
    observe_in_patient,
    recorded_settings,
    references_of,
    registered,
    scored,
)
from gliofield.personalize.result import PersonalizationResult
from gliofield.personalize.sample_method import SampleMethod, SampleSettings
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.registration import Transform
from gliofield.volume import Volume

_SEEDS_MM = ("seed_x_mm", "seed_y_mm", "seed_z_mm")
_SEEDS_PATIENT_MM = ("seed_patient_x_mm", "seed_patient_y_mm", "seed_patient_z_mm")


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientSampling:
    """How to sample in a patient.

    Parameters
    ----------
    settings : SampleSettings
        Sampler, prior and likelihood.
    model : GrowthModel
        How tumors grow, with one thread.
    fixed : mapping of str to float
        Model parameters that are not sampled, such as ``push_pa``.
    spacing_mm : float
        Spacing of the simulations [mm], > 0.
    domain_rule : str
        Rule of the simulation domain.

    Raises
    ------
    ParameterError
        If the spacing is not positive.
    """

    settings: SampleSettings = field(default_factory=SampleSettings)
    model: GrowthModel[Any] = field(default_factory=FisherKolmogorov)
    fixed: Mapping[str, float] = field(default_factory=dict)
    spacing_mm: float = DEFAULT_SPACING_MM
    domain_rule: str = DEFAULT_DOMAIN_RULE

    def __post_init__(self) -> None:
        if not self.spacing_mm > 0.0:
            raise ParameterError(f"spacing_mm must be > 0, got {self.spacing_mm}.")


def sample_in_patient(
    case: Case,
    *,
    atlas: Atlas,
    sampling: PatientSampling | None = None,
    settings: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> PersonalizationResult:
    """Posterior of tumors that grow in the patient's own anatomy; the counterpart of `personalize` with `SampleMethod`.

    Parameters
    ----------
    case : Case
        The patient (`read_case`).
    atlas : Atlas
        Whose tissue is moved to the patient.
    sampling : PatientSampling, optional
        Sampler, model and spacing.
    settings : PersonalizationSettings, optional
        Registration and thresholds. A run that shall go on from a stage file needs ``deterministic``: its anatomy comes
        from the registration.
    report : Reporter
        Told about every stage.

    Returns
    -------
    PersonalizationResult
        As of `personalize`; the atlas holds what was found in the patient, warped.

    Raises
    ------
    RegistrationError
        If patient and atlas cannot be registered, or the tumor is lost in the atlas.
    ParameterError
        If the domain rule is unknown, the tumor smaller than a voxel, or the stage file of another run.
    NumericalError, ImageError
        As `SampleMethod.estimate`.
    """
    how = PatientSampling() if sampling is None else sampling
    chosen = PersonalizationSettings() if settings is None else settings
    clock = StageClock(report)
    with clock.stage("register"):
        registration = registered(case, atlas, chosen, report)
        transform = registration.transform
    with clock.stage("move tissue to the patient"):
        anatomy = patient_anatomy(case, transform, atlas, spacing_mm=how.spacing_mm, domain_rule=how.domain_rule)
        observation = observe_in_patient(case, anatomy.grid, chosen)
        in_atlas = observe_in_atlas(case, transform, atlas.simulation_grid(), chosen)
    method = SampleMethod(
        anatomy=anatomy, atlas_hash=atlas.content_hash, settings=how.settings, model=how.model, fixed=how.fixed
    )
    with clock.stage(method.name):
        found = method.estimate(observation, report=report)
    with clock.stage("move densities"):
        density = resampled_density(found.cell_density, case)
        maps = {} if found.posterior is None else found.posterior.maps
        posterior_patient = {name: resampled_density(volume, case) for name, volume in maps.items()}
        estimate = _brought_to_atlas(found, transform, in_atlas.segmentation.grid, spacing_mm=how.spacing_mm)
    with clock.stage("score"):
        scores = scored(
            case,
            atlas,
            registration,
            simulated=(observation, anatomy.domain),
            in_patient=density,
            in_atlas=(estimate.cell_density, in_atlas),
            thresholds=chosen.thresholds,
        )
    x_mm, y_mm, z_mm = (float(found.parameters[name]) for name in _SEEDS_MM)
    recorded = recorded_settings(chosen, atlas, method_name=method.name, domain_rule=how.domain_rule)
    return PersonalizationResult(
        case=case,
        density_patient=density,
        estimate=estimate,
        candidate_densities_patient=(),
        seed_patient_mm=(x_mm, y_mm, z_mm),
        registration=registration,
        registration_quality=scores.quality,
        thresholds=chosen.thresholds,
        agreement_patient=scores.agreement_patient,
        agreement_atlas=scores.agreement_atlas,
        tumor_outside_domain=scores.outside_domain,
        concerns=(*scores.concerns, *estimate.concerns),
        settings={**recorded, "grown_in": "patient", "spacing_mm": how.spacing_mm},
        seconds=clock.seconds,
        method_name=method.name,
        references=references_of(registration, method.references),
        posterior_patient=posterior_patient,
    )


def _brought_to_atlas(found: AtlasEstimate, transform: Transform, grid: Grid, *, spacing_mm: float) -> AtlasEstimate:
    """What was found in the patient as an estimate in the atlas."""

    def moved(volume: Volume) -> Volume:
        return Volume(np.clip(transform.to_atlas(volume, grid).data, 0.0, 1.0), grid)

    seed = np.array([[found.parameters[name] for name in _SEEDS_MM]])
    seed_atlas_mm = transform.atlas_points_of(seed)[0]
    posterior = found.posterior
    return replace(
        found,
        cell_density=moved(found.cell_density),
        parameters={**found.parameters, **dict(zip(_SEEDS_MM, (float(x) for x in seed_atlas_mm), strict=True))},
        details={**found.details, "sampled_in": "patient", "spacing_mm": spacing_mm},
        posterior=None if posterior is None else _posterior_in_atlas(posterior, transform, moved),
    )


def _posterior_in_atlas(
    posterior: DensityPosterior, transform: Transform, moved: Callable[[Volume], Volume]
) -> DensityPosterior:
    samples = posterior.samples
    seeds = [list(samples.names).index(name) for name in _SEEDS_MM]
    in_patient = {
        dict(zip(_SEEDS_MM, _SEEDS_PATIENT_MM, strict=True)).get(name, name): interval
        for name, interval in posterior.intervals.items()
    }
    return replace(
        posterior,
        mean=moved(posterior.mean),
        std=moved(posterior.std),
        exceedance={name: moved(volume) for name, volume in posterior.exceedance.items()},
        samples=_with_seeds_named(samples),
        intervals={**in_patient, **_seed_intervals(samples, transform.atlas_points_of(samples.parameters[:, seeds]))},
        details={**posterior.details, "sampled_in": "patient"},
    )


def _with_seeds_named(samples: PosteriorSamples) -> PosteriorSamples:
    """The samples, their seeds named as positions in the patient."""
    names = dict(zip(_SEEDS_MM, _SEEDS_PATIENT_MM, strict=True))
    return replace(samples, names=tuple(names.get(name, name) for name in samples.names))


def _seed_intervals(samples: PosteriorSamples, seeds_atlas_mm: NDArray[np.float64]) -> dict[str, CredibleInterval]:
    """Intervals of the seeds in the atlas, (N, 3)."""
    moved = replace(samples, names=_SEEDS_MM, units=("mm", "mm", "mm"), parameters=seeds_atlas_mm)
    return moved.credible_intervals()
