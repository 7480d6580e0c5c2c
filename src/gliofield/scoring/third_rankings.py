"""Rankings of the hidden third, by name: a function of a `HiddenThird` whose highest voxels are chosen first.

A further ranking is a line in `RANKINGS`; a growth model fitted in another way is a `FitSettings`. Ties go to the voxel
nearer to the visible core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gliofield.assimilation import FitSettings
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.scoring.hidden_third import HiddenThird, Values

Ranking = Callable[[HiddenThird], Values]

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
    return third.log_density(third.growth(_TENSOR)) - _ELLIPSOID_WEIGHT * third.turned_level


RANKINGS: dict[str, Ranking] = {
    "core distance": lambda third: -third.from_core_mm,
    "whole-tumor distance": lambda third: -third.from_whole_mm,
    ELLIPSOID: lambda third: -third.ellipsoid,
    "turned ellipsoid": lambda third: -third.turned_level,
    "distance map, corrected": lambda third: third.corrected(density_by_distances(third.visible)),
    "constant map, corrected": _constant,
    "growth": _growth(_TENSOR),
    "growth, corrected": _corrected(_TENSOR),
    "growth, isotropic": _growth(_ISOTROPIC),
    "growth, isotropic, corrected": _corrected(_ISOTROPIC),
    "growth, ratio 1": _growth(_RATIO_1),
    "growth, ratio 1, corrected": _corrected(_RATIO_1),
    "growth, tissue alone": _growth(_TENSOR, tissue_alone=True),
    "growth, tissue alone, corrected": _corrected(_TENSOR, tissue_alone=True),
    "growth and turned ellipsoid": _with_ellipsoid,
}


def _distance(third: HiddenThird) -> Values:
    return third.log_density(density_by_distances(third.visible))


#: What ranks the hidden third as a method would, by its name; methods that need the atlas or networks have none.
METHOD_RANKINGS: dict[str, Ranking] = {
    "assimilate": RANKINGS["growth, corrected"],
    "margin": RANKINGS["core distance"],
    "whole-margin": RANKINGS["whole-tumor distance"],
    "distance": _distance,
}
