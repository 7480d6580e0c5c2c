"""The posterior over the tumors of a database, in a second: what the best match leaves open.

Tumors of a database are draws from its design, so weights

    w_i = L(masks, PET | tumor i)^weight · prior(tumor i) / design(tumor i)

turn them into draws from the posterior (importance sampling). Almost all of the weight lies on tumors that overlap well
with the masks, which the exact index finds in milliseconds, so only the nearest few hundred are read. Likelihoods are
those of `gliofield.imaging`, averaged over the prior of thresholds and width (`level_likelihood`) and, where FET-PET
was taken, of its scale and noise (`pet_evidence`); prior and design are compared in what a scan determines
(`identifiable`).

Three numbers say how far to trust it. The *weight* that multiplies the log-likelihoods: voxels are not independent, and
a database is far too coarse for the likelihood of independent ones, whose logarithm differs by thousands of nats
between neighbors; it is the share of voxels worth an independent one at a stated correlation length, times a stated
tempering exponent. The *effective number of tumors*: where it is small the answer is one tumor and its neighbors, and
asking for a spread is refused. The *truncation error*: the share of the weight on tumors beyond those that were read,
estimated from a few of every further octave of rank; where it is large that is refused as well. Ranks are those of the
masks alone, so PET may prefer tumors further down: it enters the weights of the few, and the error tells.

An exponent of None is adapted: the largest at which enough tumors carry the weight. The spread then is what this
database cannot tell apart, wider than the posterior; whoever asks for it is told the exponent.

What this module does not do: tumors that are not in the database. It cannot say more than the database holds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.diagnostics import effective_sample_size
from gliofield.bayes.identifiable import IdentifiableTumors, log_design_of_tumors, log_prior_of_tumors
from gliofield.bayes.level_likelihood import (
    NOT_COMPARED,
    TabulatedLikelihoods,
    ThresholdGrid,
    level_counts,
    voxel_classes,
)
from gliofield.bayes.level_pet import LevelPet
from gliofield.bayes.pet_evidence import PetPrior, PetSums
from gliofield.bayes.posterior import PosteriorSamples
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.database import SimulationDatabase
from gliofield.database.quantization import dequantize
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth.parameters import SEED_NAMES
from gliofield.imaging import PET_FWHM_MM, VisibilityThresholds, independent_voxel_fraction
from gliofield.imaging.observation import Observation
from gliofield.retrieval import BlockIndex
from gliofield.volume import Volume

NAMES = ("diffusion_length_mm", "proliferation_number", *SEED_NAMES)
_UNITS = ("mm", "1", "mm", "mm", "mm")
_IMAGING = ("t1gd_threshold", "flair_threshold", "visibility_width")
# Weights below this share of the largest change no summary.
_NEGLIGIBLE = 1e-9
# How far beyond the tumors read their ranks are known, and how many of each octave there are looked at. *Chosen*.
_RANKED_PER_READ, _PROBES_PER_OCTAVE = 8, 16
_LEAST_EXPONENT, _NUM_BISECTIONS = 1e-6, 20
# Draws of the parameters of PET, for their intervals.
_NUM_PET_DRAWS, _PET_SEED = 64, 0


@dataclass(frozen=True, kw_only=True)
class DatabasePosteriorSettings:
    """How the tumors of a database are weighed.

    Parameters
    ----------
    num_tumors : int
        How many of the nearest are read, ≥ 2.
    correlation_length_mm : float
        ℓ of `independent_voxel_fraction` [mm], ≥ 0; 0 takes voxels for independent.
    pet_fwhm_mm : float
        Resolution of PET, to which densities are blurred before they are compared with it [mm], ≥ 0.
    tempering_exponent : float or None
        A further factor of the log-likelihoods, in (0, 1]; None: the largest at which `min_effective_tumors` carry the
        weight.
    min_effective_tumors : float
        Fewer than this carry no uncertainty: an error, ≥ 1.
    max_truncation_error : float
        A larger one is an error, in (0, 1].
    num_threads : int
        Threads that read tumors, ≥ 1.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_tumors: int = 384
    correlation_length_mm: float = 3.0
    pet_fwhm_mm: float = PET_FWHM_MM
    tempering_exponent: float | None = 1.0
    min_effective_tumors: float = 10.0
    max_truncation_error: float = 0.2
    num_threads: int = 1

    def __post_init__(self) -> None:
        for name, least in (("num_tumors", 2), ("num_threads", 1), ("min_effective_tumors", 1.0)):
            if not getattr(self, name) >= least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if self.tempering_exponent is not None and not 0.0 < self.tempering_exponent <= 1.0:
            raise ParameterError(f"tempering_exponent must lie in (0, 1], got {self.tempering_exponent}.")
        if not (math.isfinite(self.pet_fwhm_mm) and self.pet_fwhm_mm >= 0.0):
            raise ParameterError(f"pet_fwhm_mm must be finite and ≥ 0 [mm], got {self.pet_fwhm_mm}.")
        if not 0.0 < self.max_truncation_error <= 1.0:
            raise ParameterError(f"max_truncation_error must lie in (0, 1], got {self.max_truncation_error}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class DatabasePosterior:
    """Weighted tumors of a database and what they say of the density.

    Parameters
    ----------
    samples : PosteriorSamples
        What a scan determines of each tumor, weighted; in the order of `tumors`.
    tumors : (K,) int64 array
        Their numbers in the database, nearest first.
    mean, std : Volume
        Posterior mean and standard deviation of the cell density, float32.
    exceedance : mapping of str to Volume
        P(u > threshold) under ``t1gd`` and ``flair``, float32.
    effective_sample_size : float
        Effective number of tumors.
    truncation_error : float
        Estimated share of the weight that lies on tumors not read, in [0, 1].
    weight : float
        What log-likelihoods were multiplied by: share of independent voxels times tempering exponent.
    tempering_exponent : float
        The second of these factors.
    num_voxels : int
        Voxels compared.
    seconds : float
        Wall-clock time [s].
    pet_draws : mapping of str to (M,) float64 array
        Draws of scale, background and noise of PET, of equal weight, by name; empty without PET.
    """

    samples: PosteriorSamples
    tumors: NDArray[np.int64]
    mean: Volume
    std: Volume
    exceedance: Mapping[str, Volume]
    effective_sample_size: float
    truncation_error: float
    weight: float
    tempering_exponent: float
    num_voxels: int
    seconds: float
    pet_draws: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def database_posterior(
    index: BlockIndex,
    observation: Observation,
    anatomy: Anatomy,
    prior: BoxPrior | GrowthTimePrior,
    *,
    settings: DatabasePosteriorSettings | None = None,
    log_design_density: NDArray[np.float64] | None = None,
) -> DatabasePosterior:
    """Posterior over the tumors of a database.

    Parameters
    ----------
    index : BlockIndex
        Exact index of the database, and the thresholds at which overlap is ranked and exceedance is told.
    observation : Observation
        Both masks on the database's grid, and PET if there is one; an empty core is observed by FLAIR alone, as in the
        query.
    anatomy : Anatomy
        The one the tumors grew in.
    prior : BoxPrior or GrowthTimePrior
        Of growth parameters, seed, thresholds and width, with PET also of its scale and noise, and of its background
        unless that is 0, such as `surrogate_paper_prior`.
    settings : DatabasePosteriorSettings, optional
        How many tumors, and the weight of the likelihood.
    log_design_density : (N,) float64 array, optional
        For designs of one's own: log density of all tumors of the database per unit of (log λ, log τ, seed).

    Raises
    ------
    NumericalError
        If too few tumors carry the weight, too much of it lies on tumors not read, or the prior has no mass on them.
    ParameterError, GridMismatchError
        If anatomy, masks and database do not belong together, the prior lacks a parameter, or the design's density is
        not known.
    """
    begin_s = time.perf_counter()
    chosen = DatabasePosteriorSettings() if settings is None else settings
    database = index.database
    _require_fitting(database, observation, anatomy)
    grid = threshold_grid_of(prior)
    pet_prior = None if observation.pet is None else PetPrior.of(prior)
    num_read = min(chosen.num_tumors, database.num_tumors)
    tumors, probes = _find_nearest_tumors(index, observation, num_read)
    classes = voxel_classes(observation.tumor_core, observation.whole_tumor, anatomy.domain)
    pet = _pet_compared(observation, classes, chosen.pet_fwhm_mm)
    read = _read_tumors(database, tumors, classes, pet, num_kept=num_read, num_threads=chosen.num_threads)
    identifiable = IdentifiableTumors.of_parameters(database.parameters[tumors], database.parameter_names)
    log_prior = log_prior_of_tumors(prior, identifiable)
    spacing_mm, length_mm = anatomy.grid.spacing_mm, chosen.correlation_length_mm
    independent_share = independent_voxel_fraction(spacing_mm, correlation_length_mm=length_mm)
    weighing = _Weighing(
        likelihoods=grid.tabulated(read.counts, uses_t1gd=observation.has_core),
        pet=None if pet_prior is None or pet is None else (pet_prior, pet.with_sums(read.of_pet)),
        log_ratio=log_prior - _evaluate_log_design(database, identifiable, anatomy, log_design_density, tumors),
        independent_share=independent_share,
        num_read=num_read,
    )
    exponent = weighing.exponent(chosen)
    log_likelihood = weighing.log_likelihood(exponent)
    log_weights = log_likelihood + weighing.log_ratio
    effective = effective_sample_size(log_weights[:num_read])
    truncation = probes.share_of_weight(log_weights, num_read)
    _require_small_truncation(truncation, exponent, num_read, chosen)
    samples = _make_samples(identifiable, log_prior, log_likelihood, log_weights, slice(0, num_read))
    mean, std, exceedance = _summaries(read, samples.weights, anatomy, index.effective_thresholds)
    return DatabasePosterior(
        samples=samples,
        tumors=tumors[:num_read],
        mean=mean,
        std=std,
        exceedance=exceedance,
        effective_sample_size=effective,
        truncation_error=truncation,
        weight=exponent * weighing.independent_share,
        tempering_exponent=exponent,
        num_voxels=int(np.count_nonzero(classes)),
        seconds=time.perf_counter() - begin_s,
        pet_draws=weighing.pet_draws(exponent, samples),
    )


def _find_nearest_tumors(
    index: BlockIndex, observation: Observation, num_read: int
) -> tuple[NDArray[np.int64], _Probes]:
    """Numbers of the nearest tumors, and after them of the probes."""
    hits = index.search(observation, _RANKED_PER_READ * num_read)
    ranked = np.array([hit.index for hit in hits.hits], dtype=np.int64)
    probes = _probes(num_read, len(ranked), index.database.num_tumors)
    return ranked[np.concatenate([np.arange(num_read), probes.ranks])], probes


def _pet_compared(observation: Observation, classes: NDArray[np.uint8], fwhm_mm: float) -> LevelPet | None:
    """PET, 0 where nothing is compared, if there is one."""
    if observation.pet is None:
        return None
    values = np.where(classes == NOT_COMPARED, 0.0, observation.pet.data.astype(float))
    return LevelPet(pet=values, spacing_mm=observation.grid.spacing_mm, fwhm_mm=fwhm_mm)


def _evaluate_log_design(
    database: SimulationDatabase,
    identifiable: IdentifiableTumors,
    anatomy: Anatomy,
    given: NDArray[np.float64] | None,
    tumors: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Log density of the design at the tumors looked at: the one given for all of the database, or its own."""
    if given is None:
        return log_design_of_tumors(database.header.design, identifiable, anatomy)
    return given[tumors]


def _require_small_truncation(
    truncation: float, exponent: float, num_read: int, settings: DatabasePosteriorSettings
) -> None:
    """Refuse a posterior much of whose weight lies on tumors that were not read."""
    if truncation > settings.max_truncation_error:
        raise NumericalError(
            f"the {num_read} best-matching tumors hold only {1.0 - truncation:.0%} of the probability: expected at "
            f"least {1.0 - settings.max_truncation_error:.0%}. The scan hardly tells the tumors of this database apart "
            f"(at the tempering exponent {exponent:.2g}). Build a larger database, or use method 'sample'."
        )


def _make_samples(
    tumors: IdentifiableTumors,
    log_prior: NDArray[np.float64],
    log_likelihood: NDArray[np.float64],
    log_weights: NDArray[np.float64],
    kept: slice,
) -> PosteriorSamples:
    """What a scan determines of the tumors that are kept, with their weights."""
    lengths, numbers = tumors.diffusion_length_mm, tumors.proliferation_number
    return PosteriorSamples(
        names=NAMES,
        units=_UNITS,
        parameters=np.column_stack([lengths, numbers, tumors.seed_mm])[kept],
        log_weights=log_weights[kept],
        # From (log λ, log τ) to (λ √τ, √τ): the determinant is 2 over their product.
        log_prior=(log_prior + math.log(2.0) - np.log(lengths * numbers))[kept],
        log_likelihood=log_likelihood[kept],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Probes:
    """A few tumors of every octave of rank beyond those read, and how many each stands for."""

    ranks: NDArray[np.int64]
    stands_for: NDArray[np.float64]

    def share_of_weight(self, log_weights: NDArray[np.float64], num_read: int) -> float:
        """Estimated share of the weight beyond the first `num_read`; weights of those read first, then of probes."""
        if len(self.ranks) == 0:
            return 0.0
        weights = np.exp(log_weights - log_weights.max())
        beyond = float(self.stands_for @ weights[num_read:])
        return beyond / (float(weights[:num_read].sum()) + beyond)


def _probes(num_read: int, num_ranked: int, num_tumors: int) -> _Probes:
    """Evenly spaced ranks in each octave up to `num_ranked`; the last ones also stand for what is not ranked."""
    ranks: list[NDArray[np.int64]] = []
    stands_for: list[NDArray[np.float64]] = []
    first = num_read
    while first < num_ranked:
        last = min(2 * first, num_ranked)
        number = min(_PROBES_PER_OCTAVE, last - first)
        ranks.append(first + (np.arange(number) * (last - first)) // number)
        size = num_tumors - first if last == num_ranked else last - first
        stands_for.append(np.full(number, size / number))
        first = last
    if not ranks:
        return _Probes(ranks=np.zeros(0, dtype=np.int64), stands_for=np.zeros(0))
    return _Probes(ranks=np.concatenate(ranks), stands_for=np.concatenate(stands_for))


def threshold_grid_of(prior: BoxPrior | GrowthTimePrior) -> ThresholdGrid:
    """Grid over the thresholds and the width of a prior.

    Raises
    ------
    ParameterError
        If the prior lacks one of them.
    """
    box = prior.box if isinstance(prior, GrowthTimePrior) else prior
    ranges: dict[str, ParameterRange] = {each.name: each for each in box.ranges}
    missing = [name for name in _IMAGING if name not in ranges]
    if missing:
        raise ParameterError(f"the prior lacks {', '.join(missing)}: expected {', '.join(_IMAGING)}.")
    t1gd, flair, width = (ranges[name] for name in _IMAGING)
    return ThresholdGrid(t1gd_threshold=t1gd, flair_threshold=flair, visibility_width=width)


@dataclass(frozen=True, kw_only=True, eq=False)
class _ReadTumors:
    """Levels in the bounding boxes of the tumors that are kept; of all, counts per class and level, (K, 4, 256).

    With PET also their sums with it, (K, 3) (`LevelPet`).
    """

    levels: list[NDArray[np.uint8]] = field(repr=False)
    boxes: list[tuple[slice, slice, slice]]
    counts: NDArray[np.int64]
    of_pet: NDArray[np.float64]


def _read_tumors(
    database: SimulationDatabase,
    tumors: NDArray[np.int64],
    classes: NDArray[np.uint8],
    pet: LevelPet | None,
    *,
    num_kept: int,
    num_threads: int,
) -> _ReadTumors:
    totals = np.bincount(classes.ravel(), minlength=4)

    def read(
        tumor: int,
    ) -> tuple[NDArray[np.uint8], tuple[slice, slice, slice], NDArray[np.int64], tuple[float, float, float]]:
        bounds = [int(bound) for bound in database.bounding_box[tumor]]
        box = (slice(*bounds[0:2]), slice(*bounds[2:4]), slice(*bounds[4:6]))
        levels = database.density_levels(tumor)[box].copy()
        of_pet = (0.0, 0.0, 0.0) if pet is None else pet.sums_of_levels(levels, box)
        return levels, box, level_counts(levels, classes[box], totals), of_pet

    numbers = [int(tumor) for tumor in tumors]
    if num_threads == 1:
        parts = [read(tumor) for tumor in numbers]
    else:
        with ThreadPoolExecutor(num_threads) as executor:
            parts = list(executor.map(read, numbers))
    levels, boxes, counts, of_pet = zip(*parts, strict=True)
    return _ReadTumors(
        levels=list(levels[:num_kept]),
        boxes=list(boxes[:num_kept]),
        counts=np.stack(counts),
        of_pet=np.array(of_pet),
    )


def _summaries(
    read: _ReadTumors, weights: NDArray[np.float64], anatomy: Anatomy, thresholds: VisibilityThresholds
) -> tuple[Volume, Volume, dict[str, Volume]]:
    """Mean, standard deviation and exceedance of the density."""
    limits = {"t1gd": thresholds.t1gd_threshold, "flair": thresholds.flair_threshold}
    first, second = (np.zeros(anatomy.grid.shape) for _ in range(2))
    above = {name: np.zeros(anatomy.grid.shape) for name in limits}
    for levels, box, weight in zip(read.levels, read.boxes, weights, strict=True):
        if weight < _NEGLIGIBLE * weights.max():
            continue
        density = dequantize(levels)
        first[box] += weight * density
        second[box] += weight * density**2
        for name, limit in limits.items():
            above[name][box] += weight * (density > np.float32(limit))
    std = np.sqrt(np.maximum(second - first**2, 0.0))

    def volume(values: NDArray[np.float64]) -> Volume:
        return Volume(np.clip(values, 0.0, 1.0).astype(np.float32), anatomy.grid)

    return volume(first), volume(std), {name: volume(values) for name, values in above.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Weighing:
    """Weights of tumors as a function of the tempering exponent; those read first, then probes."""

    likelihoods: TabulatedLikelihoods
    pet: tuple[PetPrior, PetSums] | None
    log_ratio: NDArray[np.float64]
    independent_share: float
    num_read: int

    def log_likelihood(self, exponent: float) -> NDArray[np.float64]:
        """Log-likelihoods at an exponent, (K,)."""
        weight = exponent * self.independent_share
        masks = self.likelihoods.averaged(weight)
        if self.pet is None:
            return masks
        prior, sums = self.pet
        return masks + prior.log_evidence(sums, weight)

    def pet_draws(self, exponent: float, samples: PosteriorSamples) -> dict[str, NDArray[np.float64]]:
        """Parameters of PET given tumors that are drawn by their weights, by name."""
        if self.pet is None:
            return {}
        prior, sums = self.pet
        rng = np.random.default_rng(_PET_SEED)
        places = (np.arange(_NUM_PET_DRAWS) + rng.random()) / _NUM_PET_DRAWS
        rows = np.minimum(np.searchsorted(np.cumsum(samples.weights), places), self.num_read - 1)
        drawn = [
            prior.drawn(
                sums,
                exponent * self.independent_share,
                dict(zip(prior.names, rng.random(len(prior.names)).tolist(), strict=True)),
                row=int(row),
            )
            for row in rows
        ]
        return {name: np.array([each[name] for each in drawn]) for name in prior.names}

    def exponent(self, settings: DatabasePosteriorSettings) -> float:
        """The exponent asked for, if enough tumors carry the weight at it, or the largest at which they do.

        Raises
        ------
        NumericalError
            If they do not, with the exponent that would do, or no tumor has prior mass.
        """
        num_possible = int(np.count_nonzero(np.isfinite(self.log_ratio[: self.num_read])))
        if num_possible == 0:
            raise NumericalError(
                f"the prior has no mass on any of the {self.num_read} nearest tumors of the database: their growth "
                "parameters or seeds lie outside its ranges. Use a wider prior."
            )
        asked, wanted = settings.tempering_exponent, settings.min_effective_tumors
        effective = self._effective(1.0 if asked is None else asked)
        if effective >= wanted:
            return 1.0 if asked is None else asked
        enough = self._largest_with(wanted)
        if asked is None and enough is not None:
            return enough
        remedy = "no tempering would change that" if enough is None else f"tempering_exponent = {enough:.2g} would do"
        raise NumericalError(
            f"only {effective:.1f} effective tumors of the {self.num_read} nearest fit: expected at least "
            f"{wanted:g}, so their spread is not an uncertainty ({remedy}). Build a larger database, use a longer "
            "correlation length or a smaller tempering exponent, or use method 'sample'."
        )

    def _largest_with(self, wanted: float) -> float | None:
        """Largest exponent at which so many tumors carry the weight, by bisection; None if the smallest has fewer."""
        low, high = _LEAST_EXPONENT, 1.0
        if self._effective(low) < wanted:
            return None
        for _ in range(_NUM_BISECTIONS):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self._effective(middle) >= wanted else (low, middle)
        return low

    def _effective(self, exponent: float) -> float:
        return effective_sample_size((self.log_likelihood(exponent) + self.log_ratio)[: self.num_read])


def _require_fitting(database: SimulationDatabase, observation: Observation, anatomy: Anatomy) -> None:
    grid = database.header.grid
    observation.grid.require_same_as(grid, self_name="observation", other_name="database")
    anatomy.grid.require_same_as(grid, self_name="anatomy", other_name="database")
    if anatomy.domain_rule != database.header.domain_rule:
        raise ParameterError(
            f"the anatomy has the domain rule {anatomy.domain_rule!r}, the tumors of the database grew under "
            f"{database.header.domain_rule!r}. Make the anatomy with that rule."
        )
