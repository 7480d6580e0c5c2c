import numpy as np
import pytest
from scipy import stats

from gliofield.bayes import TMixture

TWO = TMixture(
    weights=np.array([0.3, 0.7]),
    means=np.array([[-2.0, 1.0], [2.0, 0.0]]),
    scales=np.linalg.cholesky(np.array([[[1.0, 0.6], [0.6, 0.5]], [[0.3, -0.2], [-0.2, 0.8]]])),
    degrees=5.0,
)


def fitted(samples, log_weights=None, *, max_components=3):
    weights = np.zeros(len(samples)) if log_weights is None else log_weights
    return TMixture.fitted(
        samples, weights, degrees=6.0, max_components=max_components, rng=np.random.default_rng(0)
    )  # fmt: skip


def test_the_density_is_that_of_a_mixture_of_students():
    """As SciPy has it, and of integral 1 over a wide grid: 1 % of the mass lies beyond."""
    points = np.random.default_rng(1).normal(scale=4.0, size=(50, 2))
    parts = [
        weight * stats.multivariate_t(mean, scale @ scale.T, df=5.0).pdf(points)
        for weight, mean, scale in zip(TWO.weights, TWO.means, TWO.scales, strict=True)
    ]
    axis = np.linspace(-40.0, 40.0, 801)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    np.testing.assert_allclose(TWO.log_density(points), np.log(np.sum(parts, axis=0)))
    assert np.exp(TWO.log_density(grid)).sum() * 0.1**2 == pytest.approx(1.0, abs=0.01)


def test_draws_have_the_density(rng):
    """The share of draws in a box is the integral of the density, within four standard errors."""
    drawn = TWO.sample(20_000, rng)
    low, high = np.array([0.5, -1.0]), np.array([3.0, 0.5])
    share = ((drawn > low) & (drawn < high)).all(axis=1).mean()
    points = rng.uniform(low, high, (20_000, 2))
    values = np.exp(TWO.log_density(points)) * np.prod(high - low)

    assert share == pytest.approx(values.mean(), abs=4.0 * np.hypot(values.std() / 141.0, np.sqrt(share / 20_000)))


def test_two_clusters_are_two_components(rng):
    """Shares, centers and covariances are theirs; one cluster remains one."""
    clusters = [rng.normal((-4.0, 0.0), (0.5, 1.0), (300, 2)), rng.normal((4.0, 1.0), (1.0, 0.3), (900, 2))]
    found, single = fitted(np.concatenate(clusters)), fitted(clusters[1])
    first, second = np.argsort(found.means[:, 0])

    assert len(found.weights) == 2
    assert len(single.weights) == 1
    assert found.weights[[first, second]] == pytest.approx([0.25, 0.75], abs=0.01)
    for place, cluster in ((first, clusters[0]), (second, clusters[1])):
        np.testing.assert_allclose(found.means[place], cluster.mean(axis=0), atol=0.02)
        covariance = found.scales[place] @ found.scales[place].T
        # A thousandth of the variance of all samples, up to 12, is added to each.
        np.testing.assert_allclose(covariance, np.cov(cluster.T), atol=0.03)


def test_weights_count(rng):
    """Uniform samples weighted by a Gaussian have its moments."""
    samples = rng.uniform(-6.0, 6.0, (6000, 2))
    found = fitted(samples, -0.5 * ((samples - 1.0) ** 2).sum(axis=1), max_components=1)

    np.testing.assert_allclose(found.means[0], 1.0, atol=0.15)
    np.testing.assert_allclose(found.scales[0] @ found.scales[0].T, np.eye(2), atol=0.2)


@pytest.mark.parametrize(
    ("samples", "log_weights"),
    [
        (np.zeros((10, 2)), np.zeros(10)),
        (np.arange(20.0).reshape(10, 2), np.array([0.0] + 9 * [-1e4])),
        (np.arange(6.0).reshape(2, 3), np.zeros(2)),
        (np.outer(np.arange(40.0), [1.0, 2.0]), np.zeros(40)),
        (np.arange(50.0)[:, None], np.zeros(50)),
        (np.full((1, 2), 3.0), np.zeros(1)),
    ],
    ids=["equal", "one has all weight", "fewer than dimensions", "on a line", "one dimension", "one"],
)
def test_degenerate_samples_have_a_distribution(rng, samples, log_weights):
    """Narrow, but proper: draws and densities are finite."""
    found = fitted(samples, log_weights)

    assert np.isfinite(found.log_density(found.sample(20, rng))).all()
    assert np.isfinite(found.log_density(samples)).all()


def test_far_outliers_cost_nothing(rng):
    """A sample of no weight, far from any component, changes no fit."""
    clusters = np.concatenate([rng.normal(-5.0, 1.0, (200, 2)), rng.normal(5.0, 1.0, (200, 2))])
    far = np.concatenate([clusters, [[1e6, -1e6]]])
    without, with_outlier = fitted(clusters), fitted(far, np.append(np.zeros(400), -800.0))

    np.testing.assert_allclose(np.sort(with_outlier.means, axis=0), np.sort(without.means, axis=0), atol=1e-6)
