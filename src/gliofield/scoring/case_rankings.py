"""The rankings of one virtual case: both margins, the oracle, and what a method answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.pipeline import PersonalizationResult
from gliofield.pipeline.run import density_in_patient
from gliofield.scoring.volume_scores import KnownTumor

CORE_MARGIN, WHOLE_MARGIN, ORACLE = "core margin", "whole-tumor margin", "oracle"
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


def method_rankings(result: PersonalizationResult) -> dict[str, Ranked]:
    """What a method answers: its density, and the one before a correction, if it corrects."""
    density = result.density_patient.data
    found = {DENSITY: Ranked(values=density, cell_density=density)}
    estimate = result.estimate
    if estimate.uncorrected is not None:
        moved = density_in_patient(estimate.space.to_patient(estimate.uncorrected, result.case.grid), result.case).data
        found[UNCORRECTED] = Ranked(values=moved, cell_density=moved)
    return found
