"""DICOM SEG and parametric maps."""

import numpy as np
import pydicom
import pytest
from dicom_series import orientations, scanner_grid, write_series

from gliofield.errors import DicomError
from gliofield.radiotherapy.dicom import Structure, read_planning_series, read_segments, write_map, write_segments
from gliofield.volume import Volume


@pytest.fixture
def series(tmp_path):
    """A small oblique series."""
    grid = scanner_grid(orientations()["oblique"], shape=(10, 12, 5), spacing_mm=(1, 1, 3))
    return read_planning_series(write_series(tmp_path / "s", Volume(np.arange(600.0).reshape(10, 12, 5), grid)))


def box(name, size, series):
    field = np.zeros(series.grid.shape)
    field[2 : 2 + size, 3 : 3 + size, 1:4] = 1.0
    return Structure(name=name, kind="CTV", field=field)


def test_nested_segments_overlap_and_empty_ones_are_named(tmp_path, series):
    """Binary, one a structure, for research, and without what is empty."""
    nested = [box("outer", 6, series), box("inner", 2, series), box("nothing", 0, series)]
    left_out = write_segments(tmp_path / "seg.dcm", nested, series)
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    segments = read_segments(tmp_path / "seg.dcm")[2]

    assert left_out == ("nothing",)
    assert dataset.SegmentationType == "BINARY"
    assert {each.SegmentAlgorithmType for each in dataset.SegmentSequence} == {"AUTOMATIC"}
    assert str(dataset).count("not a medical device") == 1
    assert segments["outer"].data.sum() == 6 * 6 * 3
    assert (segments["inner"].data <= segments["outer"].data).all()


def test_a_map_keeps_its_numbers_and_says_what_they_are(tmp_path, series):
    """32-bit floats in the order of the slices, in the frame of the series."""
    values = np.linspace(0, 1, series.grid.num_voxels).reshape(series.grid.shape)
    write_map(tmp_path / "map.dcm", values, series, meaning="tumor-cell density")
    dataset = pydicom.dcmread(tmp_path / "map.dcm")
    stored = np.frombuffer(dataset.FloatPixelData, dtype="<f4").reshape(5, 12, 10)
    places = [each.PlanePositionSequence[0].ImagePositionPatient for each in dataset.PerFrameFunctionalGroupsSequence]
    starts = np.array([each.ImagePositionPatient for each in series.slices], dtype=float)

    for frame, place in zip(stored, places, strict=True):
        number = int(np.argmin(np.linalg.norm(starts - np.array(place, dtype=float), axis=1)))
        assert np.array_equal(frame, values[:, :, number].T.astype(np.float32))
    assert dataset.FrameOfReferenceUID == series.frame_uid
    assert "tumor-cell density" in dataset.SeriesDescription
    assert str(dataset).count("not a medical device") == 1


def test_what_is_no_segmentation_is_refused(tmp_path, series):
    """Another kind of file, two labels alike, all empty, and one whose frames make no volume."""
    with pytest.raises(DicomError, match="is no DICOM SEG but MR"):
        read_segments(series.files[0])
    with pytest.raises(DicomError, match="all structures are empty"):
        write_segments(tmp_path / "seg.dcm", [box("nothing", 0, series)], series)
    path = tmp_path / "twins.dcm"
    write_segments(path, [box("twin", 2, series), box("twin", 4, series)], series)
    with pytest.raises(DicomError, match="two segments have one label"):
        read_segments(path)
    dataset = pydicom.dcmread(path)
    del dataset.SharedFunctionalGroupsSequence
    dataset.save_as(path)
    with pytest.raises(DicomError, match="make no volume"):
        read_segments(path)
