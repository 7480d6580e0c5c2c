import numpy as np
import pytest

from gliofield.bayes import BoxPrior, BoxTransform, GrowthTimePrior, GrowthTimeTransform, ParameterRange, ScanTransform
from gliofield.errors import ParameterError

BOX = BoxTransform(low=[-2.0, 0.01, 5.0], high=[3.0, 10.0, 500.0], is_logarithmic=[False, True, True])
TIME = GrowthTimeTransform(box=BOX, rate_column=1, time_column=2)
SCAN = ScanTransform(
    others=BoxTransform(low=[-2.0], high=[3.0], is_logarithmic=[False]),
    diffusivity_column=1,
    rate_column=3,
    time_column=0,
    time_range=(30.0, 1000.0),
)
ROWS = np.random.default_rng(0).normal(scale=2.0, size=(50, 3))


EACH = pytest.mark.parametrize(
    ("transform", "rows"),
    [(BOX, ROWS), (TIME, ROWS), (SCAN, np.random.default_rng(1).normal(scale=2.0, size=(50, 4)))],
    ids=["box", "growth time", "scan"],
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


def test_along_the_growth_time_a_scan_stays_as_it_is():
    """The products with T and the other parameters do not change; T stays within its range, however far out."""
    coordinates = np.tile(np.array([[0.0, 1.0, 0.5, -2.0]]), (5, 1))
    coordinates[:, 0] = [-1e6, -3.0, 0.0, 3.0, 1e6]
    time, diffusivity, other, rate = SCAN.to_parameters(coordinates).T

    np.testing.assert_allclose(diffusivity * time, np.exp(1.0))
    np.testing.assert_allclose(rate * time, np.exp(-2.0))
    assert np.ptp(other) == 0.0
    assert time.min() == pytest.approx(30.0)
    assert time.max() == pytest.approx(1000.0)


def test_products_far_beyond_any_range_stay_finite():
    """The prior has no mass there; neither parameters nor Jacobian overflow."""
    far = np.array([[0.0, 1e6, 0.0, -1e6], [0.0, -1e6, 0.0, 1e6]])

    assert np.isfinite(SCAN.to_parameters(far)).all()
    assert np.isfinite(SCAN.log_jacobian(far)).all()


def test_priors_of_tumors_are_sampled_along_what_a_scan_determines():
    """Those with D_w, ρ and T, or with ρ T² in the place of T; others by their boxes."""
    growth = [
        ParameterRange(name="white_matter_diffusivity_mm2_per_day", unit="mm²/day", low=0.01, high=1.0),
        ParameterRange(name="proliferation_rate_per_day", unit="1/day", low=0.01, high=0.1),
    ]
    time = ParameterRange(name="growth_time_days", unit="day", low=30.0, high=1000.0)
    product = ParameterRange(name="proliferation_rate_times_squared_time_days", unit="day", low=10.0, high=1e4)

    assert isinstance(BoxPrior(ranges=[*growth, time]).transform, ScanTransform)
    assert isinstance(GrowthTimePrior(box=BoxPrior(ranges=[*growth, product])).transform, ScanTransform)
    assert isinstance(BoxPrior(ranges=growth).transform, BoxTransform)


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
