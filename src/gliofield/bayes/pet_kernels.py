"""Compiled integrals of the PET likelihood over scale, background and noise, from six sums over voxels.

With PET y and density u of the n voxels compared, weight w, and b, a, σ in the box of their prior,

    E = ∫∫∫ exp(−w R(b, a)/(2σ²)) (σ √(2π))^(−wn) p(b) p(a) p(σ) da db dσ,   R(b, a) = Σ(y − b u − a)².

R is a quadratic form of the sums. The background has a uniform prior, so its integral is a difference of two normal
distribution functions in closed form; where there is no background, a is 0. The other two are Gauss-Legendre sums over
the window in which the integrand matters, found for each density: a peak may be far narrower than the prior, or lie
beyond an end of it. The end of the background's range shows in b as a smooth step, whose surroundings are a window of
their own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled

_Vector = NDArray[np.float64]
#: Ends of b and 1 if it is log-uniform, ends of a (equal without background), ends of σ and 1 if log-uniform.
Ranges = tuple[float, float, float, float, float, float, float, float]
#: n, Σy, Σy², Σu, Σyu and Σu² of one density.
Sums = tuple[float, float, float, float, float, float]
#: Places in (−1, 1) and shares of a Gauss-Legendre rule.
Rule = tuple[_Vector, _Vector]
# How far the log of an integrand drops within its window. *Chosen*: a window is ±8 widths of a normal peak in σ, ±7 in
# b; it is wider only where few voxels make it that flat.
_DROP_OF_NOISE, _DROP_OF_SCALE = 30.0, 24.0
# A normal distribution function is 0 or 1 to 1e-9 beyond so many widths from its step.
_REACH_OF_STEP = 6.0
# Ends of windows of the noise need not be exact.
_NUM_BISECTIONS = 14
# Keeps divisions finite where there is no density, or no residual.
_TINY = 1e-30
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_LOG_SQRT_2PI = math.log(_SQRT_2PI)
# Beyond, exp(x²) nears overflow, and the series of four terms is exact to 1e-10.
_SERIES_FROM = 20.0


@compiled
def density_sums(cell_density: NDArray[np.floating], pet: _Vector) -> tuple[float, float, float]:
    """Σu, Σyu and Σu² where y is not 0, of flat arrays, added up in order whatever the number of threads."""
    total = product = squared = 0.0
    for voxel in range(len(pet)):
        if pet[voxel] != 0.0:
            density = float(cell_density[voxel])
            total += density
            product += density * pet[voxel]
            squared += density * density
    return total, product, squared


@compiled
def _residual(scale: float, background: float, sums: Sums) -> float:
    """R(b, a) = Σ(y − b u − a)²."""
    of_scale = scale * (scale * sums[5] - 2.0 * sums[4])
    of_background = background * (background * sums[0] - 2.0 * sums[1])
    return max(sums[2] + of_scale + of_background + 2.0 * scale * background * sums[3], _TINY)


@compiled
def _best_background(scale: float, sums: Sums, ranges: Ranges) -> float:
    """The a in its range with the smallest residual at a scale."""
    return min(max((sums[1] - scale * sums[3]) / sums[0], ranges[3]), ranges[4])


@compiled
def _parabola(end: int, sums: Sums, ranges: Ranges) -> tuple[float, float]:
    """Best scale and curvature Σ of the residual in b: 0, 1 with a at its low or high end, 2 with the best a at all."""
    if end == 2:
        squared = max(sums[5] - sums[3] * sums[3] / sums[0], _TINY)
        return (sums[4] - sums[1] * sums[3] / sums[0]) / squared, squared
    squared = max(sums[5], _TINY)
    return (sums[4] - ranges[3 + end] * sums[3]) / squared, squared


@compiled
def _best_scale(sums: Sums, ranges: Ranges) -> float:
    """The b in its range with the smallest residual at its best background.

    That residual is convex in b and made of three parabolas, so its minimum is that of one of them, or an end.
    """
    best, least = ranges[0], np.inf
    for end in range(3):
        scale = min(max(_parabola(end, sums, ranges)[0], ranges[0]), ranges[1])
        residual = _residual(scale, _best_background(scale, sums, ranges), sums)
        if residual < least:
            best, least = scale, residual
    return best


@compiled
def noise_window(sums: Sums, weight: float, ranges: Ranges) -> tuple[float, float]:
    """Ends of log σ: where −w n log σ − w R/(2σ²), at the best b and a, is near its largest value in the range."""
    first, last = math.log(ranges[5]), math.log(ranges[6])
    count = weight * sums[0]
    scale = _best_scale(sums, ranges)
    scaled = weight * _residual(scale, _best_background(scale, sums, ranges), sums)
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
def scale_window(sums: Sums, weight: float, noise_std: float, ranges: Ranges) -> tuple[float, float]:
    """Ends of the scale for one noise: where the residual at the best background is near its smallest.

    Such (b, a) fill an ellipse, cut by the range of a: an end is the ellipse's own, or lies on a cut.
    """
    best = _best_scale(sums, ranges)
    level = _residual(best, _best_background(best, sums, ranges), sums) + 2.0 * _DROP_OF_SCALE * noise_std**2 / weight
    found = [best, best]
    for side in range(2):
        sign = 2.0 * side - 1.0
        for end in range(3):
            peak, squared = _parabola(end, sums, ranges)
            background = ranges[3 + end] if end < 2 else (sums[1] - peak * sums[3]) / sums[0]
            excess = level - _residual(peak, background, sums)
            if excess < 0.0:
                continue
            reached = peak + sign * math.sqrt(excess / squared)
            background = (sums[1] - reached * sums[3]) / sums[0]
            if end == 2 and not ranges[3] <= background <= ranges[4]:
                continue
            if sign * (reached - found[side]) > 0.0:
                found[side] = reached
    return max(ranges[0], found[0]), min(ranges[1], found[1])


@compiled
def background_window(
    scale: float, sums: Sums, weight: float, noise_std: float, ranges: Ranges
) -> tuple[float, float, float]:
    """Peak a of the normal distribution for one scale and noise, and ends of the range within which it matters."""
    peak, best = (sums[1] - scale * sums[3]) / sums[0], _best_background(scale, sums, ranges)
    reach = math.sqrt((best - peak) ** 2 + 2.0 * _DROP_OF_SCALE * noise_std**2 / (weight * sums[0]))
    return peak, max(ranges[3], peak - reach), min(ranges[4], peak + reach)


@compiled
def _scaled_erfc(x: float) -> float:
    """exp(x²) erfc(x) for x ≥ 0."""
    if x < _SERIES_FROM:
        return math.exp(x * x) * math.erfc(x)
    inverse = 0.5 / (x * x)
    return (1.0 - inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse))) / (x * math.sqrt(math.pi))


@compiled
def _log_normal_mass(low: float, high: float) -> float:
    """log ∫ exp(−z²/2) dz from low to high, less the largest exponent there."""
    if low <= 0.0 <= high:
        return math.log(_SQRT_2PI * (1.0 - 0.5 * (math.erfc(high * _SQRT_HALF) + math.erfc(-low * _SQRT_HALF))))
    near, far = (low, high) if low > 0.0 else (-high, -low)
    rest = math.exp(0.5 * (near * near - far * far)) * _scaled_erfc(far * _SQRT_HALF)
    return math.log(0.5 * _SQRT_2PI * (_scaled_erfc(near * _SQRT_HALF) - rest))


@compiled
def _log_of_scale(scale: float, sums: Sums, weight: float, noise_std: float, ranges: Ranges) -> float:
    """log of what depends on the scale with the background integrated, up to the priors' constants."""
    best = _best_background(scale, sums, ranges)
    value = -0.5 * weight / noise_std**2 * _residual(scale, best, sums)
    if ranges[4] > ranges[3]:
        width = noise_std / math.sqrt(weight * sums[0])
        peak = (sums[1] - scale * sums[3]) / sums[0]
        low, high = (ranges[3] - peak) / width, (ranges[4] - peak) / width
        if low < -_REACH_OF_STEP and high > _REACH_OF_STEP:
            value += math.log(width) + _LOG_SQRT_2PI
        else:
            value += math.log(width) + _log_normal_mass(low, high)
    return value - math.log(scale) if ranges[2] > 0.0 else value


@compiled
def log_of_scales(scales: _Vector, sums: Sums, weight: float, noise_std: float, ranges: Ranges) -> _Vector:
    """The same at many scales."""
    values = np.empty(len(scales))
    for row in range(len(scales)):
        values[row] = _log_of_scale(scales[row], sums, weight, noise_std, ranges)
    return values


@compiled
def _pieces(low: float, high: float, sums: Sums, weight: float, noise_std: float, ranges: Ranges) -> _Vector:
    """Ends of pieces of the window of the scale, so that no step of the background's integral hides within one."""
    ends = np.array([low, low, low, low, low, high])
    if ranges[4] > ranges[3] and sums[3] > 0.0:
        half = _REACH_OF_STEP * noise_std * math.sqrt(sums[0] / weight) / sums[3]
        for end in range(2):
            step = (sums[1] - sums[0] * ranges[3 + end]) / sums[3]
            ends[1 + 2 * end] = min(max(step - half, low), high)
            ends[2 + 2 * end] = min(max(step + half, low), high)
        ends.sort()
    return ends


@compiled
def _log_of_noise(log_noise: float, sums: Sums, weight: float, ranges: Ranges, rule: Rule) -> float:
    """log of the integrand by log σ with scale and background integrated, up to the priors' constants."""
    noise_std = math.exp(log_noise)
    low, high = scale_window(sums, weight, noise_std, ranges)
    ends = _pieces(low, high, sums, weight, noise_std, ranges)
    best = min(max(_best_scale(sums, ranges), low), high)
    largest = _log_of_scale(best, sums, weight, noise_std, ranges)
    total = 0.0
    for piece in range(len(ends) - 1):
        middle, half = 0.5 * (ends[piece] + ends[piece + 1]), 0.5 * (ends[piece + 1] - ends[piece])
        if half > 0.0:
            for place, share in zip(rule[0], rule[1]):  # noqa: B905 - compiled loops know no strict
                value = _log_of_scale(middle + half * place, sums, weight, noise_std, ranges)
                total += half * share * math.exp(value - largest)
    value = largest + math.log(total) - weight * sums[0] * (log_noise + _LOG_SQRT_2PI)
    # The noise is summed by its logarithm: dσ = σ d log σ, which a log-uniform prior takes away again.
    return value if ranges[7] > 0.0 else value + log_noise


@compiled
def log_of_noises(log_noises: _Vector, sums: Sums, weight: float, ranges: Ranges, rule: Rule) -> _Vector:
    """`log E` by log σ, up to the priors' constants."""
    values = np.empty(len(log_noises))
    for row in range(len(log_noises)):
        values[row] = _log_of_noise(log_noises[row], sums, weight, ranges, rule)
    return values


@compiled
def log_integrals(
    of_pet: tuple[float, float, float],
    density: _Vector,
    product: _Vector,
    squared_density: _Vector,
    weight: float,
    ranges: Ranges,
    noise_rule: Rule,
    scale_rule: Rule,
) -> _Vector:
    """log E of every density, up to the priors' constants, of n, Σy, Σy² and its own sums."""
    places, shares = noise_rule
    found = np.empty(len(product))
    for row in range(len(product)):
        sums = (of_pet[0], of_pet[1], of_pet[2], density[row], product[row], squared_density[row])
        low, high = noise_window(sums, weight, ranges)
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        values = log_of_noises(middle + half * places, sums, weight, ranges, scale_rule)
        largest = values.max()
        found[row] = largest + math.log(half * np.sum(shares * np.exp(values - largest)))
    return found
