"""How well the surfaces of two masks agree, with a tolerance: what a physicist would redraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of, slices_of, widened


@dataclass(frozen=True, kw_only=True)
class SurfaceAgreement:
    """Agreement of two surfaces.

    Parameters
    ----------
    surface_dice : float
        Part of both surfaces that lies within the tolerance of the other one, in [0, 1].
    distance_95_mm : float
        95th percentile of the distances of both surfaces from the other one [mm].
    """

    surface_dice: float
    distance_95_mm: float


def surface_agreement(
    a: NDArray[np.bool_], b: NDArray[np.bool_], spacing_mm: Sequence[float], *, tolerance_mm: float
) -> SurfaceAgreement:
    """Surface Dice at a tolerance, and the 95 % distance of two masks; NaN if either is empty.

    A surface is the set of its mask's voxels with a neighbor by a face outside; distances are between voxel centers.

    Parameters
    ----------
    a, b : (X, Y, Z) bool array
        The masks, of one shape.
    spacing_mm : 3 float
        Spacing of the voxels [mm].
    tolerance_mm : float
        Distance up to which surfaces agree [mm].

    References
    ----------
    .. [1] Nikolov et al. (2021), Clinically applicable segmentation of head and neck anatomy for radiotherapy,
       doi:10.2196/26151: the measure, there by surface elements instead of voxels.

    Examples
    --------
    >>> a = np.zeros((9, 9, 9), dtype=bool); a[2:5, 2:7, 2:7] = True
    >>> found = surface_agreement(a, np.roll(a, 2, axis=0), (1.0, 1.0, 1.0), tolerance_mm=2.0)
    >>> found.surface_dice, found.distance_95_mm
    (1.0, 2.0)
    """
    if not a.any() or not b.any():
        return SurfaceAgreement(surface_dice=float("nan"), distance_95_mm=float("nan"))
    window = slices_of(widened(box_of(a | b), 1, a.shape))
    surfaces = [_surface(mask[window]) for mask in (a, b)]
    from_other = [
        ndimage.distance_transform_edt(~other, sampling=spacing_mm)[own] for own, other in (surfaces, surfaces[::-1])
    ]
    distances = np.concatenate(from_other)
    return SurfaceAgreement(
        surface_dice=float(np.mean(distances <= tolerance_mm)),
        distance_95_mm=float(np.percentile(distances, 95.0)),
    )


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))
