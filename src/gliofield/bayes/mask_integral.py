"""Likelihood of both masks of a patient with thresholds and width integrated over their prior.

A mask likelihood (`imaging.visibility_probability`, Eq. 5 and 6 of the surrogate paper) depends on a density u through
u − u_c, so with n(u) voxels of each density, in the mask and outside,

    log L(u_c, σ_α) = Σ_u n_in(u) log α_σ(u − u_c) + n_out(u) log(1 − α_σ(u − u_c))

is a correlation of histograms with a kernel: one Fourier transform gives it for hundreds of thresholds. The masks share
σ_α, so

    E = ∫ p(σ) [∫ L₁(u₁, σ)^w p(u₁) du₁] [∫ L₂(u₂, σ)^w p(u₂) du₂] dσ,   w the weight of the log-likelihoods.

Densities are shared out among levels 1/512 apart. Thresholds are summed at that distance; widths, and thresholds where
they are known better than that, are integrated by a spline of the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.prior import ParameterRange
from gliofield.bayes.tabulated_density import drawn_from, finely, log_integral
from gliofield.compiled import compiled
from gliofield.errors import ParameterError
from gliofield.imaging import log_visibility

_Vector = NDArray[np.float64]
# Levels per unit of density, and widths of the finest rule: a power of two of intervals. *Chosen*: error of log E below
# 0.05 nats at weight 1, 0.01 at usual weights (tests/equivalence/bayes/test_imaging_integral.py).
_LEVELS_PER_UNIT = 512
_FINEST = 64
_COARSEST_STRIDE = 16
# Widths are refined until the integrand drops by less than this between neighbors at its top, and left aside where it
# has dropped by more than that.
_MOST_DROP, _LEFT_ASIDE = 0.6, 16.0
# Peaks that drop by more between neighboring thresholds are integrated between them: up to here a sum is good to 0.02.
_MOST_DROP_OF_SUMS = 2.0
# Differences of logarithms below which the share of an end is that of its series, for rounding.
_FLAT = 1e-4
# Widths below so many levels blur less than the levels do.
_LEAST_LEVELS_OF_WIDTH = 4


@compiled
def _add_to_levels(
    mask: NDArray[np.bool_],
    cell_density: NDArray[np.floating],
    levels_per_unit: float,
    inside: _Vector,
    outside: _Vector,
) -> None:
    """Share every voxel out among the four levels around its density, of those in the mask and of the others.

    The shares are those of cubic interpolation, so sums over levels of a smooth function are those over voxels.
    """
    last = len(inside) - 1
    for voxel in range(len(cell_density)):
        place = min(max(cell_density[voxel] * levels_per_unit, 0.0), float(last))
        first = min(max(int(place) - 1, 0), last - 3)
        # Distances to the four levels.
        a = place - first
        b, c, d = a - 1.0, a - 2.0, a - 3.0
        levels = inside if mask[voxel] else outside
        levels[first] -= b * c * d / 6.0
        levels[first + 1] += a * c * d / 2.0
        levels[first + 2] -= a * b * d / 2.0
        levels[first + 3] += a * b * c / 6.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdKernels:
    """Log-likelihoods of one mask at all thresholds of its range, by width.

    Parameters
    ----------
    threshold, visibility_width : ParameterRange
        Ranges of u_c and σ_α.
    """

    threshold: ParameterRange
    visibility_width: ParameterRange

    @cached_property
    def thresholds(self) -> _Vector:
        """Thresholds, both ends among them, (J,)."""
        number = math.ceil((self.threshold.high - self.threshold.low) * _LEVELS_PER_UNIT)
        return np.linspace(self.threshold.low, self.threshold.high, number + 1)

    def log_integrals(self, log_likelihood: _Vector) -> _Vector:
        """log of the integral of likelihoods over the prior of the threshold, of logarithms (W, J) -> (W,)."""
        log_values = log_likelihood + self.threshold.log_density(self.thresholds)
        largest = log_values.max(axis=1, keepdims=True)
        shares = np.exp(log_values - largest)
        for end, next_to_it in ((0, 1), (-1, -2)):
            shares[:, end] *= end_share(log_values[:, end] - log_values[:, next_to_it])
        found = largest[:, 0] + np.log(self._distance * shares.sum(axis=1))
        # A sum at these distances misses peaks that are narrower; at an end it does not.
        top = log_values.argmax(axis=1)
        is_inside = (top > 0) & (top < log_values.shape[1] - 1)
        for row in np.flatnonzero(is_inside & (_drops_at_top(log_values) > _MOST_DROP_OF_SUMS)):
            found[row] = log_integral(*finely(self.thresholds, log_values[row]))
        return found

    def levels(self, mask: NDArray[np.bool_], cell_density: NDArray[np.floating]) -> tuple[NDArray[np.complex128], ...]:
        """Transforms of the histograms in and outside of a mask, of flat arrays of one length."""
        number = math.ceil(1.0 / self._distance) + 1
        inside, outside = np.zeros(number), np.zeros(number)
        _add_to_levels(mask, cell_density, 1.0 / self._distance, inside, outside)
        return tuple(np.fft.rfft(each, self._length) for each in (inside, outside))

    def at_nodes(self, levels: tuple[NDArray[np.complex128], ...], nodes: NDArray[np.int64]) -> _Vector:
        """Log-likelihoods at the widths of some nodes and all thresholds, (W, J)."""
        return self._correlated(levels, tuple(each[nodes] for each in self._kernels))

    def at_width(self, levels: tuple[NDArray[np.complex128], ...], width: float) -> _Vector:
        """Log-likelihoods at any width and all thresholds, (J,)."""
        return self._correlated(levels, self._transformed(width))

    def _correlated(
        self, levels: tuple[NDArray[np.complex128], ...], kernels: tuple[NDArray[np.complex128], ...]
    ) -> _Vector:
        inside, outside = (level * kernel for level, kernel in zip(levels, kernels, strict=True))
        return np.fft.irfft(inside + outside, self._length)[..., : len(self.thresholds)]

    @property
    def _distance(self) -> float:
        return float(self.thresholds[1] - self.thresholds[0])

    @cached_property
    def _length(self) -> int:
        from scipy.fft import next_fast_len

        return int(next_fast_len(math.ceil(1.0 / self._distance) + 1 + len(self.thresholds), real=True))

    @cached_property
    def _kernels(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Transforms of the kernels in and outside of the mask, by width, (W, F) each."""
        both = [self._transformed(float(width)) for width in width_nodes(self.visibility_width)]
        inside, outside = (np.stack(each) for each in zip(*both, strict=True))
        return inside, outside

    def _transformed(self, width: float) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Transforms of log α and log(1 − α), reversed: a correlation is a convolution with the reversed kernel."""
        # Levels less thresholds, in units of their distance; the lowest threshold is taken off by `log_visibility`.
        steps = np.arange(-(len(self.thresholds) - 1), math.ceil(1.0 / self._distance) + 1)
        logs = log_visibility(steps * self._distance, threshold=self.threshold.low, visibility_width=width)
        kernels = np.zeros((2, self._length))
        kernels[:, -steps % self._length] = logs
        inside, outside = np.fft.rfft(kernels, self._length)
        return inside, outside


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskIntegral:
    """Integral over thresholds and width for masks seen by some of two modalities.

    Parameters
    ----------
    thresholds : mapping of str to ParameterRange
        Range of u_c by name of the parameter, at least one.
    visibility_width : ParameterRange
        Range of σ_α, which they share.

    Raises
    ------
    ParameterError
        If widths, or the range of a threshold, are smaller than the levels tell apart.
    """

    thresholds: Mapping[str, ParameterRange]
    visibility_width: ParameterRange
    _kernels: Mapping[str, ThresholdKernels] = field(init=False)

    def __post_init__(self) -> None:
        least = _LEAST_LEVELS_OF_WIDTH / _LEVELS_PER_UNIT
        if self.visibility_width.low < least:
            raise ParameterError(
                f"{self.visibility_width.name} is integrated over widths of at least {least:.3g}, got a range from "
                f"{self.visibility_width.low:g}. Sample imaging parameters instead, or take wider ones."
            )
        for name, each in self.thresholds.items():
            if each.high - each.low < least:
                raise ParameterError(
                    f"{name} is integrated over ranges of at least {least:.3g}, got {each.low:g} to {each.high:g}. "
                    "Sample imaging parameters instead."
                )
        kernels = {
            name: ThresholdKernels(threshold=each, visibility_width=self.visibility_width)
            for name, each in self.thresholds.items()
        }
        object.__setattr__(self, "_kernels", kernels)

    def tabulated(
        self, masks: Mapping[str, NDArray[np.bool_]], cell_density: NDArray[np.floating], weight: float
    ) -> MaskTable:
        """Everything about one density.

        Parameters
        ----------
        masks : mapping of str to (V,) bool array
            Masks by name of their threshold, those that were seen.
        cell_density : (V,) array
            Density of the same voxels, in [0, 1].
        weight : float
            w, what log-likelihoods are multiplied by, > 0.
        """
        levels = {name: self._kernels[name].levels(mask, cell_density) for name, mask in masks.items()}
        return MaskTable(integral=self, levels=levels, weight=weight)

    def kernels_of(self, name: str) -> ThresholdKernels:
        """Kernels of a mask, by name of its threshold."""
        return self._kernels[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskTable:
    """The integrand of one density over widths, as far as it matters; made by `MaskIntegral.tabulated`."""

    integral: MaskIntegral
    levels: Mapping[str, tuple[NDArray[np.complex128], ...]]
    weight: float

    @cached_property
    def _by_width(self) -> tuple[_Vector, _Vector]:
        """Widths at equal distances and log of the integrand there, the prior of the width included."""
        nodes = np.arange(0, _FINEST + 1, _COARSEST_STRIDE)
        values = self._at(nodes)
        stride = _COARSEST_STRIDE
        while stride > 1 and _drops_at_top(values[None])[0] > _MOST_DROP:
            stride //= 2
            matters = nodes[values > values.max() - _LEFT_ASIDE]
            first, last = max(matters[0] - 2 * stride, 0), min(matters[-1] + 2 * stride, _FINEST)
            nodes = np.arange(first, last + 1, stride)
            values = self._at(nodes)
        return width_nodes(self.integral.visibility_width)[nodes], values

    @property
    def log_evidence(self) -> float:
        """log E [nats]."""
        return log_integral(*finely(*self._by_width))

    def drawn(self, points: Mapping[str, float], width_point: float) -> dict[str, float]:
        """Thresholds and width by name, drawn from their distribution given the density.

        Parameters
        ----------
        points : mapping of str to float
            Uniform random number in (0, 1) for every threshold; one whose mask was not seen follows its prior.
        width_point : float
            Uniform random number for the width.
        """
        width = drawn_from(*finely(*self._by_width), width_point)
        values = {self.integral.visibility_width.name: width}
        for name, point in points.items():
            kernels = self.integral.kernels_of(name)
            log_values = kernels.threshold.log_density(kernels.thresholds)
            if name in self.levels:
                log_values = log_values + self.weight * kernels.at_width(self.levels[name], width)
            values[name] = drawn_from(*finely(kernels.thresholds, log_values), point)
        return values

    def _at(self, nodes: NDArray[np.int64]) -> _Vector:
        values = np.zeros(len(nodes))
        for name, levels in self.levels.items():
            kernels = self.integral.kernels_of(name)
            values += kernels.log_integrals(self.weight * kernels.at_nodes(levels, nodes))
        widths = width_nodes(self.integral.visibility_width)[nodes]
        return values + self.integral.visibility_width.log_density(widths)


def end_share(drop: _Vector) -> _Vector:
    """What the value at an end counts for in a sum over equal distances, of how far the logarithm drops to the next.

    1/2 where a function is flat, as by the trapezoidal rule; in general what makes the sum of an exponential exact.

    Examples
    --------
    >>> end_share(np.array([0.0, 2.0])).round(4).tolist()
    [0.5, 0.3435]
    """
    is_flat = np.abs(drop) < _FLAT
    steep = np.where(is_flat, 1.0, drop)
    # Far below the next value, the end counts in full.
    with np.errstate(over="ignore"):
        return np.where(is_flat, 0.5 - drop / 12.0, 1.0 / steep - 1.0 / np.expm1(steep))


def width_nodes(width: ParameterRange) -> _Vector:
    """Widths of the finest rule, at equal distances or ratios over the range, as it is distributed."""
    if width.scale == "log-uniform":
        return np.geomspace(width.low, width.high, _FINEST + 1)
    return np.linspace(width.low, width.high, _FINEST + 1)


def _drops_at_top(values: _Vector) -> _Vector:
    """How far the lower one of its neighbors lies below the largest value of each row, (W, J) -> (W,)."""
    rows, top = np.arange(len(values)), values.argmax(axis=1)
    neighbors = (values[rows, np.clip(top + side, 0, values.shape[1] - 1)] for side in (-1, 1))
    return values[rows, top] - np.minimum(*neighbors)
