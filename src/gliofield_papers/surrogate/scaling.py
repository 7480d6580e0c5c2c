"""Growth parameters as numbers in [-1, 1], and tumors that are the same with other parameters.

A tumor depends on D_w T and ρ T alone, so (k D_w, k ρ, T / k) is the same tumor for every k > 0. A surrogate trained on
some ranges can therefore grow every tumor for which some k leads into them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorovParameters
from gliofield_papers.surrogate.config import ParameterRanges

# Ends of the ranges count as inside, whatever their last digit.
_SLACK = 1e-9


def scaled_growth(growth: NDArray[np.float64], ranges: ParameterRanges) -> NDArray[np.float64]:
    """D_w, ρ, T (n, 3), each from its range onto [-1, 1]."""
    low, high = np.array(list(ranges.by_name().values()), dtype=np.float64).T
    return 2.0 * (growth - low) / (high - low) - 1.0


def growth_in_ranges(
    parameters: FisherKolmogorovParameters, times_days: Sequence[float], ranges: ParameterRanges
) -> NDArray[np.float64]:
    """D_w, ρ, T (num_times, 3) within the ranges that grow the same tumors; unchanged where they are inside already.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        What is asked for.
    times_days : sequence of float
        Times after the seed [day], > 0.
    ranges : ParameterRanges
        What the surrogate was trained on.

    Raises
    ------
    ParameterError
        If no such parameters exist for one of the times, or the ratio of diffusivities is another one.
    """
    if abs(parameters.diffusivity_ratio / ranges.diffusivity_ratio - 1.0) > 1e-6:
        raise ParameterError(
            f"diffusivity_ratio is {parameters.diffusivity_ratio:g}: the surrogate was trained with "
            f"{ranges.diffusivity_ratio:g}. Use FisherKolmogorov."
        )
    if not parameters.is_isotropic:
        raise ParameterError(
            f"axis_stretch is {parameters.axis_stretch}: the surrogate was trained on isotropic tumors. Use "
            "FisherKolmogorov."
        )
    return np.stack([_one_time(parameters, time_days, ranges) for time_days in times_days])


def _one_time(parameters: FisherKolmogorovParameters, time_days: float, ranges: ParameterRanges) -> NDArray[np.float64]:
    rates = np.array([parameters.white_matter_diffusivity_mm2_per_day, parameters.proliferation_rate_per_day])
    (d_low, d_high), (rho_low, rho_high), (t_low, t_high) = ranges.by_name().values()
    # k between these: k D_w, k ρ and T / k inside.
    lows, highs = [time_days / t_high], [time_days / t_low]
    for rate, low, high in zip(rates, (d_low, rho_low), (d_high, rho_high), strict=True):
        lows.append(low / rate if rate > 0.0 else np.inf)
        highs.append(high / rate if rate > 0.0 else np.inf)
    smallest, largest = max(lows), min(highs)
    if smallest > largest * (1.0 + _SLACK):
        raise ParameterError(
            f"the surrogate was not trained on this tumor: D_w {rates[0]:g} mm²/day, ρ {rates[1]:g} /day at "
            f"{time_days:g} days, nor on any with the same D_w T and ρ T. Trained ranges: D_w {d_low:g}-{d_high:g} "
            f"mm²/day, ρ {rho_low:g}-{rho_high:g} /day, T {t_low:g}-{t_high:g} days. Use FisherKolmogorov."
        )
    factor = min(max(1.0, smallest), max(largest, smallest))
    return np.array([rates[0] * factor, rates[1] * factor, time_days / factor])
