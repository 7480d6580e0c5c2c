"""The elasticity operator and its solutions against closed forms."""

import numpy as np
import pytest
from mass_effect_phantoms import box_solver

from gliofield.growth.mechanics.multigrid import ElasticitySolver

SIZE = 12
# Faces whose whole stencil lies inside the box.
INTERIOR = (slice(None), *[slice(3, -3)] * 3)
LAME, SHEAR = 3000.0, 750.0


def positions(num_cells=SIZE):
    """Coordinates of the faces of each component in cells, (component, axis, X', Y', Z'); halves, exact in float32."""
    cells = np.indices((num_cells + 2,) * 3) - (num_cells + 1) / 2
    return np.stack([cells - 0.5 * np.eye(3)[component].reshape(3, 1, 1, 1) for component in range(3)])


def linear_displacement(gradient):
    """u = gradient · x on the faces."""
    x = positions()
    return np.stack([np.tensordot(gradient[a], x[a], axes=1) for a in range(3)]).astype(np.float32)


def force_of(solver, u):
    """A u."""
    return -solver.residual(u, np.zeros_like(u))


@pytest.fixture
def uneven_solver(rng):
    """A box whose stiffness differs from cell to cell by up to a factor of ten."""
    stiffness = rng.uniform(300.0, 3000.0, (2, SIZE, SIZE, SIZE))
    return box_solver(SIZE, *stiffness)


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 3)])
def test_a_rigid_translation_gives_no_force(uneven_solver, direction):
    """Exactly none, whatever the stiffness."""
    u = np.broadcast_to(np.array(direction, np.float32).reshape(3, 1, 1, 1), uneven_solver.live.shape).copy()

    assert not force_of(uneven_solver, u)[INTERIOR].any()


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, -1, 1)])
def test_a_linear_rotation_gives_no_force(uneven_solver, axis):
    """u = ω × x strains nothing; with whole ω all differences are exact, and so is the 0."""
    x, y, z = axis
    u = linear_displacement(np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], float))

    assert not force_of(uneven_solver, u)[INTERIOR].any()


@pytest.mark.parametrize(
    "strain",
    [np.diag([1, 0, 0]), np.diag([1, 1, 1]), np.diag([2, -1, -1]), [[0, 1, 0], [1, 0, 2], [0, 2, 0]]],
    ids=["stretch", "expansion", "stretch at constant volume", "shear"],
)
def test_uniform_strain_of_uniform_tissue_is_in_equilibrium(strain):
    """Its stress is the same everywhere, so no force is left."""
    solver = box_solver(SIZE, LAME, SHEAR)

    assert not force_of(solver, linear_displacement(np.array(strain, float)))[INTERIOR].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_expansion_of_layered_tissue_leaves_the_jump_of_its_stress(axis):
    """u = x: S = 3 λ + 2 μ in each layer, and −∇·S is the step of that on the faces between them, 0 on all others."""
    stiff = np.moveaxis(np.broadcast_to((np.arange(SIZE) >= SIZE // 2).reshape(-1, 1, 1), (SIZE,) * 3), 0, axis)
    solver = box_solver(SIZE, np.where(stiff, 2 * LAME, LAME), np.where(stiff, 3 * SHEAR, SHEAR))

    force = force_of(solver, linear_displacement(np.eye(3)))

    expected = np.zeros_like(force)
    np.moveaxis(expected[axis], axis, 0)[SIZE // 2 + 1] = -(3 * LAME + 4 * SHEAR)
    np.testing.assert_array_equal(force[INTERIOR], expected[INTERIOR])


def test_shear_of_layered_tissue_has_the_harmonic_mean_on_the_edges_between_them():
    """u_x = y across layers in y: stress μ in each, 2 μ₁ μ₂ / (μ₁ + μ₂) between."""
    stiff = np.broadcast_to((np.arange(SIZE) >= SIZE // 2).reshape(1, -1, 1), (SIZE,) * 3)
    solver = box_solver(SIZE, LAME, np.where(stiff, 3 * SHEAR, SHEAR))

    force = force_of(solver, linear_displacement(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]], float)))

    middle = 2 * SHEAR * 3 * SHEAR / (4 * SHEAR)
    along_y = force[0, 6, 3:-3, 6]
    first = SIZE // 2 - 3
    assert along_y[first : first + 2] == pytest.approx([SHEAR - middle, middle - 3 * SHEAR], rel=1e-6)
    assert np.count_nonzero(along_y) == 2


def pushed_ball(num_cells, spread=0.25):
    """Displacement, density and radius [brain radii] of a ball of tissue, pushed from its middle by a Gaussian.

    Lengths are in radii of the ball, the push is λ + 2 μ.
    """
    radius = 0.46 * num_cells
    cells = np.indices((num_cells + 2,) * 3) - (num_cells + 1) / 2
    distance = np.sqrt((cells**2).sum(axis=0)) / radius
    brain = distance < 1.0
    solver = ElasticitySolver(brain, num_levels=3)
    lame, shear = (np.where(brain, np.float32(value), np.float32(0.0)) for value in (LAME, SHEAR))
    solver.set_stiffness(lame, shear)
    density = np.exp(-(distance**2) / (2 * spread**2))
    push = (LAME + 2 * SHEAR) / radius
    force = np.stack([push * (np.roll(density, 1, axis) - density) for axis in range(3)]).astype(np.float32)
    u = np.zeros_like(force)
    solver.solve(force, u, absolute_tolerance=1e-5 * solver.norm(force))
    return u, density, distance, brain, radius


def test_a_push_from_the_middle_of_a_ball_expands_tissue_where_the_cells_are():
    """∇·u = γ (c − mean of c) / (λ + 2 μ): a push without curl, and no motion at the skull.

    Up to the skull's steps of a cell: within 2 % of the largest expansion at two thirds of the radius and less.
    """
    u, density, distance, brain, radius = pushed_ball(40)

    expansion = radius * sum(np.roll(u[axis], -1, axis) - u[axis] for axis in range(3))

    inside = distance < 0.67
    expected = density - density[brain].mean()
    assert np.abs(expansion - expected)[inside].max() < 0.02 * expected.max()


def test_a_push_from_the_middle_of_a_ball_moves_tissue_outward_by_the_closed_form():
    """u_r = γ / (λ + 2 μ) · (1/r²) ∫₀^r (c − mean of c) s² ds on faces along the axes.

    Within 2 % of its maximum at two thirds of the radius and less.
    """
    u, _, _, _, radius = pushed_ball(40)
    r = (np.arange(9, 34) - 21.0) / radius
    outer = np.linspace(0.0, 1.0, 2001)
    cells = np.exp(-(outer**2) / (2 * 0.25**2)) * outer**2
    within = np.concatenate([[0.0], np.cumsum((cells[1:] + cells[:-1]) / 2) * (outer[1] - outer[0])])
    mean = 3 * within[-1]
    exact = (np.interp(np.abs(r), outer, within) - mean * np.abs(r) ** 3 / 3) / np.where(r == 0, 1, r**2) * np.sign(r)

    # Four rows of faces lie around each axis; their distance from it hardly changes u along it.
    rows = [np.moveaxis(u[axis], axis, 0)[9:34, 20:22, 20:22].mean(axis=(1, 2)) for axis in range(3)]

    for row in rows:
        assert np.abs(row - exact).max() < 0.02 * exact.max()
    assert exact.max() > 0.02


def test_a_symmetric_push_on_a_symmetric_brain_gives_a_symmetric_displacement():
    """u_x(−x) = −u_x(x), u_y(−x) = u_y(x) on mirrored faces, and the same for every axis, to float32 rounding."""
    u, *_ = pushed_ball(24)

    for axis in range(3):
        for component in range(3):
            values = np.moveaxis(u[component], axis, 0)
            # Cells i and n + 1 − i are mirror images, faces i and n + 2 − i.
            own, mirrored = (values[1:], -values[:0:-1]) if component == axis else (values, values[::-1])
            np.testing.assert_allclose(mirrored, own, atol=2e-5 * np.abs(u).max())


def test_tissue_exchanged_along_an_axis_exchanges_the_displacement(rng):
    """Axes are alike: permuting box, stiffness and force permutes components and axes of u."""
    stiffness = rng.uniform(300.0, 3000.0, (2, SIZE, SIZE, SIZE))
    force = rng.normal(size=(3, *[SIZE + 2] * 3)).astype(np.float32)
    order = (2, 0, 1)
    solutions = []
    for permute in (False, True):
        fields = [np.transpose(s, order) if permute else s for s in stiffness]
        solver = box_solver(SIZE, *fields)
        pushes = np.stack([np.transpose(force[a], order) for a in order]) if permute else force
        u = np.zeros_like(force)
        solver.solve(np.ascontiguousarray(pushes), u, absolute_tolerance=1e-5 * solver.norm(force))
        solutions.append(u)

    moved = np.stack([np.transpose(solutions[0][a], order) for a in order])
    np.testing.assert_allclose(solutions[1], moved, atol=2e-5 * np.abs(moved).max())
