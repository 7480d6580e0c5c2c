"""The bounded smoothing problem is solved: as by a plain solver, to its optimality, and not at all without need."""

import numpy as np
import pytest
from scipy import optimize
from scipy.special import logit

from gliofield.assimilation.phase_correction import (
    BOUND_MARGIN,
    CorrectionSettings,
    correct_phase,
    phase_bounds,
)
from gliofield.errors import NumericalError, ParameterError
from gliofield.imaging import VisibilityThresholds

SHAPE, SPACING_MM = (7, 6, 5), (2.0, 2.5, 3.0)
SETTINGS = CorrectionSettings(smoothness_mm=6.0, tolerance=1e-5)


def problem(seed=0):
    """A density that contradicts two random outlines, in a domain with a hole."""
    rng = np.random.default_rng(seed)
    density = rng.random(SHAPE).astype(np.float32) ** 2
    whole = rng.random(SHAPE) < 0.5
    core = whole & (rng.random(SHAPE) < 0.4)
    domain = rng.random(SHAPE) < 0.85
    return density, core & domain, whole & domain, domain


def energy_matrix(domain, smoothness_mm):
    """Dense matrix A of the energy ½ δᵀ A δ over the voxels of a domain, from its definition."""
    number = np.full(domain.shape, -1)
    number[domain] = np.arange(np.count_nonzero(domain))
    matrix = np.eye(np.count_nonzero(domain))
    for axis, length in enumerate(SPACING_MM):
        weight = (smoothness_mm / length) ** 2
        for voxel in np.argwhere(domain):
            other = voxel.copy()
            other[axis] += 1
            if other[axis] < domain.shape[axis] and domain[tuple(other)]:
                a, b = number[tuple(voxel)], number[tuple(other)]
                matrix[a, a] += weight
                matrix[b, b] += weight
                matrix[a, b] -= weight
                matrix[b, a] -= weight
    return matrix


@pytest.mark.parametrize("seed", range(4))
def test_the_solution_is_that_of_a_plain_quadratic_program(seed):
    """L-BFGS-B on the dense energy, which knows nothing of sweeps or grids, ends at the same δ."""
    density, core, whole, domain = problem(seed)
    found = correct_phase(density, core, whole, domain, SPACING_MM, settings=SETTINGS)

    matrix = energy_matrix(domain, SETTINGS.smoothness_mm)
    phase = logit(np.clip(density.astype(np.float64), 1e-9, 1.0 - 1e-4))
    low, high = phase_bounds(core, whole, VisibilityThresholds(), t1gd_binds=True)
    bounds = list(zip((low - phase)[domain], (high - phase)[domain], strict=True))
    plain = optimize.minimize(
        lambda x: 0.5 * x @ matrix @ x,
        np.clip(0.0, *np.array(bounds).T),
        jac=lambda x: matrix @ x,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-9},
    )
    np.testing.assert_allclose(found.shift[domain], plain.x, atol=2e-3)
    assert found.residual <= SETTINGS.tolerance


def test_the_default_tolerance_leaves_a_twentieth_of_a_logit():
    """At the default smoothness, where errors decay slowest, on a ball that grew too small and too far to one side."""
    shape = (56, 56, 56)
    distance = np.linalg.norm(np.indices(shape).T - [24.0, 28.0, 28.0], axis=-1).T
    away = np.linalg.norm(np.indices(shape).T - [28.0, 28.0, 28.0], axis=-1).T
    density = (1.0 / (1.0 + np.exp((distance - 8.0) / 3.0))).astype(np.float32)
    problem = density, away < 7.0, away < 15.0, away < 27.0, (1.0, 1.0, 1.0)

    found = correct_phase(*problem).shift
    settled = correct_phase(*problem, settings=CorrectionSettings(tolerance=1e-5)).shift

    assert np.abs(settled).max() > 1.0
    assert np.abs(found - settled).max() < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_both_outlines_hold_strictly(seed):
    """The thresholded density is the masks, in every voxel of the domain; outside it there are no cells."""
    density, core, whole, domain = problem(seed)
    found = correct_phase(density, core, whole, domain, SPACING_MM, settings=SETTINGS)
    limits = VisibilityThresholds()

    np.testing.assert_array_equal(limits.tumor_core(found.cell_density), core)
    np.testing.assert_array_equal(limits.whole_tumor(found.cell_density), whole)
    assert not found.cell_density[~domain].any()
    assert not found.shift[~domain].any()


def test_a_density_that_shows_the_outlines_stays_as_it_is():
    """Every bound holds, so δ is 0 to the bit."""
    density, _, _, domain = problem()
    density = np.where(domain, density, 0.0).astype(np.float32)
    limits = VisibilityThresholds()
    # No voxel within the margin of a threshold, whose bound lies inside it.
    for threshold in (limits.flair_threshold, limits.t1gd_threshold):
        near = np.abs(logit(np.clip(density, 1e-9, 1 - 1e-4)) - logit(threshold)) < 2 * BOUND_MARGIN
        assert not near.any()
    core, whole = limits.tumor_core(density), limits.whole_tumor(density)
    found = correct_phase(density, core, whole, domain, SPACING_MM, settings=SETTINGS)

    assert not found.shift.any()
    np.testing.assert_allclose(
        found.cell_density, np.where(density >= 1e-6, np.minimum(density, 1 - 1e-4), 0.0), rtol=1e-4
    )


def test_without_a_core_flair_alone_binds():
    """The density inside the whole tumor may take any value above its threshold."""
    density, _, whole, domain = problem()
    found = correct_phase(density, np.zeros_like(whole), whole, domain, SPACING_MM, settings=SETTINGS)

    np.testing.assert_array_equal(VisibilityThresholds().whole_tumor(found.cell_density), whole)
    assert VisibilityThresholds().tumor_core(found.cell_density).any()


def test_without_a_core_t1gd_may_bind_too():
    """Where that is wanted no density is above its threshold."""
    density, _, whole, domain = problem()
    found = correct_phase(
        density, np.zeros_like(whole), whole, domain, SPACING_MM, without_core="below", settings=SETTINGS
    )

    np.testing.assert_array_equal(VisibilityThresholds().whole_tumor(found.cell_density), whole)
    assert not VisibilityThresholds().tumor_core(found.cell_density).any()


def test_what_is_hidden_does_not_bind():
    """Outlines changed where nothing is compared give the same δ."""
    density, core, whole, domain = problem(2)
    where = np.ones(SHAPE, bool)
    where[:, :, 3:] = False
    first = correct_phase(density, core, whole, domain, SPACING_MM, where=where, settings=SETTINGS)
    second = correct_phase(density, core & where, whole & where, domain, SPACING_MM, where=where, settings=SETTINGS)

    np.testing.assert_array_equal(first.shift, second.shift)
    assert np.abs(first.shift[~where & domain]).max() > 0.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_problems_have_mirrored_solutions(axis):
    """The order of the sweeps is not that of the solution."""
    arrays = problem(1)
    found = correct_phase(*arrays, SPACING_MM, settings=SETTINGS)
    mirrored = correct_phase(*[np.flip(each, axis) for each in arrays], SPACING_MM, settings=SETTINGS)

    np.testing.assert_allclose(np.flip(mirrored.shift, axis), found.shift, atol=2e-3)


def test_a_tolerance_out_of_reach_is_an_error():
    """With what is left, and what to do."""
    tight = CorrectionSettings(smoothness_mm=500.0, tolerance=1e-7, max_sweeps=10)
    with pytest.raises(NumericalError, match=r"did not converge: the largest step left is .* after 10 sweeps"):
        correct_phase(*problem(), SPACING_MM, settings=tight)


@pytest.mark.parametrize("name", ["smoothness_mm", "tolerance", "max_sweeps"])
def test_settings_are_positive(name):
    """By name."""
    with pytest.raises(ParameterError, match=f"{name} must be > 0"):
        CorrectionSettings(**{name: 0})
