"""Agreement of the growth model with solutions known in closed form."""

import math

import numpy as np
import pytest
from growth_phantoms import evolve_from, mixed_anatomy, tumor_parameters, uniform_anatomy

from gliofield.growth import FisherKolmogorov, seed_density

BACKENDS = ("numba", "numpy")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rho_t", [0.5, 10.0, 500.0])
def test_without_diffusion_cells_follow_the_logistic_curve(backend, rho_t):
    """c(t) = c₀ / (c₀ + (1 − c₀) e^{−ρ t}) in every voxel, to float32 rounding, also where e^{−ρ t} underflows."""
    anatomy = mixed_anatomy()
    parameters = tumor_parameters(anatomy, d=0.0, rho=0.1)

    solution = FisherKolmogorov(backend=backend).simulate(anatomy, parameters, [rho_t / 0.2, rho_t / 0.1])

    start = seed_density(anatomy, parameters.seed_mm).astype(np.float64)
    for density, time in zip(solution.cell_density, solution.times_days, strict=True):
        decay = max(math.exp(-0.1 * time), 1e-37)
        exact = np.where(start > 0, start / (start + (1 - start) * decay), 0.0)
        np.testing.assert_allclose(density, exact, rtol=2e-6)


def gaussian(anatomy, variance_mm2, amplitude):
    """Isotropic Gaussian around the center of the grid."""
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in anatomy.grid.shape], indexing="ij"), axis=-1)
    squared = np.sum((anatomy.grid.world_of(voxels) - anatomy.grid.center_mm) ** 2, axis=-1)
    return amplitude * np.exp(-squared / (2 * variance_mm2))


def test_a_gaussian_spreads_as_the_heat_kernel_says():
    """Variance grows by 2 D t, the peak falls with (σ₀²/σ²)^{3/2}; within 2 % of the peak.

    The leading term of the spatial error, 3 h² D t / (4 σ⁴) of the peak, is 1.3 % here.
    """
    anatomy = uniform_anatomy((48, 48, 48), 1.0)
    d, time, variance = 0.4, 10.0, 11.0
    evolution = evolve_from(
        gaussian(anatomy, variance, 0.8), anatomy, d=d, rho=0.0, times_days=[time], variance_mm2=variance
    )

    spread = variance + 2 * d * time
    exact = gaussian(anatomy, spread, 0.8 * (variance / spread) ** 1.5)
    assert np.abs(evolution.cell_density[0] - exact).max() < 0.02 * exact.max()


def bar(num_voxels, spacing_mm):
    """A one-dimensional bar of white matter."""
    return uniform_anatomy((num_voxels, 1, 1), spacing_mm)


def front_position(density, spacing_mm, level=0.5):
    """Where a falling profile crosses a level, by linear interpolation [mm]."""
    profile = density[:, 0, 0].astype(np.float64)
    last = int(np.flatnonzero(profile >= level)[-1])
    return (last + (profile[last] - level) / (profile[last] - profile[last + 1])) * spacing_mm


def test_the_front_advances_at_fishers_speed():
    """From a step, the front is at 2 √(Dρ) t − 1.5 √(D/ρ) ln t (Bramson): between two times within 1 %."""
    d, rho, spacing = 0.4, 0.1, 0.5
    anatomy = bar(700, spacing)
    initial = np.zeros(anatomy.grid.shape)
    initial[:20] = 1.0

    evolution = evolve_from(initial, anatomy, d=d, rho=rho, times_days=[400.0, 700.0], variance_mm2=spacing**2)

    first, last = (front_position(c, spacing) for c in evolution.cell_density)
    speed = (last - first) / 300.0
    fisher = 2 * math.sqrt(d * rho)
    bramson = fisher - 1.5 * math.sqrt(d / rho) * math.log(700 / 400) / 300
    assert speed == pytest.approx(bramson, rel=0.01)
    assert 0.97 * fisher < speed < fisher


def test_the_wave_of_ablowitz_and_zeppetella_keeps_its_shape_and_speed():
    """c = (1 + e^{(x − v t)/√(6 D/ρ)})⁻² with v = 5 √(Dρ/6) is exact; after 12 growth times within 0.01."""
    d, rho, spacing, time = 0.4, 0.1, 0.5, 120.0
    anatomy = bar(400, spacing)
    x = np.arange(400) * spacing - 60.0
    speed = 5 * math.sqrt(d * rho / 6)

    def wave(t):
        return (1 + np.exp(np.clip((x - speed * t) / math.sqrt(6 * d / rho), -60, 60))) ** -2

    evolution = evolve_from(wave(0.0)[:, None, None], anatomy, d=d, rho=rho, times_days=[time], variance_mm2=100.0)

    density = evolution.cell_density[0]
    assert np.abs(density[:, 0, 0] - wave(time)).max() < 0.01
    travelled = front_position(density, spacing, 0.25) - 60.0
    assert travelled == pytest.approx(speed * time, rel=0.005)
