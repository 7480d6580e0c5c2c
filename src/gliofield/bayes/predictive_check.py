"""Whether masks drawn from the posterior look like the masks that were seen.

A posterior says which parameters are best within the model, not whether the model is any good. So masks are drawn from
it: for every sample the density, and of it each voxel of a mask with the probability α of Eq. 6 (Ezhov et al. 2021,
"Learnable surrogate"). If the model is right, the observed mask is one more draw: its volume lies among theirs, and it
overlaps with each of them about as much as they do with each other. Where it overlaps less, intervals of the parameters
are those of a model that does not explain the scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.imaging import log_visibility
from gliofield.metrics.overlap import dice


@dataclass(frozen=True, kw_only=True)
class MaskCheck:
    """Comparison of one observed mask with masks of the posterior.

    Parameters
    ----------
    observed_volume_ml : float
        Volume of the observed mask where voxels are compared [ml].
    predicted_volume_ml : (float, float, float)
        2.5, 50 and 97.5 % quantiles of the drawn masks [ml].
    volume_tail_probability : float
        Twice the smaller share of drawn masks on one side of the observed volume, in [0, 1]; small: not explained.
    dice_with_observed : float
        Mean Dice of drawn masks with the observed one.
    dice_with_each_other : float
        Mean Dice of drawn masks of two samples each: what the former would be, were the model right.
    """

    observed_volume_ml: float
    predicted_volume_ml: tuple[float, float, float]
    volume_tail_probability: float
    dice_with_observed: float
    dice_with_each_other: float


def check_mask(
    observed: NDArray[np.bool_],
    densities: Sequence[NDArray[np.floating]],
    *,
    thresholds: NDArray[np.float64],
    visibility_widths: NDArray[np.float64],
    voxel_volume_ml: float,
    rng: np.random.Generator,
) -> MaskCheck:
    """Check one mask against at least two samples of the posterior.

    Parameters
    ----------
    observed : (V,) bool array
        The mask where it is compared.
    densities : S arrays (V,)
        Densities of samples there.
    thresholds, visibility_widths : (S,) float64 arrays
        Of the same samples.
    voxel_volume_ml : float
        Volume of a voxel [ml].
    rng : Generator
        For the draws.
    """
    drawn = [
        np.log(1.0 - rng.random(observed.shape))
        < log_visibility(density, threshold=float(threshold), visibility_width=float(width))[0]
        for density, threshold, width in zip(densities, thresholds, visibility_widths, strict=True)
    ]
    volumes = np.array([np.count_nonzero(mask) for mask in drawn]) * voxel_volume_ml
    seen = np.count_nonzero(observed) * voxel_volume_ml
    low, middle, high = (float(value) for value in np.quantile(volumes, (0.025, 0.5, 0.975)))
    tail = 2.0 * min(float(np.mean(volumes <= seen)), float(np.mean(volumes >= seen)))
    return MaskCheck(
        observed_volume_ml=float(seen),
        predicted_volume_ml=(low, middle, high),
        volume_tail_probability=min(tail, 1.0),
        dice_with_observed=float(np.mean([dice(mask, observed, if_both_empty=1.0) for mask in drawn])),
        dice_with_each_other=float(
            np.mean([dice(one, other, if_both_empty=1.0) for one, other in zip(drawn[1:], drawn, strict=False)])
        ),
    )
