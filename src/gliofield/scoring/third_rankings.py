"""Rankings of the hidden third, by name: a function of a `HiddenThird` whose highest voxels are chosen first.

A further ranking is a line in `RANKINGS`; a growth model fitted in another way is a `FitSettings`. Ties go to the voxel
nearer to the visible core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gliofield.assimilation import FitSettings
from gliofield.growth.parameters import with_product_1
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.scoring.hidden_third import HiddenThird, Values

Ranking = Callable[[HiddenThird], Values]

#: The control that every ranking is compared with.
ELLIPSOID = "ellipsoid"
#: Cheap, and part of every table.
CONTROLS = ("core distance", "whole-tumor distance", ELLIPSOID)

#: The same tensor for everybody: *tuned*, the mean of those that were fitted to 13 patients.
MEAN_STRETCH = (0.9, 1.15, 0.97)
#: Density of a map that knows nothing; *chosen*, below the threshold of FLAIR.
CONSTANT_DENSITY = 0.01
# Weight of the ellipsoid's level, whose range is about 2, against a logarithm of the density. *Chosen*.
_ELLIPSOID_WEIGHT = 5.0

_TENSOR = FitSettings()
_TENSOR_1 = FitSettings(diffusivity_ratio=1.0)
_CONSTANT_TENSOR = FitSettings(num_stretched=0, axis_stretch=with_product_1(MEAN_STRETCH))
_ISOTROPIC = FitSettings(num_stretched=0)
_RATIO_1 = FitSettings(num_stretched=0, diffusivity_ratio=1.0)


def _growth(settings: FitSettings) -> Ranking:
    return lambda third: third.log_density(third.growth(settings))


def _corrected(settings: FitSettings) -> Ranking:
    return lambda third: third.corrected(third.growth(settings))


def _turned(settings: FitSettings) -> Ranking:
    return lambda third: third.log_density(third.turned_growth(settings))


def _turned_corrected(settings: FitSettings) -> Ranking:
    return lambda third: third.corrected(third.turned_growth(settings))


def _constant(third: HiddenThird) -> Values:
    return third.corrected(np.full(third.seen.grid.shape, CONSTANT_DENSITY))


def _with_ellipsoid(third: HiddenThird) -> Values:
    return third.corrected(third.growth(_TENSOR)) - _ELLIPSOID_WEIGHT * third.ellipsoid


RANKINGS: dict[str, Ranking] = {
    "core distance": lambda third: -third.from_core_mm,
    "whole-tumor distance": lambda third: -third.from_whole_mm,
    ELLIPSOID: lambda third: -third.ellipsoid,
    "distance map, corrected": lambda third: third.corrected(density_by_distances(third.visible)),
    "constant map, corrected": _constant,
    "turned ellipsoid": lambda third: -third.turned_level,
    "turned ellipsoid, corrected": lambda third: third.corrected(1.0 / (1.0 + np.exp(4.0 * third.turned_level - 2.6))),
    "growth, turned tensor": _turned(_TENSOR),
    "growth, turned tensor, corrected": _turned_corrected(_TENSOR),
    "growth, turned tensor, ratio 1": _turned(_TENSOR_1),
    "growth, turned tensor, ratio 1, corrected": _turned_corrected(_TENSOR_1),
    "growth, tensor": _growth(_TENSOR),
    "growth, tensor, corrected": _corrected(_TENSOR),
    "growth, constant tensor": _growth(_CONSTANT_TENSOR),
    "growth, constant tensor, corrected": _corrected(_CONSTANT_TENSOR),
    "growth, isotropic": _growth(_ISOTROPIC),
    "growth, isotropic, corrected": _corrected(_ISOTROPIC),
    "growth, ratio 1": _growth(_RATIO_1),
    "growth, ratio 1, corrected": _corrected(_RATIO_1),
    "tensor, corrected, and ellipsoid": _with_ellipsoid,
}
