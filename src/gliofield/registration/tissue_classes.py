"""Three tissue classes of a T1 image by its intensities alone, for judging a registration.

Deliberately simple: Otsu's two thresholds on the histogram of the healthy brain, which is k-means with three classes
at its global optimum. In T1 and T1Gd the darkest class is CSF, the middle gray and the brightest white matter. No bias
field, no neighborhoods, no probabilities: it shall show whether gross tissue lands on like tissue, not segment a brain.
It means nothing for FLAIR or T2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ImageError
from gliofield.volume import Volume

CSF, GRAY_MATTER, WHITE_MATTER = 1, 2, 3
_NUM_BINS = 256


def t1_tissue_classes(image: Volume, region: NDArray[np.bool_]) -> Volume:
    """Labels 1 (CSF), 2 (gray matter), 3 (white matter) inside `region`, 0 outside, as uint8.

    Intensities are clipped to their 0.5th to 99.5th percentile and binned to 256 levels; the two thresholds maximize
    the variance between the classes over all pairs. Deterministic, and the same for any linear scale of the image.

    Parameters
    ----------
    image : Volume
        T1 or T1Gd image.
    region : (X, Y, Z) bool array
        Healthy brain.

    Raises
    ------
    ImageError
        If the region is empty or the image constant in it.

    References
    ----------
    .. [1] Otsu (1979), A threshold selection method from gray-level histograms, doi:10.1109/TSMC.1979.4310076.
    """
    values = np.asarray(image.data[region], dtype=np.float64)
    low, high = (float(p) for p in np.percentile(values, [0.5, 99.5])) if values.size else (0.0, 0.0)
    if high <= low:
        raise ImageError(
            f"t1_tissue_classes: {values.size} voxels between {low:g} and {high:g}: expected an image with contrast in "
            "a non-empty region."
        )
    levels = np.round((np.clip(values, low, high) - low) / (high - low) * (_NUM_BINS - 1)).astype(np.intp)
    last_of_csf, last_of_gray = _otsu_levels(np.bincount(levels, minlength=_NUM_BINS))
    labels = np.zeros(image.grid.shape, dtype=np.uint8)
    labels[region] = 1 + (levels > last_of_csf) + (levels > last_of_gray)
    return Volume(labels, image.grid)


def _otsu_levels(counts: NDArray[np.intp]) -> tuple[int, int]:
    """Last levels a < b of the lower two classes that maximize Σ (sum of levels)² / count over the three classes.

    Up to a constant that is the variance between classes, Otsu's Eq. 29.
    """
    mass = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    moment = np.concatenate([[0.0], np.cumsum(counts * np.arange(counts.size), dtype=np.float64)])

    def gain(start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
        weight = mass[stop] - mass[start]
        return (moment[stop] - moment[start]) ** 2 / np.maximum(weight, 1.0)

    first, second = np.triu_indices(counts.size - 1, k=1)
    zero, end = np.zeros_like(first), np.full_like(first, counts.size)
    best = int(np.argmax(gain(zero, first + 1) + gain(first + 1, second + 1) + gain(second + 1, end)))
    return int(first[best]), int(second[best])
