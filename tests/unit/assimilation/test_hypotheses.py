"""Rims and hypotheses: how thick FLAIR's rim is decides how much of it may be edema."""

import dataclasses

import numpy as np
import pytest

from gliofield.assimilation import HypothesisRanges, Rim, draw_hypotheses
from gliofield.assimilation.hypotheses import front_widths
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds

SCAN = Grid.axis_aligned((70, 66, 68), 1.0, (-35.0, -33.0, -34.0))
BOX = Grid.axis_aligned((35, 33, 34), 2.0, (-35.0, -33.0, -34.0))
PLACES = SCAN.world_of(np.moveaxis(np.indices(SCAN.shape), 0, -1))
RADIUS = np.linalg.norm(PLACES, axis=-1)
THRESHOLDS = VisibilityThresholds()


def rim_of(core, whole):
    return Rim.of(core, whole, SCAN, np.ones(BOX.shape, dtype=bool), BOX)


def drawn(rim, number=200, **ranges):
    return draw_hypotheses(rim, THRESHOLDS, number, rng=np.random.default_rng(0), ranges=HypothesisRanges(**ranges))


def test_depths_and_thickness_of_two_balls_are_their_radii():
    """Depths to half a voxel, the rim's thickness to one, the same in all directions."""
    rim = rim_of(RADIUS < 8.0, RADIUS < 20.0)
    radius = np.linalg.norm(BOX.world_of(np.moveaxis(np.indices(BOX.shape), 0, -1)), axis=-1)
    near = radius < 24.0

    assert np.abs(rim.whole_depth_mm - (20.0 - radius))[near].max() < 1.0
    assert np.abs(rim.core_depth_mm - (8.0 - radius))[radius < 15.0].max() < 1.0
    assert np.abs(np.exp(rim.surface.log_thickness) - 11.5).max() < 1.5
    assert rim.surface.share.sum() == pytest.approx(1.0)
    assert rim.relative_depth[radius < 7.0].max() < 0.05
    assert rim.relative_depth[radius > 21.0].min() == 1.0


def test_a_surface_without_tissue_behind_it_says_nothing_of_the_rim():
    """A tumor cut by the skull is thin there; its thickness is that of the other side."""
    whole = (RADIUS < 20.0) & (PLACES[..., 0] > -9.0)
    core = RADIUS < 8.0
    domain = BOX.world_of(np.moveaxis(np.indices(BOX.shape), 0, -1))[..., 0] > -9.0
    cut = Rim.of(core, whole, SCAN, domain, BOX)

    assert np.exp(cut.surface.log_thickness).min() > 6.0
    assert np.exp(rim_of(core, whole).surface.log_thickness).min() < 3.0


def test_a_thin_rim_is_tumor_and_a_thick_one_may_be_edema():
    """The part of the rim that is tumor falls as the rim gets thicker than fronts are."""
    parts, water = [], []
    for radius in (11.0, 16.0, 24.0, 32.0):
        found = drawn(rim := rim_of(RADIUS < 8.0, RADIUS < radius))
        parts.append(float((found.tumor_part(rim.surface.directions) @ rim.surface.share).mean()))
        water.append(float(np.mean(found.has_edema)))

    assert np.all(np.diff(parts) < 0.0)
    assert water[0] < 0.2
    assert water[-1] > 0.5
    assert parts[0] > 0.9


def test_edema_on_one_side_is_looked_for_there():
    """A rim that is thick to the right leaves less tumor to the right than to the left."""
    whole = (RADIUS < 15.0) | ((RADIUS < 32.0) & (PLACES[..., 0] > 0.5 * RADIUS))
    found = drawn(rim_of(RADIUS < 8.0, whole), edema_weight=1.0, dense_weight=0.0)
    left, right = found.tumor_part(np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).mean(axis=0)

    assert right < left - 0.2


def test_without_edema_all_that_flair_shows_is_tumor():
    """Part 1 in every direction, dense or not."""
    found = drawn(rim_of(RADIUS < 8.0, RADIUS < 24.0), edema_weight=0.0)

    assert 0.0 < np.mean(found.is_dense) < 1.0

    np.testing.assert_array_equal(found.tumor_part(np.eye(3)), 1.0)


def test_an_excess_has_its_mean_thickness_whatever_its_tilt():
    """Over all directions x averages to X."""
    found = drawn(rim_of(RADIUS < 8.0, RADIUS < 28.0), number=20, edema_weight=1.0, dense_weight=0.0)
    directions = np.random.default_rng(1).standard_normal((40_000, 3))
    part = found.tumor_part(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    excess_mm = (found.rim_mm[:, None] / part - found.rim_mm[:, None]).mean(axis=1)

    np.testing.assert_allclose(excess_mm, found.excess_mm, rtol=0.1)


def test_hypotheses_depend_on_the_generator_and_nothing_else():
    """Twice the same; thresholds keep their order."""
    rim = rim_of(RADIUS < 8.0, RADIUS < 20.0)
    first, second = drawn(rim), drawn(rim)

    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert np.all(first.flair_threshold < first.t1gd_threshold)
    assert len(first) == 200


def test_without_a_core_the_rim_is_that_around_the_middle():
    """The same depths of the whole tumor; distances from its middle."""
    rim = rim_of(np.zeros_like(RADIUS, dtype=bool), RADIUS < 20.0)

    assert not rim.has_core
    assert rim.core_depth_mm.max() < 0.0
    assert 12.0 < np.exp(rim.surface.log_thickness).mean() < 18.0
    assert np.isfinite(drawn(rim).rim_mm).all()


def test_the_front_is_that_of_the_travelling_wave():
    """1/(1 + e^{z/√6})² falls from one density to another within F."""
    wave = 1.0 / (1.0 + np.exp(np.array([0.3, 2.3]) / np.sqrt(6.0))) ** 2

    assert front_widths(wave[0], wave[1]) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"apparent_width_mm": 0.0}, "apparent_width_mm must be > 0, got 0"),
        ({"excess_log_std": -1.0}, "excess_log_std must be ≥ 0, got -1"),
        ({"edema_weight": 0.7, "dense_weight": 0.5}, "at most 1 together, got 0.7 and 0.5"),
        ({"least_ratio": 9.0, "largest_ratio": 3.0}, "largest_ratio must be at least least_ratio = 9.0, got 3"),
    ],
)
def test_ranges_are_checked(wrong, message):
    """Each number says what is expected of it."""
    with pytest.raises(ParameterError, match=message):
        HypothesisRanges(**wrong)
