"""The brain of a patient as growth models need it: the atlas's tissue, warped onto the patient by a registration.

Tissue that the tumor has pushed aside or replaced is thus the atlas's. `regrow_in_patient` grows one tumor there,
`sample_in_patient` samples all that explain the scans.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Anatomy, Atlas, TissueMaps, growth_domain
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.personalize.case import Case
from gliofield.registration import Transform
from gliofield.resample import resample
from gliofield.volume import Volume

#: Spacing of simulations in a patient [mm]: that of the default grid in the atlas.
DEFAULT_SPACING_MM = 1.875
# Around the patient's brain; in voxels, so that grids of one spacing stay aligned.
_MARGIN_VOXELS = 2


def patient_anatomy(
    case: Case, transform: Transform, atlas: Atlas, *, spacing_mm: float, domain_rule: str = DEFAULT_DOMAIN_RULE
) -> Anatomy:
    """Simulation domain of a patient: the atlas's tissue, moved there, within the patient's brain.

    Parameters
    ----------
    case : Case
        The patient; its brain is used.
    transform : Transform
        Between the patient and the atlas.
    atlas : Atlas
        Whose tissue is moved.
    spacing_mm : float
        Spacing of the simulation [mm], > 0.
    domain_rule : str
        Rule of the simulation domain.

    Raises
    ------
    ParameterError
        If the rule is unknown or the spacing not positive.
    """
    if not spacing_mm > 0.0:
        raise ParameterError(f"spacing_mm must be > 0, got {spacing_mm}.")
    corners = np.argwhere(case.brain)
    world = case.grid.world_of(np.array(np.meshgrid(*zip(corners.min(axis=0), corners.max(axis=0), strict=True))).T)
    margin_mm = _MARGIN_VOXELS * spacing_mm
    low, high = world.reshape(-1, 3).min(axis=0) - margin_mm, world.reshape(-1, 3).max(axis=0) + margin_mm
    grid = Grid.axis_aligned(np.ceil((high - low) / spacing_mm).astype(int) + 1, spacing_mm, np.round(low, 6))

    def moved(data: NDArray[np.generic]) -> NDArray[np.float32]:
        values = transform.to_patient(Volume(np.asarray(data, dtype=np.float32), atlas.grid), grid).data
        return np.asarray(np.clip(values, 0.0, 1.0), dtype=np.float32)

    brain = resample(Volume(case.brain.astype(np.float32), case.grid), grid).data > 0.5
    maps = {name: moved(getattr(atlas.tissue_maps, name)) * brain for name in ("white_matter", "gray_matter", "csf")}
    return growth_domain(TissueMaps(**maps, brain=brain, grid=grid), rule=domain_rule)


def resampled_density(cell_density: Volume, case: Case) -> Volume:
    """A density, or a map of densities, in the patient's world on the patient's grid: linear, 0 outside the brain."""
    moved = resample(cell_density, case.grid).data
    return Volume(np.where(case.brain, np.clip(moved, 0.0, 1.0), 0.0).astype(np.float32), case.grid)
