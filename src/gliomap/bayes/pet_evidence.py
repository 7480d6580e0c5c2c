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

from gliomap.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange
from gliomap.bayes.published_priors import PET_NAMES
from gliomap.errors import ParameterError
from gliomap.growth.backends.compiled import compiled

_Vector = NDArray[np.float64]
# How far the log of an integrand drops within its window, and points there. *Chosen*: a window is at most ±8 widths of
# a normal peak, points lie one width apart, so both errors are below 1e-6.
_DROP_OF_NOISE, _DROP_OF_SCALE = 30.0, 24.0
_POINTS_OF_NOISE, _POINTS_OF_SCALE = 24, 20
_WEIGHTS_OF_NOISE = np.polynomial.legendre.leggauss(_POINTS_OF_NOISE)[1]
_WEIGHTS_OF_SCALE = np.polynomial.legendre.leggauss(_POINTS_OF_SCALE)[1]
_NUM_BISECTIONS = 40
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
        best_scale = np.clip(_peak(sums), self.pet_scale.low, self.pet_scale.high)
        low, high = self._noise_window(_residual(sums, best_scale), weight * sums.num_voxels, weight)
        log_noise, noise_half = _points(low, high, _POINTS_OF_NOISE)
        noise_std = np.exp(log_noise)
        scale, scale_half = self._scale_points(sums, weight, noise_std, best_scale)
        # The noise is summed by its logarithm: dσ = σ d log σ.
        log_of_noise = _log_density(self.pet_noise_std, noise_std) + log_noise
        log_of_noise -= weight * sums.num_voxels * (log_noise + 0.5 * math.log(2.0 * math.pi))
        log_values = _residual(sums, scale)
        log_values *= (-0.5 * weight / noise_std**2)[..., None]
        log_values += log_of_noise[..., None]
        log_values += _log_density(self.pet_scale, scale)
        largest = log_values.max(axis=(1, 2), keepdims=True)
        log_values -= largest
        over_scale = scale_half * (np.exp(log_values, out=log_values) @ _WEIGHTS_OF_SCALE)
        return np.asarray(largest[:, 0, 0] + np.log(noise_half * (over_scale @ _WEIGHTS_OF_NOISE)))

    def _noise_window(self, residual: _Vector, count: float, weight: float) -> tuple[_Vector, _Vector]:
        """Ends of log σ, (N,): where −count log σ − weight residual/(2σ²) is near its largest value in the range."""
        first, last = math.log(self.pet_noise_std.low), math.log(self.pet_noise_std.high)
        scaled = weight * np.maximum(residual, _TINY)
        best = np.clip(0.5 * np.log(scaled / count), first, last)

        def drop(log_noise: _Vector) -> _Vector:
            return count * (log_noise - best) + 0.5 * scaled * (np.exp(-2.0 * log_noise) - np.exp(-2.0 * best))

        def end(outer: float) -> _Vector:
            inside, outside = best, np.full_like(best, outer)
            is_needed = drop(outside) > _DROP_OF_NOISE
            for _ in range(_NUM_BISECTIONS):
                middle = 0.5 * (inside + outside)
                is_inside = drop(middle) <= _DROP_OF_NOISE
                inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
            return np.where(is_needed, outside, outer)

        return end(first), end(last)

    def _scale_points(
        self, sums: PetSums, weight: float, noise_std: _Vector, best_scale: _Vector
    ) -> tuple[_Vector, _Vector]:
        """Scales (N, K, M) for each noise (N, K) and half their range (N, K): where the integrand has not died away."""
        peak = _peak(sums)[:, None]
        variance = noise_std**2 / (weight * np.maximum(sums.squared_density, _TINY))[:, None]
        reach = np.sqrt((best_scale[:, None] - peak) ** 2 + 2.0 * _DROP_OF_SCALE * variance)
        low = np.maximum(self.pet_scale.low, peak - reach)
        high = np.minimum(self.pet_scale.high, peak + reach)
        return _points(low, high, _POINTS_OF_SCALE)


def _peak(sums: PetSums) -> _Vector:
    """The scale of least squares, (N,)."""
    return sums.product / np.maximum(sums.squared_density, _TINY)


def _residual(sums: PetSums, scale: _Vector) -> _Vector:
    """Σ(y − b u)² for scales (N, …)."""
    product, squared = (values.reshape(-1, *(1,) * (scale.ndim - 1)) for values in (sums.product, sums.squared_density))
    return np.asarray(scale * (scale * squared - 2.0 * product) + sums.squared_pet)


def _points(low: _Vector, high: _Vector, number: int) -> tuple[_Vector, _Vector]:
    """Gauss-Legendre points between ends of any shape, with one more axis, and half the distances of the ends."""
    places, _ = np.polynomial.legendre.leggauss(number)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    return middle[..., None] + half[..., None] * places, half


def _log_density(each: ParameterRange, values: _Vector) -> _Vector | float:
    """log of the density of a range at values inside it."""
    if each.scale == "log-uniform":
        return -np.log(values) - math.log(math.log(each.high / each.low))
    return -math.log(each.high - each.low)
