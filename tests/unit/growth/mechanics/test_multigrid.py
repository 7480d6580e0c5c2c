"""The elasticity solver as its callers see it: dead faces, guesses, tolerances, reports, changes of stiffness."""

import numpy as np
import pytest
from mass_effect_phantoms import box_solver, padded_cells, phantom_maps

from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield.growth.mechanics.multigrid import ElasticitySolver

SIZE = 12


@pytest.fixture
def solver():
    """A box of white matter."""
    return box_solver(SIZE, 3000.0, 750.0)


def some_force(solver, rng):
    """Random forces on every face, dead ones too."""
    return rng.normal(size=solver.live.shape).astype(np.float32)


def test_faces_between_two_brain_cells_are_live_and_no_others(rng):
    """A displacement is 0 on the skull, which is where a brain cell meets one that is none."""
    brain = rng.random((10, 11, 12)) < 0.7
    brain[[0, -1]] = brain[:, [0, -1]] = brain[:, :, [0, -1]] = False
    solver = ElasticitySolver(brain, num_levels=1)
    solver.set_stiffness(brain.astype(np.float32), brain.astype(np.float32))

    for axis in range(3):
        np.testing.assert_array_equal(solver.live[axis], brain & np.roll(brain, 1, axis=axis))


def test_a_solution_leaves_no_more_of_the_force_than_asked(solver, rng):
    """|f − A u| ≤ tolerance, by the solver's own residual, and the report agrees."""
    force = some_force(solver, rng)
    u = np.zeros_like(force)
    tolerance = 1e-4 * solver.norm(force)

    report = solver.solve(force, u, absolute_tolerance=tolerance)

    left = solver.norm(solver.residual(u, force))
    assert report.residual_norm <= tolerance
    assert left == pytest.approx(report.residual_norm, rel=0.05)
    assert 1 <= report.num_iterations <= 20


def test_dead_faces_stay_at_rest(solver, rng):
    """Forces on them are not read."""
    force = some_force(solver, rng)
    u = np.zeros_like(force)

    solver.solve(force, u, absolute_tolerance=1e-3)

    assert not u[~solver.live].any()
    assert np.all(u[solver.live] != 0.0)


def test_a_good_guess_needs_no_iteration(solver, rng):
    """Within the tolerance already, it is left as it is."""
    force = some_force(solver, rng)
    u = np.zeros_like(force)
    tolerance = 1e-3 * solver.norm(force)
    solver.solve(force, u, absolute_tolerance=tolerance / 2)
    before = u.copy()

    assert solver.solve(force, u, absolute_tolerance=tolerance).num_iterations == 0
    np.testing.assert_array_equal(u, before)


def test_without_force_nothing_moves(solver):
    """u = 0, with no iteration and no division by zero."""
    u = np.zeros(solver.live.shape, np.float32)

    assert solver.solve(np.zeros_like(u), u, absolute_tolerance=0.0).num_iterations == 0
    assert not u.any()


def test_iterations_end_at_the_limit_and_the_report_tells(solver, rng):
    """A tolerance out of reach of float32 is no endless loop."""
    force = some_force(solver, rng)
    u = np.zeros_like(force)

    report = solver.solve(force, u, absolute_tolerance=0.0, max_iterations=3)

    assert report.num_iterations == 3
    assert report.residual_norm > 0.0


def test_a_solve_has_no_memory_of_the_one_before(solver, rng):
    """Equal problems, equal bits, whatever was solved in between."""
    force = some_force(solver, rng)
    solutions = []
    for _ in range(2):
        solver.set_stiffness(padded_cells(3000.0, SIZE), padded_cells(750.0, SIZE))
        solutions.append(np.zeros_like(force))
        solver.solve(force, solutions[-1], absolute_tolerance=1e-3)
        solver.set_stiffness(padded_cells(10.0, SIZE), padded_cells(40.0, SIZE))
        solver.solve(force, np.zeros_like(force), absolute_tolerance=1e-3)

    np.testing.assert_array_equal(*solutions)


def test_twice_the_stiffness_gives_half_the_displacement(rng):
    """To the bit: a factor of two is exact, also in the number of iterations."""
    soft, stiff = box_solver(SIZE, 3000.0, 750.0), box_solver(SIZE, 6000.0, 1500.0)
    force = some_force(soft, rng)
    u, half = np.zeros_like(force), np.zeros_like(force)

    soft.solve(force, u, absolute_tolerance=1e-2)
    stiff.solve(force, half, absolute_tolerance=1e-2)

    np.testing.assert_array_equal(2 * half, u)


def test_stiffness_outside_the_brain_is_not_read(rng):
    """Whatever stands there, NaN too."""
    maps = phantom_maps((12, 14, 13), 10.0)
    box = BrainBox.around(maps.brain)
    brain = box.padded(maps.brain)
    solutions = []
    for beyond in (0.0, np.nan):
        solver = ElasticitySolver(brain, num_levels=box.num_levels)
        stiffness = np.where(brain, np.float32(1000.0), np.float32(beyond))
        solver.set_stiffness(stiffness, stiffness)
        force = np.where(solver.live, np.float32(1.0), np.float32(0.0))
        solutions.append(np.zeros_like(force))
        solver.solve(force, solutions[-1], absolute_tolerance=1e-2)

    np.testing.assert_array_equal(*solutions)


def test_norms_are_euclidean_over_faces(solver):
    """Of live ones: what stands elsewhere does not count."""
    ones = np.ones(solver.live.shape, np.float32)

    assert solver.norm(ones) == pytest.approx(np.sqrt(3 * SIZE**2 * (SIZE - 1)))
