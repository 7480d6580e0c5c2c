"""Why everything goes through the affine: what comparing real files by array index costs.

SRI24's T1 comes as LAS, its tissue maps as RAS, BraTS patients as LPS, all of one shape, so an index-wise comparison
raises no error and is wrong.
"""

import nibabel as nib
import numpy as np
import pytest

from gliofield.metrics.overlap import dice
from gliofield.nifti import read_grid, read_volume

PATIENT_T1 = {
    "BraTS2021_01476": "BraTS2021_01476_t1.nii.gz",
    "BraTS2021_01481": "BraTS2021_01481_t1.nii.gz",
    "BraTS2021_01485": "BraTS2021_01485_t1.nii.gz",
    "TCGA-FG-6692": "t1_bet.nii.gz",
}


def overlaps(first, second, threshold=0.0) -> tuple[float, float]:
    """Dice of `first > 0` and `second > threshold`, by array index and through the affine."""
    by_index = [np.asanyarray(nib.load(path).dataobj) for path in (first, second)]
    in_world = [read_volume(path) for path in (first, second)]
    assert in_world[0].grid.is_same_as(in_world[1].grid)
    return (
        dice(by_index[0] > 0, by_index[1] > threshold, if_both_empty=0.0),
        dice(in_world[0].data > 0, in_world[1].data > threshold, if_both_empty=0.0),
    )


def test_the_files_are_stored_in_three_orientations(shared_data):
    """LAS, RAS and LPS with one shape: the trap is there."""
    files = [
        shared_data / "atlas" / "sri24" / "t1_brain.nii.gz",
        shared_data / "atlas" / "sri24" / "p_wm.nii.gz",
        shared_data / "patients" / "TCGA-FG-6692" / "t1_bet.nii.gz",
    ]

    assert [read_grid(path).orientation for path in files] == ["LAS", "RAS", "LPS"]
    assert {read_grid(path).shape for path in files} == {(240, 240, 155)}


def test_a_patient_overlaps_the_atlas_by_068_through_the_index_and_094_through_the_affine(shared_data):
    """Brain of TCGA-FG-6692 (T1 > 0, LPS) against brain of SRI24 (T1 > 0, LAS), before any registration."""
    atlas = shared_data / "atlas" / "sri24" / "t1_brain.nii.gz"
    by_index, in_world = overlaps(shared_data / "patients" / "TCGA-FG-6692" / PATIENT_T1["TCGA-FG-6692"], atlas)

    assert by_index == pytest.approx(0.684, abs=0.001)
    assert in_world == pytest.approx(0.936, abs=0.001)


@pytest.mark.parametrize("patient", PATIENT_T1)
def test_every_patient_loses_by_the_index(shared_data, patient):
    """The affine is worth more than 0.2 of Dice in each of the four."""
    atlas = shared_data / "atlas" / "sri24" / "t1_brain.nii.gz"
    by_index, in_world = overlaps(shared_data / "patients" / patient / PATIENT_T1[patient], atlas)

    assert by_index < 0.70
    assert in_world > by_index + 0.2


def test_the_atlas_itself_hides_a_flip(shared_data):
    """T1 (LAS) against P(WM) (RAS): a mirrored brain still overlaps, so only the tissue inside shows the mistake."""
    folder = shared_data / "atlas" / "sri24"
    t1, white = folder / "t1_brain.nii.gz", folder / "p_wm.nii.gz"
    by_index = [np.asanyarray(nib.load(path).dataobj).astype(np.float64) for path in (t1, white)]
    in_world = [read_volume(path).data.astype(np.float64) for path in (t1, white)]

    def correlation(image, fraction):
        inside = image > 0
        return np.corrcoef(image[inside], fraction[inside])[0, 1]

    assert correlation(*in_world) > correlation(*by_index) + 0.1
