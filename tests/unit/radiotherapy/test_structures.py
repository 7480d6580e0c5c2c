"""RTSTRUCT on the slices of a series: what it refers to, what it holds, and what comes back."""

import numpy as np
import pydicom
import pytest
from dicom_series import orientations, scanner_grid, write_series

from gliofield.errors import DicomError, OutputError, ParameterError
from gliofield.metrics import dice
from gliofield.radiotherapy.dicom import Structure, read_planning_series, read_structures, write_structures
from gliofield.volume import Volume


def planning(folder, turn="axial", spacing_mm=(1.0, 1.0, 2.0), shape=(40, 36, 16), **given):
    """A planning series, and the distance of its voxels from the middle [mm]."""
    grid = scanner_grid(orientations()[turn], shape=shape, spacing_mm=spacing_mm, center_mm=(5, -10, 20))
    voxels = grid.world_of(np.moveaxis(np.indices(shape), 0, -1)) - grid.center_mm
    write_series(folder, Volume(np.linalg.norm(voxels, axis=-1).astype(np.float32), grid), **given)
    return read_planning_series(folder), np.linalg.norm(voxels, axis=-1), voxels


def shapes(distance, offsets):
    """A ball, a shell with a hole in every slice, two balls, nothing."""
    two = np.minimum(np.linalg.norm(offsets - (8, 0, 0), axis=-1), np.linalg.norm(offsets + (8, 0, 0), axis=-1))
    masks = {"ball": distance < 13, "SHELL": (distance < 13) & (distance > 7), "two": two < 6, "nothing": distance < 0}
    return [
        Structure(name=name, kind="CTV", field=mask.astype(float), description=name) for name, mask in masks.items()
    ]


@pytest.mark.parametrize("holes", ["nested", "keyhole"])
@pytest.mark.parametrize("turn", orientations())
def test_structures_come_back_from_every_orientation(tmp_path, turn, holes):
    """Dice ≥ 0.98 on the series; the empty one is named."""
    series, distance, offsets = planning(tmp_path / "s", turn)
    structures = shapes(distance, offsets)
    left_out = write_structures(tmp_path / "out.dcm", structures, series, holes=holes)
    found = read_structures(tmp_path / "out.dcm")

    assert left_out == ("nothing",)
    assert [roi.name for roi in found.rois] == ["ball", "SHELL", "two"]
    assert (found.frame_uid, found.series_uids) == (series.frame_uid, (series.uid,))
    for structure in structures[:3]:
        own = found.roi(structure.name).mask_on(series.grid)
        assert dice(own, structure.mask, if_both_empty=0.0) >= 0.98, structure.name


def test_structures_come_back_from_slices_of_5_mm(tmp_path):
    """1 × 1 × 5 mm, oblique."""
    series, distance, offsets = planning(tmp_path / "s", "oblique", (1.0, 1.0, 5.0), (40, 36, 9))
    structures = shapes(distance, offsets)
    write_structures(tmp_path / "out.dcm", structures, series)
    found = read_structures(tmp_path / "out.dcm")

    for structure in structures[:3]:
        own = found.roi(structure.name).mask_on(series.grid)
        assert dice(own, structure.mask, if_both_empty=0.0) >= 0.98, structure.name


def test_every_contour_names_the_slice_it_lies_on(tmp_path):
    """Its SOP Instance UID is of the file whose plane holds all points; frame, study and patient are the series'."""
    series, distance, offsets = planning(tmp_path / "s", "oblique")
    write_structures(tmp_path / "out.dcm", shapes(distance, offsets), series)
    dataset = pydicom.dcmread(tmp_path / "out.dcm")
    planes = {str(each.SOPInstanceUID): each for each in series.slices}

    assert dataset.StudyInstanceUID == series.text("StudyInstanceUID")
    assert dataset.FrameOfReferenceUID == series.frame_uid
    assert (dataset.PatientID, dataset.Modality) == ("phantom", "RTSTRUCT")
    referenced = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    images = referenced.RTReferencedSeriesSequence[0].ContourImageSequence
    assert {str(each.ReferencedSOPInstanceUID) for each in images} == planes.keys()
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            plane = planes[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            normal = np.cross(*np.array(plane.ImageOrientationPatient, dtype=float).reshape(2, 3))
            assert np.abs((points - np.array(plane.ImagePositionPatient, dtype=float)) @ normal).max() < 1e-3
            assert contour.NumberOfContourPoints == len(points)
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert max(len(str(each)) for each in contour.ContourData) <= 16


def test_names_types_and_the_note_are_what_importers_ask_for(tmp_path):
    """Interpreted types, an automatic algorithm, no approval, and research use only, once."""
    series, distance, offsets = planning(tmp_path / "s")
    ball = shapes(distance, offsets)[0]
    gtv = Structure(name="GTV", kind="GTV", field=ball.field, description="core; 9.2 ml")
    write_structures(tmp_path / "out.dcm", [gtv, ball], series)
    dataset = pydicom.dcmread(tmp_path / "out.dcm")

    assert [each.RTROIInterpretedType for each in dataset.RTROIObservationsSequence] == ["GTV", "CTV"]
    assert {each.ROIGenerationAlgorithm for each in dataset.StructureSetROISequence} == {"AUTOMATIC"}
    assert dataset.StructureSetROISequence[0].ROIDescription == "core; 9.2 ml"
    assert "ApprovalStatus" not in dataset
    assert str(dataset).count("not a medical device") == 1


def test_names_are_short_and_differ(tmp_path):
    """17 characters, and two that differ in capitals alone, are refused."""
    series, distance, offsets = planning(tmp_path / "s")
    ball, shell = shapes(distance, offsets)[:2]
    with pytest.raises(ParameterError, match="1 to 16 characters"):
        Structure(name="CTV_of_the_model_", kind="CTV", field=ball.field)
    twin = Structure(name="Ball", kind="CTV", field=shell.field)
    with pytest.raises(ParameterError, match="names of structures must differ"):
        write_structures(tmp_path / "out.dcm", [ball, twin], series)


def test_nothing_is_written_where_all_is_empty_or_a_file_exists(tmp_path):
    """Both are errors, and the file stays."""
    series, distance, offsets = planning(tmp_path / "s")
    ball, nothing = shapes(distance, offsets)[0], shapes(distance, offsets)[3]
    with pytest.raises(DicomError, match="all structures are empty"):
        write_structures(tmp_path / "out.dcm", [nothing], series)
    (tmp_path / "out.dcm").write_text("mine")
    with pytest.raises(OutputError):
        write_structures(tmp_path / "out.dcm", [ball], series)
    assert (tmp_path / "out.dcm").read_text() == "mine"


def test_what_cannot_be_read_is_said(tmp_path):
    """Another kind of file, structures of two frames, a name that is not there, and one without contours."""
    series, distance, offsets = planning(tmp_path / "s")
    path = tmp_path / "out.dcm"
    write_structures(path, shapes(distance, offsets)[:2], series)
    with pytest.raises(DicomError, match="is no RTSTRUCT but MR"):
        read_structures(series.files[0])
    with pytest.raises(DicomError, match="no structure liver: expected one of ball, SHELL"):
        read_structures(path).roi("liver")
    dataset = pydicom.dcmread(path)
    dataset.ROIContourSequence[0].ContourSequence = []
    dataset.save_as(path)
    with pytest.raises(DicomError, match="Ball has no contours"):
        read_structures(path).roi("Ball")
    dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"
    dataset.save_as(path)
    with pytest.raises(DicomError, match="2 frames of reference"):
        read_structures(path)
