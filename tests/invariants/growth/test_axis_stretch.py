"""Laws of the global diffusion tensor: it is conservative, positive, turns with the axes, and is nothing by default."""

import dataclasses

import numpy as np
import pytest
from growth_phantoms import anatomy_of, center_of, mixed_anatomy, tumor_parameters, uniform_anatomy

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import (
    FisherKolmogorov,
    MassEffect,
    MassEffectParameters,
    growth_parameters_of,
    seed_density,
    seed_values,
)
from gliofield.growth.diffusivity import make_face_coefficients
from gliofield.growth.seed import SEED_VARIANCE_MM2

ANATOMY = mixed_anatomy((24, 28, 26), 2.0)
STRETCH = (0.5, 2.0, 1.0)


def grow(anatomy, stretch, time=120.0, **changes):
    parameters = tumor_parameters(anatomy, axis_stretch=stretch, **changes)
    return FisherKolmogorov().simulate(anatomy, parameters, time).cell_density[0]


def test_no_cell_is_made_or_lost():
    """The sum stays without growth, whatever the stretch."""
    start = seed_density(ANATOMY, center_of(ANATOMY))

    assert grow(ANATOMY, STRETCH, rho=0.0).sum(dtype=np.float64) == pytest.approx(start.sum(dtype=np.float64), rel=2e-6)


def test_densities_stay_in_range_and_inside():
    """0 ≤ c ≤ 1 in the domain, 0 outside."""
    density = grow(ANATOMY, (4.0, 0.5, 0.5), time=400.0)

    assert density.min() >= 0.0
    assert density.max() <= 1.0
    assert not density[~ANATOMY.domain].any()


def test_variances_grow_by_twice_the_diffusivity_of_their_axis():
    """In a uniform block a seed spreads by 2 a D t along each axis, to the error of 1 mm voxels."""
    anatomy = uniform_anatomy((64, 64, 64), 1.0)
    parameters = tumor_parameters(anatomy, d=0.3, rho=0.0, axis_stretch=STRETCH, seed_mm=anatomy.grid.center_mm)
    density = FisherKolmogorov().simulate(anatomy, parameters, 60.0).cell_density[0].astype(np.float64)
    places = anatomy.grid.world_of(np.moveaxis(np.indices(anatomy.grid.shape), 0, -1)) - anatomy.grid.center_mm
    variances = [np.average(places[..., axis] ** 2, weights=density) for axis in range(3)]

    expected = [SEED_VARIANCE_MM2 + 2.0 * factor * 0.3 * 60.0 for factor in STRETCH]
    np.testing.assert_allclose(variances, expected, rtol=0.02)


def test_turning_brain_and_stretch_turns_the_tumor():
    """Axes may be named in any order: tissue and factors exchanged along, to rounding of sums."""
    turned = anatomy_of(np.swapaxes(ANATOMY.white_matter, 0, 1), np.swapaxes(ANATOMY.domain, 0, 1), ANATOMY.spacing_mm)
    x, y, z = center_of(ANATOMY)
    density = grow(ANATOMY, STRETCH)
    other = grow(turned, (STRETCH[1], STRETCH[0], STRETCH[2]), seed_mm=(y, x, z))

    np.testing.assert_allclose(np.swapaxes(other, 0, 1), density, atol=2e-5)
    assert np.abs(density - grow(ANATOMY, (1.0, 1.0, 1.0))).max() > 0.2


def test_isotropic_is_the_model_of_before_to_the_bit():
    """Factors of 1 change no face."""
    faces, plain = make_face_coefficients(ANATOMY, 10.0, (1.0, 1.0, 1.0)), make_face_coefficients(ANATOMY, 10.0)

    for axis in "xyz":
        np.testing.assert_array_equal(getattr(faces, axis), getattr(plain, axis))


def test_mass_effect_without_push_knows_the_stretch():
    """Then both models are one."""
    anatomy = dataclasses.replace(ANATOMY)
    values = {"white_matter_diffusivity_mm2_per_day": 0.3, "proliferation_rate_per_day": 0.05}
    values |= {**seed_values(center_of(anatomy)), "stretch_x": 0.5, "stretch_y": 2.0, "stretch_z": 1.0}
    parameters = growth_parameters_of({**values, "push_pa": 0.0})

    assert isinstance(parameters, MassEffectParameters)
    assert parameters.axis_stretch == STRETCH
    assert growth_parameters_of(values).axis_stretch == STRETCH
    assert MassEffect().name == "mass-effect"


@pytest.mark.parametrize(
    ("stretch", "message"),
    [
        ((1.0, 1.0), "axis_stretch must be three factors"),
        ((0.01, 10.0, 10.0), "axis_stretch must be three factors between 0.05 and 20"),
        ((float("nan"), 1.0, 1.0), "axis_stretch must be three factors"),
        ((2.0, 1.0, 1.0), "the product of axis_stretch must be 1, got 2"),
    ],
)
def test_other_stretches_are_refused(stretch, message):
    """A common factor is the diffusivity's."""
    with pytest.raises(ParameterError, match=message):
        tumor_parameters(ANATOMY, axis_stretch=stretch)


def test_the_axes_are_those_of_the_grid():
    """A grid that is turned in the world carries its tensor along: the same tumor, turned."""
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turned = dataclasses.replace(ANATOMY, grid=Grid(ANATOMY.grid.shape, turn @ ANATOMY.grid.world_from_voxel))
    seed_mm = ANATOMY.grid.center_mm
    there = turned.grid.world_of(ANATOMY.grid.voxel_of(seed_mm))

    np.testing.assert_allclose(
        grow(turned, STRETCH, seed_mm=tuple(there)), grow(ANATOMY, STRETCH, seed_mm=tuple(seed_mm)), atol=2e-5
    )
