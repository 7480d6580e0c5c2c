"""Rankings of the hidden third, by name: a function of a `HiddenThird` whose highest voxels are chosen first.

A further ranking is a line in `RANKINGS`; a growth model fitted in another way is a `FitSettings`. Ties go to the voxel
nearer to the visible core.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from gliofield.assimilation import FitSettings
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.scoring.hidden_third import HiddenThird, Mask, Values
from gliofield.scoring.third_rankings import METHOD_RANKINGS, Ranking

#: The control that every ranking is compared with.
ELLIPSOID = "ellipsoid"
#: Cheap, and part of every table.
CONTROLS = ("core distance", "whole-tumor distance", ELLIPSOID, "turned ellipsoid")

#: Density of a map that knows nothing; *chosen*, below the threshold of FLAIR.
CONSTANT_DENSITY = 0.01
# Weight of the ellipsoid's level, whose range is about 2, against a logarithm of the density. *Chosen*.
_ELLIPSOID_WEIGHT = 5.0

_TENSOR = FitSettings()
_ISOTROPIC = FitSettings(num_stretched=0)
_RATIO_1 = FitSettings(diffusivity_ratio=1.0)


def _growth(settings: FitSettings, *, tissue_alone: bool = False) -> Ranking:
    return lambda third: third.log_density(third.growth(settings, tissue_alone=tissue_alone))


def _corrected(settings: FitSettings, *, tissue_alone: bool = False) -> Ranking:
    return lambda third: third.corrected(third.growth(settings, tissue_alone=tissue_alone))


def _constant(third: HiddenThird) -> Values:
    return third.corrected(np.full(third.seen.grid.shape, CONSTANT_DENSITY))


def _with_ellipsoid(third: HiddenThird) -> Values:
    return third.log_density(third.growth(_TENSOR)) - _ELLIPSOID_WEIGHT * turned_level(third)


def turned_level(third: HiddenThird) -> Values:
    """Level of the ellipsoid in any position that overlaps most with the visible part: 1 on its surface."""
    along_mm = np.moveaxis(np.indices(third.seen.grid.shape), 0, -1) * np.array(third.seen.grid.spacing_mm)
    return third.turned_ellipsoid.level(along_mm)


def straight_level(third: HiddenThird) -> Values:
    """Level of the axis-aligned ellipsoid that overlaps most with the visible part: 1 on its surface."""
    return np.sqrt(fit_straight_ellipsoid(third.whole_tumor, third.where, third.world))


def fit_straight_ellipsoid(visible: Mask, where: Mask, world: Values) -> Values:
    """Squared level of the axis-aligned ellipsoid that overlaps most with a mask, compared in a region only.

    Six numbers, center and half-axes, by Nelder and Mead from the mask's moments.

    Parameters
    ----------
    visible, where : (X, Y, Z) bool arrays
        The mask, not empty, and the region.
    world : (X, Y, Z, 3) float64 array
        Positions of the voxels [mm].
    """
    points = world[visible]
    # A mask may be flat along an axis.
    start = np.concatenate([points.mean(axis=0), 0.5 * np.log(np.maximum(5.0 * points.var(axis=0), 1.0))])

    def level(x: Values) -> Values:
        return np.asarray(np.sum(((world - x[:3]) / np.exp(x[3:])) ** 2, axis=-1))

    def cost(x: Values) -> float:
        inside = (level(x) < 1.0) & where
        return 1.0 - 2.0 * np.count_nonzero(inside & visible) / (np.count_nonzero(inside) + np.count_nonzero(visible))

    simplex = np.vstack([start, start + np.diag([5.0, 5.0, 5.0, 0.2, 0.2, 0.2])])
    found = optimize.minimize(cost, start, method="Nelder-Mead", options={"maxfev": 250, "initial_simplex": simplex})
    return level(found.x)


RANKINGS: dict[str, Ranking] = {
    "core distance": METHOD_RANKINGS["margin"],
    "whole-tumor distance": METHOD_RANKINGS["whole-margin"],
    ELLIPSOID: lambda third: -straight_level(third),
    "turned ellipsoid": lambda third: -turned_level(third),
    "distance map, corrected": lambda third: third.corrected(density_by_distances(third.visible)),
    "constant map, corrected": _constant,
    "growth": _growth(_TENSOR),
    "growth, corrected": METHOD_RANKINGS["assimilate"],
    "growth, isotropic": _growth(_ISOTROPIC),
    "growth, isotropic, corrected": _corrected(_ISOTROPIC),
    "growth, ratio 1": _growth(_RATIO_1),
    "growth, ratio 1, corrected": _corrected(_RATIO_1),
    "growth, tissue alone": _growth(_TENSOR, tissue_alone=True),
    "growth, tissue alone, corrected": _corrected(_TENSOR, tissue_alone=True),
    "growth and turned ellipsoid": _with_ellipsoid,
}
