"""Ranks and coverage on posteriors that are known: a right one passes, narrow and biased ones do not."""

import numpy as np
import pytest

from gliofield.bayes import PosteriorSamples
from gliofield.errors import ParameterError
from gliofield_papers.bayes.calibration import (
    COVERAGE_LEVELS,
    calibration_of,
    expected_coverage,
    placed_truths,
    places_of_times,
)

NUM_SAMPLES = 127
GROWTH = (
    "white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day", "growth_time_days",
    "seed_x_mm", "seed_y_mm", "seed_z_mm",
)  # fmt: skip


def normal_case(rng, *, width=1.0, shift=0.0):
    """Posterior of a mean with a normal prior, seen once with unit noise, N(y/2, 1/2), but for changes."""
    truth = rng.normal()
    seen = truth + rng.normal()
    draws = 0.5 * seen + shift + width * np.sqrt(0.5) * rng.normal(size=(NUM_SAMPLES, 1))
    return samples_of(("mean_mm",), draws), {"mean_mm": truth}


def samples_of(names, parameters, *, log_weights=None):
    zeros = np.zeros(len(parameters))
    return PosteriorSamples(
        names=names,
        units=("1",) * len(names),
        parameters=parameters,
        log_weights=zeros if log_weights is None else log_weights,
        log_prior=zeros,
        log_likelihood=zeros,
    )


def calibration(num_cases, **changes):
    rng = np.random.default_rng(3)
    cases = [placed_truths(*normal_case(rng, **changes), num_draws=31, rng=rng) for _ in range(num_cases)]
    return calibration_of(cases, num_draws=31, num_samples=NUM_SAMPLES)


def test_a_calibrated_posterior_passes():
    """Uniform ranks, all bins in the band, coverage within four standard errors of what is expected."""
    found = calibration(200)
    (mean,) = found.parameters
    low, high = mean.band

    assert found.smallest_p_value > 0.01
    assert ((mean.bin_counts >= low) & (mean.bin_counts <= high)).all()
    deviations = np.abs(np.array(found.mean_coverage) - found.expected_coverage)
    assert (deviations < 4 * np.array(found.coverage_errors)).all()


def test_a_posterior_too_narrow_fails_ranks_and_coverage():
    """Negative control: half the width puts truths at both ends, out of the band, and outside the intervals."""
    found = calibration(200, width=0.5)
    (mean,) = found.parameters

    assert mean.p_value < 1e-6
    assert mean.bin_counts[0] > mean.band[1]
    assert mean.bin_counts[-1] > mean.band[1]
    assert found.mean_coverage[1] < found.expected_coverage[1] - 4 * found.coverage_errors[1]


def test_a_posterior_too_wide_fails_ranks():
    """Negative control: twice the width leaves the ends empty."""
    (mean,) = calibration(200, width=2.0).parameters

    assert mean.p_value < 1e-4
    assert mean.bin_counts[0] < mean.band[0]


def test_a_shift_shows_in_the_mean_place_with_few_cases():
    """One standard deviation is seen in forty cases, which leave eight bins."""
    (mean,) = calibration(40, shift=np.sqrt(0.5)).parameters

    assert len(mean.bin_counts) == 8
    assert mean.place_p_value < 0.01
    assert mean.mean_place < 0.5


@pytest.mark.parametrize("num_samples", [16, 127, 128])
@pytest.mark.parametrize("level", COVERAGE_LEVELS)
def test_expected_coverage_counts_ranks_inside_the_interval(level, num_samples):
    """By trying all ranks of a truth among samples 1 … N."""
    samples = samples_of(("x",), np.arange(1.0, num_samples + 1.0)[:, None])
    interval = samples.credible_intervals(level)["x"]
    ranks = np.arange(num_samples + 1) + 0.5

    inside = np.mean((ranks >= interval.low) & (ranks <= interval.high))
    assert expected_coverage(level, num_samples) == pytest.approx(inside)


def test_what_a_scan_determines_is_placed_too():
    """μ1 = √(D_w T) and μ2 = √(ρ T) follow the parameters, truth and samples alike."""
    rows = np.array([[0.01, 0.01, 100.0, 1, 2, 3], [0.04, 0.02, 200.0, 4, 5, 6], [0.09, 0.03, 300.0, 7, 8, 9]])
    places = placed_truths(
        samples_of(GROWTH, rows), dict(zip(GROWTH, rows[1], strict=True)), num_draws=3, rng=np.random.default_rng(0)
    )

    assert places["diffusion_length_mm"].truth == pytest.approx(np.sqrt(8.0))
    assert places["proliferation_number"].truth == pytest.approx(2.0)
    assert places["proliferation_number"].mean == pytest.approx((1.0 + 2.0 + 3.0) / 3.0)
    assert places["diffusion_length_mm"].rank == 1


def test_few_cases_have_no_histogram_and_no_p_value():
    """Nine cases: one bin, p is not defined, the mean place is."""
    (mean,) = calibration(9).parameters

    assert len(mean.bin_counts) == 1
    assert np.isnan(mean.p_value)
    assert 0.0 < mean.place_p_value <= 1.0


def test_places_of_times_are_uniform_under_the_prior(rng):
    """Of uniform D_w, ρ and T, whatever D_w T and ρ T are; they lie in (0, 1), and shorter times at lower places."""
    bounds = np.array([[0.001, 0.09], [0.001, 0.03], [30.0, 1000.0]])
    growth = rng.uniform(*bounds.T, (4000, 3))
    places = places_of_times(growth, bounds)

    assert 0.0 < places.min() < places.max() < 1.0
    for subset in (places, places[growth[:, 0] * growth[:, 2] > 20.0], places[growth[:, 1] * growth[:, 2] > 6.0]):
        assert subset.mean() == pytest.approx(0.5, abs=4.0 / np.sqrt(12.0 * len(subset)))
        assert subset.var() == pytest.approx(1.0 / 12.0, rel=0.15)
    scaled = np.array([[0.02, 0.01, 500.0], [0.025, 0.0125, 400.0]])
    later, earlier = places_of_times(scaled, bounds)
    assert earlier < later


def test_what_cannot_be_ranked_is_refused():
    """Weighted samples, more draws than samples, a missing truth, no case, cases that differ."""
    rng = np.random.default_rng(0)
    samples, truth = normal_case(rng)
    weighted = samples_of(("mean_mm",), samples.parameters, log_weights=samples.parameters[:, 0])

    with pytest.raises(ParameterError, match="equal weight"):
        placed_truths(weighted, truth, num_draws=31, rng=rng)
    with pytest.raises(ParameterError, match="num_draws must lie in"):
        placed_truths(samples, truth, num_draws=NUM_SAMPLES + 1, rng=rng)
    with pytest.raises(ParameterError, match="lacks mean_mm"):
        placed_truths(samples, {}, num_draws=31, rng=rng)
    placed = placed_truths(samples, truth, num_draws=31, rng=rng)
    for cases in ([], [placed, {}]):
        with pytest.raises(ParameterError, match="at least one case"):
            calibration_of(cases, num_draws=31, num_samples=NUM_SAMPLES)
