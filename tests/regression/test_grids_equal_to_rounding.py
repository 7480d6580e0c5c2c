"""Symptom: images of one scan were refused because one tool had kept the sform and another the qform (2 % of tilted
scans), or an affine was rounded to five decimals; the two lines given as the reason were equal.

Cause: a tolerance of 0.001 mm, whatever the size of a voxel, and no look at what a header can store.
Guard: 0.02 voxels, a quarter where both grids are one to the precision of a quaternion in float32, and the largest
distance in the message.
"""

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gliofield.errors import GridMismatchError
from gliofield.grid import Grid

SHAPE = (256, 256, 160)


def tilted(angles, *, flips=(-1.0, -1.0, 1.0)):
    """A scan as most scanners store it (L, P, S), the slab tilted."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(
        np.array(flips) * [0.9375, 0.9375, 1.2]
    )
    affine[:3, 3] = -affine[:3, :3] @ np.array([128, 128, 80])
    return affine


@pytest.mark.parametrize("flips", [(-1.0, -1.0, 1.0), (1.0, 1.0, 1.0), (-1.0, 1.0, 1.0)])
def test_sform_and_qform_of_a_tilted_scan_are_one_grid(rng, flips):
    """All of 200, in three orders of storage."""
    for _ in range(200):
        header = nib.Nifti1Header()
        header.set_data_shape(SHAPE)
        affine = tilted(rng.uniform(-20, 20, 3), flips=flips)
        header.set_sform(affine, 1)
        header.set_qform(affine, 1)
        assert Grid(SHAPE, header.get_sform()).is_same_as(Grid(SHAPE, header.get_qform()))


def test_an_affine_rounded_to_five_decimals_is_one_grid():
    """0.005 mm at the far corner."""
    affine = tilted([10, 5, -8])
    assert Grid(SHAPE, affine).is_same_as(Grid(SHAPE, np.round(affine, 5)))


@pytest.mark.parametrize(("degrees", "gap"), [(0.03, "0.1"), (0.3, "1.")])
def test_a_real_difference_is_refused_with_its_size(degrees, gap):
    """Also where shape, spacing and origin look the same."""
    first = tilted([10, 5, -8])
    second = first.copy()
    second[:3, :3] = first[:3, :3] @ Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    with pytest.raises(GridMismatchError, match=rf"The same voxel lies up to {gap}\d* mm apart in them\. Resample"):
        Grid(SHAPE, first).require_same_as(Grid(SHAPE, second), self_name="seg.nii.gz", other_name="t1.nii.gz")


def test_grids_of_other_shapes_have_no_distance():
    """The message is about the shapes."""
    with pytest.raises(GridMismatchError, match=r"mm\)? *mm\n?.*Resample|origin .*\nResample"):
        Grid(SHAPE, np.eye(4)).require_same_as(Grid((256, 256, 161), np.eye(4)), self_name="a", other_name="b")
