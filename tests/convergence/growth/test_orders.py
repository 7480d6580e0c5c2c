"""The claimed orders: second in space, second in time."""

import numpy as np
from growth_phantoms import evolve_from, mixed_anatomy, tumor_parameters, uniform_anatomy

from gliofield.growth import seed_density
from gliofield.growth.seed import SEED_VARIANCE_MM2


def order_of(sizes, errors):
    """Slope of log error against log size."""
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def heat_kernel_error(num_voxels):
    """Root mean square error of a spreading Gaussian in a 40 mm cube, with steps too small to matter."""
    spacing = 40.0 / num_voxels
    anatomy = uniform_anatomy((num_voxels,) * 3, spacing)
    along = (np.arange(num_voxels) + 0.5) * spacing - 20.0
    squared = along[:, None, None] ** 2 + along[None, :, None] ** 2 + along[None, None, :] ** 2
    d, time, variance = 0.3, 5.0, 9.0
    spread = variance + 2 * d * time
    initial = 0.8 * np.exp(-squared / (2 * variance))
    exact = 0.8 * (variance / spread) ** 1.5 * np.exp(-squared / (2 * spread))
    evolution = evolve_from(initial, anatomy, d=d, rho=0.0, times_days=[time], variance_mm2=variance, scale=0.05)
    return float(np.sqrt(np.mean((evolution.cell_density[0] - exact) ** 2)))


def test_the_error_in_space_falls_with_the_square_of_the_spacing():
    """Slope 2 ± 0.1 over four grids of a smooth uniform domain."""
    # Odd, so that a voxel center lies on the peak of each.
    sizes = [21, 29, 41, 57]
    errors = [heat_kernel_error(n) for n in sizes]

    order = order_of([40.0 / n for n in sizes], errors)

    assert abs(order - 2.0) < 0.1, f"order {order:.3f} from errors {errors}"


def test_the_error_in_time_falls_with_the_square_of_the_step():
    """Slope 2 ± 0.1 over three refinements in mixed tissue, growth and diffusion together.

    A fine grid keeps the number of stages large (the error constant of RKL2 depends on it below about four), and the
    coarsest step is twice the default, to stay above float32 rounding at the finest.
    """
    anatomy = mixed_anatomy((30, 32, 31), 1.0)
    initial = seed_density(anatomy, tumor_parameters(anatomy).seed_mm)

    def density(scale):
        return evolve_from(
            initial, anatomy, d=0.8, rho=0.1, times_days=[40.0], variance_mm2=SEED_VARIANCE_MM2, scale=scale
        ).cell_density[0]

    reference = density(1 / 32)
    scales = [2.0, 1.0, 1 / 2, 1 / 4]
    errors = [float(np.sqrt(np.mean((density(scale) - reference) ** 2))) for scale in scales]

    order = order_of(scales, errors)

    assert abs(order - 2.0) < 0.1, f"order {order:.3f} from errors {errors}"
