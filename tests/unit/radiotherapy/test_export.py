"""From a result to files on a planning series: frames, coverage, volumes, and what is refused."""

import json

import numpy as np
import pytest
from dicom_patient import phantom_scan, write_case, write_planning, write_result, write_study
from scipy import ndimage

from gliofield.errors import DicomError, ParameterError, RegistrationError
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom import (
    Alignment,
    Residual,
    export_map,
    export_structures,
    find_alignment,
    planning,
    read_planning_series,
    read_record,
    read_segments,
    read_structures,
    read_targets,
)
from gliofield.radiotherapy.dicom.planning import require_same_case
from gliofield.registration import Transform, write_itk_affine, write_transform

IDENTITY = Alignment(transform=Transform.identity(), kind="identity", residual=None, residual_before=None)


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Folders of study, case and result."""
    folder = tmp_path_factory.mktemp("patient")
    study = write_study(folder / "DICOM")
    case = write_case(folder / "CASE", study)
    grid = read_volume(case / "case_t1c.nii.gz").grid
    return study, case, write_result(folder / "RESULT", case, grid)


def surface_error_mm(loops, target):
    """Largest distance of contour points from the surface of a mask."""
    inside = target.mask.data > 0
    spacing = target.mask.grid.spacing_mm
    depth = ndimage.distance_transform_edt(inside, sampling=spacing) - ndimage.distance_transform_edt(
        ~inside, sampling=spacing
    )
    points = target.mask.grid.voxel_of(np.concatenate(loops))
    return float(np.abs(ndimage.map_coordinates(depth, points.T, order=1)).max())


@pytest.mark.parametrize(
    ("turn", "spacing_mm"), [("axial", (3, 3, 3)), ("sagittal", (3, 3, 3)), ("oblique", (2, 2, 5))]
)
def test_targets_arrive_on_a_series_of_the_same_frame(patient, tmp_path, turn, spacing_mm):
    """Turned against the case: contours within a voxel of the targets (4 mm), and volumes as these let them."""
    study, case, result = patient
    series = read_planning_series(
        write_planning(tmp_path / "p", turn=turn, frame_uid=study.frame_uid, spacing_mm=spacing_mm)
    )
    alignment = find_alignment(series, record=read_record(case))
    written = export_structures(tmp_path / "out.dcm", result, series, alignment, kind="rtstruct", levels=(0.2, 0.05))
    found = read_structures(tmp_path / "out.dcm")

    assert alignment.kind == "identity"
    assert written.names == ("GTV", "CTV_standard", "CTV_model", "DENSITY_20PC", "DENSITY_5PC")
    for target in read_targets(result):
        assert surface_error_mm(found.roi(target.name).loops_mm, target) <= 4.0
        ours, theirs = written.volumes_ml[target.name]
        assert theirs == pytest.approx(ours, rel=0.08 if target.kind == "CTV" else 0.2)
    assert [found.roi(name).kind for name in written.names] == ["GTV", "CTV", "CTV", "CONTROL", "CONTROL"]


def test_segments_and_maps_arrive_too(patient, tmp_path):
    """Nested isolines as segments; the density as numbers."""
    study, case, result = patient
    series = read_planning_series(write_planning(tmp_path / "p", frame_uid=study.frame_uid))
    alignment = find_alignment(series, record=read_record(case))
    export_structures(tmp_path / "seg.dcm", result, series, alignment, kind="seg", levels=(0.6, 0.2))
    segments = read_segments(tmp_path / "seg.dcm")[2]
    export_map(tmp_path / "map.dcm", result, series, alignment)

    assert (segments["DENSITY_60PC"].data <= segments["DENSITY_20PC"].data).all()
    assert (tmp_path / "map.dcm").stat().st_size > series.grid.num_voxels * 4
    with pytest.raises(DicomError, match="a probability takes a method with a posterior"):
        export_map(tmp_path / "p.dcm", result, series, alignment, name="probability")


def test_a_grid_that_is_the_same_is_not_interpolated(patient, tmp_path):
    """The series of the case itself: every voxel of a target, and no other."""
    study, case, result = patient
    series = read_planning_series(study.folder, name="7")
    export_structures(tmp_path / "seg.dcm", result, series, IDENTITY, kind="seg")
    segments, (gtv, *_) = read_segments(tmp_path / "seg.dcm")[2], read_targets(result)

    assert segments["GTV"].data.sum() == (gtv.mask.data > 0).sum()
    assert len(read_structures(study.outlines).rois) == 2


def test_a_given_transform_is_followed(patient, tmp_path):
    """A folder, an ITK file, or the word identity; it maps points of the series to the case."""
    study, case, result = patient
    series = read_planning_series(write_planning(tmp_path / "p"))
    shift = np.eye(4)
    shift[:3, 3] = (6.0, 0.0, -9.0)
    write_transform(tmp_path / "folder", Transform.affine(shift))
    write_itk_affine(tmp_path / "affine.mat", shift)
    for transform in (tmp_path / "folder", tmp_path / "affine.mat"):
        alignment = find_alignment(series, record=None, transform=transform)
        export_structures(tmp_path / "out.dcm", result, series, alignment, kind="rtstruct", replace=True)
        loops = [loop + (6.0, 0.0, -9.0) for loop in read_structures(tmp_path / "out.dcm").roi("GTV").loops_mm]
        assert surface_error_mm(loops, read_targets(result)[0]) <= 4.0
    assert find_alignment(series, record=read_record(case), transform="identity").kind == "given"
    with pytest.raises(RegistrationError):
        find_alignment(series, record=None, transform=tmp_path / "nothing.txt")


def test_without_a_way_to_the_frame_nothing_is_exported(patient, tmp_path):
    """No case; a case of another patient, unless that is accepted; no error that could be stated."""
    study, case, _ = patient
    series = read_planning_series(write_planning(tmp_path / "p"))
    with pytest.raises(DicomError, match="no frame of reference in common that is known"):
        find_alignment(series, record=None)
    stranger = read_planning_series(write_planning(tmp_path / "q", frame_uid=study.frame_uid, patient_id="x"))
    with pytest.raises(DicomError, match="is of another patient than the case"):
        find_alignment(stranger, record=read_record(case))
    assert find_alignment(stranger, record=read_record(case), is_other_id_accepted=True).kind == "identity"


def test_another_frame_is_aligned_and_its_error_told(patient, tmp_path, monkeypatch):
    """The T1Gd on the series: deformable on MR, rigid on CT; without an error that can be told it is refused."""
    _, case, _ = patient
    seen = []

    def align(fixed, moving, **options):
        seen.append((float(fixed.data.min()), options["is_deformable"], moving.grid.shape))
        return Alignment(transform=Transform.identity(), kind="rigid", residual=residual, residual_before=None)

    monkeypatch.setattr(planning, "align", align)
    series = read_planning_series(write_planning(tmp_path / "p"))
    scan = read_planning_series(write_planning(tmp_path / "ct", modality="CT"))
    residual = Residual(median_mm=0.4, p95_mm=0.9, num_blocks=50)
    for each in (series, scan):
        assert find_alignment(each, record=read_record(case)).residual.p95_mm == 0.9
    assert [deformable for _, deformable, _ in seen] == [True, False]
    assert seen[0][2] == phantom_scan(read_volume(case / "case_t1c.nii.gz").grid).grid.shape
    residual = None
    with pytest.raises(DicomError, match="the error of the alignment .* cannot be told"):
        find_alignment(series, record=read_record(case))


def test_a_series_that_does_not_cover_a_target_is_refused(patient, tmp_path):
    """With how much of it lies outside; nothing is written."""
    study, case, result = patient
    series = read_planning_series(
        write_planning(tmp_path / "p", frame_uid=study.frame_uid, shape=(60, 60, 20), center_mm=(28, 10, 40))
    )
    with pytest.raises(DicomError, match=r"does not cover GTV: \d+\.\d\d ml of it lie outside"):
        export_structures(tmp_path / "out.dcm", result, series, IDENTITY, kind="rtstruct")
    assert not (tmp_path / "out.dcm").exists()


def test_a_target_that_is_empty_on_the_series_is_left_out_and_named(patient, tmp_path):
    """One voxel of the case, less than half a voxel of a coarse series."""
    study, case, result = patient
    targets = json.loads((result / "targets.json").read_text())
    mask = read_volume(result / "targets" / "GTV.nii.gz")
    tiny = np.zeros(mask.grid.shape, dtype=np.uint8)
    tiny[tuple(np.argwhere(mask.data > 0)[0])] = 1
    other = write_result(tmp_path / "RESULT", case, mask.grid)
    from gliofield.nifti import write_volume
    from gliofield.volume import Volume

    write_volume(other / "targets" / "GTV.nii.gz", Volume(tiny, mask.grid))
    series = read_planning_series(write_planning(tmp_path / "p", frame_uid=study.frame_uid, spacing_mm=(9, 9, 9)))
    written = export_structures(tmp_path / "out.dcm", other, series, IDENTITY, kind="rtstruct")

    assert written.empty == ("GTV",)
    assert len(targets["targets"]) == len(written.names) + 1


@pytest.mark.parametrize("levels", [(0.2, 0.2), (1.5,), (0.0,)])
def test_isolines_are_different_numbers_between_0_and_1(patient, tmp_path, levels):
    """Else they are refused."""
    study, _, result = patient
    series = read_planning_series(study.folder, name="7")
    with pytest.raises(ParameterError, match=r"levels of isolines must be different numbers in \(0, 1\)"):
        export_structures(tmp_path / "out.dcm", result, series, IDENTITY, kind="rtstruct", levels=levels)


def test_results_without_targets_or_with_damaged_ones_are_told(patient, tmp_path):
    """The first with the command that makes them."""
    _, case, result = patient
    with pytest.raises(DicomError, match=r"make the targets first \(gliofield target empty\)"):
        read_targets(tmp_path / "empty")
    grid = read_volume(case / "case_t1c.nii.gz").grid
    other = write_result(tmp_path / "other", case, grid)
    listed = json.loads((other / "targets.json").read_text())
    listed["targets"][0]["name"] = "a name of more than sixteen"
    for content, message in ((listed, "cannot be used"), ({"targets": []}, "lists no target"), ([], "cannot be used")):
        (other / "targets.json").write_text(json.dumps(content))
        with pytest.raises(DicomError, match=message):
            read_targets(other)
    (other / "density_patient.nii.gz").unlink()
    from gliofield.radiotherapy.dicom.export import read_map

    with pytest.raises(DicomError, match="expected a result folder"):
        read_map(other)


def test_case_and_result_must_belong_together(patient, tmp_path):
    """By the hash of the T1Gd; a folder that is no case, one of another version, and one that is incomplete."""
    _, case, result = patient
    require_same_case(read_record(case), result)
    other = write_result(tmp_path / "RESULT", case, read_volume(case / "case_t1c.nii.gz").grid)
    (other / "provenance.json").write_text(json.dumps({"inputs": {"sha256": {"t1c": "0" * 64}}}))
    with pytest.raises(DicomError, match="was not made of the case"):
        require_same_case(read_record(case), other)
    (other / "provenance.json").unlink()
    with pytest.raises(DicomError, match="is incomplete"):
        require_same_case(read_record(case), other)
    with pytest.raises(DicomError, match="is no case that gliofield import has written"):
        read_record(tmp_path)
    (tmp_path / "dicom.json").write_text(json.dumps({"format_version": 9, "frame_of_reference_uid": "1"}))
    with pytest.raises(DicomError, match="is of another version"):
        read_record(tmp_path)
