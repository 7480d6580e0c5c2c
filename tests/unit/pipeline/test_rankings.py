"""Four rankings of a patient: regions of equal volume, priorities for every method, nothing in a cavity."""

import dataclasses

import numpy as np
import pytest
from phantom_brain import GRID, phantom_atlas, phantom_labels, write_phantom_patient

from gliofield.grid import Grid
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.pipeline import (
    PatientSpace,
    PersonalizationSettings,
    TumorBox,
    find_case_files,
    personalize,
    rank_targets,
    read_case,
)
from gliofield.registration import Transform
from gliofield.volume import Volume

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none")


def scan_of(folder, **patient):
    case = read_case(find_case_files(write_phantom_patient(folder / "patient", **patient)))
    return PatientSpace(case=case, atlas=ATLAS, transform=Transform.identity(), grid=case.grid)


def density_like(scan):
    """Falls with the distance to the middle of the tumor."""
    middle = np.argwhere(scan.case.segmentation.whole_tumor).mean(axis=0)
    away_mm = np.linalg.norm(np.moveaxis(np.indices(scan.grid.shape), 0, -1) - middle, axis=-1) * GRID.spacing_mm[0]
    return Volume(np.exp(-away_mm / 20.0).astype(np.float32) * scan.case.brain, scan.grid)


def test_the_four_regions_have_the_volume_of_the_margin(tmp_path):
    """The core margin is the usual target; the density holds most of its own cells, the whole margin what is seen."""
    scan = scan_of(tmp_path)
    rankings = rank_targets(density_like(scan), scan, VisibilityThresholds())
    regions = {each.ranking: each for each in rankings.regions}

    assert list(regions) == ["core-margin", "whole-margin", "density", "priority"]
    assert rankings.volume_ml > scan.case.segmentation.core_ml
    assert regions["core-margin"].dice_with_core_margin == 1.0
    assert regions["whole-margin"].visible_tumor == pytest.approx(1.0, abs=0.01)
    cells = [each.cells_outside_core for each in rankings.regions]
    assert max(cells) == regions["density"].cells_outside_core
    assert all(0.0 < value <= 1.0 for value in cells)


def test_without_a_core_there_is_no_usual_volume(tmp_path):
    """The priority is there all the same."""
    edema = np.where(phantom_labels().data > 0, 2, 0).astype(np.uint8)
    scan = scan_of(tmp_path, labels=Volume(edema, GRID))
    rankings = rank_targets(density_like(scan), scan, VisibilityThresholds())

    assert (rankings.volume_ml, rankings.regions) == (None, ())
    assert len(np.unique(rankings.priority.data)) == rankings.priority.data.size


def test_every_method_gets_the_same_priorities(tmp_path):
    """They follow from the outlines alone."""
    case = scan_of(tmp_path).case
    first, second = (
        personalize(case, method=method, atlas=ATLAS, settings=SETTINGS).rankings for method in ("margin", "distance")
    )

    np.testing.assert_array_equal(first.priority.data, second.priority.data)
    assert first.regions != second.regions


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_the_box_of_a_turned_scan_is_turned_along(tmp_path, degrees):
    """The same voxels in a head that lies otherwise: equal masks and lattice, and the way back to the scan is right."""
    scan = scan_of(tmp_path)
    angle = np.radians(degrees)
    motion = np.eye(4)
    motion[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[:3, 3] = (12.0, -7.0, 5.0)
    grid = Grid(scan.grid.shape, motion @ scan.grid.world_from_voxel)
    case = dataclasses.replace(
        scan.case,
        images={name: Volume(image.data, grid) for name, image in scan.case.images.items()},
        segmentation=dataclasses.replace(scan.case.segmentation, grid=grid),
        stored_grid=grid,
    )
    back = Transform.affine(np.linalg.inv(motion))
    there = PatientSpace(case=case, atlas=ATLAS, transform=back, grid=grid)

    boxes = [
        TumorBox.around(
            Observation(
                tumor_core=each.case.segmentation.tumor_core,
                whole_tumor=each.case.segmentation.whole_tumor,
                grid=each.grid,
                space=each,
            ),
            each,
            spacing_mm=5.0,
        )
        for each in (scan, there)
    ]

    np.testing.assert_array_equal(boxes[0].seen.whole_tumor, boxes[1].seen.whole_tumor)
    np.testing.assert_allclose(boxes[0].anatomy.white_matter, boxes[1].anatomy.white_matter, atol=1e-3)
    places = np.indices(boxes[0].seen.grid.shape).astype(np.float32).sum(axis=0)
    first, second = (box.continued_on_scan(places, 0.3) for box in boxes)
    np.testing.assert_allclose(first, second, atol=1e-3)
    inside = box_interior(boxes[0])
    expected = scan.grid.world_of(np.argwhere(inside))
    along = boxes[0].seen.grid.voxel_of(expected).sum(axis=1)
    np.testing.assert_allclose(first[inside], along, atol=1e-3)


def box_interior(box):
    inside = np.zeros(box.scan.grid.shape, bool)
    inside[box.window] = True
    return inside
