"""Priorities: ranks without ties, tissue before CSF, the core first, a pull that never turns equal growth around."""

import numpy as np
import pytest
from growth_phantoms import anatomy_of, uniform_anatomy

from gliofield.assimilation import PrioritySettings, distance_mm, grow_from_outlines, rank_voxels
from gliofield.errors import ParameterError

ANATOMY = uniform_anatomy((30, 28, 26), 2.0)
DISTANCE = np.linalg.norm(
    ANATOMY.grid.world_of(np.moveaxis(np.indices(ANATOMY.grid.shape), 0, -1)) - ANATOMY.grid.center_mm, axis=-1
)
CORE, WHOLE = DISTANCE < 7.0, DISTANCE < 14.0


def priority_of(core, whole, brain, pull=0.1):
    phase = grow_from_outlines(core, whole, ANATOMY)
    reference = core if core.any() else whole
    return rank_voxels(phase, distance_mm(reference, ANATOMY.grid.spacing_mm), brain, pull)


def test_every_voxel_has_a_rank_of_its_own():
    """Strictly positive, in (0, 1), no two alike; the brain above all else."""
    brain = DISTANCE < 24.0
    priority = priority_of(CORE, WHOLE, brain)

    assert priority.dtype == np.float32
    assert priority.min() > 0.0
    assert priority.max() < 1.0
    assert len(np.unique(priority)) == priority.size
    assert priority[brain].min() > priority[~brain].max()


def test_the_core_comes_first_and_ranks_fall_outwards():
    """In a uniform block: core, edema, the rest, each farther ring lower in the mean."""
    priority = priority_of(CORE, WHOLE, np.ones_like(CORE))
    rings = [priority[(low <= DISTANCE) & (low + 3.0 > DISTANCE)].mean() for low in range(0, 27, 3)]

    assert np.all(np.diff(rings) < 0.0)


def test_a_larger_pull_never_lifts_a_farther_voxel_over_a_nearer_one_of_equal_growth():
    """Where growth is equal the nearer voxel comes first, at every pull."""
    rng = np.random.default_rng(0)
    phase = rng.choice(np.array([0.5, 1.0], np.float32), size=CORE.shape)
    away = distance_mm(CORE, ANATOMY.grid.spacing_mm)
    for pull in (0.0, 0.05, 0.1, 1.0):
        priority = rank_voxels(phase, away, np.ones_like(CORE), pull).reshape(-1)
        for level in (0.5, 1.0):
            alike = np.flatnonzero(phase.reshape(-1) == level)
            ordered = alike[np.argsort(-priority[alike])]
            assert np.all(np.diff(away.reshape(-1)[ordered]) >= 0.0)


def test_without_a_core_the_whole_tumor_takes_its_place():
    """The same as if the whole tumor were the core."""
    brain = np.ones_like(CORE)
    nothing = np.zeros_like(CORE)

    np.testing.assert_array_equal(priority_of(nothing, WHOLE, brain), priority_of(WHOLE, WHOLE, brain))


def test_outside_the_domain_growth_is_that_of_the_nearest_tissue_less_distance():
    """0.3 per mm, so that a ventricle is ranked, below the tissue beside it."""
    domain = np.ones(CORE.shape, bool)
    domain[18:, :, :] = False
    anatomy = anatomy_of(np.ones(domain.shape), domain)
    phase = grow_from_outlines(CORE & domain, WHOLE & domain, anatomy)

    np.testing.assert_allclose(phase[20], phase[17] - 0.3 * 6.0, rtol=1e-5)


def test_mirrored_outlines_have_mirrored_growth():
    """No axis is preferred."""
    core, whole = np.roll(CORE, 3, axis=0), np.roll(WHOLE, 3, axis=0)
    phase = grow_from_outlines(core, whole, ANATOMY)
    mirrored = grow_from_outlines(core[::-1], whole[::-1], ANATOMY)

    np.testing.assert_allclose(mirrored[::-1], phase, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"core_density": 1.0}, r"core_density must lie in \(0, 1\)"),
        ({"growth": 0.0}, "growth must be > 0"),
        ({"pull_per_mm": -0.1}, "pull_per_mm must be ≥ 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        PrioritySettings(**changes)
