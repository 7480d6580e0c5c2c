import numpy as np
import pytest

from gliofield.bayes import smoothed_log_weights
from gliofield.bayes.pareto_smoothing import fit_generalized_pareto


def pareto(shape, number, seed=0):
    """Values of a generalized Pareto distribution of scale 1."""
    return np.expm1(-shape * np.log(np.random.default_rng(seed).random(number))) / shape


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9, -0.3])
def test_the_shape_of_known_tails_is_found(shape):
    """Over 20 seeds of 2,000 values: the estimate scatters by (1 + k)/√2000, its prior moves it by 0.5 %."""
    found = np.array([fit_generalized_pareto(np.sort(pareto(shape, 2000, seed))) for seed in range(20)])

    assert found[:, 0].mean() == pytest.approx(shape, abs=0.03)
    assert found[:, 1].mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("shape", [0.3, 1.2])
def test_weights_are_believed_by_their_tail(shape):
    """k̂ of weights whose tail is known; above 0.7 they are not to be believed."""
    log_weights = np.log(1.0 + pareto(shape, 20_000))

    smoothed, found = smoothed_log_weights(log_weights)

    assert found == pytest.approx(shape, abs=0.15)
    assert (found > 0.7) == (shape > 0.7)
    assert smoothed.max() <= log_weights.max()


def test_smoothing_changes_the_tail_alone_and_keeps_its_order():
    """3 √N weights of N = 400 are replaced, by ascending ones; the rest keeps its bits."""
    log_weights = np.random.default_rng(3).normal(scale=1.5, size=400)
    smoothed, _ = smoothed_log_weights(log_weights)
    order = np.argsort(log_weights)

    np.testing.assert_array_equal(smoothed[order[:-60]], log_weights[order[:-60]])
    assert not np.array_equal(smoothed[order[-60:]], log_weights[order[-60:]])
    assert np.all(np.diff(smoothed[order]) >= 0.0)


def test_a_constant_does_not_matter():
    """Weights are unnormalized: k̂ stays, and smoothed ones shift by as much, also where weights underflow."""
    log_weights = np.random.default_rng(3).normal(scale=2.0, size=300)
    (smoothed, shape), (shifted, again) = (smoothed_log_weights(log_weights + shift) for shift in (0.0, -5000.0))

    assert again == pytest.approx(shape)
    np.testing.assert_allclose(shifted + 5000.0, smoothed)


@pytest.mark.parametrize(
    ("log_weights", "expected"),
    [
        (np.array([0.0] + 99 * [-1e4]), np.inf),
        (np.array(3 * [0.0] + 97 * [-1e4]), np.inf),
        (np.array(10 * [0.0] + 90 * [-np.inf]), np.inf),
        (np.zeros(3), np.inf),
        (np.zeros(100), -np.inf),
        (-700.0 * np.arange(100.0), np.inf),
    ],
    ids=["one has all", "three have all", "ten have any", "three", "equal", "each a trifle of the next"],
)
def test_weights_that_no_tail_can_be_fitted_to(log_weights, expected):
    """Few that have all: not to be believed; all equal: perfect. They come back as they were."""
    smoothed, shape = smoothed_log_weights(log_weights)

    assert shape == expected
    np.testing.assert_array_equal(smoothed, log_weights)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scale", [0.5, 1.5, 3.0])
def test_weights_and_shape_are_those_of_arviz(scale):
    """`arviz.psislw`, of log-normal weights."""
    with np.errstate(all="ignore"):
        arviz = pytest.importorskip("arviz")
        log_weights = np.random.default_rng(5).normal(scale=scale, size=1000)
        theirs, their_shape = arviz.psislw(log_weights.copy())
    smoothed, shape = smoothed_log_weights(log_weights)

    assert shape == pytest.approx(float(their_shape), abs=0.02)
    np.testing.assert_allclose(smoothed - np.logaddexp.reduce(smoothed), np.asarray(theirs), atol=0.02)
