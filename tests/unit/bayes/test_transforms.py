import numpy as np
import pytest

from gliomap.bayes import BoxTransform, GrowthTimeTransform
from gliomap.errors import ParameterError

BOX = BoxTransform(low=[-2.0, 0.01, 5.0], high=[3.0, 10.0, 500.0], is_logarithmic=[False, True, True])
TIME = GrowthTimeTransform(box=BOX, rate_column=1, time_column=2)
ROWS = np.random.default_rng(0).normal(scale=2.0, size=(50, 3))


@pytest.mark.parametrize("transform", [BOX, TIME], ids=["box", "growth time"])
def test_the_way_there_and_back_is_the_identity(transform):
    """Coordinates → parameters → coordinates, to rounding."""
    np.testing.assert_allclose(transform.to_coordinates(transform.to_parameters(ROWS)), ROWS, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("transform", [BOX, TIME], ids=["box", "growth time"])
def test_the_log_jacobian_is_that_of_finite_differences(transform):
    """log |det| of the matrix of central differences."""
    step = 1e-5
    for row, expected in zip(ROWS, transform.log_jacobian(ROWS), strict=True):
        shifts = step * np.eye(3)
        matrix = (transform.to_parameters(row + shifts) - transform.to_parameters(row - shifts)) / (2 * step)
        assert np.linalg.slogdet(matrix)[1] == pytest.approx(expected, abs=1e-5)


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
