"""PET with scale, background and noise integrated from six sums, against quadrature of the imaging likelihood."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from gliofield.bayes import BoxPrior, ParameterRange
from gliofield.bayes.pet_evidence import PetPrior, PetSums
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import ImagingLikelihood, ImagingParameters, LikelihoodOptions, Observation, pet_log_likelihood
from gliofield.volume import Volume

GRID = Grid.axis_aligned((4, 4, 3), 2.0, (0.0, 0.0, 0.0))
DENSITY = np.clip(np.random.default_rng(0).uniform(-0.5, 1.0, GRID.shape), 0.0, 1.0).astype(np.float32)
WIDE = {"pet_scale": (0.2, 1.02), "pet_background": (0.0, 0.6), "pet_noise_std": (0.02, 0.25)}


def prior_of(scale_of_ranges="uniform", **box):
    """Ranges by name; the background is uniform whatever the others are."""
    ranges = [
        ParameterRange(
            name=name,
            unit="1",
            low=low,
            high=high,
            scale="uniform" if name == "pet_background" else scale_of_ranges,
        )
        for name, (low, high) in box.items()
    ]
    return BoxPrior(ranges=ranges)


def pet_of(pet_scale, pet_background, pet_noise_std):
    noise = pet_noise_std * np.random.default_rng(1).normal(size=GRID.shape)
    values = np.clip(pet_scale * DENSITY + pet_background + noise, 1e-4, 1.0)
    return Volume(values.astype(np.float32), GRID)


def sums_of(pet, densities):
    values = pet.data.astype(np.float64).ravel()
    flat = np.stack([density.astype(np.float64).ravel() for density in densities])
    return PetSums(
        num_voxels=values.size,
        pet=float(values.sum()),
        squared_pet=float(values @ values),
        density=flat.sum(axis=1),
        product=flat @ values,
        squared_density=(flat**2).sum(axis=1),
    )


def points_of(bounds, number):
    """Gauss-Legendre points of a range by its own scale, and their weights, of sum 1."""
    places, weights = np.polynomial.legendre.leggauss(number)
    fractions = 0.5 * (places + 1.0)
    if bounds.scale == "log-uniform":
        return bounds.low * (bounds.high / bounds.low) ** fractions, 0.5 * weights
    return bounds.low + fractions * (bounds.high - bounds.low), 0.5 * weights


def quadrature(pet, density, prior, weight, *, number=80):
    """log of the mean of the weighted likelihood over the whole box of the prior, a product rule in three variables.

    Sums of squares at all scales and backgrounds follow from the likelihood at three of each, for it is a quadratic
    form in both.
    """
    seen, grown = pet.data.astype(np.float64).ravel(), density.astype(np.float64).ravel()
    ranges = {each.name: each for each in prior.ranges}
    scales, scale_weights = points_of(ranges["pet_scale"], number)
    noises, noise_weights = points_of(ranges["pet_noise_std"], 2 * number)
    backgrounds, background_weights = np.zeros(1), np.ones(1)
    if "pet_background" in ranges:
        backgrounds, background_weights = points_of(ranges["pet_background"], 2 * number)
    squares = np.array([[((seen - b * grown - a) ** 2).sum() for a in backgrounds] for b in scales])
    logs = np.stack([-0.5 * squares / s**2 - seen.size * np.log(s * np.sqrt(2.0 * np.pi)) for s in noises], axis=-1)
    largest = (weight * logs).max()
    mean = np.einsum("bas,b,a,s->", np.exp(weight * logs - largest), scale_weights, background_weights, noise_weights)
    return largest + np.log(mean)


@pytest.mark.parametrize("has_background", [True, False], ids=["background", "paper"])
@pytest.mark.parametrize(
    ("truth", "box", "weight", "scale_of_ranges"),
    [
        ((0.6, 0.3, 0.1), {}, 1.0, "uniform"),
        ((0.6, 0.3, 0.1), {}, 1.0, "log-uniform"),
        ((0.6, 0.3, 0.1), {}, 1e-6, "log-uniform"),
        ((0.1, 0.3, 0.05), {}, 0.2, "uniform"),
        ((0.6, 0.0, 0.1), {}, 1.0, "uniform"),
        ((0.4, 0.7, 0.1), {}, 1.0, "log-uniform"),
        ((0.5, 0.3, 0.3), {"pet_noise_std": (0.08, 0.12)}, 1.0, "log-uniform"),
        ((0.6, 0.3, 0.02), {"pet_scale": (0.2, 0.4), "pet_noise_std": (0.1, 0.25)}, 1.0, "uniform"),
        ((0.6, 0.3, 0.05), {"pet_background": (0.29, 0.31)}, 1.0, "uniform"),
        ((0.6, 0.3, 0.05), {"pet_background": (0.35, 0.6)}, 0.5, "uniform"),
    ],
    ids=[
        "peak inside",
        "log-uniform",
        "nearly flat",
        "scale below its range",
        "no background",
        "background above its range",
        "noise above its range",
        "scale above, noise below",
        "background known",
        "background below its range",
    ],
)
def test_the_integral_is_that_of_the_likelihood(truth, box, weight, scale_of_ranges, has_background):
    """For densities that fit, do not fit, or are absent, to 2e-5 nats, with and without a background."""
    if not has_background:
        box = {name: each for name, each in box.items() if name != "pet_background"}
    wide = {name: each for name, each in WIDE.items() if has_background or name != "pet_background"}
    pet, prior = pet_of(*truth), prior_of(scale_of_ranges, **{**wide, **box})
    densities = [DENSITY, np.zeros_like(DENSITY), DENSITY[::-1]]

    found = PetPrior.of(prior).log_evidence(sums_of(pet, densities), weight)

    expected = [quadrature(pet, density, prior, weight) for density in densities]
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("spread", [0.3, 0.02, 0.0], ids=["varied", "nearly constant", "constant"])
@pytest.mark.parametrize("background", [0.0, 0.3, 0.6])
def test_scale_and_background_that_cannot_be_told_apart_are_integrated(spread, background):
    """Where the density is the same everywhere, only their sum is known; the end of a range cuts the ridge anywhere."""
    density = (0.9 + spread * (DENSITY - DENSITY.mean())).astype(np.float32)
    noise = 0.1 * np.random.default_rng(2).normal(size=GRID.shape)
    pet = Volume((0.5 * density + background + noise).astype(np.float32), GRID)
    prior = prior_of(**WIDE)

    (found,) = PetPrior.of(prior).log_evidence(sums_of(pet, [density]), 1.0)

    assert found == pytest.approx(quadrature(pet, density, prior, 1.0, number=120), abs=2e-5)


def test_the_quadrature_is_of_the_imaging_likelihood():
    """Its integrand is what `ImagingLikelihood` says of all measured voxels, background included."""
    pet = pet_of(0.6, 0.3, 0.05)
    likelihood = ImagingLikelihood(
        observation=Observation(
            tumor_core=np.zeros(GRID.shape, bool), whole_tumor=np.ones(GRID.shape, bool), pet=pet, grid=GRID
        ),
        domain=np.ones(GRID.shape, bool),
        options=LikelihoodOptions(pet_weight=0.3, modalities=("pet",)),
    )
    of_masks = {"t1gd_threshold": 0.6, "flair_threshold": 0.2, "visibility_width": 0.06}
    for scale, background, noise in itertools.product((0.3, 0.9), (0.0, 0.4), (0.05, 0.2)):
        of_pet = {"pet_scale": scale, "pet_background": background, "pet_noise_std": noise}
        residuals = pet.data.astype(np.float64) - scale * DENSITY.astype(np.float64) - background
        expected = -0.5 * (residuals**2).sum() / noise**2 - residuals.size * np.log(noise * np.sqrt(2.0 * np.pi))

        found = likelihood.log_likelihood(DENSITY, ImagingParameters(**of_masks, **of_pet)).pet

        assert found == pytest.approx(0.3 * expected, rel=1e-9)
        assert found == pytest.approx(0.3 * pet_log_likelihood(pet.data.astype(float), DENSITY, **of_pet), rel=1e-12)


def test_a_likelihood_far_narrower_than_the_prior_is_integrated():
    """With a million voxels the integral is that of a normal peak in three variables, to a thousandth."""
    number, scale, background, noise = 1_000_000, 0.6, 0.3, 0.1
    density, squared_density, residual = 0.05 * number, 0.04 * number, number * noise**2
    sums = PetSums(
        num_voxels=number,
        pet=scale * density + background * number,
        squared_pet=scale**2 * squared_density + 2 * scale * background * density + background**2 * number + residual,
        density=np.array([density]),
        product=np.array([scale * squared_density + background * density]),
        squared_density=np.array([squared_density]),
    )
    at_peak = -0.5 * number - number * (np.log(noise) + 0.5 * np.log(2.0 * np.pi))
    determinant = number * squared_density - density**2
    widths = noise**2 / np.sqrt(determinant) * noise / np.sqrt(2.0 * number)
    expected = at_peak + np.log((2.0 * np.pi) ** 1.5 * widths / (0.82 * 0.6 * 0.23))

    (found,) = PetPrior.of(prior_of(**WIDE)).log_evidence(sums, 1.0)

    assert found == pytest.approx(expected, abs=1e-3)


def test_a_background_known_to_be_0_is_the_papers_model():
    """The evidence of a range of 1e-7 is that of a prior without background."""
    pet = pet_of(0.8, 0.0, 0.1)
    sums = sums_of(pet, [DENSITY, DENSITY[::-1]])
    without = {name: each for name, each in WIDE.items() if name != "pet_background"}

    found = PetPrior.of(prior_of(**{**WIDE, "pet_background": (0.0, 1e-7)})).log_evidence(sums, 1.0)

    np.testing.assert_allclose(found, PetPrior.of(prior_of(**without)).log_evidence(sums, 1.0), atol=1e-4)


def test_the_unit_of_pet_changes_no_comparison():
    """Twice the values and twice the ranges: every evidence changes by the same, one log 2 per voxel."""
    pet, twice = pet_of(0.4, 0.1, 0.05), None
    twice = Volume(2.0 * pet.data, GRID)
    prior = prior_of(**WIDE)
    wider = BoxPrior(ranges=[replace(each, low=2.0 * each.low, high=2.0 * each.high) for each in prior.ranges])
    densities = [DENSITY, DENSITY[::-1], np.zeros_like(DENSITY)]

    one = PetPrior.of(prior).log_evidence(sums_of(pet, densities), 1.0)
    other = PetPrior.of(wider).log_evidence(sums_of(twice, densities), 1.0)

    np.testing.assert_allclose(one - other, np.full(3, DENSITY.size * np.log(2.0)), atol=1e-5)
    assert np.ptp(one) > 5.0


def test_a_prior_without_the_pet_model_is_refused():
    """By the names of what is missing."""
    with pytest.raises(ParameterError, match="lacks pet_noise_std"):
        PetPrior.of(prior_of(**WIDE).without("pet_noise_std"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scale": "log-uniform", "low": 0.1}, "got log-uniform from 0.1"),
        ({"low": -0.1}, "got uniform from -0.1"),
    ],
)
def test_a_background_that_cannot_be_integrated_is_refused(change, complaint):
    """Logarithmic, or below 0."""
    ranges = {each.name: each for each in prior_of(**WIDE).ranges}
    with pytest.raises(ParameterError, match=f"uniform ranges from 0 on, {complaint}"):
        PetPrior(**{**ranges, "pet_background": replace(ranges["pet_background"], **change)})
