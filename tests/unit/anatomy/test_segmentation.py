import numpy as np
import pytest

from gliofield.anatomy import (
    LABEL_SCHEMES,
    LabelScheme,
    Segmentation,
    detect_label_scheme,
    label_scheme,
    segmentation_from_labels,
    segmentation_from_masks,
)
from gliofield.errors import GridMismatchError, ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import read_grid, read_volume
from gliofield.volume import Volume

GRID = Grid.axis_aligned((6, 1, 1), 10.0, (0, 0, 0))


def labels(*values: float, dtype=np.uint8) -> Volume:
    return Volume(np.array(values, dtype=dtype).reshape(6, 1, 1), GRID)


def mask(*values: int) -> Volume:
    return labels(*values, dtype=bool)


def set_indices(array: np.ndarray) -> list[int]:
    return np.flatnonzero(array.ravel()).tolist()


@pytest.mark.parametrize(
    ("scheme", "values", "core", "whole"),
    [
        ("brats2021", (0, 1, 2, 4, 0, 2), [1, 3], [1, 2, 3, 5]),
        ("brats2023", (0, 1, 2, 3, 0, 2), [1, 3], [1, 2, 3, 5]),
        ("brats2024-post", (0, 1, 2, 3, 4, 2), [1, 3], [1, 2, 3, 5]),
        ("nnunet", (0, 1, 2, 3, 0, 1), [2, 3], [1, 2, 3, 5]),
        ("hd-glio", (0, 1, 2, 2, 0, 1), [2, 3], [1, 2, 3, 5]),
        ("brats-ped", (0, 1, 2, 3, 4, 0), [1, 2, 3], [1, 2, 3, 4]),
    ],
)
def test_each_scheme_makes_its_two_masks(scheme, values, core, whole):
    """Core is necrotic and enhancing, whole is core and edema; a resection cavity belongs to neither."""
    result = segmentation_from_labels(labels(*values), scheme=LABEL_SCHEMES[scheme])

    assert set_indices(result.tumor_core) == core
    assert set_indices(result.whole_tumor) == whole
    assert result.scheme == scheme


@pytest.mark.parametrize(
    ("found", "scheme"),
    [
        ({1, 2, 4}, "brats2021"),
        ({1, 2}, "brats2021"),
        ({2}, "brats2021"),
        ({4}, "brats2021"),
        ({1, 2, 3}, "brats2023"),
        ({3}, "brats2023"),
    ],
)
def test_the_scheme_is_told_from_the_labels(found, scheme):
    """No 3: brats2021; a 3 and no 4: brats2023. Any class may be absent."""
    assert detect_label_scheme(found).name == scheme


@pytest.mark.parametrize(
    ("found", "names", "message"),
    [
        ({2, 4}, (), "labels 2 and 4 without 1: 4 is enhancing tumor .brats2021. or, after surgery, a cavity"),
        ({1, 2, 4}, ("P-t1n.nii.gz",), r"label 4 in files named as since 2023 .P-t1n\.nii\.gz. is a resection cavity"),
        ({1, 2, 4}, ("P-t2f.nii",), "label 4 in files named as since 2023"),
        ({1, 2, 3}, ("BraTS-PED-00030",), "BraTS-PED-00030 is named as in the pediatric challenge"),
    ],
)
def test_what_several_schemes_share_is_asked(found, names, message):
    """The message names a scheme to give; a scheme that is given is believed."""
    with pytest.raises(SegmentationError, match=message):
        detect_label_scheme(found, names)


def test_names_of_files_change_nothing_where_labels_are_clear():
    """-t1n beside 3, and older names beside 4."""
    assert detect_label_scheme({1, 2, 3}, ("P-t1n.nii.gz",)).name == "brats2023"
    assert detect_label_scheme({1, 2, 4}, ("P_t1ce.nii.gz", "BraTS2021_1")).name == "brats2021"


def test_a_cavity_is_kept_beside_the_tumor():
    """With its volume; no tumor may lie in it, and none without that label."""
    found = segmentation_from_labels(labels(0, 1, 2, 3, 4, 4), scheme=LABEL_SCHEMES["brats2024-post"])
    assert set_indices(found.cavity) == [4, 5]
    assert found.cavity_ml == pytest.approx(2.0)
    assert set_indices(found.without_counterpart) == [1, 2, 3, 4, 5]
    assert segmentation_from_labels(labels(0, 1, 2, 3, 0, 0)).cavity is None
    whole = found.whole_tumor
    with pytest.raises(SegmentationError, match="cavity must lie outside whole_tumor, but 3 of its voxels"):
        Segmentation(tumor_core=whole, whole_tumor=whole, grid=GRID, cavity=whole)


def test_three_and_four_together_are_ambiguous():
    """Either scheme, or a post-operative one: the message lists what was found and what is known."""
    with pytest.raises(SegmentationError, match=r"3 and 4 occur together.*found \[1, 3, 4\].*brats2024-post"):
        detect_label_scheme({1, 3, 4})


@pytest.mark.parametrize("odd", [5, 255, -1])
def test_a_label_of_no_scheme_is_refused(odd):
    """The label is named, with the schemes known and how to give an own map."""
    with pytest.raises(SegmentationError, match=rf"labels \[{odd}\] belong to no known scheme.*necrotic=1"):
        segmentation_from_labels(labels(0, 1, 2, odd, 0, 0, dtype=np.int16))


def test_a_label_outside_the_given_scheme_is_refused():
    """A 4 under brats2023 is an error, not background."""
    with pytest.raises(SegmentationError, match=r"labels \[4\] are not of the scheme brats2023 \(necrotic 1, edema 2"):
        segmentation_from_labels(labels(0, 1, 2, 4, 0, 0), scheme=LABEL_SCHEMES["brats2023"])


def test_floats_that_hold_integers_are_labels():
    """Many tools write labels as float64."""
    result = segmentation_from_labels(labels(0, 1.0, 2.0, 4.0, 0, 0, dtype=np.float64))

    assert set_indices(result.tumor_core) == [1, 3]


def test_interpolated_labels_are_refused():
    """0.5 is no label; the cause is named."""
    with pytest.raises(SegmentationError, match=r"must be integers, got the value 0\.5.*linear interpolation"):
        segmentation_from_labels(labels(0, 1, 0.5, 2, 0, 0, dtype=np.float32))


def test_an_image_of_intensities_is_no_segmentation(rng):
    """Its 1,900 values are counted, not listed: the message is short, with a scheme and without."""
    image = Volume(rng.permutation(1900).reshape(1900, 1, 1), Grid.axis_aligned((1900, 1, 1), 1.0, (0, 0, 0)))
    for scheme in (None, LABEL_SCHEMES["brats2021"]):
        with pytest.raises(
            SegmentationError, match="an image with 1,900 different values, not a segmentation"
        ) as caught:
            segmentation_from_labels(image, scheme=scheme)
        assert len(str(caught.value)) <= 600


def test_many_labels_are_not_all_listed():
    """Eight of thirty, so that the sentence after them is read."""
    with pytest.raises(
        SegmentationError, match=r"labels \[5, 6, 7, 8, 9, 10, 11, 12, …\] belong to no known scheme"
    ) as caught:
        detect_label_scheme(set(range(1, 31)))
    assert len(str(caught.value)) <= 600


def test_an_empty_label_image_holds_no_tumor():
    """All zeros is the wrong file, most likely."""
    with pytest.raises(SegmentationError, match="holds no tumor: all voxels are 0"):
        segmentation_from_labels(labels(0, 0, 0, 0, 0, 0))


def test_a_cavity_alone_holds_no_tumor():
    """After a complete resection there is nothing to fit."""
    with pytest.raises(SegmentationError, match="holds no tumor: expected at least one voxel"):
        segmentation_from_labels(labels(0, 4, 4, 0, 0, 0), scheme=LABEL_SCHEMES["brats2024-post"])


def test_edema_alone_is_a_tumor_without_core():
    """FLAIR only: allowed, and said so by `has_core`."""
    result = segmentation_from_labels(labels(0, 2, 2, 0, 0, 0))

    assert not result.has_core
    assert result.core_ml == 0.0
    assert result.whole_ml == pytest.approx(2.0)


def test_an_own_map_needs_no_edema():
    """Core labels alone: the whole tumor is the core."""
    result = segmentation_from_labels(labels(0, 7, 8, 0, 0, 0), scheme=label_scheme("necrotic=7,enhancing=8"))

    assert set_indices(result.tumor_core) == set_indices(result.whole_tumor) == [1, 2]
    assert result.scheme == "necrotic=7,enhancing=8"


@pytest.mark.parametrize("name", sorted(LABEL_SCHEMES))
def test_a_scheme_is_found_by_its_name(name):
    """The names of the table are the names of the option."""
    assert label_scheme(name) is LABEL_SCHEMES[name]


def test_a_misspelt_scheme_names_the_closest():
    """brats2020 is answered with a known one."""
    with pytest.raises(ParameterError, match="label scheme 'brats2020' is unknown: .*Did you mean 'brats202"):
        label_scheme("brats2020")


def test_an_own_map_may_have_blanks_and_a_cavity():
    """Blanks around names and numbers are ignored."""
    scheme = label_scheme(" enhancing = 3 , edema=2, cavity=4")

    assert (scheme.necrotic, scheme.edema, scheme.enhancing, scheme.cavity) == (None, 2, 3, 4)


def test_an_own_map_is_named_by_its_text():
    """Results then say what the labels were taken for, without the blanks."""
    assert label_scheme("enhancing = 3, edema=2").name == "enhancing=3,edema=2"


@pytest.mark.parametrize(
    "text", ["tumor=1", "edema=x", "edema=²", "edema=", "edema=1,edema=2", "edema=-1", "edema=1,2"]
)
def test_a_map_that_cannot_be_understood_is_refused(text):
    """Unknown class, no number, a class twice: the part is shown with the form expected."""
    with pytest.raises(ParameterError, match="cannot be understood at .*expected NAME=LABEL"):
        label_scheme(text)


@pytest.mark.parametrize("fields", [{"edema": 1, "necrotic": 1}, {"edema": 0}])
def test_labels_of_a_scheme_are_distinct_and_positive(fields):
    """0 is the background everywhere."""
    with pytest.raises(ParameterError, match="labels must be distinct and positive"):
        LabelScheme(name="own", **fields)


def test_a_scheme_needs_a_tumor_class():
    """A cavity alone describes no tumor."""
    with pytest.raises(ParameterError, match="at least one tumor class needs a label"):
        LabelScheme(name="own", cavity=4)


def test_a_scheme_describes_itself_in_one_line():
    """Only the classes it has."""
    assert LABEL_SCHEMES["brats2021"].describe() == "brats2021 (necrotic 1, edema 2, enhancing 4)"


def test_the_core_is_added_to_the_whole_tumor():
    """Edema given alone as the whole-tumor mask becomes the whole tumor."""
    result = segmentation_from_masks(mask(0, 1, 0, 0, 0, 0), mask(0, 0, 1, 1, 0, 0))

    assert set_indices(result.tumor_core) == [1]
    assert set_indices(result.whole_tumor) == [1, 2, 3]
    assert result.scheme == "masks"


def test_any_nonzero_value_of_a_mask_is_set():
    """0-255 masks and label-like masks count alike."""
    result = segmentation_from_masks(labels(0, 255, 0, 0, 0, 0), labels(0, 1, 1, 0, 0, 0))

    assert set_indices(result.whole_tumor) == [1, 2]


@pytest.mark.parametrize("values", [(0, 1, 2, 4, 0, 0), (0, 0.3, 1, 0, 0, 0)], ids=["labels", "interpolated"])
def test_an_image_of_several_values_is_no_mask(values):
    """Labels and interpolated masks mean something else than "set": the image and its values are named."""
    odd, whole = labels(*values, dtype=np.float32), mask(0, 1, 1, 1, 0, 0)

    with pytest.raises(SegmentationError, match="whole-tumor mask: expected 0 and one other value, got [34] values"):
        segmentation_from_masks(None, odd)
    with pytest.raises(SegmentationError, match="core mask: expected 0 and one other value"):
        segmentation_from_masks(odd, whole)


def test_a_flair_mask_is_enough():
    """Without a core mask the core is empty."""
    assert not segmentation_from_masks(None, mask(0, 1, 1, 0, 0, 0)).has_core


def test_masks_on_different_grids_are_refused():
    """Both grids are shown."""
    moved = Volume(mask(0, 1, 0, 0, 0, 0).data, Grid.axis_aligned((6, 1, 1), 10.0, (5, 0, 0)))

    with pytest.raises(GridMismatchError, match="core mask and whole-tumor mask lie on different grids"):
        segmentation_from_masks(moved, mask(0, 1, 1, 0, 0, 0))


def test_empty_masks_hold_no_tumor():
    """Two empty masks are refused like an empty label image."""
    with pytest.raises(SegmentationError, match="holds no tumor"):
        segmentation_from_masks(mask(0, 0, 0, 0, 0, 0), mask(0, 0, 0, 0, 0, 0))


def test_a_core_outside_the_whole_tumor_is_refused():
    """The number of voxels and the likely cause are named."""
    with pytest.raises(SegmentationError, match="but 1 core voxels lie outside it. Were the two masks swapped"):
        Segmentation(tumor_core=mask(1, 1, 0, 0, 0, 0).data, whole_tumor=mask(0, 1, 1, 0, 0, 0).data, grid=GRID)


def test_masks_are_bool_arrays_of_the_grids_shape():
    """Integers and other shapes are refused with what was given."""
    whole = mask(0, 1, 1, 0, 0, 0).data
    with pytest.raises(SegmentationError, match="tumor_core must be a bool array"):
        Segmentation(tumor_core=whole.astype(np.uint8), whole_tumor=whole, grid=GRID)
    with pytest.raises(SegmentationError, match=r"whole_tumor must be a bool array .* got bool of shape \(1, 1, 6\)"):
        Segmentation(tumor_core=whole, whole_tumor=whole.T, grid=GRID)


def test_one_case_in_two_schemes_is_one_tumor(shared_data):
    """The same segmentation with 1, 2, 3 and with 1, 2, 4 (as float64): schemes are told apart, volumes agree."""
    folder = shared_data / "label_conventions"
    newer = segmentation_from_labels(read_volume(folder / "seg-BraTS23_1.nii.gz"))
    older = segmentation_from_labels(read_volume(folder / "seg-BraTS23_1_mapped.nii.gz"))

    assert (newer.scheme, older.scheme) == ("brats2023", "brats2021")
    assert newer.core_ml == pytest.approx(17.878 + 23.327)
    assert older.core_ml == pytest.approx(newer.core_ml)
    assert older.whole_ml == pytest.approx(newer.whole_ml)


def test_the_broken_header_is_found_out_beside_the_right_one(shared_data):
    """One of the two lost its affine (identity, RAS): beside an image of the case it is refused, not used by index."""
    folder = shared_data / "label_conventions"
    right, broken = (read_volume(folder / f"seg-BraTS23_1{name}.nii.gz") for name in ("", "_mapped"))
    masks = [Volume(image.data > 0, image.grid) for image in (broken, right)]

    assert read_grid(folder / "seg-BraTS23_1.nii.gz").orientation == "LPS"
    assert read_grid(folder / "seg-BraTS23_1_mapped.nii.gz").orientation == "RAS"
    with pytest.raises(GridMismatchError, match="different grids"):
        segmentation_from_masks(*masks)


@pytest.mark.parametrize(
    ("patient", "file", "core_ml", "whole_ml"),
    [
        ("BraTS2021_01476", "BraTS2021_01476_seg.nii.gz", 23.413, 51.173),
        ("BraTS2021_01481", "BraTS2021_01481_seg.nii.gz", 4.076, 56.512),
        ("BraTS2021_01485", "BraTS2021_01485_seg.nii.gz", 0.826, 39.237),
        ("TCGA-FG-6692", "seg_simple.nii.gz", 9.317, 30.179),
    ],
)
def test_real_segmentations_are_understood(shared_data, patient, file, core_ml, whole_ml):
    """All four shared patients are brats2021, whether or not label 4 occurs; volumes as counted in the files."""
    result = segmentation_from_labels(read_volume(shared_data / "patients" / patient / file))

    assert result.scheme == "brats2021"
    assert result.core_ml == pytest.approx(core_ml)
    assert result.whole_ml == pytest.approx(whole_ml)
