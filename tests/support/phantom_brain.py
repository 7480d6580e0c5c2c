"""An analytic brain of realistic size on a coarse grid, for tests of the whole chain in seconds.

An ellipsoid of 1.3 l with a white-matter core, a cortex of gray matter and two ventricles of different size (so left
and right differ), 4 mm voxels. `write_phantom_patient` puts two spherical masks into it and writes a BraTS folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gliofield.anatomy import Atlas, TissueMaps
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.volume import Volume

SPACING_MM = 4.0
GRID = Grid.axis_aligned((44, 50, 40), SPACING_MM, (-86.0, -98.0, -78.0))
LESION_CENTER_MM = (28.0, 10.0, 12.0)


def radius_in(grid: Grid, center_mm: Sequence[float], semi_axes_mm: Sequence[float] | float) -> np.ndarray:
    """Normalized radius of every voxel: 1 on the surface of the ellipsoid."""
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    offset = (grid.world_of(voxels) - np.asarray(center_mm)) / np.broadcast_to(semi_axes_mm, 3)
    return np.linalg.norm(offset, axis=-1)


def phantom_tissue_maps(grid: Grid = GRID) -> TissueMaps:
    """Soft tissue fractions of the phantom."""
    head = radius_in(grid, (0, 0, 0), (66, 80, 60))
    brain = head <= 1.0
    ventricles = np.minimum(radius_in(grid, (-14, 4, 4), (7, 26, 10)), radius_in(grid, (15, 4, 4), (9, 30, 12)))
    csf = np.clip(1.5 - ventricles, 0, 1) * brain
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
    """T1-like image of the maps, 0 outside the brain."""
    image = 220.0 * maps.white_matter + 150.0 * maps.gray_matter + 45.0 * maps.csf
    return Volume(np.where(maps.brain, image, 0).astype(np.float32), maps.grid)


def phantom_atlas() -> Atlas:
    """The phantom as an atlas."""
    maps = phantom_tissue_maps()
    return Atlas(name="phantom", t1=phantom_t1(maps), tissue_maps=maps, licence="none", source="analytic")


def write_phantom_atlas(folder: Path) -> Path:
    """The phantom as an own-atlas folder."""
    folder.mkdir(parents=True)
    atlas = phantom_atlas()
    write_volume(folder / "t1.nii.gz", atlas.t1)
    names = {"white_matter": "wm", "gray_matter": "gm", "csf": "csf"}
    for field, name in names.items():
        write_volume(folder / f"{name}.nii.gz", Volume(getattr(atlas.tissue_maps, field), atlas.grid))
    description = {field: f"{name}.nii.gz" for field, name in names.items()}
    description |= {"name": "phantom", "t1": "t1.nii.gz", "licence": "none", "source": "analytic"}
    (folder / "atlas.json").write_text(json.dumps(description))
    return folder


def phantom_labels(
    core_radius_mm: float = 12.0, whole_radius_mm: float = 22.0, center_mm: Sequence[float] = LESION_CENTER_MM
) -> Volume:
    """BraTS 2021 labels of a spherical tumor: 4 inside the core, 2 around it, cut to the brain."""
    brain = phantom_tissue_maps().brain
    distance = radius_in(GRID, center_mm, 1.0)
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[(distance <= whole_radius_mm) & brain] = 2
    labels[(distance <= core_radius_mm) & brain] = 4
    return Volume(labels, GRID)


def write_phantom_patient(
    folder: Path, *, labels: Volume | None = None, stored_as: Grid | None = None, name: str = "case"
) -> Path:
    """A BraTS folder of the phantom with a tumor; the images lie on `GRID`, stored in the orientation asked for."""
    folder.mkdir(parents=True)
    tumor = phantom_labels() if labels is None else labels
    t1 = phantom_t1(phantom_tissue_maps())
    t1c = t1.data + 90.0 * (tumor.data == 4)
    flair = np.where(t1.data > 0, 300.0 - t1.data, 0.0) + 120.0 * (tumor.data == 2)
    for ending, data in (("t1", t1.data), ("t1ce", t1c), ("flair", flair)):
        write_volume(folder / f"{name}_{ending}.nii.gz", Volume(data.astype(np.float32), GRID), stored_as=stored_as)
    write_volume(folder / f"{name}_seg.nii.gz", tumor, stored_as=stored_as)
    return folder


def stored_orientation(letters: str, grid: Grid = GRID) -> Grid:
    """The grid of the same voxels stored in another orientation, such as ``"LPS"``."""
    world_axis = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
    old_from_new = np.zeros((4, 4))
    old_from_new[3, 3] = 1
    shape = []
    for new_axis, letter in enumerate(letters):
        axis = world_axis[letter]
        is_flipped = letter in "LPI"
        old_from_new[axis, new_axis] = -1 if is_flipped else 1
        old_from_new[axis, 3] = grid.shape[axis] - 1 if is_flipped else 0
        shape.append(grid.shape[axis])
    return Grid(tuple(shape), grid.world_from_voxel @ old_from_new)
