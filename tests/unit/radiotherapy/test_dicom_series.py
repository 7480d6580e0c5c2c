"""Series of a folder: where their voxels lie, and what is refused."""

import numpy as np
import pytest
from dicom_series import orientations, scanner_grid, write_series

from gliofield.errors import DicomError, ParameterError
from gliofield.radiotherapy.dicom import convert_series, read_dicom_folder, read_planning_series
from gliofield.radiotherapy.dicom import series as series_module
from gliofield.volume import Volume

SHAPE, SPACING_MM = (12, 10, 6), (1.0, 1.5, 3.0)


def scan(turn="axial"):
    """A volume without symmetry on a scanner's grid."""
    grid = scanner_grid(orientations()[turn], shape=SHAPE, spacing_mm=SPACING_MM, center_mm=(5, -10, 20))
    return Volume(np.arange(grid.num_voxels, dtype=np.float32).reshape(SHAPE), grid)


@pytest.mark.parametrize("turn", orientations())
def test_the_grid_is_the_scanners(tmp_path, turn):
    """In eight orientations, the last oblique; and dcm2niix finds the voxels where the headers say."""
    image = scan(turn)
    series = read_planning_series(write_series(tmp_path / "s", image))

    assert series.grid.is_same_as(image.grid)
    converted = convert_series(series)
    assert np.allclose(converted.data, image.to_ras().data, atol=0.2)
    corner = series.lps_of(2, np.array([[3.0, 4.0]]))[0] * (-1, -1, 1)
    assert np.allclose(corner, image.grid.world_of((3, 4, 2)), atol=1e-4)


def test_files_that_are_not_dicom_are_passed_over_and_others_listed(tmp_path):
    """Two series in nested folders, by number; a text beside them is no matter."""
    write_series(tmp_path / "a" / "b", scan(), number=9)
    write_series(tmp_path / "c", scan(), number=2, modality="CT")
    (tmp_path / "note.txt").write_text("hello")
    found = read_dicom_folder(tmp_path)

    assert [series.text("SeriesNumber") for series in found.series] == ["2", "9"]
    assert read_planning_series(tmp_path, name="9").modality == "MR"
    assert read_planning_series(tmp_path, name=found.series[0].uid[-8:]).modality == "CT"


@pytest.mark.parametrize("name", [None, "5", "no"])
def test_one_of_several_series_must_be_named(tmp_path, name):
    """The message lists them, also for a name that none has."""
    write_series(tmp_path, scan(), number=9)
    write_series(tmp_path, scan(), number=2)

    with pytest.raises(DicomError, match=r"(?s)(2 series|0 series are called).*2: t1 mprage gd.*9: t1 mprage gd"):
        read_planning_series(tmp_path, name=name)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"without": (2,)}, "1 slices are missing between slices 2 and 3"),
        ({"changes": {5: {"ImagePositionPatient": [-7, 2.75, 31.0]}}}, "unequal spacing"),
        ({"changes": {3: {"FrameOfReferenceUID": "1.2.3"}}}, "two frames of reference"),
        ({"changes": {3: {"PixelSpacing": [2, 2]}}}, "PixelSpacing differs"),
        ({"changes": {3: {"ImageOrientationPatient": [1, 0, 0, 0, 0, 1]}}}, "ImageOrientationPatient differs"),
        ({"changes": {3: {"ImagePositionPatient": None}}}, "no ImagePositionPatient"),
        ({"without": (0, 1, 2, 3)}, "expected at least 3 slices, got 2"),
        ({"NumberOfFrames": 4}, "multi-frame"),
    ],
)
def test_slices_that_make_no_grid_are_refused(tmp_path, mistake, message):
    """Each with what is wrong."""
    write_series(tmp_path, scan(), **mistake)

    with pytest.raises(DicomError, match=message):
        read_planning_series(tmp_path)


def test_two_images_at_one_place_are_refused(tmp_path):
    """Echoes in one series."""
    places = [-5.5, 3.25, 12.5]
    write_series(tmp_path, scan(), changes={k: {"ImagePositionPatient": places} for k in (1, 2)})

    with pytest.raises(DicomError, match="two images lie at one place"):
        read_planning_series(tmp_path)


def test_a_tilted_gantry_is_refused(tmp_path):
    """Slices that are shifted in their plane are no straight stack."""
    image = scan()
    first = image.grid.world_from_voxel[:3, 3] * (-1, -1, 1)
    changes = {k: {"ImagePositionPatient": [*(first[:2] + (0, 0.8 * k)), first[2] + 3.0 * k]} for k in range(6)}
    write_series(tmp_path, image, modality="CT", changes=changes)

    with pytest.raises(DicomError, match=r"shifted by up to 4 mm in their plane \(a tilted gantry"):
        read_planning_series(tmp_path)


def test_a_series_without_a_frame_is_refused(tmp_path):
    """No structure can refer to it."""
    write_series(tmp_path, scan(), FrameOfReferenceUID=None)

    with pytest.raises(DicomError, match="no Frame of Reference UID"):
        read_planning_series(tmp_path)


def test_a_folder_without_series_is_refused(tmp_path):
    """One that is not there, one that is empty, and one with PET alone."""
    with pytest.raises(DicomError, match="is no folder"):
        read_dicom_folder(tmp_path / "none")
    write_series(tmp_path, scan(), modality="PT")
    with pytest.raises(DicomError, match="holds no MR or CT series"):
        read_planning_series(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    """Cut in its header."""
    write_series(tmp_path, scan())
    path = sorted(tmp_path.iterdir())[2]
    path.write_bytes(path.read_bytes()[:139])

    with pytest.raises(DicomError, match=f"{path.name} cannot be read as DICOM"):
        read_dicom_folder(tmp_path)


def test_a_series_that_dcm2niix_cannot_convert_is_refused(tmp_path):
    """Voxels that are not there."""
    write_series(tmp_path, scan(), PixelData=b"\0\0")

    with pytest.raises(DicomError, match="dcm2niix"):
        convert_series(read_planning_series(tmp_path))


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    """With the command that installs it."""
    monkeypatch.setattr(series_module, "_NEEDED", {"no_such_module_anywhere": "pydicom"})

    with pytest.raises(ParameterError, match=r"DICOM needs pydicom, not installed: pip install 'gliofield\[dicom\]'"):
        read_dicom_folder(tmp_path)
