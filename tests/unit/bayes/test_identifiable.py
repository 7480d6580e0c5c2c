import numpy as np
import pytest
from growth_likelihoods import ANATOMY

from gliofield.bayes import BoxPrior, GrowthTimePrior, ParameterRange
from gliofield.bayes.identifiable import IdentifiableTumors, log_design_of_tumors, log_prior_of_tumors
from gliofield.database import ClinicalDesign
from gliofield.database.design import AttemptRng
from gliofield.database.schema import describe_settings
from gliofield.errors import ParameterError
from gliofield_papers.queries.papers_design import PapersDesign

D, RHO, T, C = (
    "white_matter_diffusivity_mm2_per_day",
    "proliferation_rate_per_day",
    "growth_time_days",
    "proliferation_rate_times_squared_time_days",
)
NAMES = (D, RHO, T, "seed_x_mm", "seed_y_mm", "seed_z_mm")


def growth_prior(scales, third=(T, 100.0, 900.0)):
    """Ranges of D_w, ρ and T (or c) with the scales asked for, and a seed box of 8,000 mm³ without tissue."""
    ranges = [(D, 0.02, 0.2), (RHO, 0.01, 0.05), third]
    growth = [
        ParameterRange(name=name, unit="1", low=low, high=high, scale=scale)
        for (name, low, high), scale in zip(ranges, scales, strict=True)
    ]
    seed = [ParameterRange(name=f"seed_{axis}_mm", unit="mm", low=0.0, high=20.0) for axis in "xyz"]
    return BoxPrior(ranges=[*growth, *seed])


PRIORS = {
    "uniform": growth_prior(["uniform"] * 3),
    "log-uniform": growth_prior(["log-uniform"] * 3),
    "mixed": growth_prior(["log-uniform", "uniform", "log-uniform"]),
    "growth time": GrowthTimePrior(box=growth_prior(["log-uniform"] * 3, third=(C, 300.0, 9000.0))),
    "growth time, uniform": GrowthTimePrior(box=growth_prior(["uniform"] * 3, third=(C, 300.0, 9000.0))),
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_density_of_a_prior_is_that_of_its_draws(name):
    """The share of 200,000 draws in boxes of (log λ, log τ) is the density times their area, within 5 deviations."""
    prior = PRIORS[name]
    draws = IdentifiableTumors.of_parameters(prior.sample(200_000, np.random.default_rng(0)), NAMES)
    points = np.log(np.stack([draws.infiltration_length_mm, draws.scaled_time]))
    side = 0.05

    for center in (np.log([1.6, 12.0]), np.log([1.2, 20.0]), np.log([2.5, 6.0])):
        share = (np.abs(points - center[:, None]) < side / 2).all(axis=0).mean()
        tumor = IdentifiableTumors(
            infiltration_length_mm=np.exp(center[:1]), scaled_time=np.exp(center[1:]), seed_mm=np.full((1, 3), 5.0)
        )
        expected = np.exp(log_prior_of_tumors(prior, tumor)[0]) * 20.0**3 * side**2
        assert abs(share - expected) < 5 * np.sqrt(expected / 200_000) + 0.03 * expected


def test_there_is_no_density_outside_the_ranges():
    """Neither where no ρ makes λ and τ, nor off the seed's box."""
    tumors = IdentifiableTumors(
        infiltration_length_mm=np.array([1.6, 50.0, 1.6]),
        scaled_time=np.array([12.0, 12.0, 12.0]),
        seed_mm=np.array([[5.0, 5.0, 5.0], [5.0, 5.0, 5.0], [30.0, 5.0, 5.0]]),
    )

    assert np.isfinite(log_prior_of_tumors(PRIORS["uniform"], tumors)).tolist() == [True, False, False]


@pytest.mark.parametrize("design", [ClinicalDesign(), PapersDesign()], ids=["clinical", "papers"])
def test_the_density_of_a_design_is_that_of_its_draws(design):
    """Draws weighted by 1/density fill a box of (log λ, log τ) evenly: its quarters have the same sum of weights."""
    anatomy = ANATOMY
    draws = [design.draw(AttemptRng(1, run, 1), anatomy) for run in range(4000)]
    rows = [
        (d.parameters.white_matter_diffusivity_mm2_per_day, d.parameters.proliferation_rate_per_day, d.times_days[0])
        for d in draws
    ]
    seeds = np.array([d.parameters.seed_mm for d in draws])
    tumors = IdentifiableTumors.of_parameters(np.column_stack([np.array(rows), seeds]), NAMES)
    log_density = log_design_of_tumors(describe_settings(design), tumors, anatomy)
    # Boxes inside the support: the reach of the largest clinical tumor there is below 60 mm.
    low, high = np.log([[1, 6], [2, 12]] if design.name == "clinical" else [[1, 5], [4, 100]])
    points = np.log(np.stack([tumors.infiltration_length_mm, tumors.scaled_time], axis=1))
    halves = [points[:, axis] < (low + high)[axis] / 2 for axis in range(2)]
    inside = ((points > low) & (points < high)).all(axis=1)

    quarters = [inside & (a == halves[0]) & (b == halves[1]) for a in (True, False) for b in (True, False)]
    seed_part = _log_seed_part(design, seeds, anatomy)
    weights = np.exp(-(log_density - seed_part))
    sums = np.array([weights[quarter].sum() for quarter in quarters])
    errors = np.array([np.sqrt((weights[quarter] ** 2).sum()) for quarter in quarters])
    assert min(np.count_nonzero(quarter) for quarter in quarters) > 40
    assert (np.abs(sums - sums.mean()) < 4.5 * errors).all(), (sums, errors)


def _log_seed_part(design, seeds, anatomy):
    """The seed's part of the density of the clinical design, by the definition: weights of tissue at its voxel."""
    if design.name == "papers":
        return 0.0
    x, y, z = np.floor(anatomy.grid.voxel_of(seeds) + 0.5).astype(int).T
    return np.log(anatomy.white_matter[x, y, z] + 0.5 * anatomy.gray_matter[x, y, z])


def test_an_unknown_design_is_refused():
    """Its density must be given."""
    tumors = IdentifiableTumors(infiltration_length_mm=np.ones(1), scaled_time=np.ones(1), seed_mm=np.ones((1, 3)))
    with pytest.raises(ParameterError, match="density of the design 'mine' is not known"):
        log_design_of_tumors({"name": "mine", "settings": {}}, tumors, ANATOMY)


def test_missing_parameters_are_named():
    """Of tumors and of priors."""
    with pytest.raises(ParameterError, match="tumors need the parameters"):
        IdentifiableTumors.of_parameters(np.ones((2, 1)), (D,))
    tumors = IdentifiableTumors(infiltration_length_mm=np.ones(1), scaled_time=np.ones(1), seed_mm=np.ones((1, 3)))
    with pytest.raises(ParameterError, match="the prior lacks growth_time_days"):
        log_prior_of_tumors(PRIORS["uniform"].without(T), tumors)
