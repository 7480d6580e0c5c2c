"""A picture of a brain that has no image: its tissue fractions in the grays of a T1; and single slices of volumes."""

from __future__ import annotations

import numpy as np

from gliofield.anatomy import TissueMaps
from gliofield.grid import Grid
from gliofield.volume import Volume

# Gray values, ordered as in T1.
_WHITE_MATTER_GRAY, _GRAY_MATTER_GRAY, _CSF_GRAY = np.float32(1.0), np.float32(0.62), np.float32(0.12)
#: What is shown black and white: no tissue is, so that colors on it are seen.
TISSUE_GRAY_LIMITS = np.array([0.0, 1.5])


def tissue_image(maps: TissueMaps) -> Volume:
    """White matter bright, CSF dark; to be shown between `TISSUE_GRAY_LIMITS`."""
    image = _WHITE_MATTER_GRAY * maps.white_matter + _GRAY_MATTER_GRAY * maps.gray_matter + _CSF_GRAY * maps.csf
    return Volume(image, maps.grid)


def one_slice(volume: Volume, index: int) -> Volume:
    """The axial slice of a volume, (X, Y, 1), where it lies in the world."""
    affine = volume.grid.world_from_voxel.copy()
    affine[:3, 3] = volume.grid.world_of((0, 0, index))
    x, y, _ = volume.grid.shape
    return Volume(volume.data[:, :, index : index + 1], Grid((x, y, 1), affine))
