"""What every growth model owes its callers."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliomap.errors import ParameterError
from gliomap.growth import FisherKolmogorov, GrowthModel

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)
MODELS = {
    "strang-rkl2, numba": (FisherKolmogorov(), tumor_parameters(ANATOMY)),
    "strang-rkl2, numpy": (FisherKolmogorov(backend="numpy"), tumor_parameters(ANATOMY)),
    "published, numba": (FisherKolmogorov(scheme="published"), tumor_parameters(ANATOMY)),
    "published, numpy": (FisherKolmogorov(scheme="published", backend="numpy"), tumor_parameters(ANATOMY)),
}
every_model = pytest.mark.parametrize(("model", "parameters"), MODELS.values(), ids=MODELS.keys())


@every_model
def test_it_fulfils_the_protocol_and_has_a_name(model, parameters):
    """Databases record the name."""
    assert isinstance(model, GrowthModel)
    assert model.name


@every_model
def test_densities_are_float32_bounded_inside_the_domain_and_one_per_time(model, parameters):
    """(num_times, X, Y, Z) on the grid of the anatomy."""
    solution = model.simulate(ANATOMY, parameters, [20.0, 60.0])

    assert solution.cell_density.shape == (2, *ANATOMY.grid.shape)
    assert solution.cell_density.dtype == np.float32
    assert solution.grid == ANATOMY.grid
    assert solution.cell_density.min() >= 0
    assert 0 < solution.cell_density.max() <= 1
    assert not solution.cell_density[:, ~ANATOMY.domain].any()


@every_model
def test_equal_input_gives_equal_bits_and_inputs_stay_untouched(model, parameters):
    """Runs have no memory."""
    before = ANATOMY.content_hash
    first, second = (model.simulate(ANATOMY, parameters, [40.0]).cell_density for _ in range(2))

    np.testing.assert_array_equal(first, second)
    assert ANATOMY.content_hash == before


@every_model
def test_times_out_of_order_are_refused(model, parameters):
    """Times are strictly increasing and > 0."""
    with pytest.raises(ParameterError, match="strictly increasing"):
        model.simulate(ANATOMY, parameters, [20.0, 10.0])
