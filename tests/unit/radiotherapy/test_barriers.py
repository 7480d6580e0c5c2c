"""Walls are found where they are, have no holes, and lie in a patient as in the atlas."""

import numpy as np
import pytest
import two_hemispheres as head

from gliofield.errors import ImageError, OutputError, ParameterError
from gliofield.radiotherapy import Barriers, atlas_barriers, find_barriers, geodesic_distance_mm, patient_barriers
from gliofield.radiotherapy.barriers import BELOW_TENTORIUM, BRIDGE, LEFT, RIGHT


@pytest.fixture(scope="module")
def found():
    """Barriers of the small head."""
    return find_barriers(head.tissue())


def at(barriers, *point_mm):
    """Compartment at a place."""
    return int(barriers.compartments[tuple(np.rint(barriers.grid.voxel_of(point_mm)).astype(int))])


def test_hemispheres_and_what_lies_below_are_told_apart(found):
    """To within a voxel of the walls."""
    assert at(found, -20.0, 20.0, 30.0) == LEFT
    assert at(found, 20.0, 20.0, 30.0) == RIGHT
    assert at(found, -7.0, 20.0, 40.0) == LEFT
    assert at(found, 7.0, 20.0, 40.0) == RIGHT
    assert at(found, 20.0, -25.0, -42.0) == BELOW_TENTORIUM
    assert at(found, 20.0, -30.0, -18.0) == RIGHT


def test_callosum_and_brainstem_are_bridges(found):
    """And whatever lies between them in the midplane."""
    assert at(found, 4.5, 10.0, 18.0) == BRIDGE
    assert at(found, 4.5, -10.0, 3.0) == BRIDGE
    assert at(found, 1.5, -10.0, head.TENTORIUM_MM) == BRIDGE


def test_ventricles_are_found_and_the_fissure_is_none(found):
    """CSF in the middle, on both sides; not what lies between the hemispheres, nor the sheet below."""
    x, y, z = head.places()
    ventricle = (np.abs(np.abs(x) - 9.0) < 3.0) & (np.abs(y) < 15.0) & (np.abs(z - 6.0) < 4.0)

    assert np.mean(found.ventricles[ventricle]) > 0.8
    assert not np.any(found.ventricles & (z > 30.0))


def test_no_way_leads_across_a_wall_but_over_a_bridge(found):
    """From high in the left hemisphere: the right one is reached through the callosum, so by a long way."""
    source = np.zeros(head.GRID.shape, bool)
    source[tuple(np.rint(head.GRID.voxel_of((-10.5, 20.0, 45.0))).astype(int))] = True
    walls = found.compartments.copy()

    way = geodesic_distance_mm(source, found.region, head.GRID.spacing_mm, compartments=walls)
    walls[walls == BRIDGE] = LEFT  # the bridge is broken off on the right
    broken = geodesic_distance_mm(source, found.region, head.GRID.spacing_mm, compartments=walls)

    right = (found.compartments == RIGHT) & found.region
    # Straight it would be some 15 mm; down to the callosum and up again it is more than twice 22 mm.
    high = right & (head.places()[2] > 44.0)
    assert way[high].min() > 44.0
    assert np.all(np.isinf(broken[right]))


def test_an_atlas_keeps_its_barriers(monkeypatch):
    """The second time they are read; damaged ones are found again."""
    from gliofield.radiotherapy import barriers as module

    atlas = head.atlas()
    first = atlas_barriers(atlas)
    (kept,) = module.cache_folder("barriers").glob("*.nii.gz")
    with monkeypatch.context() as patched:
        patched.setattr(module, "find_barriers", lambda tissue: pytest.fail("found again"))
        second = atlas_barriers(atlas)
    kept.write_bytes(b"damaged")
    third = atlas_barriers(atlas)

    for other in (second, third):
        np.testing.assert_array_equal(first.compartments, other.compartments)
        np.testing.assert_array_equal(first.ventricles, other.ventricles)


def test_a_cache_that_cannot_be_written_is_no_obstacle(monkeypatch):
    """As in a container with a read-only root: they are found, and not kept."""
    from gliofield.radiotherapy import barriers as module

    def refuse(*given, **more):
        raise OutputError("read-only")

    monkeypatch.setattr(module, "make_once", refuse)

    assert atlas_barriers(head.atlas()).ventricles.any()
    assert not module.cache_folder("barriers").exists()


def test_in_a_patient_seen_tumor_is_no_ventricle():
    """A tumor that fills one: it is open there, and the other one stays closed."""
    patient = head.scan((9.0, 0.0, 6.0))

    moved = patient_barriers(patient)

    assert not np.any(moved.ventricles & patient.case.segmentation.whole_tumor)
    assert np.any(moved.ventricles & (head.places()[0] < 0.0))


def test_what_lies_behind_a_wall_is_known(found):
    """The other hemisphere from the one, and what is below from both."""
    left = found.compartments == LEFT

    assert np.all(found.compartments[found.behind("falx", left)] == RIGHT)
    assert np.all(found.compartments[found.behind("tentorium", left)] == BELOW_TENTORIUM)
    assert not found.behind("falx", np.isin(found.compartments, (LEFT, RIGHT))).any()


def test_a_head_without_cerebellum_is_refused():
    """White matter above half of the height alone: nothing to cut from."""
    maps = head.tissue()
    upper = maps.white_matter * (head.places()[2] > 0.0)
    without = type(maps)(
        white_matter=upper.astype(np.float32),
        gray_matter=maps.gray_matter,
        csf=maps.csf,
        brain=maps.brain,
        grid=maps.grid,
    )
    with pytest.raises(ImageError, match="the tentorium cannot be found"):
        find_barriers(without)


def test_arrays_have_to_have_the_shape_of_the_grid(found):
    """All three of them."""
    with pytest.raises(ImageError, match="ventricles must have the grid's shape"):
        Barriers(compartments=found.compartments, ventricles=found.ventricles[1:], brain=found.brain, grid=found.grid)


def test_a_patient_beside_the_atlas_is_refused():
    """No voxel of the brain lies in it: nothing is known of walls."""
    from dataclasses import replace

    from gliofield.registration import Transform

    away = np.eye(4)
    away[0, 3] = 1000.0
    with pytest.raises(ParameterError, match="no voxel of the brain lies in the atlas"):
        patient_barriers(replace(head.scan(), transform=Transform.affine(away)))
