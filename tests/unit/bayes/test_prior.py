import numpy as np
import pytest

from gliofield.anatomy import TissueMaps, growth_domain
from gliofield.bayes import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.prior import PRODUCT_NAME, SEED_NAMES
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth.parameters import RATE_NAME

LINEAR = ParameterRange(name="seed_free", unit="1", low=1.0, high=3.0)
LOGARITHMIC = ParameterRange(name="rate", unit="1/day", low=0.1, high=10.0, scale="log-uniform")


def anatomy_of(white_matter, world_from_voxel=None):
    """An anatomy whose domain is where white matter is 1."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if world_from_voxel is None else world_from_voxel
    white = np.asarray(white_matter, dtype=np.float32)
    empty = np.zeros_like(white)
    maps = TissueMaps(
        white_matter=white,
        gray_matter=empty,
        csf=1 - white,
        brain=np.ones(white.shape, bool),
        grid=Grid(white.shape, affine),
    )
    return growth_domain(maps, rule="tissue-majority")


def seed_ranges(low, high):
    return [ParameterRange(name=n, unit="mm", low=a, high=b) for n, a, b in zip(SEED_NAMES, low, high, strict=True)]


CORNERS = np.zeros((3, 3, 3))
CORNERS[0, 0, 0] = CORNERS[2, 2, 2] = 1  # centered at (0, 0, 0) and (4, 4, 4) mm, 2 mm wide
# Holds the upper half of the first along x, and all of the second.
SEEDS = BoxPrior(ranges=seed_ranges((0, -9, -9), (9, 9, 9)), seed_anatomy=anatomy_of(CORNERS))


def test_the_density_of_a_box_is_the_product_of_its_ranges():
    """1/(b − a), and 1/(x log(b/a)); none outside."""
    prior = BoxPrior(ranges=[LINEAR, LOGARITHMIC])
    found = prior.log_density(np.array([[2.0, 0.5], [3.0, 10.0], [0.9, 0.5], [2.0, 11.0]]))

    assert found[0] == pytest.approx(np.log(1 / 2 / (0.5 * np.log(100))))
    assert found[1] == pytest.approx(np.log(1 / 2 / (10 * np.log(100))))
    assert found[2:].tolist() == [-np.inf, -np.inf]


def test_samples_follow_the_density(rng):
    """Uniform in the parameter, or in its logarithm: quartiles of 20,000 draws."""
    drawn = BoxPrior(ranges=[LINEAR, LOGARITHMIC]).sample(20_000, rng)

    np.testing.assert_allclose(np.quantile(drawn[:, 0], [0.25, 0.5, 0.75]), [1.5, 2.0, 2.5], atol=0.03)
    np.testing.assert_allclose(np.log10(np.quantile(drawn[:, 1], [0.25, 0.5, 0.75])), [-0.5, 0, 0.5], atol=0.03)


def test_seeds_lie_in_tissue_in_proportion_to_its_volume(rng):
    """Half a voxel and a whole one: a third and two thirds, each evenly."""
    seeds = SEEDS.sample(30_000, rng)
    is_first = seeds[:, 0] < 2

    assert np.isfinite(SEEDS.log_density(seeds)).all()
    assert is_first.mean() == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_allclose(seeds[is_first].mean(axis=0), [0.5, 0, 0], atol=0.03)
    np.testing.assert_allclose(seeds[~is_first].std(axis=0), 2 / np.sqrt(12), atol=0.01)


def test_the_density_of_a_seed_is_one_over_the_volume_of_its_tissue():
    """4 + 8 mm³; none outside the tissue, the box or the grid."""
    found = SEEDS.log_density(np.array([[0.5, 0, 0], [4, 4, 4], [2, 2, 2], [-0.5, 0, 0], [8.0, 8, 8]]))

    np.testing.assert_allclose(found[:2], -np.log(12))
    assert found[2:].tolist() == [-np.inf] * 3


def test_seeds_follow_a_flipped_grid(rng):
    """Array axes against world axes: the same tissue in the world."""
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = 4.0
    flipped = BoxPrior(ranges=SEEDS.ranges, seed_anatomy=anatomy_of(CORNERS[::-1], affine))

    seeds = SEEDS.sample(100, rng)
    np.testing.assert_allclose(flipped.log_density(seeds), SEEDS.log_density(seeds))


def test_a_rotated_grid_is_refused():
    """Voxels that are no boxes in the world have no simple volume in a box."""
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    with pytest.raises(ParameterError, match="rotated against the world"):
        BoxPrior(ranges=SEEDS.ranges, seed_anatomy=anatomy_of(CORNERS, turn))


def test_a_seed_box_without_tissue_has_no_mass():
    """Refused when it is made, not in the first sample."""
    with pytest.raises(ParameterError, match="seed prior has no mass: no tissue voxel lies in the box"):
        BoxPrior(ranges=seed_ranges((1.5, 1.5, 1.5), (2.5, 2.5, 2.5)), seed_anatomy=anatomy_of(CORNERS))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"low": 2.0, "high": 2.0}, "prior of x has no mass"),
        ({"low": 3.0}, "prior of x has no mass"),
        ({"high": np.inf}, "bounds must be finite"),
        ({"low": 0.0, "scale": "log-uniform"}, "must lie above 0"),
        ({"scale": "normal"}, "scale 'normal' is unknown"),
    ],
)
def test_a_range_without_mass_is_refused(change, complaint):
    """Empty, infinite, or logarithmic from 0."""
    with pytest.raises(ParameterError, match=complaint):
        ParameterRange(**({"name": "x", "unit": "1", "low": 1.0, "high": 2.0} | change))


def test_names_come_once_and_a_seed_is_whole():
    """Columns are found by name."""
    with pytest.raises(ParameterError, match="each name once"):
        BoxPrior(ranges=[LINEAR, LINEAR])
    with pytest.raises(ParameterError, match="needs uniform ranges for seed_x_mm"):
        BoxPrior(ranges=[LINEAR], seed_anatomy=anatomy_of(CORNERS))


def test_parameters_can_be_left_out():
    """The others keep their order; an unknown one is refused."""
    assert BoxPrior(ranges=[LINEAR, LOGARITHMIC]).without("seed_free").names == ("rate",)
    with pytest.raises(ParameterError, match="Did you mean 'rate'"):
        BoxPrior(ranges=[LINEAR, LOGARITHMIC]).without("rates")


GROWTH = GrowthTimePrior(
    box=BoxPrior(
        ranges=[
            ParameterRange(name=RATE_NAME, unit="1/day", low=0.01, high=0.1, scale="log-uniform"),
            ParameterRange(name=PRODUCT_NAME, unit="day", low=400.0, high=3600.0, scale="log-uniform"),
        ]
    )
)


def test_the_growth_time_is_bounded_by_its_product_with_the_rate(rng):
    """ρ T² of every draw lies in the box, and T within the bounds told."""
    rate, time = GROWTH.sample(5000, rng).T

    assert GROWTH.names == (RATE_NAME, "growth_time_days")
    assert GROWTH.units == ("1/day", "day")
    assert 400 <= (rate * time**2).min() <= (rate * time**2).max() <= 3600
    np.testing.assert_allclose(GROWTH.bounds[1], [np.sqrt(400 / 0.1), np.sqrt(3600 / 0.01)])


def test_the_density_of_rate_and_time_integrates_to_one():
    """Midpoint rule over the plane of ρ and T."""
    rates, times = np.linspace(0.01, 0.1, 801), np.linspace(60, 601, 2001)
    rates, times = 0.5 * (rates[1:] + rates[:-1]), 0.5 * (times[1:] + times[:-1])
    rows = np.stack(np.meshgrid(rates, times, indexing="ij"), axis=-1).reshape(-1, 2)

    total = np.exp(GROWTH.log_density(rows)).sum() * (rates[1] - rates[0]) * (times[1] - times[0])

    assert total == pytest.approx(1.0, abs=0.005)


def test_a_growth_time_needs_rate_and_product():
    """Both columns, both positive."""
    with pytest.raises(ParameterError, match=f"needs {PRODUCT_NAME}"):
        GrowthTimePrior(box=BoxPrior(ranges=[GROWTH.box.ranges[0]]))
    zero = ParameterRange(name=RATE_NAME, unit="1/day", low=0.0, high=0.1)
    with pytest.raises(ParameterError, match="must be positive"):
        GrowthTimePrior(box=BoxPrior(ranges=[zero, GROWTH.box.ranges[1]]))
