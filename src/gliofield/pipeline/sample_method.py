"""Inverse method ``sample``: all tumors that explain the scans, by TMCMC.

Ezhov et al. 2021 ("Learnable surrogate") infer eleven parameters, nine without FET-PET, from T1Gd and FLAIR masks and
PET; here by any growth model in the atlas, and with PET twelve, for healthy brain takes up tracer, too. The answer is
the density of the best sample (MAP), beside it mean, standard deviation and P(u > threshold) of the density, intervals
of all parameters, and a check whether masks drawn from the posterior look like the observed ones.

Growth alone is sampled by default: thresholds, width and those of PET are integrated over their prior, and drawn
afterwards (`bayes.imaging_integral`). Two levels are used (`bayes.multilevel`: most steps at half the resolution,
corrected exactly), with settings that show no bias (`TmcmcSettings.thorough`) and few samples, and
each voxel counts as its share of an independent one. The paper's own algorithm is `SampleSettings.paper`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Anatomy, SpaceName, SpaceRequest
from gliofield.bayes import (
    BoxPrior,
    GrowthTimePrior,
    PosteriorTarget,
    TmcmcResult,
    TmcmcSettings,
    patient_specific_prior,
    sample_posterior,
    surrogate_paper_prior,
)
from gliofield.bayes.database_start import ReferenceDensity, StartedTarget, reference_of_matches
from gliofield.bayes.growth_sampling import GrowthSampling, sample_growth
from gliofield.bayes.growth_target import GrowthLikelihood
from gliofield.bayes.identifiable import IdentifiableTumors
from gliofield.bayes.multilevel_sampling import sample_multilevel
from gliofield.bayes.multilevel_state import Levels, MultilevelSettings, MultilevelStageInfo
from gliofield.bayes.predictive_check import MaskCheck, check_mask
from gliofield.database import SimulationDatabase
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, GrowthModel, VolumeLimit
from gliofield.growth.parameters import TUMOR_NAMES
from gliofield.imaging import (
    PET_FWHM_MM,
    Estimate,
    ImagingLikelihood,
    LikelihoodOptions,
    Observation,
    PetModel,
    VisibilityThresholds,
    independent_voxel_fraction,
)
from gliofield.pipeline.density_posterior import DensityMaps, DensityPosterior, name_seeds_of_patient
from gliofield.pipeline.sample_concerns import (
    identifiable_intervals,
    pet_concerns,
    prior_edge_concerns,
    sampler_concerns,
    simulation_concerns,
)
from gliofield.pipeline.thin_front_concerns import FINER_PATIENT, thin_front_share, thin_front_share_concerns
from gliofield.progress import ProgressEvent, Reporter
from gliofield.retrieval import BlockIndex
from gliofield.volume import Volume

PriorName = Literal["paper", "patient"]
_REFERENCES = (
    "Ezhov et al. (2021), Real-time Bayesian personalization via a learnable brain tumor growth model",
    "Ching and Chen (2007), Transitional Markov chain Monte Carlo method for Bayesian model updating, model class "
    "selection, and model averaging, doi:10.1061/(ASCE)0733-9399(2007)133:7(816)",
)
_MULTILEVEL_REFERENCE = (
    "Christen and Fox (2005), Markov chain Monte Carlo using an approximation, doi:10.1198/106186005X76983"
)
# Streams 0 to 3 of a seed choose rows for maps, matches, and draw masks.
_IMAGING_STREAM = 4
# Every how many voxels along each axis the published code compares PET.
_PUBLISHED_PET_STRIDE = 3
# Matches a run may start from. *Chosen*: enough for a covariance of the growth parameters.
_NUM_MATCHES = 64


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Settings of the method.

    Parameters
    ----------
    sampler : TmcmcSettings
        Samples, steps and seed.
    num_levels : int
        2: most steps at half the resolution, corrected on the full one; 1: all on the full one.
    integrates_imaging : bool
        Whether imaging parameters are integrated out and drawn afterwards, instead of being sampled beside those of
        growth; the posterior is the same.
    num_coarse_steps : int
        With two levels: steps at half the resolution between two decisions on the full one, ≥ 1.
    prior : str
        ``"paper"`` (`surrogate_paper_prior`) or ``"patient"`` (`patient_specific_prior`).
    pet_model : str
        ``"background"``: healthy tissue takes up tracer, a twelfth parameter, and the scanner blurs; ``"paper"``: as
        published, PET is sharp and 0 where there is no tumor, compared in every third voxel along each axis where it is
        not 0.
    pet_fwhm_mm : float
        Resolution of PET with the model ``"background"``, full width at half maximum [mm], ≥ 0.
    correlation_length_mm : float
        ℓ of `independent_voxel_fraction`, by which log-likelihoods are weighted [mm], ≥ 0; 0 takes voxels for
        independent, as the paper.
    max_volume_ml : float or None
        Tumors with more than that above the lowest FLAIR threshold of the papers, 0.05, have no likelihood [ml]; None:
        no limit. It saves the longest simulations.
    num_densities : int
        Samples of which the density is computed, for maps and checks, ≥ 2.
    num_workers : int
        Processes, ≥ 1; the result does not depend on it.
    stage_file : Path or None
        Written after every stage; if it exists, the run goes on from it.

    Raises
    ------
    ParameterError
        If a number is out of range, or prior or PET model are unknown.
    """

    sampler: TmcmcSettings = field(default_factory=lambda: TmcmcSettings.thorough(num_samples=128))
    num_levels: int = 2
    integrates_imaging: bool = True
    num_coarse_steps: int = 10
    prior: PriorName = "paper"
    pet_model: PetModel = "background"
    pet_fwhm_mm: float = PET_FWHM_MM
    correlation_length_mm: float = 3.0
    max_volume_ml: float | None = 700.0
    num_densities: int = 64
    num_workers: int = 1
    stage_file: Path | None = None

    def __post_init__(self) -> None:
        if self.num_levels not in (1, 2):
            raise ParameterError(f"num_levels must be 1 or 2, got {self.num_levels}.")
        if self.prior not in get_args(PriorName):
            raise ParameterError(unknown_name("prior", self.prior, get_args(PriorName)))
        if self.pet_model not in get_args(PetModel):
            raise ParameterError(unknown_name("pet_model", self.pet_model, get_args(PetModel)))
        if self.num_densities < 2:
            raise ParameterError(f"num_densities must be at least 2, got {self.num_densities}.")
        for name in ("num_workers", "num_coarse_steps"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("correlation_length_mm", "pet_fwhm_mm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise ParameterError(f"{name} must be finite and ≥ 0 [mm], got {getattr(self, name)}.")

    @classmethod
    def paper(cls, *, seed: int = 0) -> SampleSettings:
        """The paper's: 2,048 samples of all eleven parameters, one short step each, independent voxels.

        It is biased in eleven dimensions (docs/design/0008-bayes-decisions.md).
        """
        return cls(
            sampler=TmcmcSettings(seed=seed),
            num_levels=1,
            integrates_imaging=False,
            pet_model="paper",
            correlation_length_mm=0.0,
            max_volume_ml=None,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMethod:
    """Inverse method ``sample``, in the atlas or in the patient's own brain.

    Parameters
    ----------
    settings : SampleSettings
        Sampler, prior and likelihood.
    model : GrowthModel
        How tumors grow, with one thread.
    fixed : mapping of str to float
        Model parameters that are not sampled, such as ``push_pa``.
    database : SimulationDatabase or None
        If given, the sampler works on its grid and starts around its best matches instead of from the prior; the
        posterior is the same. In the atlas only.
    grid : Grid or None
        Grid in the atlas; None: that of the database where there is one, else the atlas's simulation grid.
    domain_rule : str
        Rule of the simulation domain; that of the database where there is one.

    Raises
    ------
    DatabaseError, GridMismatchError
        When asked, if the database cannot be read or lies on another grid.
    """

    settings: SampleSettings = field(default_factory=SampleSettings)
    model: GrowthModel[Any] = field(default_factory=FisherKolmogorov)
    fixed: Mapping[str, float] = field(default_factory=dict)
    database: SimulationDatabase | None = None
    grid: Grid | None = None
    domain_rule: str = DEFAULT_DOMAIN_RULE

    @property
    def name(self) -> str:
        """``sample``."""
        return "sample"

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of model and sampler."""
        return _REFERENCES if self.settings.num_levels == 1 else (*_REFERENCES, _MULTILEVEL_REFERENCE)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The atlas unless the patient is wanted; the grid of the database where there is one.

        Raises
        ------
        ParameterError
            If the patient is wanted and there is a database, whose tumors lie in the atlas.
        """
        if wanted == "patient":
            if self.database is not None:
                raise ParameterError(
                    "a database starts the sampler from matches in the atlas, but tumors shall grow in the patient's "
                    "space: leave one of the two out."
                )
            return SpaceRequest(name="patient", domain_rule=self.domain_rule)
        if self.database is None:
            return SpaceRequest(grid=self.grid, domain_rule=self.domain_rule)
        header = self.database.header
        return SpaceRequest(grid=header.grid, domain_rule=header.domain_rule, atlas_hash=header.atlas_hash)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density of the best sample, and the posterior.

        Raises
        ------
        NumericalError
            If the data are impossible under the prior, or samples collapse.
        ParameterError
            If the stage file is damaged or of another run.
        ImageError
            If PET is negative or not finite, or a mask lies outside the tissue.
        """
        anatomy = observation.require_space().anatomy
        likelihood = self._imaging_likelihood(observation, anatomy)
        prior = self._prior(observation, anatomy)
        limit = self.settings.max_volume_ml
        with GrowthLikelihood(
            model=self.model,
            anatomy=anatomy,
            likelihood=likelihood,
            names=prior.names,
            fixed=self.fixed,
            volume_limit=None if limit is None else VolumeLimit(threshold=0.05, max_volume_ml=limit),
            num_workers=self.settings.num_workers,
        ) as whole:
            coarse_counts: dict[str, Any] = {}

            def sampler(target: PosteriorTarget, fine: GrowthLikelihood) -> TmcmcResult:
                return self._sampled(target, fine, observation, coarse_counts, report)

            sampled = sample_growth(
                whole,
                prior,
                sampler,
                integrates_imaging=self.settings.integrates_imaging,
                rng=np.random.default_rng([self.settings.sampler.seed, _IMAGING_STREAM]),
            )
            return self._answer(whole, sampled, coarse_counts, prior, observation, report)

    def _imaging_likelihood(self, observation: Observation, anatomy: Anatomy) -> ImagingLikelihood:
        is_paper = self.settings.pet_model == "paper"
        pet_stride, pet_fwhm_mm = (_PUBLISHED_PET_STRIDE, 0.0) if is_paper else (1, self.settings.pet_fwhm_mm)
        of_masks, of_pet = (
            independent_voxel_fraction(
                observation.grid.spacing_mm, correlation_length_mm=self.settings.correlation_length_mm, stride=stride
            )
            for stride in (1, pet_stride)
        )
        return ImagingLikelihood(
            observation=observation,
            domain=anatomy.domain,
            options=LikelihoodOptions(
                mask_weight=of_masks, pet_weight=of_pet, pet_stride=pet_stride, pet_fwhm_mm=pet_fwhm_mm
            ),
        )

    def _prior(self, seen: Observation, anatomy: Anatomy) -> BoxPrior | GrowthTimePrior:
        has_pet, pet_model = seen.pet is not None, self.settings.pet_model
        if self.settings.prior == "paper":
            return surrogate_paper_prior(anatomy, has_pet=has_pet, pet_model=pet_model)
        return patient_specific_prior(
            anatomy, tumor_core=seen.tumor_core, whole_tumor=seen.whole_tumor, has_pet=has_pet, pet_model=pet_model
        )

    def _sampled(
        self,
        target: PosteriorTarget,
        fine: GrowthLikelihood,
        observation: Observation,
        coarse_counts: dict[str, Any],
        report: Reporter,
    ) -> TmcmcResult:
        """Samples of a target, on one level, or on two: what became of the coarse one's simulations is then counted."""
        settings = self.settings
        reference = self._reference(target, observation, report)
        fingerprint = self._fingerprint(target, fine, observation.thresholds)
        fine_target = target if reference is None else StartedTarget(target=target, reference=reference)
        try:
            if settings.num_levels == 1:
                sampled = sample_posterior(
                    fine_target,
                    settings.sampler,
                    stage_file=settings.stage_file,
                    fingerprint=fingerprint,
                    report=report,
                )
            else:
                with fine.coarsened() as coarse:
                    coarse_target = PosteriorTarget(prior=target.prior, log_likelihood_of=coarse)
                    started = (
                        coarse_target if reference is None else StartedTarget(target=coarse_target, reference=reference)
                    )
                    sampled = sample_multilevel(
                        Levels(coarse=started, fine=fine_target),
                        MultilevelSettings(sampler=settings.sampler, num_coarse_steps=settings.num_coarse_steps),
                        stage_file=settings.stage_file,
                        fingerprint=fingerprint,
                        report=report,
                    )
                    coarse_counts.update(dataclasses.asdict(coarse.counts))
        except NumericalError as error:
            if fine.counts.num_failed < max(fine.counts.num_simulations, 1):
                raise
            raise NumericalError(f"every simulation failed, the first: {fine.counts.first_failure}") from error
        return fine_target.restored(sampled) if isinstance(fine_target, StartedTarget) else sampled

    def _reference(
        self, target: PosteriorTarget, observation: Observation, report: Reporter
    ) -> ReferenceDensity | None:
        """Density around the best matches of the database; None without one."""
        if self.database is None:
            return None
        index = BlockIndex.open(
            self.database,
            thresholds=observation.thresholds,
            num_threads=1,
            report=report,
        )
        hits = index.search(observation, _NUM_MATCHES).hits
        tumors = np.array([hit.index for hit in hits])
        matches = IdentifiableTumors.of_parameters(self.database.parameters[tumors], self.database.parameter_names)
        return reference_of_matches(target, matches, rng=np.random.default_rng([self.settings.sampler.seed, 1]))

    def _fingerprint(self, target: PosteriorTarget, fine: GrowthLikelihood, thresholds: VisibilityThresholds) -> str:
        """Hash of what the posterior depends on."""
        seen, digest = fine.simulation.likelihood.observation, hashlib.sha256()
        what = (
            fine.simulation.anatomy.content_hash,
            repr(self.model),
            sorted(self.fixed.items()),
            target.prior.names,
            target.prior.bounds.tolist(),
            type(target.prior).__name__,
            repr(target.prior.transform),
            repr(fine.simulation.imaging_prior),
            repr(fine.simulation.likelihood.options),
            repr(fine.simulation.volume_limit),
            self.settings.num_levels,
            # Where a run starts from a database depends on what its index compares.
            None if self.database is None else (self.database.num_tumors, repr(self.database.header), repr(thresholds)),
        )
        digest.update(repr(what).encode())
        for array in (seen.tumor_core, seen.whole_tumor, None if seen.pet is None else seen.pet.data):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _answer(
        self,
        fine: GrowthLikelihood,
        sampled: GrowthSampling,
        coarse_counts: Mapping[str, Any],
        prior: BoxPrior | GrowthTimePrior,
        observation: Observation,
        report: Reporter,
    ) -> Estimate:
        samples, run, counts = sampled.samples, sampled.run, sampled.counts
        space = observation.require_space()
        report(ProgressEvent(task="densities of the posterior", completed=0, total=1))
        rows = samples.resampled(self.settings.num_densities, np.random.default_rng([self.settings.sampler.seed, 0]))
        best = next(fine.densities(samples.parameters[samples.map_index][None]))
        densities = fine.densities_once(rows)
        maps = DensityMaps.of(densities, observation.grid, observation.thresholds)
        checks = _mask_checks(fine, rows, densities, seed=self.settings.sampler.seed)
        report(ProgressEvent(task="densities of the posterior", completed=1, total=1))
        share = thin_front_share(samples, observation.grid.spacing_mm)
        posterior = DensityPosterior(
            mean=maps.mean,
            std=maps.std,
            exceedance=maps.exceedance,
            samples=samples,
            intervals={**samples.credible_intervals(), **identifiable_intervals(samples)},
            stages=run.stages,
            mask_checks=checks,
            details={
                "num_samples": len(samples.parameters),
                "num_distinct": len(np.unique(samples.tumors, axis=0)),
                "num_densities": len(rows),
                "thin_front_share": share,
                "log_evidence": run.log_evidence,
                "log_evidence_error_at_least": run.log_evidence_error,
                "likelihood_weight": fine.simulation.likelihood.options.mask_weight,
                "correlation_length_mm": self.settings.correlation_length_mm,
                "mask_share_outside_tissue": dict(fine.simulation.likelihood.mask_share_outside),
                "num_likelihoods": _num_likelihoods(sampled, self.settings.sampler),
                "simulations_since_last_start": dataclasses.asdict(counts),
                "coarse_simulations_since_last_start": dict(coarse_counts),
            },
        )
        values = fine.simulation.values_of(samples.parameters[samples.map_index])
        return Estimate(
            cell_density=Volume(best, observation.grid),
            space=space,
            parameters={name: values[name] for name in (*TUMOR_NAMES, *sorted(self.fixed))},
            posterior=posterior if space.name == "atlas" else name_seeds_of_patient(posterior, space),
            concerns=(
                *sampler_concerns(self.settings.sampler, sampled.num_sampled),
                *prior_edge_concerns(prior, samples),
                *pet_concerns(prior, dict(zip(samples.names, samples.parameters.T, strict=True)), samples.weights),
                *thin_front_share_concerns(share, observation.grid.spacing_mm, advice=FINER_PATIENT),
                *simulation_concerns(
                    checks,
                    counts.num_failed + coarse_counts.get("num_failed", 0),
                    counts.num_simulations + coarse_counts.get("num_simulations", 0),
                ),
            ),
            details={
                "model": self.model.name,
                "num_levels": self.settings.num_levels,
                "integrates_imaging": self.settings.integrates_imaging,
                "prior": self.settings.prior,
                "uses_pet": observation.pet is not None,
                "pet_model": self.settings.pet_model,
                "sampler": dataclasses.asdict(self.settings.sampler),
                "start": "prior" if self.database is None else self.database.path.name,
                "correlation_length_mm": self.settings.correlation_length_mm,
            },
        )


def _num_likelihoods(sampled: GrowthSampling, sampler: TmcmcSettings) -> dict[str, int]:
    """Likelihoods of a whole run, restarts included, by the level they were computed on."""
    stages = sampled.run.stages
    moves = sum(info.num_evaluations for info in stages) + sampler.num_first
    levels = [info for info in stages if isinstance(info, MultilevelStageInfo)]
    if not levels:
        return {"fine": moves + sampled.num_completed, "coarse": 0}
    return {"fine": sum(info.num_fine_evaluations for info in levels) + sampled.num_completed, "coarse": moves}


def _mask_checks(
    fine: GrowthLikelihood, rows: NDArray[np.float64], densities: Sequence[NDArray[np.float32]], *, seed: int
) -> dict[str, MaskCheck]:
    likelihood, domain = fine.simulation.likelihood, fine.simulation.anatomy.domain
    values = [fine.simulation.values_of(row) for row in rows]
    masks = {"t1gd": likelihood.compared_core, "flair": likelihood.compared_whole}
    compared = [density[domain] for density in densities]
    return {
        name: check_mask(
            mask[domain],
            compared,
            thresholds=np.array([each[f"{name}_threshold"] for each in values]),
            visibility_widths=np.array([each["visibility_width"] for each in values]),
            voxel_volume_ml=fine.simulation.anatomy.grid.voxel_volume_ml,
            rng=np.random.default_rng([seed, number]),
        )
        for number, (name, mask) in enumerate(masks.items(), start=2)
        if mask is not None
    }
