"""Densities of what one scan determines of a reaction-diffusion tumor: λ, τ and the seed.

A density pattern depends on D_w T and ρ T only, not on D_w, ρ and T separately. So beside the seed two numbers remain,
the infiltration length λ = √(D_w/ρ) [mm] and the scaled time τ = ρ T; a database fixes the third by convention. To
weigh its tumors by a prior of D_w, ρ and T, that prior is integrated over the third number, here ρ, at fixed λ and τ:

    p(log λ, log τ) = |J| ∫ p(D_w, ρ, T) D_w ρ T d log ρ,   D_w = λ² ρ, T = τ/ρ, |J| = 2

(with c = ρ T² = τ²/ρ in the place of T, |J| = 4), in closed form for uniform and log-uniform ranges. Beside it stand
the densities with which the designs of `gliofield.database` draw, in the same units: 1/mm³ for the seed, and none for
logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.prior import PRODUCT_NAME, BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.seed_tissue import TissueSeeds
from gliofield.database.clinical_design import smallest_reach_mm
from gliofield.errors import ParameterError
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, SEED_NAMES, TIME_NAME

_Vector = NDArray[np.float64]
# Triangular densities end at 0, where a weight would have no bound; this part of their peak is the least. *Chosen*.
_LEAST_TRIANGULAR = 1e-2


@dataclass(frozen=True, kw_only=True, eq=False)
class IdentifiableTumors:
    """What a scan determines of N tumors.

    Parameters
    ----------
    infiltration_length_mm : (N,) float64 array
        λ = √(D_w/ρ) [mm].
    scaled_time : (N,) float64 array
        τ = ρ T.
    seed_mm : (N, 3) float64 array
        World position [mm, RAS+].
    """

    infiltration_length_mm: _Vector
    scaled_time: _Vector
    seed_mm: NDArray[np.float64]

    @classmethod
    def of_parameters(cls, parameters: NDArray[np.float64], names: tuple[str, ...]) -> IdentifiableTumors:
        """Of rows (N, P) whose columns have the names of a database.

        Raises
        ------
        ParameterError
            If a column is missing, or a diffusivity, rate or time is not above 0.
        """
        needed = (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME, *SEED_NAMES)
        missing = [name for name in needed if name not in names]
        if missing:
            raise ParameterError(f"tumors need the parameters {', '.join(missing)}, got {', '.join(names)}.")
        diffusivity, rate, time, *seed = (parameters[:, names.index(name)] for name in needed)
        if not min(diffusivity.min(), rate.min(), time.min()) > 0.0:
            raise ParameterError("tumors need a diffusivity, a proliferation rate and a growth time above 0.")
        return cls(
            infiltration_length_mm=np.sqrt(diffusivity / rate),
            scaled_time=rate * time,
            seed_mm=np.stack(seed, axis=1),
        )

    @property
    def diffusion_length_mm(self) -> _Vector:
        """√(D_w T) = λ √τ [mm]."""
        return self.infiltration_length_mm * np.sqrt(self.scaled_time)

    @property
    def proliferation_number(self) -> _Vector:
        """√(ρ T) = √τ."""
        return np.sqrt(self.scaled_time)


def log_prior_of_tumors(prior: BoxPrior | GrowthTimePrior, tumors: IdentifiableTumors) -> _Vector:
    """Log density of a prior per unit of (log λ, log τ, seed [mm³]), (N,); −∞ where it has no mass.

    Raises
    ------
    ParameterError
        If the prior lacks one of D_w, ρ, the growth time (or ρ T²), or the seed.
    """
    box = prior.box if isinstance(prior, GrowthTimePrior) else prior
    ranges = {each.name: each for each in box.ranges}
    third = PRODUCT_NAME if isinstance(prior, GrowthTimePrior) else TIME_NAME
    missing = [name for name in (DIFFUSIVITY_NAME, RATE_NAME, third, *SEED_NAMES) if name not in ranges]
    if missing:
        raise ParameterError(f"the prior lacks {', '.join(missing)}: expected growth parameters and seed.")
    return _log_integral(
        (ranges[DIFFUSIVITY_NAME], ranges[RATE_NAME], ranges[third]),
        tumors,
        power_of_scaled_time=2 if third == PRODUCT_NAME else 1,
    ) + _log_seed_prior(box, ranges, tumors.seed_mm)


def log_design_of_tumors(design: Mapping[str, Any], tumors: IdentifiableTumors, anatomy: Anatomy) -> _Vector:
    """Log density, up to a constant, with which a database's design draws tumors, in the same units, (N,).

    Size filters are left aside: what they reject is not in the database, and what they keep they keep with certainty,
    but for the random threshold of ``papers``, which matters at the edges of its sizes only.

    Parameters
    ----------
    design : mapping
        ``{"name": …, "settings": {…}}`` of the database's header.
    tumors : IdentifiableTumors
        Tumors of the database.
    anatomy : Anatomy
        The one they grew in.

    Raises
    ------
    ParameterError
        If the density of the design is not known.
    """
    settings = design["settings"]
    if design["name"] == "clinical":
        return _log_clinical(settings, tumors, anatomy)
    if design["name"] == "papers":
        diffusivity, rate, time = (
            ParameterRange(name=name, unit=unit, low=settings[name][0], high=settings[name][1])
            for name, unit in ((DIFFUSIVITY_NAME, "mm²/day"), (RATE_NAME, "1/day"), (TIME_NAME, "day"))
        )
        # The seed is uniform over the tissue in a box, so its density is a constant.
        return _log_integral((diffusivity, rate, time), tumors, power_of_scaled_time=1)
    raise ParameterError(
        f"the density of the design {design['name']!r} is not known: expected clinical or papers. Give the densities "
        "of its tumors as log_design_density."
    )


def _log_integral(
    ranges: tuple[ParameterRange, ParameterRange, ParameterRange],
    tumors: IdentifiableTumors,
    *,
    power_of_scaled_time: int,
) -> _Vector:
    """log p(log λ, log τ) of the module docstring; ranges of D_w, ρ, and T = τ/ρ or, with power 2, c = τ²/ρ."""
    diffusivity, rate, third = ranges
    squared_length = tumors.infiltration_length_mm**2
    scaled = tumors.scaled_time**power_of_scaled_time
    low = np.maximum.reduce([np.full(len(scaled), rate.low), diffusivity.low / squared_length, scaled / third.high])
    high = np.minimum.reduce([np.full(len(scaled), rate.high), diffusivity.high / squared_length, scaled / third.low])
    # The density of log x is x/(b − a) for a uniform x, 1/log(b/a) for a log-uniform one.
    log_factor = np.full(len(scaled), math.log(2.0 * power_of_scaled_time))
    power_of_rate = 0
    parts = ((diffusivity, np.log(squared_length), 1), (rate, np.zeros(len(scaled)), 1), (third, np.log(scaled), -1))
    for each, log_value, power in parts:
        if each.scale == "log-uniform":
            log_factor -= math.log(math.log(each.high / each.low))
        else:
            log_factor += log_value - math.log(each.high - each.low)
            power_of_rate += power
    has_mass = high > low
    low, high = np.where(has_mass, low, 1.0), np.where(has_mass, high, 2.0)
    if power_of_rate == 0:
        integral = np.log(high / low)
    else:
        integral = (high**power_of_rate - low**power_of_rate) / power_of_rate
    return np.where(has_mass, log_factor + np.log(integral), -np.inf)


def _log_seed_prior(box: BoxPrior, ranges: Mapping[str, ParameterRange], seed_mm: NDArray[np.float64]) -> _Vector:
    low, high = (np.array([getattr(ranges[name], bound) for name in SEED_NAMES]) for bound in ("low", "high"))
    if box.seed_anatomy is not None:
        seeds = TissueSeeds(anatomy=box.seed_anatomy, low_mm=tuple(low.tolist()), high_mm=tuple(high.tolist()))
        return seeds.log_density(seed_mm)
    inside = ((seed_mm >= low) & (seed_mm <= high)).all(axis=1)
    return np.where(inside, -np.log(high - low).sum(), -np.inf)


def _log_clinical(settings: Mapping[str, Any], tumors: IdentifiableTumors, anatomy: Anatomy) -> _Vector:
    """Triangular log λ, triangular reach, seed by weight of its voxel; the reach as in `clinical_design`."""
    length, time = tumors.infiltration_length_mm, tumors.scaled_time
    log_lengths = tuple(math.log(bound) for bound in settings["infiltration_length_mm"])
    # Seed mass over threshold, from the reach that the design refuses to go below.
    mass_over_threshold = (smallest_reach_mm(settings["flair_threshold"]) * math.sqrt(6.0 * math.pi) / 3.0) ** 3
    constant = math.log(mass_over_threshold) - 1.5 * np.log(4.0 * math.pi * length**2)
    squared_reach = 4.0 * length**2 * time * (time + constant - 1.5 * np.log(time))
    reach = np.sqrt(np.maximum(squared_reach, 1e-12))
    reach_per_log_time = time * 4.0 * length**2 * (2.0 * time + constant - 1.5 * np.log(time) - 1.5) / (2.0 * reach)
    return (
        np.log(_triangular_density(np.log(length), log_lengths))
        + np.log(_triangular_density(reach, tuple(settings["reach_mm"])))
        + np.log(np.maximum(reach_per_log_time, 1e-12))
        + _log_seed_weight(tumors.seed_mm, anatomy, settings["gray_matter_seed_weight"])
    )


def _triangular_density(values: _Vector, peak: tuple[float, ...]) -> _Vector:
    """Density of a triangular distribution (low, mode, high), at least a hundredth of its peak everywhere."""
    low, mode, high = peak
    rising = (values - low) / ((mode - low) or 1.0)
    falling = (high - values) / ((high - mode) or 1.0)
    shape = np.where((values <= mode) & (low < mode), rising, falling)
    return 2.0 / (high - low) * np.clip(shape, _LEAST_TRIANGULAR, 1.0)


def _log_seed_weight(seed_mm: NDArray[np.float64], anatomy: Anatomy, gray_matter_weight: float) -> _Vector:
    """log of the relative density of seeds: 1 in white matter, `gray_matter_weight` in gray."""
    voxels = np.floor(anatomy.grid.voxel_of(seed_mm) + 0.5).astype(np.int64)
    x, y, z = np.clip(voxels, 0, np.array(anatomy.grid.shape) - 1).T
    weight = anatomy.white_matter[x, y, z] + gray_matter_weight * anatomy.gray_matter[x, y, z]
    return np.log(np.maximum(weight.astype(np.float64), 1e-6))
