import numpy as np
import pytest

from gliofield.bayes import BoxPrior, BoxTransform, GrowthTimePrior, GrowthTimeTransform, ParameterRange, ScanTransform
from gliofield.errors import ParameterError

BOX = BoxTransform(low=[-2.0, 0.01, 5.0], high=[3.0, 10.0, 500.0], is_logarithmic=[False, True, True])
TIME = GrowthTimeTransform(box=BOX, rate_column=1, time_column=2)
GROWTH = [
    ParameterRange(name="white_matter_diffusivity_mm2_per_day", unit="mm²/day", low=0.01, high=1.0),
    ParameterRange(name="proliferation_rate_per_day", unit="1/day", low=0.01, high=0.1, scale="log-uniform"),
]
TIMES = ParameterRange(name="growth_time_days", unit="day", low=30.0, high=1000.0)
SQUARES = ParameterRange(name="proliferation_rate_times_squared_time_days", unit="day", low=100.0, high=5e3)
OTHER = ParameterRange(name="other", unit="1", low=-2.0, high=3.0)
# T first, so that no column is where it would be by chance.
SCAN_PRIORS = {
    "box": BoxPrior(ranges=[TIMES, GROWTH[0], OTHER, GROWTH[1]]),
    "growth time": GrowthTimePrior(box=BoxPrior(ranges=[SQUARES, GROWTH[0], OTHER, GROWTH[1]])),
}
SCANS = {name: prior.transform for name, prior in SCAN_PRIORS.items()}


def possible(name):
    """Coordinates of draws of a prior: rows at which something is left to T."""
    prior = SCAN_PRIORS[name]
    return prior.transform.to_coordinates(prior.sample(50, np.random.default_rng(1)))


ROWS = np.random.default_rng(0).normal(scale=2.0, size=(50, 3))


EACH = pytest.mark.parametrize(
    ("transform", "rows"),
    [(BOX, ROWS), (TIME, ROWS), *((SCANS[name], possible(name)) for name in SCANS)],
    ids=["box", "growth time", "scan", "scan, growth time"],
)


@EACH
def test_the_way_there_and_back_is_the_identity(transform, rows):
    """Coordinates → parameters → coordinates, to rounding."""
    np.testing.assert_allclose(transform.to_coordinates(transform.to_parameters(rows)), rows, rtol=1e-9, atol=1e-9)


@EACH
def test_the_log_jacobian_is_that_of_finite_differences(transform, rows):
    """log |det| of the matrix of central differences."""
    step = 1e-5
    for row, expected in zip(rows, transform.log_jacobian(rows), strict=True):
        shifts = step * np.eye(len(row))
        matrix = (transform.to_parameters(row + shifts) - transform.to_parameters(row - shifts)) / (2 * step)
        assert np.linalg.slogdet(matrix)[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", SCANS)
def test_along_the_growth_time_a_scan_stays_as_it_is(name):
    """D_w T, ρ T and the other parameters do not change; T goes through all that the ranges leave, and no farther."""
    prior = SCAN_PRIORS[name]
    coordinates = np.repeat(possible(name)[:1], 5, axis=0)
    coordinates[:, 0] = [-1e6, -3.0, 0.0, 3.0, 1e6]
    rows = SCANS[name].to_parameters(coordinates)
    time, diffusivity, other, rate = rows.T

    for kept in (diffusivity * time, rate * time, other):
        np.testing.assert_allclose(kept, kept[0])
    assert np.all(np.diff(time) > 0.0)
    assert np.isfinite(prior.log_density(rows[1:4])).all()
    beyond = rows[[0, 4]]
    for factor, row in zip((0.999, 1.001), beyond, strict=True):
        scaled = row * np.array([factor, 1.0 / factor, 1.0, 1.0 / factor])
        assert np.isneginf(prior.log_density(scaled[None])).all()


@pytest.mark.parametrize("name", SCANS)
def test_where_nothing_is_left_to_the_growth_time_there_is_no_mass(name):
    """The longest D_w T with the shortest ρ T: finite parameters, no density, and no warning."""
    prior, transform = SCAN_PRIORS[name], SCANS[name]
    far = np.array([[0.0, 12.0, 0.0, -12.0], [0.0, -12.0, 0.0, 12.0], [0.0, 1e6, 0.0, -1e6]])

    assert np.isfinite(transform.to_parameters(far)).all()
    assert np.isneginf(transform.log_jacobian(far)).all()
    assert np.isneginf(prior.log_density(transform.to_parameters(far))).all()


@pytest.mark.parametrize("name", SCANS)
def test_the_density_in_scan_coordinates_holds_all_of_the_prior(name):
    """Its mass in a box of coordinates is the share of draws of the prior that fall there."""
    prior, transform = SCAN_PRIORS[name], SCANS[name]
    rng = np.random.default_rng(2)
    drawn = transform.to_coordinates(prior.sample(40_000, rng))[:, [0, 1, 3]]
    low, high = np.quantile(drawn, 0.2, axis=0), np.quantile(drawn, 0.8, axis=0)
    share = ((drawn > low) & (drawn < high)).all(axis=1).mean()

    points = np.insert(rng.uniform(low, high, (40_000, 3)), 2, rng.logistic(size=40_000), axis=1)
    log_logistic = -np.logaddexp(0.0, points[:, 2]) - np.logaddexp(0.0, -points[:, 2])
    log_density = prior.log_density(transform.to_parameters(points)) + transform.log_jacobian(points)
    values = np.exp(log_density - log_logistic) * np.prod(high - low)

    error = np.hypot(values.std() / 200.0, np.sqrt(share / 40_000))
    assert share > 0.1
    assert values.mean() == pytest.approx(share, abs=4.0 * error)


def test_priors_of_tumors_are_sampled_along_what_a_scan_determines():
    """Those with D_w, ρ and T, or with ρ T² in the place of T; others by their boxes."""
    assert all(isinstance(transform, ScanTransform) for transform in SCANS.values())
    assert isinstance(BoxPrior(ranges=GROWTH).transform, BoxTransform)


def test_no_coordinate_leaves_the_box():
    """However far out, and by no rounding of the logarithm; the Jacobian stays finite."""
    far = np.array([[-1e6, -1e6, -1e6], [1e6, 1e6, 1e6], [40.0, 40.0, 40.0]])
    parameters = BOX.to_parameters(far)

    assert (parameters >= BOX.low).all()
    assert (parameters <= BOX.high).all()
    assert np.isfinite(BOX.log_jacobian(far)).all()


def test_edges_have_finite_coordinates():
    """A sample exactly on a bound is not lost."""
    assert np.isfinite(BOX.to_coordinates(np.array([BOX.low, BOX.high]))).all()


def test_a_parameter_outside_the_box_is_named():
    """Row, column, range and value."""
    with pytest.raises(ParameterError, match=r"parameter 1 of row 1 .* 0.01 to 10, got 11"):
        BOX.to_coordinates(np.array([[0.0, 1.0, 50.0], [0.0, 11.0, 50.0]]))


@pytest.mark.parametrize(
    ("low", "high", "is_logarithmic", "complaint"),
    [
        ([1.0], [1.0], [False], "low < high"),
        ([0.0], [np.inf], [False], "must be finite"),
        ([0.0], [1.0], [True], "bounds above 0"),
        ([0.0, 1.0], [1.0], [False], "one length"),
    ],
)
def test_boxes_without_extent_are_refused(low, high, is_logarithmic, complaint):
    """Finite, increasing, positive for a logarithm."""
    with pytest.raises(ParameterError, match=complaint):
        BoxTransform(low=low, high=high, is_logarithmic=is_logarithmic)
