"""Measuring the tumors of patients in a folder."""

import math

import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_labels, stored_orientation, write_phantom_patient

from gliofield.errors import ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.volume import Volume
from gliofield_papers.databases.patient_volumes import measure_patients


def write_labels(path, labels):
    """A label image, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, labels)


def test_volumes_are_those_of_the_labels(tmp_path):
    """Core is label 1 and 3, whole adds 2; ml by the voxel size."""
    labels = phantom_labels()
    write_phantom_patient(tmp_path / "one", labels=labels)

    (patient,) = measure_patients(tmp_path, atlas_grid=GRID)

    assert patient.name == "one"
    assert patient.core_ml == pytest.approx(np.count_nonzero(labels.data == 3) * 0.064)
    assert patient.whole_ml == pytest.approx(np.count_nonzero(labels.data > 0) * 0.064)
    assert patient.whole_to_core_ratio == patient.whole_ml / patient.core_ml
    assert patient.num_segmentations == 1


@pytest.mark.parametrize("letters", ["RAS", "LPS"])
def test_the_center_is_that_of_the_whole_tumor_however_it_is_stored(tmp_path, letters):
    """World coordinates of the ball's center, to less than a voxel."""
    write_phantom_patient(tmp_path / "one", stored_as=stored_orientation(letters))

    (patient,) = measure_patients(tmp_path, atlas_grid=GRID)

    assert patient.center_mm == pytest.approx(LESION_CENTER_MM, abs=2.0)


def test_images_elsewhere_have_volumes_but_no_place(tmp_path):
    """A grid that is not the atlas' was not brought into its world."""
    labels = phantom_labels()
    elsewhere = Grid.axis_aligned(GRID.shape, 4.0, (0.0, 0.0, 0.0))
    write_labels(tmp_path / "one" / "one_seg.nii.gz", Volume(labels.data, elsewhere))

    (patient,) = measure_patients(tmp_path, atlas_grid=GRID)

    assert patient.center_mm is None
    assert patient.whole_ml == pytest.approx(np.count_nonzero(labels.data) * 0.064)


def test_of_several_segmentations_the_middle_one_counts(tmp_path):
    """By whole volume, whatever the names say."""
    for name, radius_mm in (("a", 30.0), ("b", 14.0), ("c", 22.0)):
        write_labels(tmp_path / "one" / f"seg_{name}.nii.gz", phantom_labels(whole_radius_mm=radius_mm))

    (patient,) = measure_patients(tmp_path, atlas_grid=GRID)

    middle = phantom_labels(whole_radius_mm=22.0)
    assert patient.whole_ml == pytest.approx(np.count_nonzero(middle.data) * 0.064)
    assert patient.num_segmentations == 3


def test_both_label_schemes_give_the_same_core(tmp_path):
    """Enhancing tumor is 4 until BraTS 2021 and 3 from 2023; the labels tell which."""
    labels = phantom_labels()
    labels.data[tuple(np.argwhere(labels.data == 3)[0])] = 1
    older = Volume(np.where(labels.data == 3, 4, labels.data).astype(np.uint8), GRID)
    write_labels(tmp_path / "old" / "old_seg.nii.gz", older)
    write_labels(tmp_path / "new" / "new-seg.nii.gz", labels)

    new, old = measure_patients(tmp_path, atlas_grid=GRID)

    assert (new.name, old.name) == ("new", "old")
    assert new.core_ml == old.core_ml > 0.0


def test_a_tumor_without_a_core_has_no_ratio(tmp_path):
    """NaN, not an error and not infinity."""
    labels = phantom_labels()
    labels.data[labels.data == 3] = 2
    write_labels(tmp_path / "one" / "one_seg.nii.gz", labels)

    (patient,) = measure_patients(tmp_path, atlas_grid=GRID)

    assert patient.core_ml == 0.0
    assert math.isnan(patient.whole_to_core_ratio)


def test_files_that_are_no_segmentation_are_passed_over(tmp_path):
    """Images, masks of other names and words that merely begin with seg."""
    write_phantom_patient(tmp_path / "deep" / "one")
    for name in ("Pre_Mask.nii.gz", "segment_t1.nii.gz", "seg.txt"):
        (tmp_path / "deep" / name).write_bytes(b"nothing")

    assert [patient.name for patient in measure_patients(tmp_path, atlas_grid=GRID)] == ["one"]


def test_nothing_is_written(tmp_path):
    """Only numbers leave the folder, and nothing enters it."""
    write_phantom_patient(tmp_path / "one")
    before = sorted(tmp_path.rglob("*"))

    measure_patients(tmp_path, atlas_grid=GRID)

    assert sorted(tmp_path.rglob("*")) == before


def test_a_segmentation_that_cannot_be_understood_is_named(tmp_path):
    """Labels of no known scheme, in this file."""
    labels = phantom_labels()
    labels.data[labels.data == 3] = 9
    write_labels(tmp_path / "one" / "one_seg.nii.gz", labels)

    with pytest.raises(SegmentationError, match=r"one_seg\.nii\.gz: labels \[9\] belong to no known scheme"):
        measure_patients(tmp_path, atlas_grid=GRID)


def test_no_folder_and_no_segmentation_are_errors(tmp_path):
    """Both say what was expected."""
    with pytest.raises(ParameterError, match="is no folder: expected one with segmentations"):
        measure_patients(tmp_path / "absent", atlas_grid=GRID)
    with pytest.raises(ParameterError, match="holds no segmentation: expected NIfTI files with 'seg'"):
        measure_patients(tmp_path, atlas_grid=GRID)


def test_the_real_patients_lie_in_the_world_of_sri24(shared_data):
    """Their grid is that of the atlas; three segmentations of one patient count once, and one core is tiny."""
    sri24 = Grid.axis_aligned((240, 240, 155), 1.0, (-239.0, 0.0, 0.0))

    by_name = {patient.name: patient for patient in measure_patients(shared_data / "patients", atlas_grid=sri24)}

    assert set(by_name) == {"BraTS2021_01476", "BraTS2021_01481", "BraTS2021_01485", "TCGA-FG-6692"}
    assert by_name["TCGA-FG-6692"].num_segmentations == 3
    assert by_name["BraTS2021_01485"].whole_to_core_ratio > 40.0
    assert all(patient.center_mm is not None for patient in by_name.values())
