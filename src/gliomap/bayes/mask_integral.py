"""Likelihood of both masks of a patient with thresholds and width integrated over their prior.

A mask likelihood (`imaging.visibility_probability`, Eq. 5 and 6 of the surrogate paper) depends on a density u through
u − u_c, so with n(u) voxels of each density, in the mask and outside,

    log L(u_c, σ_α) = Σ_u n_in(u) log α_σ(u − u_c) + n_out(u) log(1 − α_σ(u − u_c))

is a correlation of histograms with a kernel: one Fourier transform gives it for hundreds of thresholds. The masks share
σ_α, so

    E = ∫ p(σ) [∫ L₁(u₁, σ)^w p(u₁) du₁] [∫ L₂(u₂, σ)^w p(u₂) du₂] dσ,   w the weight of the log-likelihoods.

Densities are shared out among levels 1/512 apart. Thresholds are summed at that distance, widths by Simpson's rule,
refined where the integrand is steep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliomap.bayes.prior import ParameterRange
from gliomap.bayes.tabulated_density import drawn_from
from gliomap.growth.backends.compiled import compiled
from gliomap.imaging import log_visibility

_Vector = NDArray[np.float64]
# Levels per unit of density, and widths of the finest rule: a power of two of intervals. *Chosen*: error of E below
# 0.01 nats for tumors of some thousand voxels (tests/equivalence/bayes/test_imaging_integral.py).
_LEVELS_PER_UNIT = 512
_FINEST = 64
_COARSEST_STRIDE = 16
# Widths are refined until the integrand drops by less than this between neighbors at its top, and left aside where it
# has dropped by more than that.
_MOST_DROP, _LEFT_ASIDE = 0.6, 16.0
_POINTS_OF_DRAWS = 400


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

    @cached_property
    def log_prior(self) -> _Vector:
        """log of the prior's share of each threshold, (J,); those at both ends count for a part of it, `end_share`."""
        return math.log(self._distance) + self.threshold.log_density(self.thresholds)

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
    """

    thresholds: Mapping[str, ParameterRange]
    visibility_width: ParameterRange
    _kernels: Mapping[str, ThresholdKernels] = field(init=False)

    def __post_init__(self) -> None:
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
        while stride > 1 and _drop_at_top(values) > _MOST_DROP:
            stride //= 2
            matters = nodes[values > values.max() - _LEFT_ASIDE]
            # An even number of intervals of the new distance, for Simpson's rule.
            first, last = max(matters[0] - 2 * stride, 0), min(matters[-1] + 2 * stride, _FINEST)
            nodes = np.arange(first, last + 1, stride)
            values = self._at(nodes)
        return width_nodes(self.integral.visibility_width)[nodes], values

    @property
    def log_evidence(self) -> float:
        """log E [nats]."""
        from scipy.integrate import simpson

        widths, values = self._by_width
        largest = values.max()
        return float(largest + math.log(simpson(np.exp(values - largest), x=widths)))

    def drawn(self, points: Mapping[str, float], width_point: float) -> dict[str, float]:
        """Thresholds and width by name, drawn from their distribution given the density.

        Parameters
        ----------
        points : mapping of str to float
            Uniform random number in (0, 1) for every threshold; one whose mask was not seen follows its prior.
        width_point : float
            Uniform random number for the width.
        """
        width = _drawn_between(*self._by_width, width_point)
        values = {self.integral.visibility_width.name: width}
        for name, point in points.items():
            kernels = self.integral.kernels_of(name)
            log_values = kernels.threshold.log_density(kernels.thresholds)
            if name in self.levels:
                log_values = log_values + self.weight * kernels.at_width(self.levels[name], width)
            values[name] = _drawn_between(kernels.thresholds, log_values, point)
        return values

    def _at(self, nodes: NDArray[np.int64]) -> _Vector:
        values = np.zeros(len(nodes))
        for name, levels in self.levels.items():
            kernels = self.integral.kernels_of(name)
            log_values = self.weight * kernels.at_nodes(levels, nodes) + kernels.log_prior
            for end, next_to_it in ((0, 1), (-1, -2)):
                log_values[:, end] += np.log(end_share(log_values[:, end] - log_values[:, next_to_it]))
            largest = log_values.max(axis=1, keepdims=True)
            values += largest[:, 0] + np.log(np.exp(log_values - largest).sum(axis=1))
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
    is_flat = np.abs(drop) < 1e-4
    steep = np.where(is_flat, 1.0, drop)
    # Far below the next value, the end counts in full.
    with np.errstate(over="ignore"):
        return np.where(is_flat, 0.5 - drop / 12.0, 1.0 / steep - 1.0 / np.expm1(steep))


def width_nodes(width: ParameterRange) -> _Vector:
    """Widths of the finest rule, at equal distances over the range."""
    return np.linspace(width.low, width.high, _FINEST + 1)


def _drawn_between(values: _Vector, log_values: _Vector, point: float) -> float:
    """A draw of a density whose logarithm is smooth between the values at which it is given."""
    from scipy.interpolate import CubicSpline

    matters = np.flatnonzero(log_values > log_values.max() - _LEFT_ASIDE)
    first, last = max(matters[0] - 1, 0), min(matters[-1] + 1, len(values) - 1)
    fine = np.linspace(values[first], values[last], _POINTS_OF_DRAWS)
    return drawn_from(fine, CubicSpline(values, log_values)(fine), point)


def _drop_at_top(values: _Vector) -> float:
    """How much lower the lower neighbor of the largest value is."""
    top = int(values.argmax())
    return float(values[top] - min(values[max(top - 1, 0)], values[min(top + 1, len(values) - 1)]))
