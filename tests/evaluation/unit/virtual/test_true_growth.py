import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, radius_in

from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.growth.seed import SEED_VARIANCE_MM2, seed_density
from gliofield.testing import phantom_anatomy
from gliofield_evaluation.virtual.true_growth import TrueGrowth

TUMOR = FisherKolmogorovParameters(
    white_matter_diffusivity_mm2_per_day=0.8, proliferation_rate_per_day=0.05, seed_mm=LESION_CENTER_MM
)


@pytest.fixture(scope="module")
def growth():
    """Without anything that varies."""
    return TrueGrowth(anatomy=phantom_anatomy(), parameters=TUMOR)


def grow(growth, days=120.0, start=None):
    begin = seed_density(growth.anatomy, LESION_CENTER_MM) if start is None else start
    return growth.grown(begin, days, initial_variance_mm2=SEED_VARIANCE_MM2)


def test_without_fields_it_is_the_model_of_the_package(growth):
    """The same scheme with the same steps: equal to rounding."""
    expected = FisherKolmogorov().simulate(growth.anatomy, TUMOR, 120.0).cell_density[0]

    assert expected.max() > 0.1
    assert np.abs(grow(growth) - expected).max() < 1e-4


def test_a_field_of_ones_changes_nothing(growth):
    """The factors are relative."""
    ones = np.ones(GRID.shape, np.float32)
    varied = TrueGrowth(anatomy=growth.anatomy, parameters=TUMOR, diffusivity_factor=ones, rate_factor=ones)

    assert np.array_equal(grow(varied), grow(growth))


@pytest.mark.parametrize("field", ["diffusivity_factor", "rate_factor"])
def test_where_a_factor_is_larger_there_are_more_cells(growth, field):
    """Twice as fast on the left than on the right of the seed, where nothing else differs as much."""
    factor = np.where(np.indices(GRID.shape)[0] > GRID.voxel_of(LESION_CENTER_MM)[0], 2.0, 0.5).astype(np.float32)
    more = grow(TrueGrowth(anatomy=growth.anatomy, parameters=TUMOR, **{field: factor}))
    less = grow(TrueGrowth(anatomy=growth.anatomy, parameters=TUMOR, **{field: 1 / factor}))
    fast = factor > 1

    assert more[fast].sum() > 1.2 * less[fast].sum()
    assert more[~fast].sum() < less[~fast].sum() / 1.2


def test_no_cell_enters_what_is_closed(growth):
    """Not in any state of the run, and cells that were there are dropped."""
    closed = radius_in(GRID, LESION_CENTER_MM, 12.0) < 1
    start = grow(growth)
    states = list(growth.without(closed).states(start, 60.0, initial_variance_mm2=16.0))

    assert start[closed].any()
    assert not any(density[closed].any() for _, density in states)
    assert states[-1][0] == pytest.approx(60.0)
    assert states[-1][1][~closed].sum() > start[~closed].sum()
