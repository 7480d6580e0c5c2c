"""What each method ranks the hidden third by, and the share of the hidden tumor that a ranking finds.

Ties go to the voxel nearer to the visible core.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gliofield.assimilation import FitSettings
from gliofield.errors import GliofieldError
from gliofield.metrics import best_first
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.scoring.hidden_third import HiddenThird, Values

#: Its highest voxels are chosen first.
Ranking = Callable[[HiddenThird], Values]


def _assimilate(third: HiddenThird) -> Values:
    return third.corrected(third.growth(FitSettings()))


def _distance(third: HiddenThird) -> Values:
    return third.log_density(density_by_distances(third.visible))


#: What ranks the hidden third as a method would, by its name; methods that need the atlas or networks have none.
METHOD_RANKINGS: dict[str, Ranking] = {
    "assimilate": _assimilate,
    "margin": lambda third: -third.from_core_mm,
    "whole-margin": lambda third: -third.from_whole_mm,
    "distance": _distance,
}


def coverage_of(ranking: Ranking, third: HiddenThird) -> float:
    """Share of the hidden tumor among as many of the first voxels of the hidden brain.

    NaN where nothing of the tumor is hidden, or the ranking cannot be made (no tumor grows in the visible part).
    """
    inside = third.hidden_tumor[third.region]
    if not inside.any():
        return math.nan
    try:
        scores = ranking(third)
    except GliofieldError:
        return math.nan
    order = best_first(scores[third.region], third.from_core_mm[third.region])
    return float(inside[order[: np.count_nonzero(inside)]].mean())
