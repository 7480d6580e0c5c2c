"""What the design of the published data draws and accepts; what all designs share is in tests/contract."""

import numpy as np
import pytest
from growing_ball import ball_anatomy

from gliofield.anatomy import Anatomy
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield_papers.queries.papers_design import PapersDesign, seed_in_box

# 1 ml voxels, so volumes are counts.
ML_GRID = Grid.axis_aligned((10, 10, 10), 10.0, (0, 0, 0))


def _tumor(num_core: int, num_whole: int) -> np.ndarray:
    """One snapshot (1, X, Y, Z) with so many voxels at 0.9 and, including those, above 0.3."""
    density = np.zeros(1000, dtype=np.float32)
    density[:num_whole] = 0.3
    density[:num_core] = 0.9
    return density.reshape(1, 10, 10, 10)


def test_the_papers_filter_measures_at_a_random_threshold(rng):
    """8.7-412 ml at u > U(0.6, 0.8): a tumor of 0.9 counts in full, one of 0.3 not at all."""
    design = PapersDesign()
    draws = [design.draw(rng, ball_anatomy()) for _ in range(200)]
    for sizes, is_kept in (((8, 500), False), ((9, 500), True), ((411, 500), True), ((413, 500), False)):
        assert design.accepts(draws[0], _tumor(*sizes), ML_GRID) == is_kept
    between = np.full((1, 10, 10, 10), 0.7, dtype=np.float32) * (_tumor(0, 100) > 0)
    answers = [design.accepts(draw, between, ML_GRID) for draw in draws]
    assert 60 < sum(answers) < 140, f"a density in the middle of the range passes half of the time, got {sum(answers)}"


def test_papers_draws_stay_in_the_published_ranges(rng):
    """D_w, ρ and T within their bounds and spread over them."""
    draws = [PapersDesign().draw(rng, ball_anatomy()) for _ in range(200)]
    for values, low, high in (
        ([d.parameters.white_matter_diffusivity_mm2_per_day for d in draws], 0.02, 1.5),
        ([d.parameters.proliferation_rate_per_day for d in draws], 0.002, 0.2),
        ([d.times_days[0] for d in draws], 50.0, 1500.0),
    ):
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high


def test_seeds_stay_in_the_box(rng):
    """A box of the lower half along x gives seeds in the lower half of the domain's bounding box."""
    anatomy = ball_anatomy()
    box = ((0.0, 0.5), (0.0, 1.0), (0.0, 1.0))
    voxels = anatomy.grid.voxel_of([seed_in_box(rng, anatomy, box) for _ in range(100)])
    assert voxels[:, 0].min() >= 0.5
    assert voxels[:, 0].max() <= 5.5
    assert voxels[:, 1].max() > 9.0


def _box_of_the_published_brain():
    """White matter in the bounding box of the published domain: nodes 13-94, 14-117, 3-91 of 128, x from the right.

    Node i lies at 96 − 229 i/128, −132 + 229 i/128 and −78 + 229 i/128 mm (R, A, S).
    """
    shape, node_mm = (82, 104, 89), 229.0 / 128.0
    grid = Grid.axis_aligned(shape, node_mm, (96.0 - 94 * node_mm, -132.0 + 14 * node_mm, -78.0 + 3 * node_mm))
    return Anatomy(
        white_matter=np.ones(shape, dtype=np.float32),
        gray_matter=np.zeros(shape, dtype=np.float32),
        domain=np.ones(shape, dtype=bool),
        grid=grid,
        domain_rule="published box",
    )


def test_seeds_of_the_papers_fill_the_published_box(rng):
    """x 0.15-0.7, y 0.2-0.8, z 0.15-0.7 of a cube of 229 mm (Ezhov et al. 2023, "Learn-Morph-Infer"), x from the right.

    In the world that is −64.3 to 61.7 mm to the right, −86.2 to 51.2 mm to the front, −43.7 to 82.3 mm up: the box
    reaches further to the left of the brain's middle than to the right, and its mirror image is 3 mm off.
    """
    anatomy, design = _box_of_the_published_brain(), PapersDesign()
    seeds_mm = np.array([design.draw(rng, anatomy).parameters.seed_mm for _ in range(2000)])
    low = np.array([96.0 - 229 * 0.7, -132.0 + 229 * 0.2, -78.0 + 229 * 0.15])
    high = np.array([96.0 - 229 * 0.15, -132.0 + 229 * 0.8, -78.0 + 229 * 0.7])

    # Fractions of four digits place the box to 0.01 mm; 2,000 numbers leave 0.07 mm free at either end on average.
    assert np.all(seeds_mm > low - 0.02)
    assert np.all(seeds_mm < high + 0.02)
    np.testing.assert_allclose(seeds_mm.min(axis=0), low, atol=0.7)
    np.testing.assert_allclose(seeds_mm.max(axis=0), high, atol=0.7)


def test_a_box_without_tissue_is_an_error(rng):
    """A domain of two opposite corners leaves the middle of its bounding box empty."""
    anatomy = ball_anatomy()
    corners = np.zeros_like(anatomy.domain)
    corners[0, 0, 0] = corners[-1, -1, -1] = True
    hollow = type(anatomy)(
        white_matter=corners.astype(np.float32),
        gray_matter=np.zeros(corners.shape, dtype=np.float32),
        domain=corners,
        grid=anatomy.grid,
        domain_rule="corners",
    )
    with pytest.raises(DatabaseError, match="none of 10000 seed positions in the design's box fell into tissue"):
        seed_in_box(rng, hollow, ((0.4, 0.6),) * 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"growth_time_days": (0.0, 10.0)}, "growth_time_days must be .low, high. with 0 < low"),
        ({"screening_factors": (1.1, 2.0)}, "screening_factors must be .low, high., low <= 1"),
        ({"screening_seed_share": 1.5}, "screening_seed_share must lie in .0, 1., got 1.5"),
        ({"seed_box_fractions": ((0.0, 2.0),) * 3}, "seed_box_fractions must be three"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    """The message names the setting."""
    with pytest.raises(ParameterError, match=message):
        PapersDesign(**settings)
