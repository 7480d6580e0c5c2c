"""One byte per voxel that no threshold mask can tell from the density it came from.

A density u in [0, 1] is stored as level = ⌈255 u⌉, and everything is float32: u, the product, and the thresholds
m/255 (one float64 in the chain breaks the law). Then, for every integer m ≥ 1,

    u > m/255  ⇔  level > m

so masks at 0.2 = 51/255 and 0.6 = 153/255, the papers' thresholds for FLAIR and T1Gd, are those of the unrounded
density, voxel for voxel. Levels decode to the middle of their interval, (level − ½)/255, level 0 to 0. Densities
below 1/510, nearer to 0 than to the middle of level 1, are stored as 0; they hold the tail of the solver's numerics
and would cost most of the space.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.imaging.visibility import VisibilityThresholds

NUM_LEVELS = 255
QUANTIZATION_RULE = "level = ceil(255 u) in float32, u < 1/510 stored as 0; decoded as (level - 1/2) / 255"

_SCALE = np.float32(NUM_LEVELS)
_SMALLEST_STORED = np.float32(1.0 / 510.0)
_MIDDLES = np.concatenate([[0.0], (np.arange(1, 256) - 0.5) / NUM_LEVELS]).astype(np.float32)


def quantize_density(density: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Levels ⌈255 u⌉ of a density, same shape.

    Parameters
    ----------
    density : float32 array
        Cell density u in [0, 1].

    Raises
    ------
    ParameterError
        If the array is not float32, or a value is not finite or outside [0, 1].

    Examples
    --------
    >>> quantize_density(np.array([0.0, 0.001, 0.2, 0.2001, 1.0], dtype=np.float32))
    array([  0,   0,  51,  52, 255], dtype=uint8)
    """
    if density.dtype != np.float32:
        raise ParameterError(
            f"density must be float32, got {density.dtype}: the quantization is exact in float32 only. "
            "Convert it before thresholding anything."
        )
    low, high = float(density.min(initial=0.0)), float(density.max(initial=0.0))
    if not (low >= 0.0 and high <= 1.0):
        raise ParameterError(f"density must lie in [0, 1], got values from {low:.9g} to {high:.9g}.")
    scaled = density * _SCALE
    np.ceil(scaled, out=scaled)
    levels = scaled.astype(np.uint8)
    levels *= density >= _SMALLEST_STORED
    return levels


def dequantize(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Density of each level: the middle of its interval, (level − ½)/255; 0 for level 0. Same shape.

    Thresholding the result at any m/255, m ≥ 1, gives the mask of the density that was stored.
    """
    return _MIDDLES[levels]


def level_of_threshold(threshold: float) -> tuple[int, bool]:
    """Level m that stands for a density threshold: u > m/255 ⇔ level > m.

    Parameters
    ----------
    threshold : float
        Density in (0, 1).

    Returns
    -------
    level : int
        The m in 1 … 254 whose m/255 is nearest.
    is_exact : bool
        Whether m/255 and the threshold are one float32; otherwise the threshold was rounded, by up to 1/510 (more
        only below 1/510).

    Raises
    ------
    ParameterError
        If the threshold does not lie in (0, 1).

    Examples
    --------
    >>> level_of_threshold(0.2), level_of_threshold(0.25)
    ((51, True), (64, False))
    """
    if not (math.isfinite(threshold) and 0.0 < threshold < 1.0):
        raise ParameterError(f"threshold must lie strictly between 0 and 1 (relative cell density), got {threshold}.")
    level = min(max(round(threshold * NUM_LEVELS), 1), NUM_LEVELS - 1)
    return level, bool(np.float32(threshold) == np.float32(level) / _SCALE)


def levels_of(thresholds: VisibilityThresholds) -> tuple[int, int]:
    """Stored levels of FLAIR's and T1Gd's thresholds."""
    return level_of_threshold(thresholds.flair_threshold)[0], level_of_threshold(thresholds.t1gd_threshold)[0]
