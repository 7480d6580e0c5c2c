"""The affine stage, judged by the shapes of the brains."""

import numpy as np
import pytest
from egg_brain import EGG_GRID, egg_brain, turned

from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.registration import Transform, check_orientation, search_turns
from gliofield.volume import Volume

ATLAS = egg_brain()


def turn_about(axis: int, degrees: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = [each for each in range(3) if each != axis]
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = cosine
    turn[first, second], turn[second, first] = -sine, sine
    return turn


def larger_head() -> Volume:
    """Of the same shape, 6 % larger, on voxels of its own."""
    grid = Grid(EGG_GRID.shape, np.diag([1.06, 1.06, 1.06, 1.0]) @ EGG_GRID.world_from_voxel)
    return Volume(ATLAS.data, grid)


def test_a_right_head_has_no_better_turn():
    """The misfit of the affine is the smallest, whatever the size of the head."""
    affine = np.diag([1 / 1.06] * 3 + [1.0])
    found = check_orientation(Transform.affine(affine), search_turns(larger_head(), ATLAS))

    assert found.affine_overlap > 0.98
    assert found.misfit_ratio == pytest.approx(1.0, abs=0.05)
    assert found.best_turn == "no turn"
    assert not found.is_turned


@pytest.mark.parametrize(
    ("axis", "degrees", "words"),
    [
        (0, 180, "180 degrees about the axis from left to right"),
        (1, 180, "180 degrees about the axis from back to front"),
        (2, 180, "180 degrees about the axis from feet to head"),
        (0, 90, "90 degrees about the axis from left to right"),
        (2, -90, "90 degrees about the axis from feet to head"),
    ],
)
def test_a_turned_head_is_found_with_its_turn(axis, degrees, words):
    """The affine settles where the header puts it; the right turn fits better by far."""
    wrong = Volume(ATLAS.data, turned(EGG_GRID, turn_about(axis, degrees)))
    found = check_orientation(Transform.identity(), search_turns(wrong, ATLAS))

    assert found.misfit_ratio > 1.3
    assert found.is_turned
    assert words in found.best_turn


def test_a_tilted_head_that_is_registered_is_no_wrong_one():
    """By 40 degrees, with the affine that undoes it."""
    turn = turn_about(0, 40.0)
    tilted = Volume(ATLAS.data, turned(EGG_GRID, turn))
    undone = np.eye(4)
    undone[:3, :3], undone[:3, 3] = turn.T, EGG_GRID.center_mm - turn.T @ EGG_GRID.center_mm
    found = check_orientation(Transform.affine(undone), search_turns(tilted, ATLAS))

    assert found.misfit_ratio == pytest.approx(1.0, abs=0.05)
    assert found.affine_overlap > 0.98
    assert found.turned_degrees == pytest.approx(40.0)


def test_the_order_of_the_axes_in_the_file_does_not_matter():
    """The same head, stored from left to right and from right to left."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = EGG_GRID.shape[0] - 1
    stored = Volume(np.ascontiguousarray(ATLAS.data[::-1]), Grid(EGG_GRID.shape, EGG_GRID.world_from_voxel @ flip))
    one, other = (check_orientation(Transform.identity(), search_turns(brain, ATLAS)) for brain in (ATLAS, stored))
    assert other.affine_overlap == pytest.approx(one.affine_overlap, abs=0.01)
    assert not other.is_turned


def test_real_brains_lie_right_and_turned_ones_do_not(shared_data):
    """Two patients on SRI24 without any registration, and the same arrays under headers turned by 180 degrees."""
    atlas = read_volume(shared_data / "atlas" / "sri24" / "t1_brain.nii.gz")
    brain = Volume(atlas.data != 0, atlas.grid)
    for name in ("BraTS2021_01481", "BraTS2021_01485"):
        image = read_volume(shared_data / "patients" / name / f"{name}_t1.nii.gz")
        right = Volume(image.data != 0, image.grid)
        wrong = Volume(image.data != 0, turned(image.grid, turn_about(2, 180.0)))
        found = check_orientation(Transform.identity(), search_turns(right, brain))
        lost = check_orientation(Transform.identity(), search_turns(wrong, brain))
        assert found.misfit_ratio < 1.05
        assert lost.misfit_ratio > 1.5
        assert lost.is_turned
