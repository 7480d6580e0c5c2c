"""A layered phantom brain and the same under a known smooth deformation, as atlas and patient of registration tests.

Unlike `phantom_brain` it has the CSF rim of a real brain, so that three tissue classes can be told by intensity.
"""

from __future__ import annotations

import numpy as np
from phantom_brain import GRID, phantom_labels, phantom_t1, radius_in

from gliofield.anatomy import TissueMaps
from gliofield.registration import AffineSettings, Levels, RegistrationPreset, SynSettings, Transform
from gliofield.volume import Volume

AFFINE_PRESET = RegistrationPreset(
    name="affine at 6 mm",
    spacing_mm=6.0,
    mask_interpolation="linear",
    affine=AffineSettings(
        levels=Levels(iterations=(40, 20), shrink_factors=(2, 1), smoothing_voxels=(1.0, 0.0)), sampling_fraction=0.5
    ),
    deformable=None,
)
DEFORMABLE_PRESET = RegistrationPreset(
    name="deformable at 8 mm",
    spacing_mm=8.0,
    mask_interpolation="linear",
    affine=AFFINE_PRESET.affine,
    deformable=SynSettings(
        metric="cross-correlation",
        metric_parameter=2,
        levels=Levels(iterations=(20, 10), shrink_factors=(2, 1), smoothing_voxels=(1.0, 0.0)),
    ),
)


def layered_tissue_maps() -> TissueMaps:
    """White matter within gray matter within CSF, and two ventricles of different size."""
    head = radius_in(GRID, (0, 0, 0), (66, 80, 60))
    ventricles = np.minimum(radius_in(GRID, (-14, 4, 4), (7, 26, 10)), radius_in(GRID, (15, 4, 4), (9, 30, 12)))
    csf = (head > 0.9) | (ventricles <= 1.0)
    white = (head <= 0.7) & ~csf
    brain = head <= 1.0
    masks = {"white_matter": white & brain, "gray_matter": brain & ~white & ~csf, "csf": csf & brain}
    return TissueMaps(**{name: mask.astype(np.float32) for name, mask in masks.items()}, brain=brain, grid=GRID)


def true_transform() -> Transform:
    """Rotation by 0.1 rad, 5 % scale, a shift, and a 5 mm bump near the left cortex."""
    points = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1))
    squared = np.sum((points - np.array([-40.0, 10.0, 0.0])) ** 2, axis=-1, keepdims=True)
    field = np.array([4.0, 3.0, 0.0]) * np.exp(-squared / (2 * 15.0**2))
    affine = np.eye(4)
    affine[:2, :2] = 1.05 * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    affine[:3, 3] = 4.0, -6.0, 3.0
    return Transform.from_displacement(field.astype(np.float32), GRID, atlas_from_patient=affine)


def deformed_patient() -> tuple[Volume, Volume, Volume]:
    """Image, brain mask and lesion of the patient whose map to the layered phantom is `true_transform`."""
    maps = layered_tissue_maps()
    image = true_transform().to_patient(phantom_t1(maps), GRID)
    brain = true_transform().mask_to_patient(Volume(maps.brain, GRID), GRID)
    lesion = Volume((phantom_labels().data > 0) & brain.data, GRID)
    values = np.where(lesion.data, 250.0, image.data) * brain.data
    return Volume(values.astype(np.float32), GRID), brain, lesion
