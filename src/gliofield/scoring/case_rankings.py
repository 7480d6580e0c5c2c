"""The rankings of one virtual case: both margins, controls under the correction of `assimilate`, the oracle, methods.

Four always stand side by side: core margin, whole-tumor margin, priority, and the density of a method. The priority
comes from the outlines alone (`pipeline.rankings`), so it is the same for every method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of
from gliofield.imaging import Observation
from gliofield.pipeline import AssimilateMethod, PatientSpace, PersonalizationResult
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.pipeline.rankings import target_priority
from gliofield.pipeline.run import density_in_patient
from gliofield.scoring.third_rankings import CONSTANT_DENSITY
from gliofield.scoring.volume_scores import KnownTumor

CORE_MARGIN, WHOLE_MARGIN, PRIORITY, ORACLE = "core margin", "whole-tumor margin", "priority", "oracle"
#: What a method's name is followed by.
DENSITY, UNCORRECTED = "density", "before correction"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """A ranking of the voxels of a case.

    Parameters
    ----------
    values : (X, Y, Z) array or None
        Larger ones first; None: it is undefined for this case.
    cell_density : (X, Y, Z) float32 array or None
        The same as a density, where it is one.
    """

    values: NDArray[np.float32] | None
    cell_density: NDArray[np.float32] | None = None


def control_rankings(tumor: KnownTumor) -> dict[str, Ranked]:
    """Both margins and the oracle, which need no registration."""
    return {
        CORE_MARGIN: Ranked(values=-tumor.from_core_mm if tumor.has_core else None),
        WHOLE_MARGIN: Ranked(values=-tumor.from_whole_mm),
        ORACLE: Ranked(values=tumor.cell_density),
    }


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


def method_rankings(result: PersonalizationResult) -> dict[str, Ranked]:
    """What a method answers: its density, and the one before a correction, if it corrects."""
    density = result.density_patient.data
    found = {DENSITY: Ranked(values=density, cell_density=density)}
    estimate = result.estimate
    if estimate.uncorrected is not None:
        moved = density_in_patient(estimate.space.to_patient(estimate.uncorrected, result.case.grid), result.case).data
        found[UNCORRECTED] = Ranked(values=moved, cell_density=moved)
    return found
