import numpy as np
import pytest
from phantom_brain import (
    GRID,
    phantom_labels,
    phantom_t1,
    phantom_tissue_maps,
    stored_orientation,
    write_phantom_patient,
)

from gliofield.anatomy import label_scheme
from gliofield.errors import GridMismatchError, ImageError, ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.pipeline import CaseFiles, find_case_files, read_case
from gliofield.volume import Volume


def test_a_brats_folder_is_recognized(tmp_path):
    """All four files are found by their endings, and t1 is not confused with t1ce."""
    folder = write_phantom_patient(tmp_path / "BraTS_1")

    files = find_case_files(folder)

    assert files.t1.name == "case_t1.nii.gz"
    assert files.t1c.name == "case_t1ce.nii.gz"
    assert files.flair.name == "case_flair.nii.gz"
    assert files.segmentation.name == "case_seg.nii.gz"
    assert files.t2 is None


@pytest.mark.parametrize(("old", "new"), [("t1ce", "t1c"), ("flair", "t2f"), ("t1", "t1n")])
def test_the_names_of_later_brats_years_are_recognized(tmp_path, old, new):
    """BraTS 2023 calls the files -t1c, -t2f, -t1n."""
    folder = write_phantom_patient(tmp_path / "case")
    (folder / f"case_{old}.nii.gz").rename(folder / f"case-{new}.nii.gz")

    files = find_case_files(folder)

    assert f"case-{new}.nii.gz" in {path.name for path in files.given.values()}


def test_two_candidates_for_one_modality_are_refused(tmp_path):
    """An ambiguous folder is not guessed at."""
    folder = write_phantom_patient(tmp_path / "case")
    (folder / "other_seg.nii.gz").write_bytes((folder / "case_seg.nii.gz").read_bytes())

    with pytest.raises(ParameterError, match="2 files could be the segmentation"):
        find_case_files(folder)


def test_a_folder_that_is_no_brats_case_lists_what_it_holds(tmp_path):
    """The message helps to see why nothing was found."""
    write_volume(tmp_path / "scan.nii.gz", phantom_t1(phantom_tissue_maps()))

    with pytest.raises(ParameterError, match=r"scan\.nii\.gz"):
        find_case_files(tmp_path)


def test_a_missing_folder_is_said(tmp_path):
    """No such folder: an error, not an empty case."""
    with pytest.raises(ParameterError, match="no such folder"):
        find_case_files(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"segmentation": "s"}, "at least one structural image"),
        ({"t1": "a"}, "needs tumor outlines"),
        ({"t1": "a", "segmentation": "s", "whole_tumor": "w"}, "given twice"),
        ({"t1": "a", "tumor_core": "c"}, "core mask alone"),
    ],
)
def test_an_incomplete_or_contradictory_case_is_refused(given, message):
    """Every combination that cannot be personalized has its own message."""
    with pytest.raises(ParameterError, match=message):
        CaseFiles(**given)


@pytest.mark.parametrize("letters", ["LPS", "LAS", "RAS", "PIR"])
def test_the_stored_orientation_does_not_matter(tmp_path, letters):
    """The same patient stored differently is the same case, bit for bit, and remembers how it was stored."""
    reference = read_case(find_case_files(write_phantom_patient(tmp_path / "ras")))
    folder = write_phantom_patient(tmp_path / letters, stored_as=stored_orientation(letters))

    case = read_case(find_case_files(folder))

    assert case.grid.is_same_as(reference.grid)
    assert case.stored_grid.orientation == letters
    for name, image in reference.images.items():
        assert np.array_equal(case.images[name].data, image.data)
    assert np.array_equal(case.segmentation.tumor_core, reference.segmentation.tumor_core)
    assert np.array_equal(case.brain, reference.brain)


def test_t1_is_preferred_for_registration_and_missing_images_are_named(tmp_path):
    """T1, else T1Gd; what is not there is listed."""
    files = find_case_files(write_phantom_patient(tmp_path / "case"))
    full = read_case(files)
    without_t1 = read_case(CaseFiles(t1c=files.t1c, flair=files.flair, segmentation=files.segmentation))

    assert full.structural_modality == "t1"
    assert full.missing_modalities == ("t2", "pet")
    assert without_t1.structural_modality == "t1c"
    assert without_t1.missing_modalities == ("t1", "t2", "pet")


def test_two_masks_replace_a_segmentation(tmp_path):
    """Core and whole tumor as files give the same masks as labels."""
    folder = write_phantom_patient(tmp_path / "case")
    labels = phantom_labels()
    write_volume(folder / "core.nii.gz", Volume(labels.data == 3, GRID))
    write_volume(folder / "whole.nii.gz", Volume(labels.data > 0, GRID))
    files = find_case_files(folder)

    case = read_case(CaseFiles(t1=files.t1, tumor_core=folder / "core.nii.gz", whole_tumor=folder / "whole.nii.gz"))

    reference = read_case(files)
    assert np.array_equal(case.segmentation.tumor_core, reference.segmentation.tumor_core)
    assert np.array_equal(case.segmentation.whole_tumor, reference.segmentation.whole_tumor)


def test_an_own_label_map_is_used(tmp_path):
    """Labels of no known scheme are read with the map given."""
    labels = phantom_labels()
    recoded = np.where(labels.data == 3, 7, labels.data).astype(np.uint8)
    files = find_case_files(write_phantom_patient(tmp_path / "case", labels=Volume(recoded, GRID)))

    case = read_case(files, scheme=label_scheme("edema=2,enhancing=7"))

    assert np.array_equal(case.segmentation.tumor_core, labels.data == 3)


def test_an_empty_core_is_allowed(tmp_path):
    """Edema alone is a case with one mask."""
    labels = phantom_labels(core_radius_mm=0.0)
    labels.data[labels.data == 3] = 2

    case = read_case(find_case_files(write_phantom_patient(tmp_path / "case", labels=labels)))

    assert not case.segmentation.has_core


def _replace(folder, ending, volume):
    write_volume(folder / f"case_{ending}.nii.gz", volume)
    return find_case_files(folder)


def test_a_segmentation_without_tumor_is_refused(tmp_path):
    """All labels 0: the message names the file."""
    files = _replace(
        write_phantom_patient(tmp_path / "case"), "seg", Volume(np.zeros(GRID.shape, dtype=np.uint8), GRID)
    )

    with pytest.raises(SegmentationError, match=r"case_seg\.nii\.gz.*no tumor"):
        read_case(files)


def test_outlines_are_refused_before_images_are_unpacked(tmp_path):
    """A wrong scheme is said at once, whatever the images hold."""
    folder = write_phantom_patient(tmp_path / "case")
    (folder / "case_t1.nii.gz").write_bytes(b"no image")

    with pytest.raises(SegmentationError, match="case_seg"):
        read_case(folder, scheme="necrotic=7,edema=8")


def test_a_segmentation_on_another_grid_is_refused_with_both_grids(tmp_path):
    """Half the resolution: both files, shapes and spacings are shown."""
    coarse = Grid.axis_aligned((22, 25, 20), 8.0, (-84.0, -96.0, -76.0))
    labels = np.zeros(coarse.shape, dtype=np.uint8)
    labels[10:14, 10:14, 10:12] = 3
    files = _replace(write_phantom_patient(tmp_path / "case"), "seg", Volume(labels, coarse))

    with pytest.raises(GridMismatchError, match=r"(?s)case_seg\.nii\.gz.*\(22, 25, 20\).*case_t1.*\(44, 50, 40\)"):
        read_case(files)


def test_a_constant_image_is_refused(tmp_path):
    """A flat FLAIR is no image even if it is not used for registration."""
    files = _replace(
        write_phantom_patient(tmp_path / "case"), "flair", Volume(np.full(GRID.shape, 9.0, dtype=np.float32), GRID)
    )

    with pytest.raises(ImageError, match=r"case_flair\.nii\.gz.*constant"):
        read_case(files)


def test_an_image_with_nan_is_refused(tmp_path):
    """NaN voxels are counted and named."""
    image = phantom_t1(phantom_tissue_maps())
    image.data[3, 3, 3] = np.nan
    files = _replace(write_phantom_patient(tmp_path / "case"), "t1", image)

    with pytest.raises(ImageError, match="1 voxels are NaN"):
        read_case(files)


def test_a_tumor_outside_the_brain_is_refused(tmp_path):
    """Image and segmentation of two patients, or two spaces, do not belong together."""
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[:3, :3, :3] = 4
    files = _replace(write_phantom_patient(tmp_path / "case"), "seg", Volume(labels, GRID))

    with pytest.raises(ImageError, match="100% of the tumor lies outside the brain"):
        read_case(files)


def test_a_brain_mask_can_be_given(tmp_path):
    """With a mask the image need not be skull-stripped; the tumor always belongs to the brain."""
    folder = write_phantom_patient(tmp_path / "case")
    image = phantom_t1(phantom_tissue_maps())
    files = _replace(folder, "t1", Volume(image.data + 10.0, GRID))
    write_volume(folder / "mask.nii.gz", Volume(image.data > 0, GRID))

    case = read_case(CaseFiles(t1=files.t1, segmentation=files.segmentation, brain_mask=folder / "mask.nii.gz"))

    assert np.array_equal(case.brain, (image.data > 0) | case.segmentation.whole_tumor)


def test_real_patients_are_read(shared_data):
    """A BraTS 2021 patient without label 4 and one with all labels."""
    no_enhancing = read_case(find_case_files(shared_data / "patients" / "BraTS2021_01476"))
    all_labels = read_case(find_case_files(shared_data / "patients" / "BraTS2021_01481"))

    assert no_enhancing.segmentation.scheme == all_labels.segmentation.scheme == "brats2021"
    assert no_enhancing.stored_grid.orientation == "LPS"
    assert all_labels.segmentation.core_ml == pytest.approx(4.076)
    assert all_labels.segmentation.whole_ml == pytest.approx(56.512)


def test_no_threads_to_read_with_are_refused(tmp_path):
    """Before any image is read."""
    with pytest.raises(ParameterError, match="num_threads must be at least 1, got 0"):
        read_case(CaseFiles(t1c=tmp_path / "t1c.nii.gz", segmentation=tmp_path / "seg.nii.gz"), num_threads=0)
