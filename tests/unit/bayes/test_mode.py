import numpy as np
import pytest

from gliofield.bayes import find_mode
from gliofield.errors import NumericalError

CENTER = np.array([1.0, -0.5, 2.0])
COVARIANCE = np.array([[0.04, 0.018, 0.0], [0.018, 0.01, 0.0], [0.0, 0.0, 0.09]])


def gaussian(rows):
    offsets = rows - CENTER
    return 7.0 - 0.5 * np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(COVARIANCE), offsets)


def test_a_gaussian_is_found_with_its_covariance():
    """From six standard deviations off, correlated by 0.9; place to a third of a width, widths to a fifth."""
    found = find_mode(gaussian, CENTER + np.array([1.2, 0.3, -1.0]), np.full(3, 0.5))
    widths = np.sqrt(np.diag(COVARIANCE))

    assert np.abs((found.place - CENTER) / widths).max() < 0.3
    np.testing.assert_allclose(
        found.covariance / np.outer(widths, widths), COVARIANCE / np.outer(widths, widths), atol=0.2
    )
    assert found.log_density == pytest.approx(7.0, abs=0.1)
    assert found.log_density == gaussian(found.place[None])[0]


def test_a_mode_at_an_edge_is_found():
    """The density is 0 beyond a plane through the mode: no width there is 0 or infinite, and nothing warns."""

    def cut(rows):
        return np.where(rows[:, 0] > 1.0, -np.inf, gaussian(rows))

    found = find_mode(cut, CENTER - np.array([0.6, 0.2, 0.5]), np.full(3, 0.5))

    assert found.place[0] <= 1.0
    assert found.log_density > 6.0
    sizes = np.linalg.eigvalsh(found.covariance)
    assert sizes.min() > 1e-4
    assert sizes.max() < 1.0


def test_a_flat_direction_keeps_the_width_of_the_search():
    """A density that knows nothing of a coordinate is at most twice as wide there as was expected, and not narrow."""
    found = find_mode(lambda rows: -0.5 * (rows[:, 0] / 0.1) ** 2, np.array([0.3, 0.0]), np.array([0.5, 0.4]))

    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(0.1, rel=0.2)
    assert 0.3 < np.sqrt(found.covariance[1, 1]) <= 0.9


def test_the_best_place_of_all_is_the_mode():
    """The value belongs to the place, though others were looked at afterwards."""
    rng = np.random.default_rng(0)
    seen = []

    def rough(rows):
        values = gaussian(rows) + 0.3 * np.sin(40.0 * rows).sum(axis=1)
        seen.extend(values)
        return values

    found = find_mode(rough, CENTER + rng.normal(scale=0.3, size=3), np.full(3, 0.5))

    assert rough(found.place[None])[0] == found.log_density
    assert np.linalg.eigvalsh(found.covariance).min() > 0.0


def test_a_start_without_mass_is_an_error():
    """There is no way down to climb."""
    with pytest.raises(NumericalError, match="began where the posterior has no mass"):
        find_mode(lambda rows: np.full(len(rows), -np.inf), np.zeros(2), np.ones(2))


def test_a_search_ends_where_it_comes_to_a_known_mode():
    """With fewer calls than the first one; another mode, six widths away, is found."""
    asked = []

    def counted(rows):
        asked.append(len(rows))
        return gaussian(rows)

    first = find_mode(counted, CENTER + np.array([1.2, 0.3, -1.0]), np.full(3, 0.5))
    number = sum(asked)
    asked.clear()

    assert find_mode(counted, CENTER - np.array([1.0, 0.1, 0.8]), np.full(3, 0.5), known=[first]) is None
    assert sum(asked) < 0.7 * number

    far = np.array([6.0, 0.0, 0.0])

    def two(rows):
        return np.logaddexp(gaussian(rows), gaussian(rows - far))

    other = find_mode(two, CENTER + far - np.array([0.5, 0.1, 0.3]), np.full(3, 0.5), known=[first])
    assert other is not None
    assert np.abs(other.place - CENTER - far).max() < 0.1
