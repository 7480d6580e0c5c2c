import numpy as np
import pytest
from phantom_brain import GRID, phantom_tissue_maps, radius_in
from small_cohort import first_of

from gliofield.grid import Grid
from gliofield_evaluation.virtual.outlines import SeenThresholds, cap_of, cavity_of, draw_outlines
from gliofield_evaluation.virtual.random_fields import SmoothField

CENTER_MM = (34.0, 10.0, 12.0)
# A density that falls by 1 in 40 mm.
DENSITY = np.clip(1.0 - radius_in(GRID, CENTER_MM, 40.0), 0, 1).astype(np.float32)
MAPS = phantom_tissue_maps()


def seen(kind="plain", rng=0):
    drawn = first_of(kind).drawn(0)
    thresholds = SeenThresholds.varied(drawn, GRID, np.random.default_rng(rng))
    return drawn, thresholds


def test_a_field_is_standard_normal_and_smooth():
    """Mean 0 and variance 1 within what so many independent pieces allow; neighbors are alike, pieces far apart not."""
    grid = Grid.axis_aligned((120, 120, 120), 4.0, (0.0, 0.0, 0.0))
    field = SmoothField.drawn(grid, 12.0, np.random.default_rng(0)).on(grid)

    assert field.mean() == pytest.approx(0.0, abs=0.1)
    assert field.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(field[20:].ravel(), field[:-20].ravel())[0, 1]) < 0.1


def test_a_field_is_the_same_on_every_grid():
    """Read at the same points of a finer and a coarser grid, but for the interpolation between lattice points."""
    coarse = Grid.axis_aligned((20, 20, 20), 4.0, (0.0, 0.0, 0.0))
    fine = Grid.axis_aligned((39, 39, 39), 2.0, (0.0, 0.0, 0.0))
    field = SmoothField.drawn(coarse, 16.0, np.random.default_rng(0))

    assert np.allclose(field.on(fine)[::2, ::2, ::2], field.on(coarse), atol=1e-5)


def test_thresholds_vary_by_what_was_drawn():
    """12 and 30 %, around the drawn value; half of it in white matter where that is so."""
    grid = Grid.axis_aligned((60, 60, 60), 4.0, (0.0, 0.0, 0.0))
    drawn, thresholds = seen()
    thresholds = SeenThresholds.varied(drawn, grid, np.random.default_rng(0))
    white = np.ones(grid.shape, np.float32)
    t1gd, flair, in_white = thresholds.t1gd(grid), thresholds.flair(grid, 0 * white), thresholds.flair(grid, white)

    assert np.median(t1gd) == pytest.approx(drawn.t1gd_threshold, rel=0.03)
    assert np.log(t1gd[t1gd < 0.95]).std() == pytest.approx(0.12, rel=0.15)
    assert np.median(flair) == pytest.approx(drawn.flair_threshold, rel=0.05)
    assert np.log(flair).std() == pytest.approx(0.30, rel=0.15)
    assert np.allclose(in_white, drawn.white_matter_threshold_factor * flair)


def test_outlines_are_near_isolines_but_none():
    """Core inside whole, both within the brain; moved somewhere, and by no more than a little."""
    drawn, thresholds = seen()
    signs = draw_outlines(DENSITY, MAPS, thresholds, rng=np.random.default_rng(1))
    isoline = (DENSITY > drawn.t1gd_threshold) & MAPS.brain

    assert not (signs.tumor_core & ~signs.whole_tumor).any()
    assert not (signs.whole_tumor & ~MAPS.brain).any()
    assert not (signs.necrotic & ~signs.tumor_core).any()
    assert (signs.tumor_core != isoline).any()
    shared = np.count_nonzero(signs.tumor_core & isoline)
    assert 2 * shared / (np.count_nonzero(signs.tumor_core) + np.count_nonzero(isoline)) > 0.7


@pytest.mark.parametrize(("kind", "least", "most"), [("eccentric-core", 0.05, 0.5), ("no-core", 0.0, 0.0)])
def test_a_part_of_the_dense_tumor_enhances(kind, least, most):
    """A cap of it, or nothing; the rest is whole tumor."""
    _, thresholds = seen(kind)
    dense = (DENSITY > thresholds.t1gd(GRID)) & MAPS.brain
    signs = draw_outlines(DENSITY, MAPS, thresholds, rng=np.random.default_rng(1))

    assert least <= np.count_nonzero(signs.tumor_core) / np.count_nonzero(dense) <= most
    assert np.count_nonzero(signs.whole_tumor & dense) > 0.9 * np.count_nonzero(dense)


def test_a_cap_is_the_part_farthest_along():
    """A third of a ball, above all the rest of it."""
    ball = radius_in(GRID, CENTER_MM, 20.0) < 1
    cap = cap_of(ball, 1 / 3, np.array([0.0, 0.0, 1.0]), GRID)
    heights = np.indices(GRID.shape)[2]

    assert np.count_nonzero(cap) / np.count_nonzero(ball) == pytest.approx(1 / 3, abs=0.1)
    assert heights[cap].min() > heights[ball & ~cap].max()


def test_a_cavity_lies_in_the_core_and_leaves_a_part_of_it():
    """One piece; no tumor is drawn inside."""
    _, thresholds = seen("cavity")
    cavity = cavity_of(DENSITY, MAPS, thresholds, rng=np.random.default_rng(2))
    signs = draw_outlines(DENSITY, MAPS, thresholds, rng=np.random.default_rng(1), cavity=cavity)
    labels = signs.labels()

    assert cavity.any()
    assert signs.tumor_core.any()
    assert not (signs.whole_tumor & cavity).any()
    assert np.array_equal(labels == 4, cavity)


def test_nothing_is_drawn_of_no_tumor():
    """Empty outlines, and no cavity."""
    _, thresholds = seen("cavity")
    signs = draw_outlines(0 * DENSITY, MAPS, thresholds, rng=np.random.default_rng(1))

    assert not signs.whole_tumor.any()
    assert not cavity_of(0 * DENSITY, MAPS, thresholds, rng=np.random.default_rng(1)).any()
