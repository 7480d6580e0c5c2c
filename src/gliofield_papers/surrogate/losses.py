"""What a surrogate is trained to make small: the absolute error inside the tumor, and in the CSF.

    L = mean |u_sim − u_pred| over u_sim ≥ 0.001  +  mean |u_sim − u_pred| over csf ≥ 0.001

over all voxels of a batch (Ezhov et al. 2021, Eq. 3; the cut-offs are those of the authors' code). Healthy tissue
outside the tumor does not count, so nothing keeps the network from seeing tumor there; ``all-regions`` adds that as a
third mean, beyond the paper. Any region may be empty: its term is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

#: From this density on a voxel is tumor, and from this fraction on it is CSF.
REGION_CUTOFF = 1e-3
#: Densities at which the paper compares tumors.
DICE_LEVELS = (0.2, 0.4, 0.8)
# Of soft masks, in log-odds; and how far from 0 and 1 densities are kept.
_SHARPNESS, _LEAST = 3.0, 1e-6


def region_errors(predicted: Tensor, simulated: Tensor, tissues: Tensor) -> dict[str, Tensor]:
    """Mean absolute errors in the ``tumor``, in ``csf``, in ``healthy`` tissue and in the whole ``volume``; scalars.

    Parameters
    ----------
    predicted, simulated : (B, 1, S, S, S) tensors
        Densities.
    tissues : (B, 3, S, S, S) tensor
        White matter, gray matter and CSF.
    """
    error = (predicted - simulated).abs()
    is_tumor = simulated >= REGION_CUTOFF
    is_tissue = tissues[:, :2].sum(dim=1, keepdim=True) >= REGION_CUTOFF
    return {
        "tumor": _mean_over(error, is_tumor),
        "csf": _mean_over(error, tissues[:, 2:] >= REGION_CUTOFF),
        "healthy": _mean_over(error, is_tissue & ~is_tumor),
        "volume": error.mean(),
    }


def total_loss(errors: Mapping[str, Tensor], loss: str) -> Tensor:
    """What is minimized, by a name of `SURROGATE_LOSSES`, of `region_errors` and `tumor_errors`, as ``per-tumor``."""
    if loss == "whole-volume":
        return errors["volume"]
    if loss == "per-tumor":
        return errors["per-tumor"]
    faithful = errors["tumor"] + errors["csf"]
    return faithful + errors["healthy"] if loss == "all-regions" else faithful


def tumor_errors(predicted: Tensor, simulated: Tensor) -> Tensor:
    """``per-tumor``: the error over the mass of both, plus 1 − Dice at the paper's levels, softly; means over tumors.

    Both weigh a small tumor as much as a large one, as the mean Dice does, and both are 0 for equal densities but for
    the soft edge. Beyond the paper.
    """
    axes = (1, 2, 3, 4)
    bounded = predicted.clamp(_LEAST, 1.0 - _LEAST)
    loss = (bounded - simulated).abs().sum(axes) / ((bounded + simulated).sum(axes) + 1.0)
    odds = bounded.logit()
    for level in DICE_LEVELS:
        inside = (_SHARPNESS * (odds - math.log(level / (1.0 - level)))).sigmoid()
        truth = (simulated > level).to(inside.dtype)
        overlap = (2.0 * (inside * truth).sum(axes) + 1.0) / ((inside + truth).sum(axes) + 1.0)
        loss = loss + (1.0 - overlap) / len(DICE_LEVELS)
    return loss.mean()


def _mean_over(error: Tensor, region: Tensor) -> Tensor:
    return (error * region).sum() / region.sum().clamp(min=1)
