"""What must hold of a sampler whatever the target: laws of priors, transforms and stages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_posteriors import correlated

from gliofield.bayes import BoxPrior, BoxTransform, ParameterRange, PosteriorTarget
from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior

_COORDINATE = st.floats(-30, 30)


@st.composite
def boxes(draw):
    """A box of one to four parameters, some logarithmic."""
    number = draw(st.integers(1, 4))
    low = [draw(st.floats(1e-3, 1e3)) for _ in range(number)]
    factor = [draw(st.floats(1.01, 1e4)) for _ in range(number)]
    return BoxTransform(
        low=low,
        high=[a * f for a, f in zip(low, factor, strict=True)],
        is_logarithmic=[draw(st.booleans()) for _ in range(number)],
    )


@given(box=boxes(), data=st.data())
def test_coordinates_and_parameters_are_one_to_one(box, data):
    """There and back, wherever a float64 can tell the place from the edge."""
    row = np.array([[data.draw(_COORDINATE) for _ in box.low]])

    parameters = box.to_parameters(row)

    assert ((parameters >= box.low) & (parameters <= box.high)).all()
    np.testing.assert_allclose(box.to_parameters(box.to_coordinates(parameters)), parameters, rtol=1e-9)


@given(box=boxes(), data=st.data())
def test_larger_coordinates_are_larger_parameters(box, data):
    """The map increases in every parameter."""
    row = np.array([[data.draw(st.floats(-20, 20)) for _ in box.low]])

    assert (box.to_parameters(row + 1.0) > box.to_parameters(row)).all()


def scaled(unit, low, high):
    """Target of one length in some unit, around 3 mm."""
    prior = BoxPrior(ranges=[ParameterRange(name="length", unit="1", low=low, high=high, scale="log-uniform")])
    return PosteriorTarget(prior=prior, log_likelihood_of=lambda rows: -20 * np.log(rows[:, 0] / (3 * unit)) ** 2)


def test_units_do_not_matter():
    """The same posterior in mm and in µm: samples scale, the evidence stays."""
    settings = TmcmcSettings(num_samples=300, num_steps=3)
    mm, um = scaled(1.0, 0.1, 50.0), scaled(1e3, 1e2, 5e4)
    in_mm, in_um = (sample_posterior(target, settings) for target in (mm, um))

    np.testing.assert_allclose(
        um.to_parameters(in_um.coordinates), 1e3 * mm.to_parameters(in_mm.coordinates), rtol=1e-6
    )
    assert in_um.log_evidence == pytest.approx(in_mm.log_evidence, abs=1e-6)


def test_a_constant_in_the_likelihood_is_a_constant_in_the_evidence():
    """Adding 1,000 nats shifts the log evidence by as much and leaves the samples."""
    known, shifted = correlated(), correlated()
    original = shifted.target.log_likelihood
    shifted.target.log_likelihood = lambda rows: original(rows) + 1024.0
    settings = TmcmcSettings(num_samples=300, num_steps=3)
    before, after = (sample_posterior(target, settings) for target in (known.target, shifted.target))

    assert after.log_evidence - before.log_evidence == pytest.approx(1024.0, abs=1e-6)
    np.testing.assert_allclose(after.coordinates, before.coordinates, rtol=1e-6)


def test_without_data_the_posterior_is_the_prior():
    """A flat likelihood: one stage, evidence 1, coordinates distributed as before."""
    target = scaled(1.0, 0.1, 50.0)
    flat = PosteriorTarget(prior=target.prior, log_likelihood_of=lambda rows: np.zeros(len(rows)))
    sampled = sample_posterior(flat, TmcmcSettings.thorough(num_samples=4000))
    logs = np.log(flat.to_parameters(sampled.coordinates))

    assert len(sampled.stages) == 1
    assert sampled.log_evidence == pytest.approx(0.0, abs=1e-12)
    # Standard error of the mean 0.03, of the standard deviation 0.02.
    assert logs.mean() == pytest.approx(0.5 * np.log(0.1 * 50), abs=0.12)
    assert logs.std() == pytest.approx(np.log(500) / np.sqrt(12), abs=0.08)
