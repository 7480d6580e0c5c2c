"""FET-PET likelihood of many densities with scale and noise integrated over their prior.

A PET likelihood (`imaging.pet`, Eq. 7 of the surrogate paper) depends on a density through two numbers: with PET y
and density u of the n voxels compared,

    log L(b, σ) = −(Σy² − 2b Σyu + b² Σu²)/(2σ²) − n log σ − (n/2) log 2π.

So densities are read once, and

    E = ∫∫ L(b, σ)^w p(b) p(σ) db dσ,   w the weight of the log-likelihood,

costs a few hundred products per density. Both integrals are Gauss-Legendre sums over the window in which the integrand
matters, which is found for each density: L may be far narrower than the prior, or have its peak beyond an end of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.published_priors import PET_NAMES
from gliofield.bayes.tabulated_density import drawn_from
from gliofield.compiled import compiled
from gliofield.errors import ParameterError

_Vector = NDArray[np.float64]
# How far the log of an integrand drops within its window, and points there. *Chosen*: a window is ±8 widths of a normal
# peak, points lie one width apart, so both errors are below 1e-6; it is wider only where few voxels make it that flat.
_DROP_OF_NOISE, _DROP_OF_SCALE = 30.0, 24.0
_POINTS_OF_NOISE, _POINTS_OF_SCALE = 24, 20
_POINTS_OF_DRAWS = 400
_NOISE_RULE = np.polynomial.legendre.leggauss(_POINTS_OF_NOISE)
_SCALE_RULE = np.polynomial.legendre.leggauss(_POINTS_OF_SCALE)
# Ends of windows need not be exact.
_NUM_BISECTIONS = 14
# Keeps divisions finite where there is no density, or no residual.
_TINY = 1e-30


@compiled
def sum_of_products(
    levels: NDArray[np.uint8], pet: NDArray[np.floating], density_of_level: NDArray[np.float64]
) -> float:
    """Σ density_of_level[level] · pet over the voxels of two arrays (X, Y, Z) of one shape."""
    total = 0.0
    for x in range(levels.shape[0]):
        for y in range(levels.shape[1]):
            for z in range(levels.shape[2]):
                total += density_of_level[levels[x, y, z]] * pet[x, y, z]
    return total


@compiled
def density_sums(cell_density: NDArray[np.floating], pet: _Vector) -> tuple[float, float]:
    """Σyu and Σu² of flat arrays, added up in order whatever the number of threads."""
    product = squared = 0.0
    for voxel in range(len(pet)):
        density = float(cell_density[voxel])
        product += density * pet[voxel]
        squared += density * density
    return product, squared


# Ends of the ranges of b and σ, and whether they are log-uniform, as the loops take them.
_Ranges = tuple[float, float, bool, float, float, bool]
# n, Σy², Σyu and Σu² of one density.
_Sums = tuple[float, float, float, float]


@compiled
def _noise_window(sums: _Sums, weight: float, ranges: _Ranges) -> tuple[float, float]:
    """Ends of log σ: where −w n log σ − w Σ(y − bu)²/(2σ²), at the best b, is near its largest value in the range."""
    first, last = math.log(ranges[3]), math.log(ranges[4])
    count = weight * sums[0]
    scale = min(max(sums[2] / max(sums[3], _TINY), ranges[0]), ranges[1])
    scaled = weight * max(scale * (scale * sums[3] - 2.0 * sums[2]) + sums[1], _TINY)
    best = min(max(0.5 * math.log(scaled / count), first), last)
    ends = (first, last)
    found = [first, last]
    for side in range(2):
        inside, outside = best, ends[side]
        drop = count * (outside - best) + 0.5 * scaled * (math.exp(-2.0 * outside) - math.exp(-2.0 * best))
        if drop > _DROP_OF_NOISE:
            for _ in range(_NUM_BISECTIONS):
                middle = 0.5 * (inside + outside)
                drop = count * (middle - best) + 0.5 * scaled * (math.exp(-2.0 * middle) - math.exp(-2.0 * best))
                if drop > _DROP_OF_NOISE:
                    outside = middle
                else:
                    inside = middle
        found[side] = outside
    return found[0], found[1]


@compiled
def _scale_window(sums: _Sums, weight: float, noise_std: float, ranges: _Ranges) -> tuple[float, float]:
    """Ends of the scale for one noise: where the integrand has not died away."""
    squared = max(sums[3], _TINY)
    peak = sums[2] / squared
    best = min(max(peak, ranges[0]), ranges[1])
    reach = math.sqrt((best - peak) ** 2 + 2.0 * _DROP_OF_SCALE * noise_std**2 / (weight * squared))
    return max(ranges[0], peak - reach), min(ranges[1], peak + reach)


@compiled
def _log_of_scale(scale: float, sums: _Sums, weight: float, noise_std: float, ranges: _Ranges) -> float:
    """log of what depends on the scale, its prior's density included up to a constant."""
    value = -0.5 * weight / noise_std**2 * (scale * (scale * sums[3] - 2.0 * sums[2]) + sums[1])
    return value - math.log(scale) if ranges[2] else value


@compiled
def _log_of_noise(
    log_noise: float, sums: _Sums, weight: float, ranges: _Ranges, places: _Vector, shares: _Vector
) -> float:
    """log of the integrand by log σ with the scale integrated at Gauss-Legendre places, up to the priors' constants."""
    noise_std = math.exp(log_noise)
    low, high = _scale_window(sums, weight, noise_std, ranges)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    largest = -np.inf
    for place in places:
        largest = max(largest, _log_of_scale(middle + half * place, sums, weight, noise_std, ranges))
    total = 0.0
    for place, share in zip(places, shares):  # noqa: B905 - compiled loops know no strict
        total += share * math.exp(_log_of_scale(middle + half * place, sums, weight, noise_std, ranges) - largest)
    value = largest + math.log(half * total) - weight * sums[0] * (log_noise + 0.5 * math.log(2.0 * math.pi))
    # The noise is summed by its logarithm: dσ = σ d log σ, which a log-uniform prior takes away again.
    return value if ranges[5] else value + log_noise


@compiled
def _log_of_noises(
    log_noises: _Vector, sums: _Sums, weight: float, ranges: _Ranges, places: _Vector, shares: _Vector
) -> _Vector:
    values = np.empty(len(log_noises))
    for row in range(len(log_noises)):
        values[row] = _log_of_noise(log_noises[row], sums, weight, ranges, places, shares)
    return values


@compiled
def _log_integrals(
    num_voxels: float,
    squared_pet: float,
    product: _Vector,
    squared_density: _Vector,
    weight: float,
    ranges: _Ranges,
    noise_rule: tuple[_Vector, _Vector],
    scale_rule: tuple[_Vector, _Vector],
) -> _Vector:
    """log E of every density, up to the priors' constants."""
    places, shares = noise_rule
    found = np.empty(len(product))
    for row in range(len(product)):
        sums = (num_voxels, squared_pet, product[row], squared_density[row])
        low, high = _noise_window(sums, weight, ranges)
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        values = _log_of_noises(middle + half * places, sums, weight, ranges, scale_rule[0], scale_rule[1])
        largest = values.max()
        found[row] = largest + math.log(half * np.sum(shares * np.exp(values - largest)))
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class PetSums:
    """What the PET likelihood needs of N densities.

    Parameters
    ----------
    num_voxels : int
        n, voxels compared.
    squared_pet : float
        Σy².
    product, squared_density : (N,) float64 arrays
        Σyu and Σu².
    """

    num_voxels: int
    squared_pet: float
    product: _Vector
    squared_density: _Vector


@dataclass(frozen=True, kw_only=True)
class PetPrior:
    """Prior of the PET model.

    Parameters
    ----------
    pet_scale, pet_noise_std : ParameterRange
        Ranges of b and σ, uniform or log-uniform.

    Raises
    ------
    ParameterError
        If the range of σ reaches 0.
    """

    pet_scale: ParameterRange
    pet_noise_std: ParameterRange

    def __post_init__(self) -> None:
        if self.pet_noise_std.low <= 0.0:
            raise ParameterError(
                f"the range of {self.pet_noise_std.name} must lie above 0, got {self.pet_noise_std.low:g}: PET without "
                "noise has no likelihood."
            )

    @classmethod
    def of(cls, prior: BoxPrior | GrowthTimePrior) -> PetPrior:
        """That part of a prior.

        Raises
        ------
        ParameterError
            If the prior lacks scale or noise.
        """
        box = prior.box if isinstance(prior, GrowthTimePrior) else prior
        ranges = {each.name: each for each in box.ranges}
        missing = [name for name in PET_NAMES if name not in ranges]
        if missing:
            raise ParameterError(
                f"PET was observed and the prior lacks {', '.join(missing)}: expected {', '.join(PET_NAMES)}."
            )
        scale, noise = (ranges[name] for name in PET_NAMES)
        return cls(pet_scale=scale, pet_noise_std=noise)

    def log_evidence(self, sums: PetSums, weight: float) -> _Vector:
        """log E [nats], (N,).

        Parameters
        ----------
        sums : PetSums
            Densities and PET.
        weight : float
            w, what log-likelihoods are multiplied by, > 0.
        """
        values = _log_integrals(
            float(sums.num_voxels),
            sums.squared_pet,
            np.ascontiguousarray(sums.product, dtype=np.float64),
            np.ascontiguousarray(sums.squared_density, dtype=np.float64),
            weight,
            self._ranges,
            _NOISE_RULE,
            _SCALE_RULE,
        )
        return values + self._log_constant

    def drawn(self, sums: PetSums, weight: float, points: tuple[float, float]) -> tuple[float, float]:
        """Scale b and noise σ drawn from their distribution given one density.

        Parameters
        ----------
        sums : PetSums
            Of one density.
        weight : float
            w.
        points : (float, float)
            Uniform random numbers in (0, 1) for scale and noise.
        """
        one: _Sums = (float(sums.num_voxels), sums.squared_pet, float(sums.product[0]), float(sums.squared_density[0]))
        log_noises = np.linspace(*_noise_window(one, weight, self._ranges), _POINTS_OF_DRAWS)
        noise_std = math.exp(
            drawn_from(log_noises, _log_of_noises(log_noises, one, weight, self._ranges, *_SCALE_RULE), points[1])
        )
        scales = np.linspace(*_scale_window(one, weight, noise_std, self._ranges), _POINTS_OF_DRAWS)
        log_values = np.array([_log_of_scale(scale, one, weight, noise_std, self._ranges) for scale in scales])
        return drawn_from(scales, log_values, points[0]), noise_std

    @property
    def _ranges(self) -> _Ranges:
        scale, noise = self.pet_scale, self.pet_noise_std
        return (
            scale.low,
            scale.high,
            scale.scale == "log-uniform",
            noise.low,
            noise.high,
            noise.scale == "log-uniform",
        )

    @property
    def _log_constant(self) -> float:
        """log of what the densities of both priors have in common at all values."""
        constant = 0.0
        for each in (self.pet_scale, self.pet_noise_std):
            width = math.log(each.high / each.low) if each.scale == "log-uniform" else each.high - each.low
            constant -= math.log(width)
        return constant
