import numpy as np
import pytest
from growth_phantoms import uniform_anatomy

from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.reaction_diffusion import BACKENDS, make_stepper
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield.growth.super_time_stepping import super_time_step

ANATOMY = uniform_anatomy((6, 7, 8))
FACES = face_coefficients(ANATOMY, 10.0)


def stepper_with(backend, densities, **settings):
    """State whose first voxels hold the densities, the rest nothing."""
    initial = np.zeros(ANATOMY.grid.shape, np.float32)
    initial[1:3, 2, 3] = densities
    return make_stepper(backend, FACES, initial, **settings)


def densities_of(stepper):
    """The same two voxels again."""
    return stepper.cell_density()[2:4, 3, 4]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("floor", [DENSITY_FLOOR, 1e-20, 1e-4])
def test_growth_clears_densities_below_the_floor_and_keeps_those_above(backend, floor):
    """Half the floor becomes exactly 0, twice the floor stays to the last bit."""
    below, above = np.float32(floor / 2), np.float32(floor * 2)
    stepper = stepper_with(backend, [below, above], density_floor=floor)

    stepper.react(1.0)

    np.testing.assert_array_equal(densities_of(stepper), [0.0, above])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_floor_is_that_of_the_seed_unless_given(backend):
    """Seed and steppers agree on which density counts as no cells."""
    kept = np.float32(DENSITY_FLOOR * 1.01)
    stepper = stepper_with(backend, [np.float32(DENSITY_FLOOR * 0.99), kept])

    stepper.react(1.0)

    np.testing.assert_array_equal(densities_of(stepper), [0.0, kept])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_floor_holds_after_diffusion_too(backend):
    """A cell spreads to far neighbors with a low floor and only to near ones with a high floor."""
    counts = []
    for floor in (1e-20, 1e-2):
        stepper = stepper_with(backend, [0.5, 0.0], density_floor=floor)
        stepper.diffuse_then_react(super_time_step(4), 0.3, 1.0)
        density = stepper.cell_density()
        assert density[density > 0].min() >= floor
        counts.append(np.count_nonzero(density))

    assert counts[0] > counts[1] > 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_voxels_above_a_threshold_are_counted_strictly(backend):
    """Of 0.25 and 0.5, both exact in float32, one exceeds 0.25, two 0.2, none 0.5."""
    stepper = stepper_with(backend, [0.25, 0.5])

    assert [stepper.count_above(threshold) for threshold in (0.2, 0.25, 0.5)] == [2, 1, 0]
    assert stepper.num_active_voxels >= 2
