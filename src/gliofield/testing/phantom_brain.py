"""An analytic brain of realistic size on a coarse grid, and a patient in it: the whole chain runs in seconds.

An ellipsoid of 1.3 l with a white-matter core, a cortex of gray matter and two ventricles of different size (so left
and right differ), in voxels of 4 mm. The patient's tumor is two concentric balls; atlas and patient share one world,
so the registration preset ``none`` is right.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy, Atlas, AtlasSpace, TissueMaps
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters
from gliofield.imaging import Observation
from gliofield.nifti import write_volume
from gliofield.registration import Transform
from gliofield.volume import Volume

#: Grid of the phantom, its atlas and its patient.
PHANTOM_GRID = Grid.axis_aligned((44, 50, 40), 4.0, (-86.0, -98.0, -78.0))
#: Center of the patient's tumor [mm]: in white matter, beside the larger ventricle.
LESION_CENTER_MM = (28.0, 10.0, 12.0)


def phantom_tissue_maps(grid: Grid = PHANTOM_GRID) -> TissueMaps:
    """Soft tissue fractions of the phantom."""
    head = radius_in(grid, (0.0, 0.0, 0.0), (66.0, 80.0, 60.0))
    brain = head <= 1.0
    left, right = radius_in(grid, (-14, 4, 4), (7, 26, 10)), radius_in(grid, (15, 4, 4), (9, 30, 12))
    csf = np.clip(1.5 - np.minimum(left, right), 0, 1) * brain
    white = np.clip((0.82 - head) / 0.08 + 0.5, 0, 1) * (1 - csf) * brain
    gray = (1 - csf - white) * brain
    return TissueMaps(
        white_matter=white.astype(np.float32),
        gray_matter=gray.astype(np.float32),
        csf=csf.astype(np.float32),
        brain=brain,
        grid=grid,
    )


def phantom_t1(maps: TissueMaps) -> Volume:
    """T1-like image of tissue fractions, 0 outside the brain."""
    image = 220.0 * maps.white_matter + 150.0 * maps.gray_matter + 45.0 * maps.csf
    return Volume(np.where(maps.brain, image, 0).astype(np.float32), maps.grid)


def phantom_atlas() -> Atlas:
    """The phantom as an atlas."""
    maps = phantom_tissue_maps()
    return Atlas(name="phantom", t1=phantom_t1(maps), tissue_maps=maps, licence="none", source="analytic")


def phantom_anatomy() -> Anatomy:
    """Where a tumor can grow in the phantom, on `PHANTOM_GRID`."""
    return phantom_atlas().anatomy(PHANTOM_GRID)


def phantom_tumor(
    *, white_matter_diffusivity_mm2_per_day: float = 1.0, proliferation_rate_per_day: float = 0.05
) -> FisherKolmogorovParameters:
    """Growth parameters of a tumor seeded at `LESION_CENTER_MM`; its front is wider than a voxel."""
    return FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=white_matter_diffusivity_mm2_per_day,
        proliferation_rate_per_day=proliferation_rate_per_day,
        seed_mm=LESION_CENTER_MM,
    )


def phantom_labels(
    core_radius_mm: float = 12.0, whole_radius_mm: float = 22.0, center_mm: Sequence[float] = LESION_CENTER_MM
) -> Volume:
    """BraTS 2023 labels of a spherical tumor: 3 inside the core, 2 around it, cut to the brain."""
    brain = phantom_tissue_maps().brain
    distance = radius_in(PHANTOM_GRID, center_mm, 1.0)
    labels = np.zeros(PHANTOM_GRID.shape, dtype=np.uint8)
    labels[(distance <= whole_radius_mm) & brain] = 2
    labels[(distance <= core_radius_mm) & brain] = 3
    return Volume(labels, PHANTOM_GRID)


def phantom_observation() -> Observation:
    """What the scans of the phantom's patient show, in the space of its atlas."""
    labels = phantom_labels().data
    return Observation(
        tumor_core=labels == 3,
        whole_tumor=labels != 0,
        grid=PHANTOM_GRID,
        space=AtlasSpace(anatomy=phantom_anatomy(), patient=Transform.identity()),
    )


def write_phantom_patient(
    folder: str | os.PathLike[str], *, labels: Volume | None = None, stored_as: Grid | None = None, name: str = "case"
) -> Path:
    """A BraTS folder of the phantom with a tumor.

    Parameters
    ----------
    folder : path
        Where to; must not exist.
    labels : Volume or None
        BraTS 2023 labels on `PHANTOM_GRID`; None: `phantom_labels`.
    stored_as : Grid or None
        Order of axes in the files; None: that of `PHANTOM_GRID`.
    name : str
        Beginning of the files' names.
    """
    path = Path(folder)
    path.mkdir(parents=True)
    tumor = phantom_labels() if labels is None else labels
    t1 = phantom_t1(phantom_tissue_maps())
    t1c = t1.data + 90.0 * (tumor.data == 3)
    flair = np.where(t1.data > 0, 300.0 - t1.data, 0.0) + 120.0 * (tumor.data == 2)
    for ending, data in (("t1", t1.data), ("t1ce", t1c), ("flair", flair)):
        image = Volume(data.astype(np.float32), PHANTOM_GRID)
        write_volume(path / f"{name}_{ending}.nii.gz", image, stored_as=stored_as)
    write_volume(path / f"{name}_seg.nii.gz", tumor, stored_as=stored_as)
    return path


def radius_in(grid: Grid, center_mm: Sequence[float], semi_axes_mm: Sequence[float] | float) -> NDArray[np.float64]:
    """Normalized radius of every voxel: 1 on the surface of the ellipsoid."""
    voxels = np.moveaxis(np.indices(grid.shape), 0, -1)
    offset = (grid.world_of(voxels) - np.asarray(center_mm)) / np.broadcast_to(semi_axes_mm, 3)
    return np.asarray(np.linalg.norm(offset, axis=-1))
