from dataclasses import replace

import numpy as np
import pytest
from ball_database import ball, ball_database
from growth_likelihoods import ANATOMY, SEED_MM

from gliofield.bayes import BoxPrior, ParameterRange
from gliofield.bayes.database_posterior import (
    DatabasePosteriorSettings,
    database_posterior,
    threshold_grid_of,
)
from gliofield.bayes.identifiable import IdentifiableTumors, log_prior_of_tumors
from gliofield.errors import NumericalError, ParameterError
from gliofield.imaging import (
    ImagingLikelihood,
    ImagingParameters,
    LikelihoodOptions,
    Observation,
    independent_voxel_fraction,
    make_virtual_pet,
    normalized_pet,
)
from gliofield.retrieval import BlockIndex
from gliofield.volume import Volume

NUM_TUMORS = 60
LENGTH_MM = 20.0
RANGES = {
    "white_matter_diffusivity_mm2_per_day": (0.001, 0.5),
    "proliferation_rate_per_day": (0.001, 0.2),
    "growth_time_days": (20.0, 2000.0),
    "seed_x_mm": (SEED_MM[0] - 9.0, SEED_MM[0] + 9.0),
    "seed_y_mm": (SEED_MM[1] - 9.0, SEED_MM[1] + 9.0),
    "seed_z_mm": (SEED_MM[2] - 9.0, SEED_MM[2] + 9.0),
    "t1gd_threshold": (0.55, 0.75),
    "flair_threshold": (0.1, 0.3),
    "visibility_width": (0.05, 0.08),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return BlockIndex.open(ball_database(NUM_TUMORS), num_threads=1, folder=tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def observation():
    density = ball(np.array(SEED_MM) + (1.0, -1.0, 0.5), 11.0, 6.0)
    return Observation(tumor_core=density > 0.65, whole_tumor=density > 0.2, grid=ANATOMY.grid)


@pytest.fixture(scope="module")
def prior():
    return BoxPrior(ranges=[ParameterRange(name=n, unit="1", low=low, high=high) for n, (low, high) in RANGES.items()])


@pytest.fixture(scope="module")
def log_design_density():
    """A design that draws some tumors more often than others."""
    return np.random.default_rng(5).normal(size=NUM_TUMORS)


@pytest.fixture(scope="module")
def prior_with_pet(prior):
    """The same, and ranges of the PET model."""
    ranges = {"pet_scale": (0.3, 1.02), "pet_background": (0.1, 0.5), "pet_noise_std": (0.02, 0.25)}
    pet = [ParameterRange(name=name, unit="1", low=low, high=high) for name, (low, high) in ranges.items()]
    return BoxPrior(ranges=[*prior.ranges, *pet])


def pet_of(database, tumor):
    """FET-PET of one tumor of the database, blurred and noisy, on the background of the brain."""
    density = Volume(database.cell_density(tumor), ANATOMY.grid)
    return normalized_pet(make_virtual_pet(density, ANATOMY.domain, rng=np.random.default_rng(2), noise_std=0.03))


def settings(**changes):
    return DatabasePosteriorSettings(
        **{"num_tumors": NUM_TUMORS, "correlation_length_mm": LENGTH_MM, "min_effective_tumors": 3.0, **changes}
    )


def brute_force_log_weights(index, observation, prior, log_design_density, weight):
    """Every tumor by the imaging likelihood itself, averaged over the same grid of thresholds and width."""
    database, grid = index.database, threshold_grid_of(prior)
    likelihood = ImagingLikelihood(
        observation=observation, domain=ANATOMY.domain, options=LikelihoodOptions(mask_weight=weight, pet_weight=weight)
    )
    middles = (np.arange(grid.num_thresholds) + 0.5) / grid.num_thresholds
    widths = 0.05 + 0.03 * (np.arange(grid.num_widths) + 0.5) / grid.num_widths
    log_likelihoods = []
    for tumor in range(database.num_tumors):
        density = database.cell_density(tumor)
        values = np.empty((len(widths), len(middles), 2))
        for row, width in enumerate(widths):
            for column, middle in enumerate(middles):
                terms = likelihood.log_likelihood(
                    density,
                    ImagingParameters(
                        t1gd_threshold=0.55 + 0.2 * middle, flair_threshold=0.1 + 0.2 * middle, visibility_width=width
                    ),
                )
                values[row, column] = terms.t1gd, terms.flair
        largest = values.max()
        means = np.exp(values - largest).mean(axis=1)
        log_likelihoods.append(np.log(means.prod(axis=1).mean()) + 2 * largest)
    tumors = IdentifiableTumors.of_parameters(database.parameters, database.parameter_names)
    return np.array(log_likelihoods) + log_prior_of_tumors(prior, tumors) - log_design_density


def test_weights_and_maps_are_those_of_brute_force(index, observation, prior, log_design_density):
    """Every tumor, mean, standard deviation and exceedance, from likelihoods voxel by voxel."""
    weight = independent_voxel_fraction(ANATOMY.grid.spacing_mm, correlation_length_mm=LENGTH_MM)
    expected = brute_force_log_weights(index, observation, prior, log_design_density, weight)
    weights = np.exp(expected - expected.max())
    weights /= weights.sum()
    densities = np.stack([index.database.cell_density(tumor) for tumor in range(NUM_TUMORS)]).astype(np.float64)

    found = database_posterior(
        index, observation, ANATOMY, prior, settings=settings(), log_design_density=log_design_density
    )

    np.testing.assert_allclose(found.samples.weights, weights[found.tumors], rtol=1e-6, atol=1e-12)
    mean = np.tensordot(weights, densities, 1)
    np.testing.assert_allclose(found.mean.data, mean, atol=1e-6)
    variance = np.tensordot(weights, (densities - mean) ** 2, 1)
    np.testing.assert_allclose(found.std.data**2, variance, atol=1e-5)
    np.testing.assert_allclose(found.exceedance["flair"].data, np.tensordot(weights, densities > 0.2, 1), atol=1e-6)
    assert found.effective_sample_size == pytest.approx(1.0 / (weights**2).sum(), rel=1e-6)
    assert (found.truncation_error, found.weight) == (0.0, weight)


def test_pet_enters_the_weights_with_its_parameters_integrated(
    index, observation, prior, prior_with_pet, log_design_density
):
    """Each tumor's weight changes by the mean of the PET likelihood, voxel by voxel, over the prior of b, a and σ."""
    weight = independent_voxel_fraction(ANATOMY.grid.spacing_mm, correlation_length_mm=LENGTH_MM)
    seen = replace(observation, pet=pet_of(index.database, 7))
    options = LikelihoodOptions(mask_weight=weight, pet_weight=weight, pet_fwhm_mm=5.0)
    likelihood = ImagingLikelihood(observation=seen, domain=ANATOMY.domain, options=options)
    middles = (np.arange(16) + 0.5) / 16
    tumors = (7, 3, 40)
    expected = []
    for tumor in tumors:
        logs = [
            likelihood.log_likelihood(
                index.database.cell_density(tumor),
                ImagingParameters(
                    t1gd_threshold=0.6,
                    flair_threshold=0.2,
                    visibility_width=0.06,
                    pet_scale=0.3 + 0.72 * scale,
                    pet_background=0.1 + 0.4 * background,
                    pet_noise_std=0.02 + 0.23 * noise,
                ),
            ).pet
            for scale in middles
            for background in middles
            for noise in middles
        ]
        expected.append(np.log(np.mean(np.exp(logs))))

    found, without = (
        database_posterior(index, each, ANATOMY, box, settings=settings(), log_design_density=log_design_density)
        for each, box in ((seen, prior_with_pet), (observation, prior))
    )

    both = [dict(zip(each.tumors.tolist(), each.samples.log_likelihood, strict=True)) for each in (found, without)]
    changes = [both[0][tumor] - both[1][tumor] for tumor in tumors]
    np.testing.assert_allclose(np.diff(changes), np.diff(expected), atol=0.01)
    np.testing.assert_allclose(changes, expected, atol=0.05)


def test_pet_of_a_tumor_of_the_database_makes_it_more_probable(
    index, observation, prior, prior_with_pet, log_design_density
):
    """Its weight grows, fewer tumors carry the posterior, and the mean density comes nearer to it."""
    seen = replace(observation, pet=pet_of(index.database, 40))
    wide = settings(min_effective_tumors=1.0, correlation_length_mm=12.0)

    found, without = (
        database_posterior(index, each, ANATOMY, box, settings=wide, log_design_density=log_design_density)
        for each, box in ((seen, prior_with_pet), (observation, prior))
    )

    weights = [float(each.samples.weights[each.tumors == 40][0]) for each in (found, without)]
    assert weights[0] > 2.0 * weights[1]
    assert found.effective_sample_size < without.effective_sample_size
    assert without.pet_draws == {}
    assert np.median(found.pet_draws["pet_background"]) == pytest.approx(0.3, abs=0.02)
    assert {len(draws) for draws in found.pet_draws.values()} == {64}
    truth = index.database.cell_density(40)
    errors = [float(np.abs(each.mean.data - truth).mean()) for each in (found, without)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("number", [10, 20])
def test_what_is_not_read_is_estimated_with_pet(index, observation, prior_with_pet, log_design_density, number):
    """PET that prefers a tumor far down the ranking of the masks shows in the truncation error."""
    ranked = index.search(
        Observation(tumor_core=observation.tumor_core, whole_tumor=observation.whole_tumor, grid=ANATOMY.grid),
        NUM_TUMORS,
    ).hits
    seen = replace(observation, pet=pet_of(index.database, ranked[25].index))
    arguments = (index, seen, ANATOMY, prior_with_pet)
    wide = settings(tempering_exponent=0.3, min_effective_tumors=1.0, max_truncation_error=1.0)
    whole = database_posterior(*arguments, settings=wide, log_design_density=log_design_density)

    found = database_posterior(
        *arguments, settings=replace(wide, num_tumors=number), log_design_density=log_design_density
    )

    missed = 1.0 - whole.samples.weights[np.isin(whole.tumors, found.tumors)].sum()
    assert missed > 0.1
    assert found.truncation_error == pytest.approx(missed, rel=1.0, abs=0.05)


def test_what_is_not_read_is_estimated(index, observation, prior, log_design_density):
    """A truncated posterior says how much it misses, within a factor of two where that is a tenth or more."""
    arguments = (index, observation, ANATOMY, prior)
    whole = database_posterior(*arguments, settings=settings(), log_design_density=log_design_density)
    errors = []
    for number in (10, 20):
        found = database_posterior(
            *arguments,
            settings=settings(num_tumors=number, max_truncation_error=1.0),
            log_design_density=log_design_density,
        )
        missed = 1.0 - whole.samples.weights[np.isin(whole.tumors, found.tumors)].sum()
        assert len(found.tumors) == number
        assert found.truncation_error == pytest.approx(missed, rel=1.0, abs=0.05)
        errors.append(found.truncation_error)
    assert errors[0] > errors[1]


def test_too_much_beyond_the_tumors_read_is_refused(index, observation, prior, log_design_density):
    """With a flat likelihood the few tumors read are no posterior."""
    flat = settings(num_tumors=10, tempering_exponent=1e-6, max_truncation_error=0.2)
    with pytest.raises(
        NumericalError, match=r"the 10 best-matching tumors hold only \d+% of the probability: expected at least 80%"
    ):
        database_posterior(index, observation, ANATOMY, prior, settings=flat, log_design_density=log_design_density)


def test_too_few_effective_tumors_are_refused(index, observation, prior, log_design_density):
    """With independent voxels one tumor carries all; the message says what exponent would do, and it does."""
    sharp = settings(correlation_length_mm=0.0, min_effective_tumors=6.0)
    with pytest.raises(NumericalError, match=r"1\.\d effective tumors of the 60 nearest") as caught:
        database_posterior(index, observation, ANATOMY, prior, settings=sharp, log_design_density=log_design_density)
    exponent = float(str(caught.value).split("tempering_exponent = ")[1].split()[0])

    found = database_posterior(
        index,
        observation,
        ANATOMY,
        prior,
        settings=replace(sharp, tempering_exponent=0.95 * exponent),
        log_design_density=log_design_density,
    )

    assert found.effective_sample_size >= 6.0


def test_an_adapted_exponent_is_the_largest_that_enough_tumors_carry(index, observation, prior, log_design_density):
    """Six effective tumors, and the exponent is told; where all is well already it stays 1."""
    arguments = {"log_design_density": log_design_density}
    adapted = settings(correlation_length_mm=0.0, tempering_exponent=None, min_effective_tumors=6.0)
    wide = settings(correlation_length_mm=80.0, tempering_exponent=None, min_effective_tumors=6.0)

    found = database_posterior(index, observation, ANATOMY, prior, settings=adapted, **arguments)
    easy = database_posterior(index, observation, ANATOMY, prior, settings=wide, **arguments)

    assert found.effective_sample_size == pytest.approx(6.0, rel=1e-3)
    assert found.tempering_exponent < 0.1
    assert found.weight == found.tempering_exponent
    assert easy.tempering_exponent == 1.0


def test_a_prior_without_mass_on_the_matches_is_refused(index, observation, prior, log_design_density):
    """The seeds of all tumors lie outside its box."""
    ranges = [replace(each, low=-90.0, high=-80.0) if each.name == "seed_x_mm" else each for each in prior.ranges]
    with pytest.raises(NumericalError, match="prior has no mass on any"):
        database_posterior(
            index,
            observation,
            ANATOMY,
            BoxPrior(ranges=ranges),
            settings=settings(),
            log_design_density=log_design_density,
        )


def test_an_empty_core_leaves_the_whole_tumor(index, observation, prior, log_design_density):
    """As the query, which compares FLAIR alone then."""
    empty = Observation(
        tumor_core=np.zeros(ANATOMY.grid.shape, bool), whole_tumor=observation.whole_tumor, grid=ANATOMY.grid
    )

    found = database_posterior(index, empty, ANATOMY, prior, settings=settings(), log_design_density=log_design_density)

    assert found.effective_sample_size > 3.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_tumors": 1}, "num_tumors must be at least 2"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
        ({"min_effective_tumors": float("nan")}, "min_effective_tumors must be at least 1"),
        ({"tempering_exponent": 0.0}, "tempering_exponent must lie in"),
        ({"max_truncation_error": 2.0}, "max_truncation_error must lie in"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        settings(**changes)


def test_what_it_cannot_use_is_refused(index, observation, prior):
    """A prior without thresholds or PET model, an unknown design, another domain rule."""
    with pytest.raises(ParameterError, match="PET was observed and the prior lacks pet_scale, pet_noise_std"):
        database_posterior(index, replace(observation, pet=pet_of(index.database, 0)), ANATOMY, prior)
    with pytest.raises(ParameterError, match="the prior lacks flair_threshold"):
        database_posterior(index, observation, ANATOMY, prior.without("flair_threshold"))
    with pytest.raises(ParameterError, match="density of the design 'none' is not known"):
        database_posterior(index, observation, ANATOMY, prior)
    with pytest.raises(ParameterError, match="domain rule 'brain'"):
        database_posterior(index, observation, replace(ANATOMY, domain_rule="brain"), prior)
