import math

import numpy as np
import pytest

from gliofield.bayes import BoxPrior, ParameterRange, PosteriorSamples, PosteriorTarget
from gliofield.errors import ParameterError
from gliofield_papers.tmcmc import TmcmcSettings, equally_weighted, sample_posterior

VALUES = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])


def samples(**change):
    fields = {
        "names": ("rate", "time_days"),
        "units": ("1/day", "day"),
        "parameters": VALUES,
        "log_weights": np.zeros(4),
        "log_prior": np.zeros(4),
        "log_likelihood": np.array([-3.0, -1.0, -2.0, -9.0]),
    }
    return PosteriorSamples(**(fields | change))


def test_weights_enter_mean_and_spread():
    """Weights 1, 1, 0, 2 of values 1, 2, 3, 4."""
    posterior = samples(log_weights=np.array([0.0, 0.0, -np.inf, math.log(2)]))

    assert posterior.mean["rate"] == pytest.approx(2.75)
    assert posterior.std["time_days"] == pytest.approx(10 * math.sqrt((1 + 4 + 32) / 4 - 2.75**2))
    assert posterior.effective_sample_size == pytest.approx(16 / 6)


def test_imaging_parameters_do_not_tell_tumors_apart():
    """Columns of thresholds, width and PET are left out, in whatever place."""
    posterior = samples(names=("flair_threshold", "time_days"))

    np.testing.assert_array_equal(posterior.tumors, VALUES[:, 1:])
    np.testing.assert_array_equal(samples().tumors, VALUES)


def test_the_best_sample_has_the_largest_density_in_its_own_units():
    """Prior times likelihood; weights do not matter."""
    assert samples().map_parameters == {"rate": 2.0, "time_days": 20.0}
    assert samples(log_prior=np.array([0.0, 0.0, 5.0, 0.0])).map_index == 2


def test_the_best_sample_of_a_flat_likelihood_is_the_densest_of_the_prior():
    """Log-uniform: the smallest value, though the sampler's coordinates are densest in the middle."""
    prior = BoxPrior(ranges=[ParameterRange(name="x", unit="1", low=1.0, high=100.0, scale="log-uniform")])
    target = PosteriorTarget(prior=prior, log_likelihood_of=lambda rows: np.zeros(len(rows)))
    posterior = equally_weighted(target, sample_posterior(target, TmcmcSettings(num_samples=4000)))

    assert posterior.map_parameters["x"] == posterior.parameters.min() < 1.1
    assert posterior.mean["x"] == pytest.approx(99 / math.log(100), rel=0.1)


def test_intervals_hold_their_share(rng):
    """Normal samples: 80 % within 1.28 standard deviations; weights shift them."""
    values = rng.normal(size=(20_000, 1))
    zeros = np.zeros(20_000)
    fields = {"names": ("x",), "units": ("1",), "parameters": values, "log_prior": zeros, "log_likelihood": zeros}
    plain = PosteriorSamples(**fields, log_weights=zeros).credible_intervals(0.8)["x"]
    tilted = PosteriorSamples(**fields, log_weights=values[:, 0]).credible_intervals(0.8)["x"]

    assert (plain.low, plain.high) == pytest.approx((-1.2816, 1.2816), abs=0.05)
    assert (tilted.low, tilted.high) == pytest.approx((-0.2816, 2.2816), abs=0.1)
    assert plain.level == 0.8


def test_resampled_rows_follow_the_weights(rng):
    """Systematic: a share of a quarter is a quarter of the rows."""
    posterior = samples(log_weights=np.log([1.0, 2.0, 0.5, 0.5]))

    rows, counts = np.unique(posterior.resampled(400, rng)[:, 0], return_counts=True)
    assert rows.tolist() == [1, 2, 3, 4]
    assert counts.tolist() == [100, 200, 50, 50]


# Importing ArviZ takes seconds, and 0.23 warns of what will change in 1.0.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_arviz_reads_the_samples():
    """Names, units, one chain, and ArviZ's own mean."""
    with np.errstate(all="ignore"):
        arviz = pytest.importorskip("arviz")
        data = samples().to_inference_data()

        assert data.posterior["rate"].shape == (1, 4)
        assert data.posterior["time_days"].attrs["units"] == "day"
        assert data.sample_stats["lp"].values.tolist() == [[-3.0, -1.0, -2.0, -9.0]]
        assert arviz.summary(data, kind="stats")["mean"]["rate"] == 2.5


def test_arviz_does_not_know_weights():
    """Refused rather than forgotten."""
    with pytest.raises(ParameterError, match="equal weight only"):
        samples(log_weights=np.array([0.0, 1.0, 0.0, 0.0])).to_inference_data()


def test_without_arviz_the_error_says_what_to_install(monkeypatch):
    """The extra by name."""
    monkeypatch.setitem(__import__("sys").modules, "arviz", None)
    with pytest.raises(ParameterError, match=r"gliofield\[bayes\]"):
        samples().to_inference_data()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"parameters": VALUES[:, :1]}, r"parameters of shape \(N, 2\)"),
        ({"units": ("1",)}, "and 1 units"),
        ({"log_prior": np.zeros(3)}, r"log_prior must have shape \(4,\)"),
        ({"parameters": VALUES * np.nan}, "parameters must be finite"),
        ({"log_weights": np.full(4, -np.inf)}, "not all −inf"),
    ],
)
def test_samples_that_do_not_belong_together_are_refused(change, complaint):
    """Shapes, values and weights."""
    with pytest.raises(ParameterError, match=complaint):
        samples(**change)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_a_level_is_a_share(level):
    """Strictly between 0 and 1."""
    with pytest.raises(ParameterError, match="level must lie in"):
        samples().credible_intervals(level)
