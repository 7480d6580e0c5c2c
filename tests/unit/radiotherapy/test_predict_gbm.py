"""The contract of PREDICT-GBM: what goes in, what comes out, and that no affine is trusted."""

import nibabel as nib
import numpy as np
import pytest
import two_hemispheres as head

from gliofield.errors import GridMismatchError, ImageError, OutputError, ParameterError, SegmentationError
from gliofield.radiotherapy.predict_gbm import contract_ranking, read_contract_patient, write_contract_ranking


def write_patient(folder, *, flip=False, name="00000", leave_out=(), change=None):
    """Tissue without the core, and labels 1 to 3, under an identity affine as the released arrays have it."""
    maps, seen = head.tissue(), head.scan().case.segmentation
    labels = np.zeros(head.GRID.shape, np.uint8)
    labels[seen.whole_tumor] = 2
    labels[seen.tumor_core] = 3
    images = {"gm": maps.gray_matter, "wm": maps.white_matter, "csf": maps.csf}
    images = {key: np.where(seen.tumor_core, 0.0, data).astype(np.float32) for key, data in images.items()}
    images |= {"tumorseg": labels} | (change or {})
    place = folder / f"Patient-{name}"
    place.mkdir(parents=True)
    for key, data in images.items():
        if key not in leave_out:
            stored = data[::-1, ::-1] if flip else data
            image = nib.Nifti1Image(np.ascontiguousarray(stored), np.eye(4))
            image.header.set_zooms((3.0, 3.0, 3.0))
            nib.save(image, place / f"{name}-{key}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def ranking(tmp_path_factory):
    """Of the patient as it lies."""
    return contract_ranking(read_contract_patient(write_patient(tmp_path_factory.mktemp("in"))))


def test_every_voxel_has_a_rank_of_its_own_between_0_and_1(ranking):
    """Strictly positive everywhere, below 1, no two alike, float32."""
    assert ranking.dtype == np.float32
    assert ranking.min() > 0.0
    assert ranking.max() < 1.0
    assert len(np.unique(ranking)) == ranking.size


def test_the_core_comes_first_and_what_is_no_brain_last(ranking):
    """And ranks fall with the distance from the tumor."""
    seen, brain = head.scan().case.segmentation, head.tissue().brain

    assert ranking[seen.tumor_core].min() > ranking[brain & ~seen.whole_tumor].max()
    assert ranking[~brain].max() < ranking[brain].min()


def test_the_way_arrays_are_stored_changes_nothing(ranking, tmp_path):
    """Flipped in x and y under the same identity affine: the same ranks, flipped."""
    flipped = contract_ranking(read_contract_patient(write_patient(tmp_path, flip=True)))

    agreement = np.corrcoef(ranking.ravel(), flipped[::-1, ::-1].ravel())[0, 1]
    assert agreement > 0.999


def test_the_output_is_called_as_the_contract_says(ranking, tmp_path):
    """OUT/00000.nii.gz, with the affine of the input; once written it stays, unless it may be replaced."""
    patient = read_contract_patient(write_patient(tmp_path / "in"))

    path = write_contract_ranking(ranking, patient, tmp_path / "out")

    stored = nib.load(path)
    assert path == tmp_path / "out" / "00000.nii.gz"
    np.testing.assert_array_equal(stored.get_fdata(dtype=np.float32), ranking)
    np.testing.assert_array_equal(stored.affine, nib.load(tmp_path / "in/Patient-00000/00000-gm.nii.gz").affine)
    with pytest.raises(OutputError, match="exists"):
        write_contract_ranking(ranking, patient, tmp_path / "out")
    write_contract_ranking(ranking, patient, tmp_path / "out", force=True)


def test_a_given_brain_mask_is_the_brain(tmp_path):
    """Half of the head alone: what lies outside comes last."""
    half = (head.places()[0] > 0.0) & head.tissue().brain
    patient = read_contract_patient(write_patient(tmp_path, change={"brain_mask": half.astype(np.uint8)}))

    assert not np.any(patient.scan.case.brain & (head.places()[0] < 0.0))


def test_without_a_core_the_whole_tumor_takes_its_place(tmp_path):
    """Edema alone: of as many first voxels as it has, all but some of its rim are its own."""
    edema = np.where(head.scan().case.segmentation.whole_tumor, 2, 0).astype(np.uint8)
    ranking = contract_ranking(read_contract_patient(write_patient(tmp_path, change={"tumorseg": edema})))

    first = ranking >= np.sort(ranking.ravel())[-np.count_nonzero(edema)]
    assert np.mean(edema[first] == 2) > 0.9


def test_another_identifier_names_the_output(tmp_path):
    """Patient-00017 becomes 00017.nii.gz."""
    assert read_contract_patient(write_patient(tmp_path, name="00017")).identifier == "00017"


def test_a_folder_of_something_else_is_refused(tmp_path):
    """Without a patient in it."""
    with pytest.raises(ParameterError, match="expected one folder Patient-00000"):
        read_contract_patient(tmp_path)


def test_a_missing_image_is_named(tmp_path):
    """Which, and where."""
    with pytest.raises(ParameterError, match="00000-csf.nii.gz is missing"):
        read_contract_patient(write_patient(tmp_path, leave_out=("csf",)))


def test_images_of_different_shape_are_refused(tmp_path):
    """Nothing is resampled by shape."""
    with pytest.raises(GridMismatchError, match="wm has the shape"):
        read_contract_patient(write_patient(tmp_path, change={"wm": head.tissue().white_matter[1:]}))


def test_tissue_in_percent_is_refused(tmp_path):
    """It has to lie in [0, 1]."""
    with pytest.raises(ImageError, match="tissue must lie in"):
        read_contract_patient(write_patient(tmp_path, change={"gm": 100.0 * head.tissue().gray_matter}))


def test_values_that_are_not_finite_are_refused(tmp_path):
    """They have no rank."""
    broken = head.tissue().gray_matter.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(ImageError, match="finite numbers"):
        read_contract_patient(write_patient(tmp_path, change={"gm": broken}))


def test_a_file_that_is_no_image_is_refused(tmp_path):
    """With its name."""
    folder = write_patient(tmp_path)
    (folder / "Patient-00000" / "00000-gm.nii.gz").write_bytes(b"no image")
    with pytest.raises(ImageError, match="00000-gm.nii.gz: cannot be read"):
        read_contract_patient(folder)


def test_no_tumor_is_refused(tmp_path):
    """There is nothing to rank by."""
    nothing = np.zeros(head.GRID.shape, np.uint8)
    with pytest.raises(SegmentationError, match="no tumor"):
        read_contract_patient(write_patient(tmp_path, change={"tumorseg": nothing}))


def test_a_brain_of_nothing_but_tumor_is_refused(tmp_path):
    """No tissue around it."""
    nothing = np.zeros(head.GRID.shape, np.float32)
    with pytest.raises(SegmentationError, match="nothing but tumor"):
        read_contract_patient(write_patient(tmp_path, change={"gm": nothing, "wm": nothing, "csf": nothing}))
