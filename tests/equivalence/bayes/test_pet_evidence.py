"""PET with scale and noise integrated from three sums, against quadrature of the imaging likelihood voxel by voxel."""

import numpy as np
import pytest

from gliofield.bayes import BoxPrior, ParameterRange
from gliofield.bayes.pet_evidence import PetPrior, PetSums
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import ImagingLikelihood, ImagingParameters, LikelihoodOptions, Observation
from gliofield.volume import Volume

GRID = Grid.axis_aligned((4, 4, 3), 2.0, (0.0, 0.0, 0.0))
DENSITY = np.clip(np.random.default_rng(0).uniform(-0.5, 1.0, GRID.shape), 0.0, 1.0).astype(np.float32)


def prior_of(scale_of_ranges, *, scale=(0.6, 1.02), noise=(0.01, 0.25)):
    ranges = [
        ParameterRange(name=name, unit="1", low=low, high=high, scale=scale_of_ranges)
        for name, (low, high) in (("pet_scale", scale), ("pet_noise_std", noise))
    ]
    return BoxPrior(ranges=ranges)


def pet_of(pet_scale, pet_noise_std):
    noise = pet_noise_std * np.random.default_rng(1).normal(size=GRID.shape)
    return Volume(np.clip(pet_scale * DENSITY + noise, 0.0, 1.0).astype(np.float32), GRID)


def sums_of(pet, densities):
    values = pet.data.astype(np.float64).ravel()
    flat = np.stack([density.astype(np.float64).ravel() for density in densities])
    return PetSums(
        num_voxels=values.size,
        squared_pet=float(values @ values),
        product=flat @ values,
        squared_density=(flat**2).sum(axis=1),
    )


def quadrature(pet, density, prior, weight, *, number=64):
    """log of the integral of the weighted likelihood (Eq. 7) times the prior, over the whole box of the prior."""
    likelihood = ImagingLikelihood(
        observation=Observation(
            tumor_core=np.zeros(GRID.shape, bool), whole_tumor=np.ones(GRID.shape, bool), pet=pet, grid=GRID
        ),
        domain=np.ones(GRID.shape, bool),
        options=LikelihoodOptions(pet_weight=weight, modalities=("pet",)),
    )
    places, weights = np.polynomial.legendre.leggauss(number)
    axes = []
    for low, high, scale in ((each.low, each.high, each.scale) for each in prior.ranges):
        if scale == "log-uniform":
            points = np.exp(np.log(low) + 0.5 * (places + 1.0) * np.log(high / low))
        else:
            points = low + 0.5 * (places + 1.0) * (high - low)
        axes.append(points)
    logs = np.array(
        [
            [
                likelihood.log_likelihood(
                    density,
                    ImagingParameters(
                        t1gd_threshold=0.6,
                        flair_threshold=0.2,
                        visibility_width=0.06,
                        pet_scale=float(scale),
                        pet_noise_std=float(noise),
                    ),
                ).pet
                for noise in axes[1]
            ]
            for scale in axes[0]
        ]
    )
    largest = logs.max()
    return largest + np.log(0.25 * weights @ np.exp(logs - largest) @ weights)


@pytest.mark.parametrize(
    ("truth", "box", "weight", "scale_of_ranges"),
    [
        ((0.8, 0.1), {}, 1.0, "uniform"),
        ((0.8, 0.1), {}, 1.0, "log-uniform"),
        ((0.8, 0.1), {}, 1e-6, "log-uniform"),
        ((0.2, 0.05), {}, 0.2, "uniform"),
        ((0.9, 0.3), {"noise": (0.08, 0.12)}, 1.0, "log-uniform"),
        ((0.8, 0.02), {"scale": (0.6, 0.7), "noise": (0.05, 0.25)}, 1.0, "uniform"),
    ],
    ids=[
        "peak inside",
        "log-uniform",
        "nearly flat",
        "scale below its range",
        "noise above its range",
        "scale above, noise below",
    ],
)
def test_the_integral_is_that_of_the_likelihood(truth, box, weight, scale_of_ranges):
    """For densities that fit, do not fit, or are absent, to 1e-5 nats."""
    pet, prior = pet_of(*truth), prior_of(scale_of_ranges, **box)
    densities = [DENSITY, np.zeros_like(DENSITY), DENSITY[::-1]]

    found = PetPrior.of(prior).log_evidence(sums_of(pet, densities), weight)

    expected = [quadrature(pet, density, prior, weight) for density in densities]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_likelihood_far_narrower_than_the_prior_is_integrated():
    """With a million voxels the integral is that of a normal peak, to a thousandth."""
    number, scale, noise = 1_000_000, 0.8, 0.1
    squared_density, residual = 0.25 * number, number * noise**2
    sums = PetSums(
        num_voxels=number,
        squared_pet=scale**2 * squared_density + residual,
        product=np.array([scale * squared_density]),
        squared_density=np.array([squared_density]),
    )
    at_peak = -0.5 * number - number * (np.log(noise) + 0.5 * np.log(2.0 * np.pi))
    widths = noise / np.sqrt(squared_density) * noise / np.sqrt(2.0 * number)
    expected = at_peak + np.log(2.0 * np.pi * widths / (0.42 * 0.24))

    (found,) = PetPrior.of(prior_of("uniform")).log_evidence(sums, 1.0)

    assert found == pytest.approx(expected, abs=1e-3)


def test_a_prior_without_the_pet_model_is_refused():
    """By the names of what is missing."""
    with pytest.raises(ParameterError, match="lacks pet_noise_std"):
        PetPrior.of(prior_of("uniform").without("pet_noise_std"))
