"""A head that lies otherwise, with the same voxels, gets the same map: nothing in `assimilate` depends on the world."""

import dataclasses

import numpy as np
from phantom_brain import phantom_atlas, write_phantom_patient
from scipy.spatial.transform import Rotation

from gliofield.assimilation import FitSettings
from gliofield.grid import Grid
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.metrics import dice
from gliofield.pipeline import AssimilateMethod, PatientSpace, find_case_files, rank_targets, read_case
from gliofield.progress import ignore_progress
from gliofield.registration import Transform
from gliofield.volume import Volume

METHOD = AssimilateMethod(
    fit=FitSettings(num_starts=1, num_evaluations=20, num_refinements=20, num_stretched=20), spacing_mm=4.0
)


def turned(case, motion):
    grid = Grid(case.grid.shape, motion @ case.grid.world_from_voxel)
    return dataclasses.replace(
        case,
        images={name: Volume(image.data, grid) for name, image in case.images.items()},
        segmentation=dataclasses.replace(case.segmentation, grid=grid),
        stored_grid=grid,
    )


def answer(case, atlas_from_patient):
    scan = PatientSpace(
        case=case, atlas=phantom_atlas(), transform=Transform.affine(atlas_from_patient), grid=case.grid
    )
    seen = case.segmentation
    observation = Observation(tumor_core=seen.tumor_core, whole_tumor=seen.whole_tumor, grid=case.grid, space=scan)
    estimate = METHOD.estimate(observation, report=ignore_progress)
    return estimate, rank_targets(estimate.cell_density, scan, VisibilityThresholds())


def test_a_turned_and_moved_head_gets_the_same_map(tmp_path):
    """Density before and after the correction, seed within the scan, and the order of the voxels."""
    case = read_case(find_case_files(write_phantom_patient(tmp_path / "patient")))
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [20.0, -15.0, 30.0], degrees=True).as_matrix()
    motion[:3, 3] = (40.0, -25.0, 60.0)

    (first, ranks), (second, others) = answer(case, np.eye(4)), answer(turned(case, motion), np.linalg.inv(motion))

    one, other = first.cell_density.data, second.cell_density.data
    assert dice(one > 0.02, other > 0.02, if_both_empty=0.0) > 0.995
    assert np.abs(first.uncorrected.data - second.uncorrected.data).max() < 1e-3
    np.testing.assert_allclose(motion[:3, :3] @ first.seed_mm + motion[:3, 3], second.seed_mm, atol=0.05)
    top, same = (ranking.priority.data > 0.9 for ranking in (ranks, others))
    assert dice(top, same, if_both_empty=0.0) > 0.995
