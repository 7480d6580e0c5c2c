"""Laws every solution obeys, whatever the parameters."""

import numpy as np
import pytest
from growth_phantoms import anatomy_of, center_of, mixed_anatomy, tumor_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorov, seed_density

ANATOMY = mixed_anatomy((16, 19, 17), 2.5)
RATES = {"d": st.floats(0.0, 1.5), "rho": st.floats(0.0, 0.2), "time": st.floats(1.0, 600.0)}


def grow(anatomy, time=120.0, model=None, **changes):
    """Density at one time."""
    model = model or FisherKolmogorov()
    return model.simulate(anatomy, tumor_parameters(anatomy, **changes), [time]).cell_density[0]


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("d", [0.02, 0.3, 1.5])
def test_without_growth_no_cell_is_made_or_lost(backend, d):
    """The sum over all voxels stays, to float32 rounding of some hundred stages."""
    density = grow(ANATOMY, d=d, rho=0.0, model=FisherKolmogorov(backend=backend))
    start = seed_density(ANATOMY, center_of(ANATOMY))

    assert density.sum(dtype=np.float64) == pytest.approx(start.sum(dtype=np.float64), rel=2e-6)
    assert density.max() < 0.9 * start.max()


@settings(max_examples=25, deadline=None)
@given(**RATES)
def test_density_stays_between_zero_and_one_and_inside_the_domain(d, rho, time):
    """0 ≤ c ≤ 1 inside, exactly 0 outside."""
    density = grow(ANATOMY, time, d=d, rho=rho)

    assert density.min() >= 0.0
    assert density.max() <= 1.0
    assert not density[~ANATOMY.domain].any()


@settings(max_examples=15, deadline=None)
@given(**RATES, factor=st.floats(1.01, 3.0))
def test_faster_growth_means_more_cells_in_every_voxel(d, rho, time, factor):
    """c is monotone in ρ, up to the error of the time steps, which differ."""
    slow, fast = grow(ANATOMY, time, d=d, rho=rho), grow(ANATOMY, time, d=d, rho=factor * rho)

    assert np.all(fast >= slow - 0.01)
    assert fast.sum() >= slow.sum() * (1 - 1e-3)


@settings(max_examples=15, deadline=None)
@given(
    d=st.floats(1e-3, 1.5), rho=st.floats(1e-4, 0.2), time=RATES["time"], speed=st.sampled_from([0.25, 0.5, 2.0, 8.0])
)
def test_only_diffusion_and_growth_over_the_whole_time_matter(d, rho, time, speed):
    """The same D T and ρ T give the same tumor, here to the last bit since the factors are powers of two."""
    density = grow(ANATOMY, time, d=d, rho=rho)
    faster = grow(ANATOMY, time / speed, d=d * speed, rho=rho * speed)

    np.testing.assert_array_equal(faster, density)


def moved(anatomy, order, flips):
    """The same brain and seed on a grid with permuted and flipped axes."""

    def move(array):
        return np.flip(np.transpose(array, order), flips)

    other = anatomy_of(move(anatomy.white_matter), move(anatomy.domain), anatomy.spacing_mm)
    seed_voxel = np.round(anatomy.grid.voxel_of(center_of(anatomy))).astype(int)[list(order)]
    for axis in flips:
        seed_voxel[axis] = other.grid.shape[axis] - 1 - seed_voxel[axis]
    return other, tuple(other.grid.world_of(seed_voxel)), move


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (0,)), ((0, 1, 2), (1, 2)), ((2, 0, 1), ()), ((1, 0, 2), (2,))]
)
@pytest.mark.parametrize("scheme", ["strang-rkl2", "published"])
def test_permuting_and_flipping_axes_commutes_with_growth(order, flips, scheme):
    """No axis or direction is special, up to the order of float32 sums."""
    other, seed, move = moved(ANATOMY, order, flips)
    model = FisherKolmogorov(scheme=scheme)

    density = grow(ANATOMY, model=model)
    density_moved = grow(other, model=model, seed_mm=seed)

    assert density.max() > 0.5
    np.testing.assert_allclose(density_moved, move(density), atol=2e-5)


def test_swapping_white_and_gray_matter_changes_the_tumor():
    """Cells move ten times faster in white matter, so the maps may not be mistaken for each other."""
    swapped = Anatomy(
        white_matter=ANATOMY.gray_matter,
        gray_matter=ANATOMY.white_matter,
        domain=ANATOMY.domain,
        grid=ANATOMY.grid,
        domain_rule="test",
    )

    assert np.abs(grow(ANATOMY) - grow(swapped)).max() > 0.2


def test_equal_diffusivity_in_both_tissues_makes_the_maps_irrelevant():
    """With a ratio of 1 only the domain counts."""
    white = anatomy_of(np.ones(ANATOMY.grid.shape), ANATOMY.domain, ANATOMY.spacing_mm)

    np.testing.assert_allclose(grow(ANATOMY, diffusivity_ratio=1.0), grow(white, diffusivity_ratio=1.0), atol=1e-5)
