"""Inverse method ``sample``: all tumors that explain the scans, with their weights.

Ezhov et al. 2021 ("Learnable surrogate") infer eleven parameters, nine without FET-PET, from T1Gd and FLAIR masks and
PET; here by any growth model in the atlas, and with PET twelve, for healthy brain takes up tracer, too. The answer is
the density of the best sample (MAP), beside it mean, standard deviation and P(u > threshold) of the density, intervals
of all parameters, and a check whether masks drawn from the posterior look like the observed ones.

Growth alone is sampled: thresholds, width and those of PET are integrated over their prior, and drawn beside
(`bayes.imaging_integral`). A tumor fitted to the outlines says where the mode is searched, and importance sampling
begins there (`bayes.growth_importance`); each voxel counts as its share of an independent one. The paper's own
algorithm, TMCMC of all parameters, is a `Sampler` that the papers plug in (`gliofield_papers.tmcmc`).
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
from gliofield.assimilation import FitSettings, fit_tumor
from gliofield.bayes import (
    BoxPrior,
    GrowthLikelihood,
    GrowthPosterior,
    GrowthTimePrior,
    ImportanceSettings,
    LikelihoodJournal,
    PosteriorTarget,
    SampledPosterior,
    Sampler,
    SimulationCounts,
    patient_specific_prior,
    sample_growth,
    surrogate_paper_prior,
)
from gliofield.bayes.predictive_check import MaskCheck, check_mask
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, GrowthModel, VolumeLimit
from gliofield.growth.many import PROCESSOR
from gliofield.growth.parameters import DEFAULT_DIFFUSIVITY_RATIO, TUMOR_NAMES
from gliofield.imaging import (
    PET_FWHM_MM,
    Estimate,
    ImagingLikelihood,
    LikelihoodOptions,
    Observation,
    PetModel,
    independent_voxel_fraction,
)
from gliofield.pipeline.density_posterior import DensityMaps, DensityPosterior, name_seeds_of_patient
from gliofield.pipeline.sample_concerns import (
    identifiable_intervals,
    importance_concerns,
    pet_concerns,
    prior_edge_concerns,
    simulation_concerns,
)
from gliofield.pipeline.thin_front_concerns import FINER_PATIENT, thin_front_share, thin_front_share_concerns
from gliofield.progress import ProgressEvent, Reporter
from gliofield.volume import Volume

PriorName = Literal["paper", "patient"]
_REFERENCES = ("Ezhov et al. (2021), Real-time Bayesian personalization via a learnable brain tumor growth model",)
_IMPORTANCE_REFERENCES = (
    "Cornuet, Marin, Mira, Robert (2012), Adaptive multiple importance sampling, doi:10.1111/j.1467-9469.2011.00756.x",
    "Vehtari, Simpson, Gelman, Yao, Gabry (2024), Pareto smoothed importance sampling, JMLR 25(72)",
)
# Every how many voxels along each axis the published code compares PET.
_PUBLISHED_PET_STRIDE = 3
# For the figure of the posterior, where most of them lie outside of a panel.
_NUM_PRIOR_DRAWS = 20_000
# The fit that says where the mode is searched: a start, not an answer. *Chosen*.
_START_FIT = FitSettings(num_starts=2, num_evaluations=20, num_refinements=30, num_stretched=0, t1gd_weight=1.0)


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Settings of the method.

    Parameters
    ----------
    sampler : ImportanceSettings or Sampler
        Effective samples and seed of importance sampling; or another sampler, of imaging parameters beside those of
        growth.
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
        Written after every batch of likelihoods; if it exists, the run goes on from it.

    Raises
    ------
    ParameterError
        If a number is out of range, or prior or PET model are unknown.
    """

    sampler: ImportanceSettings | Sampler = field(default_factory=ImportanceSettings)
    prior: PriorName = "paper"
    pet_model: PetModel = "background"
    pet_fwhm_mm: float = PET_FWHM_MM
    correlation_length_mm: float = 3.0
    max_volume_ml: float | None = 700.0
    num_densities: int = 64
    num_workers: int = 1
    stage_file: Path | None = None

    def __post_init__(self) -> None:
        if self.prior not in get_args(PriorName):
            raise ParameterError(unknown_name("prior", self.prior, get_args(PriorName)))
        if self.pet_model not in get_args(PetModel):
            raise ParameterError(unknown_name("pet_model", self.pet_model, get_args(PetModel)))
        if self.num_densities < 2:
            raise ParameterError(f"num_densities must be at least 2, got {self.num_densities}.")
        if self.num_workers < 1:
            raise ParameterError(f"num_workers must be at least 1, got {self.num_workers}.")
        for name in ("correlation_length_mm", "pet_fwhm_mm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise ParameterError(f"{name} must be finite and ≥ 0 [mm], got {getattr(self, name)}.")

    @property
    def sampler_name(self) -> str:
        """``importance``, or what the sampler is called."""
        return "importance" if isinstance(self.sampler, ImportanceSettings) else self.sampler.name


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMethod:
    """Inverse method ``sample``, in the atlas or in the patient's own brain.

    Parameters
    ----------
    settings : SampleSettings
        Sampler, prior and likelihood.
    model : GrowthModel
        How tumors grow, with one thread.
    device : str
        Where: ``cpu``, or a device of `simulate_many`.
    fixed : mapping of str to float
        Model parameters that are not sampled, such as ``push_pa``.
    grid : Grid or None
        Grid in the atlas; None: the atlas's simulation grid.
    domain_rule : str
        Rule of the simulation domain.
    """

    settings: SampleSettings = field(default_factory=SampleSettings)
    model: GrowthModel[Any] = field(default_factory=FisherKolmogorov)
    device: str = PROCESSOR
    fixed: Mapping[str, float] = field(default_factory=dict)
    grid: Grid | None = None
    domain_rule: str = DEFAULT_DOMAIN_RULE

    @property
    def name(self) -> str:
        """``sample``."""
        return "sample"

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of model and sampler."""
        sampler = self.settings.sampler
        of_sampler = _IMPORTANCE_REFERENCES if isinstance(sampler, ImportanceSettings) else sampler.references
        return (*_REFERENCES, *of_sampler)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The atlas unless the patient is wanted."""
        if wanted == "patient":
            return SpaceRequest(name="patient", domain_rule=self.domain_rule)
        return SpaceRequest(grid=self.grid, domain_rule=self.domain_rule)

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
            device=self.device,
        ) as whole:
            sampled, counts = self._sampled(whole, prior, observation, report)
            return self._answer(whole, sampled, counts, prior, observation, report)

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
        self, whole: GrowthLikelihood, prior: BoxPrior | GrowthTimePrior, seen: Observation, report: Reporter
    ) -> tuple[SampledPosterior, SimulationCounts]:
        """Samples of all parameters, and what became of the simulations."""
        sampler = self.settings.sampler
        journal = LikelihoodJournal(self.settings.stage_file, self._fingerprint(whole, prior))
        if isinstance(sampler, ImportanceSettings):
            report(ProgressEvent(task="start of the posterior", completed=0, total=1))
            starts = self._starts(seen, whole.simulation.anatomy)
            report(ProgressEvent(task="start of the posterior", completed=1, total=1))
            found = sample_growth(whole, prior, sampler, tumors=starts, journal=journal, report=report)
            return _sampled_by_importance(found), found.counts
        target = PosteriorTarget(prior=prior, log_likelihood_of=journal.kept(whole))
        try:
            return sampler.sample(target, report=report), whole.counts
        except NumericalError as error:
            whole.counts.require_some(error)
            raise

    def _starts(self, seen: Observation, anatomy: Anatomy) -> list[tuple[float, ...]]:
        """Tumors near which modes are searched: one fitted to the outlines, and its like amid the whole tumor."""
        settings = dataclasses.replace(
            _START_FIT, diffusivity_ratio=self.fixed.get("diffusivity_ratio", DEFAULT_DIFFUSIVITY_RATIO)
        )
        try:
            fit = fit_tumor(seen, anatomy, settings=settings, num_threads=self.settings.num_workers)
        except NumericalError:
            return []
        tumor, time = fit.parameters, fit.growth_time_days
        products = (tumor.white_matter_diffusivity_mm2_per_day * time, tumor.proliferation_rate_per_day * time)
        middle = np.argwhere(seen.whole_tumor & anatomy.domain)
        nearest = middle[np.argmin(((middle - middle.mean(axis=0)) ** 2).sum(axis=1))]
        center = seen.grid.world_from_voxel @ [*nearest, 1.0]
        return [(*products, *map(float, tumor.seed_mm)), (*products, *map(float, center[:3]))]

    def _fingerprint(self, whole: GrowthLikelihood, prior: BoxPrior | GrowthTimePrior) -> str:
        """Hash of what likelihoods, and the order in which they are asked for, depend on."""
        seen, digest = whole.simulation.likelihood.observation, hashlib.sha256()
        sampler = self.settings.sampler
        what = (
            whole.simulation.anatomy.content_hash,
            repr(self.model),
            sorted(self.fixed.items()),
            prior.names,
            prior.bounds.tolist(),
            type(prior).__name__,
            repr(prior.box_transform),
            repr(whole.simulation.likelihood.options),
            repr(whole.simulation.volume_limit),
            # More effective samples of the same run are the same draws and more of them.
            sampler.seed if isinstance(sampler, ImportanceSettings) else repr(sampler),
            # A device's tumors differ by rounding.
            *(() if self.device == PROCESSOR else (self.device,)),
        )
        digest.update(repr(what).encode())
        for array in (seen.tumor_core, seen.whole_tumor, None if seen.pet is None else seen.pet.data):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _answer(
        self,
        whole: GrowthLikelihood,
        sampled: SampledPosterior,
        counts: SimulationCounts,
        prior: BoxPrior | GrowthTimePrior,
        observation: Observation,
        report: Reporter,
    ) -> Estimate:
        samples = sampled.samples
        space = observation.require_space()
        report(ProgressEvent(task="densities of the posterior", completed=0, total=1))
        rows = samples.resampled(self.settings.num_densities, np.random.default_rng([self.settings.sampler.seed, 0]))
        best = next(whole.densities(samples.parameters[samples.map_index][None]))
        densities = whole.densities_once(rows)
        maps = DensityMaps.of(densities, observation.grid, observation.thresholds)
        checks = _mask_checks(whole, rows, densities, seed=self.settings.sampler.seed)
        report(ProgressEvent(task="densities of the posterior", completed=1, total=1))
        share = thin_front_share(samples, observation.grid.spacing_mm)
        posterior = DensityPosterior(
            mean=maps.mean,
            std=maps.std,
            exceedance=maps.exceedance,
            samples=samples,
            intervals={**samples.credible_intervals(), **identifiable_intervals(samples)},
            stages=sampled.stages,
            mask_checks=checks,
            prior=_prior_draws(prior, samples.names),
            details={
                "num_samples": len(samples.parameters),
                "effective_samples": sampled.effective_samples,
                "num_densities": len(rows),
                "thin_front_share": share,
                **sampled.details,
                "likelihood_weight": whole.simulation.likelihood.options.mask_weight,
                "correlation_length_mm": self.settings.correlation_length_mm,
                "mask_share_outside_tissue": dict(whole.simulation.likelihood.mask_share_outside),
                "num_likelihoods": sampled.num_likelihoods,
                "simulations_since_last_start": dataclasses.asdict(counts),
            },
        )
        values = whole.simulation.values_of(samples.parameters[samples.map_index])
        return Estimate(
            cell_density=Volume(best, observation.grid),
            space=space,
            parameters={name: values[name] for name in (*TUMOR_NAMES, *sorted(self.fixed))},
            posterior=posterior if space.name == "atlas" else name_seeds_of_patient(posterior, space),
            concerns=(
                *sampled.concerns,
                *prior_edge_concerns(prior, samples),
                *pet_concerns(prior, dict(zip(samples.names, samples.parameters.T, strict=True)), samples.weights),
                *thin_front_share_concerns(share, observation.grid.spacing_mm, advice=FINER_PATIENT),
                *simulation_concerns(checks, counts.num_failed, counts.num_simulations),
            ),
            details={
                "model": self.model.name,
                "prior": self.settings.prior,
                "uses_pet": observation.pet is not None,
                "pet_model": self.settings.pet_model,
                "sampler": {"name": self.settings.sampler_name, **dataclasses.asdict(self.settings.sampler)},
                "correlation_length_mm": self.settings.correlation_length_mm,
            },
        )


def _prior_draws(prior: BoxPrior | GrowthTimePrior, names: Sequence[str]) -> NDArray[np.float64]:
    """What to draw beside the samples, with their columns."""
    columns = [prior.names.index(name) for name in names]
    return prior.sample(_NUM_PRIOR_DRAWS, np.random.default_rng(0))[:, columns]


def _sampled_by_importance(found: GrowthPosterior) -> SampledPosterior:
    run = found.run
    return SampledPosterior(
        samples=found.samples,
        stages=run.stages,
        effective_samples=run.effective_samples,
        num_likelihoods=run.num_simulations,
        details={
            "log_evidence": run.log_evidence,
            "log_evidence_error": run.log_evidence_error,
            "pareto_shape": run.pareto_shape,
            "num_modes": found.num_modes,
        },
        concerns=importance_concerns(run.pareto_shape, run.effective_samples),
    )


def _mask_checks(
    whole: GrowthLikelihood, rows: NDArray[np.float64], densities: Sequence[NDArray[np.float32]], *, seed: int
) -> dict[str, MaskCheck]:
    likelihood, domain = whole.simulation.likelihood, whole.simulation.anatomy.domain
    values = [whole.simulation.values_of(row) for row in rows]
    masks = {"t1gd": likelihood.compared_core, "flair": likelihood.compared_whole}
    compared = [density[domain] for density in densities]
    return {
        name: check_mask(
            mask[domain],
            compared,
            thresholds=np.array([each[f"{name}_threshold"] for each in values]),
            visibility_widths=np.array([each["visibility_width"] for each in values]),
            voxel_volume_ml=whole.simulation.anatomy.grid.voxel_volume_ml,
            rng=np.random.default_rng([seed, number]),
        )
        for number, (name, mask) in enumerate(masks.items(), start=2)
        if mask is not None
    }
