"""Symptom: labels kept as floats and saved under an integer header were refused as "resampled with linear
interpolation": the scaling that nibabel chooses makes 1.00002 (int16) or 1.0039 (uint8) of them.

Cause: labels had to be integers exactly.
Guard: within 0.01 of an integer they are that integer; farther off they are refused as before.
"""

import nibabel as nib
import numpy as np
import pytest

from gliofield.anatomy import segmentation_from_labels
from gliofield.errors import SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.volume import Volume

LABELS = np.zeros((12, 12, 12))
LABELS[2:10, 2:10, 2:10], LABELS[4:8, 4:8, 4:8], LABELS[5:7, 5:7, 5:7] = 2, 4, 1


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32])
def test_labels_that_the_header_scales_are_those_that_were_saved(tmp_path, dtype):
    """Core and whole tumor, voxel for voxel."""
    image = nib.Nifti1Image(LABELS, np.eye(4))
    image.set_data_dtype(dtype)
    nib.save(image, tmp_path / "seg.nii.gz")

    found = segmentation_from_labels(read_volume(tmp_path / "seg.nii.gz"))

    np.testing.assert_array_equal(found.tumor_core, np.isin(LABELS, [1, 4]))
    np.testing.assert_array_equal(found.whole_tumor, LABELS > 0)


@pytest.mark.parametrize("value", [1.02, 1.5, 0.3])
def test_interpolated_labels_are_still_refused(value):
    """By their value."""
    labels = LABELS.astype(np.float32)
    labels[3, 3, 3] = value
    with pytest.raises(SegmentationError, match=f"labels must be integers, got the value {value:g}"):
        segmentation_from_labels(Volume(labels, Grid(labels.shape, np.eye(4))))
