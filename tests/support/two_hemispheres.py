"""A head that is small enough for tests, with what walls are found by: two hemispheres, a callosum, a cerebellum.

Voxels of 3 mm. White matter fills two half-ellipsoids with a cortex of 6 mm; between them lies a fissure of CSF, but
for a callosum and a column of brainstem; below and behind lies a cerebellum under a sheet of CSF.
"""

import numpy as np

from gliofield.anatomy import Atlas, Segmentation, TissueMaps
from gliofield.grid import Grid
from gliofield.pipeline import Case, PatientSpace
from gliofield.registration import Transform
from gliofield.volume import Volume

GRID = Grid.axis_aligned((46, 56, 46), 3.0, (-67.5, -82.5, -66.0))
TENTORIUM_MM, CALLOSUM_MM = -27.0, 18.0


def places():
    """World position of every voxel along x, y, z [mm]."""
    return np.moveaxis(GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0)


def tissue():
    """Tissue maps of the head."""
    x, y, z = places()
    radius = np.sqrt((x / 60.0) ** 2 + (y / 75.0) ** 2 + (z / 60.0) ** 2)
    brain = radius <= 1.0
    stem = (np.abs(x) < 10.0) & (np.abs(y + 10.0) < 10.0) & (z < 0.0)
    callosum = (np.abs(y) < 30.0) & (np.abs(z - CALLOSUM_MM) < 5.0)
    cerebellum = (z < TENTORIUM_MM) & (y < 10.0)
    white = brain & (radius < 0.88) & ~cerebellum
    white |= cerebellum & brain & (radius < 0.9) & (z < TENTORIUM_MM - 9.0)
    white |= stem & brain
    fissure = (np.abs(x) < 6.0) & (z > TENTORIUM_MM) & ~callosum & ~stem
    tent = (np.abs(z - TENTORIUM_MM) < 1.6) & (y < 10.0) & ~stem
    front = (z < TENTORIUM_MM) & (y >= 10.0)
    ventricle = (np.abs(np.abs(x) - 9.0) < 4.0) & (np.abs(y) < 20.0) & (np.abs(z - 6.0) < 5.0)
    csf = brain & (fissure | tent | ventricle) | (brain & front)
    white &= ~csf
    gray = brain & ~csf & ~white
    maps = [mask.astype(np.float32) for mask in (white, gray, csf)]
    return TissueMaps(white_matter=maps[0], gray_matter=maps[1], csf=maps[2], brain=brain, grid=GRID)


def atlas():
    """The head as an atlas."""
    maps = tissue()
    image = np.where(maps.brain, 200.0 * maps.white_matter + 120.0 * maps.gray_matter + 30.0, 0.0)
    return Atlas(
        name="two hemispheres",
        t1=Volume(image.astype(np.float32), GRID),
        tissue_maps=maps,
        licence="none",
        source="analytic",
    )


def scan(center_mm=(30.0, 10.0, 20.0), *, core_mm=9.0, whole_mm=15.0, cavity=None, own_atlas=None):
    """A patient with that very head, and a round tumor in it."""
    used = atlas() if own_atlas is None else own_atlas
    brain = used.tissue_maps.brain
    far = np.sqrt(sum((place - at) ** 2 for place, at in zip(places(), center_mm, strict=True)))
    hollow = np.zeros_like(brain) if cavity is None else cavity & brain
    segmentation = Segmentation(
        tumor_core=(far <= core_mm) & brain & ~hollow,
        whole_tumor=(far <= whole_mm) & brain & ~hollow,
        grid=GRID,
        cavity=None if cavity is None else hollow,
    )
    case = Case(images={}, segmentation=segmentation, brain=brain, stored_grid=GRID, file_hashes={})
    return PatientSpace(case=case, atlas=used, transform=Transform.identity(), grid=GRID)
