"""Imaging parameters integrated out, by importance sampling, or sampled by TMCMC: one posterior, one evidence.

The tumors are those of a solver on a small grid, interpolated between some diffusivities and rates, so that
both ways compare the same densities at the price of an interpolation.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from growth_likelihoods import solution_of
from growth_phantoms import uniform_anatomy

from gliofield.bayes import (
    BoxPrior,
    GrowthLikelihood,
    ImagingPrior,
    ImportanceSettings,
    ParameterRange,
    PosteriorTarget,
    sample_growth,
)
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.imaging import ImagingLikelihood, LikelihoodOptions, Observation, log_visibility
from gliofield.volume import Volume
from gliofield_papers.tmcmc import TmcmcSettings, equally_weighted, sample_posterior

NUM_SEEDS = 6
ANATOMY = uniform_anatomy((8, 8, 8), spacing_mm=4.0)
GROWTH_TIME_DAYS = 150.0
SEED_MM = tuple(float(x) for x in ANATOMY.grid.world_of(np.array([4, 3, 4])))
DIFFUSIVITIES, RATES = np.linspace(0.05, 0.4, 12), np.linspace(0.03, 0.09, 12)
PRIOR = BoxPrior(
    ranges=[
        ParameterRange(name="white_matter_diffusivity_mm2_per_day", unit="mm²/day", low=0.05, high=0.4),
        ParameterRange(name="t1gd_threshold", unit="1", low=0.5, high=0.8),
        ParameterRange(name="proliferation_rate_per_day", unit="1/day", low=0.03, high=0.09, scale="log-uniform"),
        ParameterRange(name="flair_threshold", unit="1", low=0.05, high=0.5),
        ParameterRange(name="visibility_width", unit="1", low=0.05, high=0.2, scale="log-uniform"),
        ParameterRange(name="pet_scale", unit="1", low=0.2, high=1.02),
        ParameterRange(name="pet_background", unit="1", low=0.0, high=0.6),
        ParameterRange(name="pet_noise_std", unit="1", low=0.03, high=0.25, scale="log-uniform"),
    ]
)
IMAGING = ImagingPrior.of(PRIOR)


@cache
def tumors():
    """Densities by diffusivity and rate, (12, 12, X, Y, Z)."""
    return np.array([[simulated(diffusivity, rate) for rate in RATES] for diffusivity in DIFFUSIVITIES])


def simulated(diffusivity, rate):
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=diffusivity, proliferation_rate_per_day=rate, seed_mm=SEED_MM
    )
    model = FisherKolmogorov(time_step_scale=4.0)
    return model.simulate(ANATOMY, parameters, (GROWTH_TIME_DAYS,)).cell_density[-1]


class InterpolatedTumors:
    """A growth model: densities linear between the diffusivities and rates of `tumors`."""

    name = "interpolated"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        row, row_share = place(parameters.white_matter_diffusivity_mm2_per_day, DIFFUSIVITIES)
        column, column_share = place(parameters.proliferation_rate_per_day, RATES)
        four = tumors()[row : row + 2, column : column + 2]
        two = (1.0 - row_share) * four[0] + row_share * four[1]
        density = (1.0 - column_share) * two[0] + column_share * two[1]
        return solution_of(density[None].astype(np.float32), times_days, anatomy.grid)


def place(value, nodes):
    """Index of the node below a value, and how far it lies on the way to the next."""
    index = int(np.clip(np.searchsorted(nodes, value) - 1, 0, len(nodes) - 2))
    return index, (value - nodes[index]) / (nodes[index + 1] - nodes[index])


@cache
def imaging_likelihood():
    """Masks and PET of one tumor, drawn from the observation model; a voxel counts as a twentieth."""
    rng = np.random.default_rng(6)
    density = simulated(0.2, 0.06)
    core, whole = (
        rng.random(density.shape) < np.exp(log_visibility(density, threshold=threshold, visibility_width=0.08)[0])
        for threshold in (0.65, 0.25)
    )
    uptake = 0.6 * density + 0.3 + 0.1 * rng.normal(size=density.shape)
    pet = np.clip(uptake, 1e-3, 1.0).astype(np.float32)
    return ImagingLikelihood(
        observation=Observation(tumor_core=core, whole_tumor=whole, pet=Volume(pet, ANATOMY.grid), grid=ANATOMY.grid),
        domain=ANATOMY.domain,
        options=LikelihoodOptions(mask_weight=0.05, pet_weight=0.05),
    )


def likelihood_of_all():
    seed = dict(zip(("seed_x_mm", "seed_y_mm", "seed_z_mm"), SEED_MM, strict=True))
    fixed = {"growth_time_days": GROWTH_TIME_DAYS, **seed}
    return GrowthLikelihood(
        model=InterpolatedTumors(), anatomy=ANATOMY, likelihood=imaging_likelihood(), names=PRIOR.names, fixed=fixed
    )


def settings_of(seed):
    return TmcmcSettings.thorough(seed=seed, num_samples=64, num_steps=5)


def summary_of(samples, log_evidence):
    """Means, standard deviations, correlations of all parameters, and the log evidence, as one row."""
    covariance = np.cov(samples.parameters.T, aweights=samples.weights)
    widths = np.sqrt(np.diag(covariance))
    correlations = (covariance / np.outer(widths, widths))[np.triu_indices(len(PRIOR.names), 1)]
    return np.array([*samples.mean.values(), *samples.std.values(), *correlations, log_evidence])


@pytest.fixture(scope="module")
def sampled():
    """Summaries of runs that sample all seven parameters, (seeds, quantities)."""
    target = PosteriorTarget(prior=PRIOR, log_likelihood_of=likelihood_of_all())
    runs = [sample_posterior(target, settings_of(seed)) for seed in range(NUM_SEEDS)]
    return np.array([summary_of(equally_weighted(target, run), run.log_evidence) for run in runs])


@pytest.fixture(scope="module")
def integrated():
    """Samples, and log evidence, of runs that draw two parameters and the others beside."""
    settings = [ImportanceSettings(seed=100 + seed, num_effective=100) for seed in range(NUM_SEEDS)]
    found = [sample_growth(likelihood_of_all(), PRIOR, each) for each in settings]
    return [(each.samples, each.run.log_evidence) for each in found]


def with_imaging_of_others(samples, rng):
    """Each sample with the imaging parameters of another one."""
    columns = [PRIOR.names.index(name) for name in IMAGING.names]
    parameters = samples.parameters.copy()
    parameters[:, columns] = rng.permutation(parameters[:, columns])
    return replace(samples, parameters=parameters)


def standard_errors_between(ours, theirs):
    """Differences of means over seeds, in standard errors of these."""
    error = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / NUM_SEEDS)
    return np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) / error


@pytest.mark.slow
def test_integrated_and_sampled_posterior_agree(integrated, sampled):
    """Means, standard deviations, correlations and log evidence, within 4.5 standard errors over six seeds."""
    summaries = np.array([summary_of(*run) for run in integrated])

    found = standard_errors_between(summaries, sampled)

    assert found.max() < 4.5, found


@pytest.mark.slow
def test_imaging_parameters_of_another_tumor_are_seen(integrated, sampled):
    """Negative control: the same draws given to other samples have the same means, and lost their correlations."""
    rng = np.random.default_rng(8)
    summaries = np.array([summary_of(with_imaging_of_others(samples, rng), log) for samples, log in integrated])

    found = standard_errors_between(summaries, sampled)

    assert found.max() > 7.0, found
