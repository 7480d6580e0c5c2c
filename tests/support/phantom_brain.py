"""The phantom of `gliofield.testing` under short names, as an atlas folder, and stored in other orientations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.testing.phantom_brain import (
    LESION_CENTER_MM,
    PHANTOM_GRID,
    phantom_atlas,
    phantom_labels,
    phantom_t1,
    phantom_tissue_maps,
    radius_in,
    write_phantom_patient,
)
from gliofield.volume import Volume

__all__ = [
    "GRID",
    "LESION_CENTER_MM",
    "phantom_atlas",
    "phantom_labels",
    "phantom_t1",
    "phantom_tissue_maps",
    "radius_in",
    "stored_orientation",
    "write_phantom_atlas",
    "write_phantom_patient",
]

GRID = PHANTOM_GRID


def write_phantom_atlas(folder: Path) -> Path:
    """The phantom as an own-atlas folder, written by hand: fractions as float32, the brain where T1 is not 0."""
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
