import numpy as np
import pytest
from growth_phantoms import anatomy_of, center_of, mixed_anatomy, uniform_anatomy
from scipy.integrate import quad

from gliofield.errors import ParameterError
from gliofield.growth.seed import (
    DENSITY_FLOOR,
    SEED_RADIUS_MM,
    SEED_VARIANCE_MM2,
    seed_density,
    seed_profile,
)


def test_the_profile_falls_smoothly_from_its_center_to_zero_at_the_seed_radius():
    """ψ(0) = −0.32 gives 0.794 there; 0 from 4.72 mm on."""
    assert seed_profile(np.array([0.0]))[0] == pytest.approx(0.794, abs=5e-4)
    assert pytest.approx(4.723, abs=5e-4) == SEED_RADIUS_MM
    assert seed_profile(np.array([SEED_RADIUS_MM, 6.0])) == pytest.approx([0.0, 0.0], abs=1e-15)
    assert np.all(np.diff(seed_profile(np.linspace(0, SEED_RADIUS_MM, 50))) < 0)


def test_the_stored_variance_is_that_of_the_profile():
    """σ² = ∫ d⁴ c dd / (3 ∫ d² c dd)."""
    moments = [quad(lambda d, p=power: d**p * seed_profile(np.array([d]))[0], 0, SEED_RADIUS_MM)[0] for power in (4, 2)]

    assert pytest.approx(moments[0] / (3 * moments[1]), rel=1e-5) == SEED_VARIANCE_MM2


def test_the_seed_has_the_same_number_of_cells_on_every_grid():
    """Its size is fixed in mm: the volume integral does not depend on the spacing."""
    integrals = []
    for spacing in (0.6, 1.2):
        anatomy = uniform_anatomy((int(24 / spacing),) * 3, spacing)
        integrals.append(seed_density(anatomy, (11.3, 12.1, 11.8)).sum(dtype=np.float64) * spacing**3)

    assert integrals[0] == pytest.approx(integrals[1], rel=2e-3)


def test_no_cells_are_put_outside_the_domain():
    """A seed at the edge of the tissue is cut there."""
    domain = np.zeros((12, 12, 12), bool)
    domain[6:] = True
    density = seed_density(anatomy_of(np.ones(domain.shape), domain), (12.0, 12.0, 12.0))

    assert density.dtype == np.float32
    assert density[6, 6, 6] > 0.7
    assert not density[~domain].any()


def test_every_voxel_of_the_seed_is_found_wherever_it_lies():
    """The window around the seed holds all voxels closer than its radius, also at the edge of the grid."""
    anatomy = uniform_anatomy((7, 8, 9), 1.5)
    for seed in ((0.0, 0.0, 0.0), (9.4, 11.0, 12.6), (4.4, 5.0, 6.1)):
        voxels = np.stack(np.meshgrid(*[np.arange(n) for n in anatomy.grid.shape], indexing="ij"), axis=-1)
        distance = np.linalg.norm(anatomy.grid.world_of(voxels) - seed, axis=-1)
        np.testing.assert_allclose(seed_density(anatomy, seed), seed_profile(distance), atol=1e-7)


def test_a_seed_off_the_grid_is_refused():
    """World coordinates outside the field of view are an error, not an empty tumor."""
    with pytest.raises(ParameterError, match="lies off the grid"):
        seed_density(mixed_anatomy(), (500.0, 0.0, 0.0))


def test_a_seed_outside_the_tissue_is_refused_with_its_distance():
    """The message says how far the nearest tissue is."""
    domain = np.zeros((12, 12, 12), bool)
    domain[9:] = True
    anatomy = anatomy_of(np.ones(domain.shape), domain)

    with pytest.raises(ParameterError, match=r"outside the tissue: the nearest tissue voxel is 12\.0 mm away"):
        seed_density(anatomy, (6.0, 10.0, 10.0))


def test_the_seed_holds_no_density_below_the_floor():
    """What the first time step would clear is not put there."""
    anatomy = mixed_anatomy()
    density = seed_density(anatomy, center_of(anatomy))
    assert density[density > 0].min() >= DENSITY_FLOOR
