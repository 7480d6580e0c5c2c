"""The claimed orders of mass effect: second in space for elasticity and transport, second in time for the coupling."""

import numpy as np
import pytest
from mass_effect_phantoms import box_solver, cell_centers, face_centers, phantom_maps, pushed

from gliofield.anatomy import growth_domain
from gliofield.growth import MassEffect
from gliofield.growth.mechanics.moving_tissue import num_transport_parts, transported
from gliofield.growth.mechanics.planes import PlaneRunner


def order_of(sizes, errors):
    """Slope of log error against log size."""
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def root_mean_square(values):
    """Euclidean norm over the number of values."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


class Waves:
    """A sum of products of sines over the unit cube; derivatives are exact.

    Terms are (amplitude, ((k, phase) of x, of y, of z)): amplitude · Π sin(k π x + phase).
    """

    def __init__(self, *terms, constant=0.0):
        self.terms, self.constant = terms, constant

    def at(self, points, *axes):
        """Value at points (x, y, z); derivative by each of `axes` in turn."""
        total = 0.0 if axes else self.constant
        for amplitude, factors in self.terms:
            product = amplitude
            for axis, (wave, phase) in enumerate(factors):
                times = axes.count(axis)
                # The n-th derivative of a sine is the sine a quarter of a wave further, n times.
                sine = np.sin(wave * np.pi * points[axis] + phase + times * np.pi / 2)
                product = product * (wave * np.pi) ** times * sine
            total = total + product
        return total


LAME = Waves((1.5, ((1, 0.3), (2, 1.0), (1, 0.7))), constant=3.0)
SHEAR = Waves((0.4, ((2, 0.2), (1, 0.5), (1, 1.1))), constant=1.0)
# 0 on the walls of the cube.
DISPLACEMENT = (
    Waves((1.0, ((1, 0), (1, 0), (1, 0))), (0.5, ((2, 0), (1, 0), (2, 0)))),
    Waves((-0.7, ((1, 0), (2, 0), (1, 0))), (0.3, ((1, 0), (1, 0), (1, 0)))),
    Waves((0.6, ((2, 0), (2, 0), (1, 0))), (0.4, ((1, 0), (1, 0), (2, 0)))),
)


def body_force(component, points):
    """−∇·(λ (∇·u) I + μ (∇u + ∇uᵀ)) of the displacement above, one component, by the product rule."""
    a, u = component, DISPLACEMENT
    lame, shear = LAME.at(points), SHEAR.at(points)
    divergence = sum(u[b].at(points, b) for b in range(3))
    gradient_of_divergence = sum(u[b].at(points, b, a) for b in range(3))
    force = LAME.at(points, a) * divergence + (lame + shear) * gradient_of_divergence
    for b in range(3):
        force = force + SHEAR.at(points, b) * (u[a].at(points, b) + u[b].at(points, a)) + shear * u[a].at(points, b, b)
    return -force


def manufactured_error(num_cells):
    """Root mean square error of the displacement on the live faces of a cube, solved far below it."""
    cells, faces = cell_centers(num_cells), face_centers(num_cells)
    solver = box_solver(num_cells, LAME.at(cells), SHEAR.at(cells))
    exact = np.stack([DISPLACEMENT[a].at(faces[a]) for a in range(3)])
    force = np.stack([body_force(a, faces[a]) for a in range(3)]) / num_cells**2
    u = np.zeros(force.shape, np.float32)
    tolerance = 1e-6 * solver.norm(force.astype(np.float32))
    solver.solve(force.astype(np.float32), u, absolute_tolerance=tolerance)
    return root_mean_square((u - exact)[solver.live])


def test_the_body_force_is_the_divergence_of_the_stress():
    """The hand-made force against central differences of the stress, so that the test below tests the solver."""
    points = np.array([[0.31], [0.62], [0.23]])
    step = 1e-4

    def stress(p, a, b):
        total = SHEAR.at(p) * (DISPLACEMENT[a].at(p, b) + DISPLACEMENT[b].at(p, a))
        return total + (LAME.at(p) * sum(DISPLACEMENT[c].at(p, c) for c in range(3)) if a == b else 0.0)

    for a in range(3):
        shifts = step * np.eye(3)[:, :, np.newaxis]
        differences = [stress(points + shifts[b], a, b) - stress(points - shifts[b], a, b) for b in range(3)]
        assert -sum(differences) / (2 * step) == pytest.approx(body_force(a, points), abs=1e-4)


def test_the_error_of_the_displacement_falls_with_the_square_of_the_spacing():
    """Slope 2 ± 0.1 over three grids, with stiffness that varies in space and the skull on the walls of a cube."""
    sizes = [12, 24, 48]
    errors = [manufactured_error(n) for n in sizes]

    order = order_of([1.0 / n for n in sizes], errors)

    assert abs(order - 2.0) < 0.1, f"order {order:.3f} from errors {errors}"
    assert errors[-1] < 1e-3 * 0.5


def solenoidal_velocity(points):
    """Velocity without divergence, along the walls of the unit cube, and its divergence."""
    x, y, z = points * np.pi
    speed = 0.12 * np.sin(z)
    return np.stack([speed * np.sin(x) * np.cos(y), -speed * np.cos(x) * np.sin(y), 0 * z]), 0 * x


def divergent_velocity(points):
    """Velocity with sources and sinks, along the walls of the unit cube, and its divergence."""
    x, y, z = points
    sines, cosines = np.sin(np.pi * points), np.cos(np.pi * points)
    factors = np.stack([np.cos(0.7 * y) * (1 + z), cosines[0], x - y])
    return 0.08 * sines * factors, 0.08 * np.pi * np.sum(cosines * factors, axis=0)


def blob(points):
    """A smooth ball of cells that leaves the walls empty."""
    return np.exp(-sum((points[axis] - center) ** 2 for axis, center in enumerate((0.5, 0.5, 0.5))) / (2 * 0.12**2))


def carried_along(points, velocity, num_steps=8):
    """The blob after one unit of time: its value where it came from times the compression on the way (Runge–Kutta)."""
    step, compression = -1.0 / num_steps, 0.0
    for _ in range(num_steps):
        v1, d1 = velocity(points)
        v2, d2 = velocity(points + step / 2 * v1)
        v3, d3 = velocity(points + step / 2 * v2)
        v4, d4 = velocity(points + step * v3)
        points = points + step / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        compression = compression + step / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return blob(points) * np.exp(compression)


def transport_error(num_cells, velocity):
    """Mean error of the transported blob in a cube."""
    brain = np.pad(np.ones((num_cells,) * 3, bool), 2)
    planes, spacing = PlaneRunner(brain), 1.0 / num_cells
    middle, low = (np.arange(num_cells + 4) - 1.5) * spacing, (np.arange(num_cells + 4) - 2.0) * spacing
    increment = np.zeros((3, *brain.shape), np.float32)
    for a in range(3):
        faces = np.stack(np.meshgrid(*[low if axis == a else middle for axis in range(3)], indexing="ij"))
        live = brain & np.roll(brain, 1, axis=a)
        increment[a] = np.where(live, velocity(faces)[0][a], 0.0)
    cells = np.stack(np.meshgrid(middle, middle, middle, indexing="ij"))
    initial = np.where(brain, blob(cells), 0.0).astype(np.float32)
    num_parts = num_transport_parts(increment, spacing, planes)
    moved = transported(initial[np.newaxis], increment, spacing, planes, num_parts=num_parts)[0]
    return float(np.mean(np.abs(moved - carried_along(cells, velocity))[brain]))


@pytest.mark.parametrize("velocity", [solenoidal_velocity, divergent_velocity])
def test_the_error_of_transport_falls_with_the_square_of_the_spacing(velocity):
    """Slope 2 ± 0.2 of the mean error over four grids; the limiter flattens the peak, which the mean hardly sees."""
    sizes = [21, 29, 41, 57]
    errors = [transport_error(n, velocity) for n in sizes]

    order = order_of([1.0 / n for n in sizes], errors)

    assert abs(order - 2.0) < 0.2, f"order {order:.3f} from errors {errors}"


def coupling_errors(rule, num_coupling_steps, num_reference_steps):
    """Root mean square errors of density, displacement and tissue against many coupling steps."""
    anatomy = growth_domain(phantom_maps(), rule=rule)

    def solution(steps):
        model = MassEffect(num_coupling_steps=steps, force_tolerance=2e-5, time_step_scale=0.1)
        return pushed(anatomy, model=model, d=0.6, rho=0.1, times_days=[90.0])

    reference = solution(num_reference_steps)
    assert reference.cell_density.max() < 0.99
    return {
        name: [root_mean_square(getattr(s, name) - getattr(reference, name)) for s in map(solution, num_coupling_steps)]
        for name in ("cell_density", "displacement_mm", "csf")
    }


def test_the_error_of_the_coupling_falls_with_the_square_of_the_step():
    """Slope 1.65 to 2.35 over two refinements, where all of the brain is tissue and no voxel reaches its capacity.

    A domain that follows the moved tissue switches voxels on and off, and a full voxel cuts off what is pressed into
    it; neither is smooth in time. Below an error of 1e-5 the limiter of the transport, which has kinks, takes over.
    """
    steps = [2, 4, 8]

    for name, errors in coupling_errors("brain", steps, 64).items():
        order = order_of([1.0 / n for n in steps], errors)
        assert abs(order - 2.0) < 0.35, f"{name}: order {order:.3f} from errors {errors}"


def test_with_a_domain_that_follows_the_tissue_the_error_falls_with_the_step():
    """Slope above 0.8: voxels that turn from CSF to tissue do so at the end of a step."""
    steps = [4, 8, 16]

    for name, errors in coupling_errors("csf-below-0.9", steps, 48).items():
        order = order_of([1.0 / n for n in steps], errors)
        assert order > 0.8, f"{name}: order {order:.3f} from errors {errors}"
