"""How probable it is that a voxel with a given cell density is part of a segmentation.

Ezhov et al. 2021 ("Learnable surrogate"), Eqs. 5 and 6: a voxel with cell density u is inside the mask with probability

    α(u) = 1/2 + 1/2 sign(u − u_c) (1 − exp(−(u − u_c)²/σ_α²)),

where u_c is the visibility threshold of the modality and σ_α, the `visibility_width`, how blurred it is. With
x = (u − u_c)²/σ_α², the probability of what agrees with the sign of u − u_c is 1 − e^(−x)/2, of what does not e^(−x)/2.
Their logarithms, log1p(−e^(−x)/2) and −log 2 − x, exist for every finite u: no probability is ever rounded to 0.

The published code differs in two ways, which the formula ``"published-code"`` repeats for comparison: above the
threshold x is 1/σ_α², whatever u, and the parameter it samples is σ_α² where the paper says σ_α.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.errors import ParameterError, unknown_name

Formula = Literal["paper", "published-code"]
#: The paper's equations, and the variants of the published code.
FORMULAS: tuple[Formula, ...] = get_args(Formula)
# Far below any sensible width; (u − u_c)²/σ_α² stays far from overflow.
_MIN_WIDTH = 1e-12


def log_visibility(
    cell_density: ArrayLike, *, threshold: float, visibility_width: float, formula: Formula = "paper"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the probabilities that a voxel is inside and outside the mask, Eq. 6.

    Parameters
    ----------
    cell_density : (...) array
        Relative cell density u.
    threshold : float
        u_c in (0, 1).
    visibility_width : float
        σ_α ≥ 1e-12, in units of cell density.
    formula : str
        ``"paper"`` or ``"published-code"``.

    Returns
    -------
    log_inside, log_outside : (...) float64 arrays
        log α and log(1 − α), finite where the density is.

    Raises
    ------
    ParameterError
        If threshold or width lie outside their ranges, or the formula is unknown.

    Examples
    --------
    >>> log_inside, log_outside = log_visibility([0.6, 0.0], threshold=0.6, visibility_width=0.05)
    >>> [round(float(x), 3) for x in log_inside], [round(float(x), 3) for x in log_outside]
    ([-0.693, -144.693], [-0.693, -0.0])
    """
    require_visibility(threshold, visibility_width, formula)
    distance = np.asarray(cell_density, dtype=np.float64) - threshold
    exponent = (distance / visibility_width) ** 2
    if formula == "published-code":
        exponent = np.where(distance > 0.0, visibility_width**-2, exponent)
    log_right = np.log1p(-0.5 * np.exp(-exponent))
    log_wrong = -math.log(2.0) - exponent
    is_above = distance > 0.0
    return np.where(is_above, log_right, log_wrong), np.where(is_above, log_wrong, log_right)


def mask_log_likelihood(
    mask: NDArray[np.bool_],
    cell_density: NDArray[np.floating],
    *,
    threshold: float,
    visibility_width: float,
    formula: Formula = "paper",
) -> float:
    """Log-likelihood of a mask given cell densities, Eqs. 5 and 6: Σ_i log α_i inside, log(1 − α_i) outside.

    Parameters
    ----------
    mask, cell_density : arrays of one shape
        Observed voxels and their modelled density.
    threshold, visibility_width, formula
        As in `log_visibility`.

    Returns
    -------
    float
        Sum over voxels in float64 [nats]; NaN if a density is.

    Raises
    ------
    ParameterError
        If shapes differ, threshold or width lie outside their ranges, or the formula is unknown.
    """
    require_visibility(threshold, visibility_width, formula)
    if mask.shape != cell_density.shape:
        raise ParameterError(f"mask and cell_density must have one shape, got {mask.shape} and {cell_density.shape}.")
    # Imported here: Numba takes a second to load, and most users of this package only compare with thresholds.
    from gliofield.imaging.likelihood_kernels import sum_of_mask_terms

    flat_mask = np.ascontiguousarray(mask, dtype=np.bool_).reshape(-1)
    flat_density = np.ascontiguousarray(cell_density).reshape(-1)
    is_flat = formula == "published-code"
    return float(sum_of_mask_terms(flat_mask, flat_density, threshold, 1.0 / visibility_width, is_flat))


def require_visibility(threshold: float, visibility_width: float, formula: str) -> None:
    """Raise `ParameterError` unless 0 < threshold < 1, the width is ≥ 1e-12 and finite, and the formula is known."""
    if not 0.0 < threshold < 1.0:
        raise ParameterError(f"threshold must lie strictly between 0 and 1 (relative cell density), got {threshold}.")
    if not (math.isfinite(visibility_width) and visibility_width >= _MIN_WIDTH):
        raise ParameterError(
            f"visibility_width must be finite and at least {_MIN_WIDTH:g} (cell density), got {visibility_width}. "
            "Published values are 0.05 to 0.08."
        )
    if formula not in FORMULAS:
        raise ParameterError(unknown_name("formula", formula, FORMULAS))
