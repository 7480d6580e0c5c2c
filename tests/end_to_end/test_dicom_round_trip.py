"""As a clinic would: series and outlines in, targets on another series out, in the same frame and in one that moved."""

import numpy as np
import pytest
from dicom_patient import CORE_MM, phantom_scan, write_case, write_planning, write_result, write_study
from dicom_series import orientations, scanner_grid, write_series
from phantom_brain import write_phantom_atlas
from scipy import ndimage
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom import (
    export_structures,
    find_alignment,
    read_planning_series,
    read_record,
    read_structures,
    read_targets,
)
from gliofield.registration import Transform
from gliofield.testing import LESION_CENTER_MM
from gliofield.volume import Volume


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def surface_distance_mm(points_mm, target):
    """Distance of points from the surface of a target [mm]."""
    inside, spacing = target.mask.data, target.mask.grid.spacing_mm
    within, beyond = (ndimage.distance_transform_edt(each, sampling=spacing) for each in (inside, ~inside))
    voxels = target.mask.grid.voxel_of(points_mm)
    return np.abs(ndimage.map_coordinates(within - beyond, voxels.T, order=1))


@pytest.mark.slow
def test_from_the_scanner_to_the_plan(tmp_path):
    """import, personalize, target, export: contours within a voxel of the targets, the GTV of the clinic's outline."""
    study = write_study(tmp_path / "DICOM", outlines=tmp_path / "RTSTRUCT.dcm")
    case, result, out = tmp_path / "CASE", tmp_path / "RESULT", tmp_path / "PLAN.dcm"
    write_phantom_atlas(tmp_path / "atlas")
    told = run(
        "import", study.folder, "--out", case, "--seg", study.outlines, "--core", "GTV", "--whole", "EDEMA"
    )  # fmt: skip
    atlas = ("--atlas", tmp_path / "atlas")
    run("personalize", case, "--out", result, *atlas, "--registration", "none", "--threads", 1)
    run("target", result, *atlas)
    write_planning(tmp_path / "PLANNING", turn="oblique", frame_uid=study.frame_uid)
    run("export", "rtstruct", result, "--series", tmp_path / "PLANNING", "--case", case, "--out", out)
    structures, targets = read_structures(out), read_targets(result)

    assert "missing" not in told
    assert [roi.name for roi in structures.rois] == [target.name for target in targets]
    for target in targets:
        points = np.concatenate(structures.roi(target.name).loops_mm)
        assert surface_distance_mm(points, target).max() <= 4.0, target.name
    drawn = np.concatenate(structures.roi("GTV").loops_mm)
    assert np.abs(np.linalg.norm(drawn - LESION_CENTER_MM, axis=1) - CORE_MM).max() <= 4.0


def textured_scan(grid):
    """The phantom with structure that no two places share, on any grid of its world."""
    voxels = np.moveaxis(np.indices(grid.shape), 0, -1)
    x, y, z = np.moveaxis(grid.world_of(voxels), -1, 0)
    waves = np.random.default_rng(5).uniform(-0.35, 0.35, (12, 3))
    texture = sum(np.sin(a * x + b * y + c * z + number) for number, (a, b, c) in enumerate(waves))
    return Volume((phantom_scan(grid).data * (1.0 + 0.06 * texture)).astype(np.float32), grid)


@pytest.mark.slow
def test_another_frame_is_found_and_its_error_is_what_is_said(tmp_path):
    """A head turned by 6 degrees and moved by 7 mm, on sagittal slices: contours within a voxel of the truth."""
    from scipy.spatial.transform import Rotation

    study = write_study(tmp_path / "DICOM")
    case = write_case(tmp_path / "CASE", study)
    from gliofield.nifti import write_volume

    grid = scanner_grid(orientations()["axial"], shape=(88, 100, 80), spacing_mm=(2, 2, 2)).to_dict()
    fine = type(study.grid).from_dict(grid)
    write_volume(case / "t1gd_head.nii.gz", textured_scan(fine).to_ras())
    result = write_result(tmp_path / "RESULT", case, read_volume(case / "case_t1c.nii.gz").grid)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [2, -3, 5], degrees=True).as_matrix()
    motion[:3, 3] = (4.0, -5.0, 3.0)
    truth = Transform.affine(motion)
    there = scanner_grid(orientations()["sagittal"], shape=(96, 84, 84), spacing_mm=(2, 2, 2))
    write_series(tmp_path / "PLANNING", truth.to_patient(textured_scan(fine), there), description="planning")
    series = read_planning_series(tmp_path / "PLANNING")
    alignment = find_alignment(series, record=read_record(case), is_deformable=False)
    export_structures(tmp_path / "PLAN.dcm", result, series, alignment, kind="rtstruct")
    points = there.world_of(np.argwhere(textured_scan(there).data > 150)[::200])
    error = np.linalg.norm(alignment.transform.atlas_points_of(points) - truth.atlas_points_of(points), axis=1)

    assert alignment.kind == "rigid"
    assert np.percentile(error, 95) <= alignment.residual.p95_mm + 0.5
    structures = read_structures(tmp_path / "PLAN.dcm")
    for target in read_targets(result):
        drawn = truth.atlas_points_of(np.concatenate(structures.roi(target.name).loops_mm))
        assert surface_distance_mm(drawn, target).max() <= 4.0, target.name
