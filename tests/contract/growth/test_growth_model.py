"""What every growth model owes its callers."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters
from mass_effect_phantoms import phantom_anatomy, pushing_tumor

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, GrowthModel, MassEffect

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)
BRAIN = phantom_anatomy((12, 14, 13), 10.0)
# Model, anatomy, parameters, and where its cells may be at the end.
MODELS = {
    "strang-rkl2, numba": (FisherKolmogorov(), ANATOMY, tumor_parameters(ANATOMY), ANATOMY.domain),
    "strang-rkl2, numpy": (FisherKolmogorov(backend="numpy"), ANATOMY, tumor_parameters(ANATOMY), ANATOMY.domain),
    "published, numba": (FisherKolmogorov(scheme="published"), ANATOMY, tumor_parameters(ANATOMY), ANATOMY.domain),
    "published, numpy": (
        FisherKolmogorov(scheme="published", backend="numpy"),
        ANATOMY,
        tumor_parameters(ANATOMY),
        ANATOMY.domain,
    ),
    # Its domain moves along with the tissue, within the skull.
    "mass effect": (
        MassEffect(num_coupling_steps=3),
        BRAIN,
        pushing_tumor(seed_mm=(-25.0, 15.0, 0.0)),
        BRAIN.tissue_maps.brain,
    ),
}
every_model = pytest.mark.parametrize(
    ("model", "anatomy", "parameters", "reachable"), MODELS.values(), ids=MODELS.keys()
)


@every_model
def test_it_fulfils_the_protocol_and_has_a_name(model, anatomy, parameters, reachable):
    """Databases record the name."""
    assert isinstance(model, GrowthModel)
    assert model.name


@every_model
def test_densities_are_float32_bounded_inside_the_domain_and_one_per_time(model, anatomy, parameters, reachable):
    """(num_times, X, Y, Z) on the grid of the anatomy."""
    solution = model.simulate(anatomy, parameters, [20.0, 60.0])

    assert solution.cell_density.shape == (2, *anatomy.grid.shape)
    assert solution.cell_density.dtype == np.float32
    assert solution.grid == anatomy.grid
    assert solution.cell_density.min() >= 0
    assert 0 < solution.cell_density.max() <= 1
    assert not solution.cell_density[:, ~reachable].any()


@every_model
def test_equal_input_gives_equal_bits_and_inputs_stay_untouched(model, anatomy, parameters, reachable):
    """Runs have no memory."""
    before = anatomy.content_hash
    first, second = (model.simulate(anatomy, parameters, [40.0]).cell_density for _ in range(2))

    np.testing.assert_array_equal(first, second)
    assert anatomy.content_hash == before


@every_model
def test_times_out_of_order_are_refused(model, anatomy, parameters, reachable):
    """Times are strictly increasing and > 0."""
    with pytest.raises(ParameterError, match="strictly increasing"):
        model.simulate(anatomy, parameters, [20.0, 10.0])
