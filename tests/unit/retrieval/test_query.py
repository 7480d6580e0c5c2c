"""How an observation reaches the grid of a database, and what it is compared by there."""

import numpy as np
import pytest

from gliofield.anatomy.segmentation import Segmentation
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.retrieval.query import distance_from_dice, on_database_grid

GRID = Grid.axis_aligned((6, 6, 6), 2.0, (0, 0, 0))


def _cube(start: int, stop: int) -> np.ndarray:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[start:stop, start:stop, start:stop] = True
    return mask


def test_a_segmentation_becomes_an_observation():
    """Masks and grid are taken as they are."""
    segmentation = Segmentation(tumor_core=_cube(2, 3), whole_tumor=_cube(1, 4), grid=GRID)
    query = Observation.of(segmentation)
    assert query.tumor_core is segmentation.tumor_core
    assert query.whole_tumor is segmentation.whole_tumor
    assert query.grid is GRID


def test_a_query_without_core_has_one_modality():
    """Then T1Gd is left out, and the distance is 1 − Dice_FLAIR."""
    with_core = Observation(tumor_core=_cube(2, 3), whole_tumor=_cube(1, 4), grid=GRID)
    without = Observation(tumor_core=_cube(0, 0), whole_tumor=_cube(1, 4), grid=GRID)
    assert (with_core.has_core, with_core.num_modalities) == (True, 2)
    assert (without.has_core, without.num_modalities) == (False, 1)
    np.testing.assert_array_equal(distance_from_dice(np.array([0.5]), np.array([0.25])), [1.25])
    np.testing.assert_array_equal(distance_from_dice(None, np.array([0.25])), [0.75])


def test_the_same_grid_needs_no_resampling():
    """The very query comes back."""
    query = Observation(tumor_core=_cube(2, 3), whole_tumor=_cube(1, 4), grid=GRID)
    assert on_database_grid(query, Grid.axis_aligned((6, 6, 6), 2.0, (0, 0, 0))) is query


def test_a_flipped_grid_gives_the_flipped_masks():
    """The same voxels stored from right to left are the same tumor."""
    whole = _cube(1, 4)
    query = Observation(tumor_core=_cube(2, 3), whole_tumor=whole, grid=GRID)
    flip = np.diag([-2.0, 2.0, 2.0, 1.0])
    flip[0, 3] = 10.0
    flipped = Observation(tumor_core=query.tumor_core[::-1], whole_tumor=whole[::-1], grid=Grid((6, 6, 6), flip))
    np.testing.assert_array_equal(on_database_grid(flipped, GRID).whole_tumor, whole)
    np.testing.assert_array_equal(on_database_grid(flipped, GRID).tumor_core, query.tumor_core)


def test_a_finer_grid_keeps_the_world_position():
    """At half the spacing a cube of 3 voxels has the volume it had, up to half a coarse voxel at each face."""
    query = Observation(tumor_core=_cube(2, 3), whole_tumor=_cube(1, 4), grid=GRID)
    fine = Grid.axis_aligned((12, 12, 12), 1.0, (-0.5, -0.5, -0.5))
    whole = on_database_grid(query, fine).whole_tumor
    np.testing.assert_array_equal(np.argwhere(whole).min(axis=0), [2, 2, 2])
    np.testing.assert_array_equal(np.argwhere(whole).max(axis=0), [7, 7, 7])


def test_a_query_elsewhere_is_refused():
    """Masks that do not meet the database's grid point at the registration."""
    query = Observation(tumor_core=_cube(2, 3), whole_tumor=_cube(1, 4), grid=GRID)
    with pytest.raises(ParameterError, match="no voxel of the whole tumor is left on the grid of the database"):
        on_database_grid(query, Grid.axis_aligned((6, 6, 6), 2.0, (500, 0, 0)))
