"""The controls of a virtual case that need its registration: the priority, and maps without growth.

With both margins and the density of a method, the priority always stands in a table: it comes from the outlines alone
(`gliofield.pipeline.rankings`), so it is the same for every method.
"""

from __future__ import annotations

import numpy as np

from gliofield.box import box_of, slices_of
from gliofield.imaging import Observation
from gliofield.pipeline import AssimilateMethod, PatientSpace
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.pipeline.rankings import target_priority
from gliofield.scoring.case_rankings import Ranked
from gliofield.scoring.volume_scores import KnownTumor
from gliofield_evaluation.scoring.third_rankings import CONSTANT_DENSITY

PRIORITY = "priority"


def registered_controls(tumor: KnownTumor, observation: Observation, scan: PatientSpace) -> dict[str, Ranked]:
    """The priority, and maps without growth under the correction of `assimilate`: method ``distance``, a constant.

    Parameters
    ----------
    tumor : KnownTumor
        For the distances.
    observation : Observation
        Outlines in the space of the patient, on the scan's grid.
    scan : PatientSpace
        That space.
    """
    near = slices_of(box_of(scan.case.brain))
    priority = target_priority(scan, tumor.from_core_mm[near], observation.thresholds)
    assimilate = AssimilateMethod()
    maps = {
        "distance map, corrected": density_by_distances(observation).astype(np.float32),
        "constant map, corrected": np.full(observation.grid.shape, CONSTANT_DENSITY, np.float32),
    }
    corrected = {name: assimilate.correct(density, observation) for name, density in maps.items()}
    densities = {name: Ranked(values=density, cell_density=density) for name, density in corrected.items()}
    return {PRIORITY: Ranked(values=priority.data), **densities}
