"""FET-PET likelihood of many densities with scale, background and noise integrated over their prior.

A PET likelihood (`imaging.pet`) depends on a density through few numbers: with PET y and density u of the n voxels
compared,

    log L(b, a, σ) = −R/(2σ²) − n log σ − (n/2) log 2π,   R = Σ(y − b u − a)²,

where R is a quadratic form of n, Σy, Σy², Σu, Σyu and Σu². So densities are read once, and

    E = ∫∫∫ L(b, a, σ)^w p(b) p(a) p(σ) da db dσ,   w the weight of the log-likelihood,

costs some thousand products per density (`pet_kernels`). Without a background in the prior, a is 0: the paper's model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.pet_kernels import (
    Ranges,
    Sums,
    background_window,
    log_integrals,
    log_of_noises,
    log_of_scales,
    noise_window,
    scale_window,
)
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.published_priors import BACKGROUND_NAME, PET_NAMES
from gliofield.bayes.tabulated_density import drawn_from
from gliofield.errors import ParameterError

_Vector = NDArray[np.float64]
# Points of a window. *Chosen*: they lie less than a width of a normal peak apart, and errors are below 1e-6.
_POINTS_OF_NOISE, _POINTS_OF_SCALE, _POINTS_OF_DRAWS = 24, 24, 400
_NOISE_RULE = np.polynomial.legendre.leggauss(_POINTS_OF_NOISE)
_SCALE_RULE = np.polynomial.legendre.leggauss(_POINTS_OF_SCALE)


@dataclass(frozen=True, kw_only=True, eq=False)
class PetSums:
    """What the PET likelihood needs of N densities.

    Parameters
    ----------
    num_voxels : int
        n, voxels compared.
    pet, squared_pet : float
        Σy and Σy².
    density, product, squared_density : (N,) float64 arrays
        Σu, Σyu and Σu².
    """

    num_voxels: int
    pet: float
    squared_pet: float
    density: _Vector
    product: _Vector
    squared_density: _Vector


@dataclass(frozen=True, kw_only=True)
class PetPrior:
    """Prior of the PET model.

    Parameters
    ----------
    pet_scale, pet_noise_std : ParameterRange
        Ranges of b and σ, uniform or log-uniform.
    pet_background : ParameterRange or None
        Range of a, uniform; None: there is no background.

    Raises
    ------
    ParameterError
        If the range of σ reaches 0, or that of the background is not uniform or reaches below 0.
    """

    pet_scale: ParameterRange
    pet_noise_std: ParameterRange
    pet_background: ParameterRange | None = None

    def __post_init__(self) -> None:
        if self.pet_noise_std.low <= 0.0:
            raise ParameterError(
                f"the range of {self.pet_noise_std.name} must lie above 0, got {self.pet_noise_std.low:g}: PET without "
                "noise has no likelihood."
            )
        background = self.pet_background
        if background is not None and (background.scale != "uniform" or background.low < 0.0):
            raise ParameterError(
                f"{background.name} is integrated over uniform ranges from 0 on, got {background.scale} from "
                f"{background.low:g}. Sample imaging parameters instead, or take such a range."
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
        return cls(pet_scale=scale, pet_noise_std=noise, pet_background=ranges.get(BACKGROUND_NAME))

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parameters: scale, noise, and background where there is one."""
        return tuple(each.name for each in self._all)

    def log_evidence(self, sums: PetSums, weight: float) -> _Vector:
        """log E [nats], (N,).

        Parameters
        ----------
        sums : PetSums
            Densities and PET.
        weight : float
            w, what log-likelihoods are multiplied by, > 0.
        """
        of_densities = (sums.density, sums.product, sums.squared_density)
        density, product, squared = (np.ascontiguousarray(each, dtype=np.float64) for each in of_densities)
        of_pet = (float(sums.num_voxels), float(sums.pet), float(sums.squared_pet))
        values = log_integrals(of_pet, density, product, squared, weight, self._ranges, _NOISE_RULE, _SCALE_RULE)
        return values + self._log_constant

    def drawn(self, sums: PetSums, weight: float, points: Mapping[str, float], *, row: int = 0) -> dict[str, float]:
        """Scale, background and noise by name, drawn from their distribution given one density.

        Parameters
        ----------
        sums : PetSums
            Densities and PET.
        weight : float
            w.
        points : mapping of str to float
            A uniform random number in (0, 1) for each of `names`.
        row : int
            Which of the densities.
        """
        one: Sums = (
            float(sums.num_voxels), float(sums.pet), float(sums.squared_pet),
            float(sums.density[row]), float(sums.product[row]), float(sums.squared_density[row]),
        )  # fmt: skip
        ranges = self._ranges
        log_noises = np.linspace(*noise_window(one, weight, ranges), _POINTS_OF_DRAWS)
        log_values = log_of_noises(log_noises, one, weight, ranges, _SCALE_RULE)
        noise_std = math.exp(drawn_from(log_noises, log_values, points[self.pet_noise_std.name]))
        scales = np.linspace(*scale_window(one, weight, noise_std, ranges), _POINTS_OF_DRAWS)
        log_values = log_of_scales(scales, one, weight, noise_std, ranges)
        scale = drawn_from(scales, log_values, points[self.pet_scale.name])
        drawn = {self.pet_scale.name: scale, self.pet_noise_std.name: noise_std}
        if self.pet_background is not None:
            peak, low, high = background_window(scale, one, weight, noise_std, ranges)
            backgrounds = np.linspace(low, high, _POINTS_OF_DRAWS)
            log_values = -0.5 * weight * sums.num_voxels * ((backgrounds - peak) / noise_std) ** 2
            drawn[self.pet_background.name] = drawn_from(backgrounds, log_values, points[self.pet_background.name])
        return drawn

    @property
    def _all(self) -> tuple[ParameterRange, ...]:
        background = () if self.pet_background is None else (self.pet_background,)
        return (self.pet_scale, self.pet_noise_std, *background)

    @property
    def _ranges(self) -> Ranges:
        scale, noise, background = self.pet_scale, self.pet_noise_std, self.pet_background
        low, high = (0.0, 0.0) if background is None else (background.low, background.high)
        is_log = (scale.scale == "log-uniform", noise.scale == "log-uniform")
        # All of one type, as compiled loops want them.
        of_scale = (float(scale.low), float(scale.high), float(is_log[0]))
        return (*of_scale, float(low), float(high), float(noise.low), float(noise.high), float(is_log[1]))

    @property
    def _log_constant(self) -> float:
        """log of what the densities of all priors have in common at all values."""
        constant = 0.0
        for each in self._all:
            width = math.log(each.high / each.low) if each.scale == "log-uniform" else each.high - each.low
            constant -= math.log(width)
        return constant
