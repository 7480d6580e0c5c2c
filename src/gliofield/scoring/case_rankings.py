"""The rankings of one virtual case: both margins, controls under the correction of `assimilate`, the oracle, methods.

Four always stand side by side: core margin, whole-tumor margin, density and priority of a method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.imaging import Observation
from gliofield.pipeline import AssimilateMethod, PersonalizationResult
from gliofield.pipeline.distance_methods import density_by_distances
from gliofield.pipeline.run import density_in_patient
from gliofield.scoring.third_rankings import CONSTANT_DENSITY
from gliofield.scoring.volume_scores import KnownTumor

CORE_MARGIN, WHOLE_MARGIN, ORACLE = "core margin", "whole-tumor margin", "oracle"
#: What a method's name is followed by.
DENSITY, PRIORITY, UNCORRECTED = "density", "priority", "before correction"


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


def corrected_controls(observation: Observation) -> dict[str, Ranked]:
    """Maps without growth under the correction of `assimilate`: that of method ``distance``, and a constant.

    Parameters
    ----------
    observation : Observation
        Outlines in the space of the patient, on the scan's grid.
    """
    assimilate = AssimilateMethod()
    maps = {
        "distance map, corrected": density_by_distances(observation).astype(np.float32),
        "constant map, corrected": np.full(observation.grid.shape, CONSTANT_DENSITY, np.float32),
    }
    corrected = {name: assimilate.correct(density, observation) for name, density in maps.items()}
    return {name: Ranked(values=density, cell_density=density) for name, density in corrected.items()}


def method_rankings(result: PersonalizationResult) -> dict[str, Ranked]:
    """What a method answers: its density, its priorities and its density before a correction, as far as it has them."""
    density = result.density_patient.data
    found = {DENSITY: Ranked(values=density, cell_density=density)}
    if result.rankings is not None:
        found[PRIORITY] = Ranked(values=result.rankings.priority.data)
    estimate = result.estimate
    if estimate.uncorrected is not None:
        moved = density_in_patient(estimate.space.to_patient(estimate.uncorrected, result.case.grid), result.case).data
        found[UNCORRECTED] = Ranked(values=moved, cell_density=moved)
    return found
