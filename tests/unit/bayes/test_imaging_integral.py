from dataclasses import replace

import numpy as np
import pytest
from growth_likelihoods import ANATOMY, NAMES, TRUTH, BallModel, imaging_likelihood, rows_around_truth, truth_row

from gliofield.bayes import (
    BoxPrior,
    GrowthLikelihood,
    GrowthTimePrior,
    ImagingIntegral,
    ImagingPrior,
    ParameterRange,
)
from gliofield.errors import GridMismatchError, NumericalError, ParameterError
from gliofield.imaging import ImagingParameters, LikelihoodOptions

GROWTH_NAMES, IMAGING_NAMES = NAMES[:6], NAMES[6:]
RANGES = {
    "t1gd_threshold": (0.5, 0.8),
    "flair_threshold": (0.05, 0.4),
    "visibility_width": (0.05, 0.08),
    "pet_scale": (0.2, 1.02),
    "pet_background": (0.0, 0.6),
    "pet_noise_std": (0.01, 0.25),
}
POINTS = dict.fromkeys(RANGES, 0.5)


def range_of(name, low, high):
    return ParameterRange(name=name, unit="1", low=low, high=high)


def imaging_prior(names=IMAGING_NAMES, **changes):
    return ImagingPrior(ranges=tuple(range_of(name, *{**RANGES, **changes}[name]) for name in names))


def growth_row(**changes):
    return truth_row(**changes)[:, :6]


@pytest.fixture(scope="module")
def imaging():
    return imaging_likelihood(weight=0.05)


def sampled_likelihood(imaging, **changes):
    """Of all twelve parameters."""
    settings = {"model": BallModel(), "anatomy": ANATOMY, "likelihood": imaging, "names": NAMES, **changes}
    return GrowthLikelihood(**settings)


def ball_density(row):
    """What the model grows of the growth parameters in a row, (1, ≥ 6)."""
    return next(sampled_likelihood(imaging_likelihood()).densities(np.hstack([row[:, :6], truth_row()[:, 6:]])))


@pytest.mark.parametrize(
    ("names", "got"),
    [
        (IMAGING_NAMES[:2], "got t1gd_threshold, flair_threshold"),
        (IMAGING_NAMES[:4], "got .*pet_scale"),
        ((*IMAGING_NAMES[:3], "pet_background"), "got .*pet_background"),
        ((*IMAGING_NAMES[:3], "visibility_width"), "got .*visibility_width, visibility_width"),
        ((), "got none"),
    ],
    ids=["no width", "no noise", "background only", "a name twice", "nothing"],
)
def test_a_prior_of_imaging_parameters_is_complete(names, got):
    """Thresholds and width once each, PET with scale and noise or none of it."""
    with pytest.raises(ParameterError, match=f"needs t1gd_threshold.*{got}"):
        imaging_prior(names)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"visibility_width": (0.0, 0.08)}, "visibility_width must be finite and at least"),
        ({"t1gd_threshold": (0.0, 0.8)}, "threshold must lie strictly between 0 and 1"),
        ({"flair_threshold": (0.2, 1.0)}, "threshold must lie strictly between 0 and 1"),
    ],
)
def test_ranges_for_which_there_is_no_likelihood_are_refused(changes, complaint):
    """A width of 0, thresholds of 0 or 1."""
    with pytest.raises(ParameterError, match=complaint):
        imaging_prior(**changes)


def test_noise_that_reaches_zero_is_refused(imaging):
    """PET without noise has no likelihood."""
    with pytest.raises(ParameterError, match="pet_noise_std must be finite and at least"):
        ImagingIntegral(likelihood=imaging, prior=imaging_prior(pet_noise_std=(0.0, 0.25)))


def test_without_a_background_the_model_is_the_papers(imaging):
    """A prior of eleven parameters: the evidence is that of a background as good as 0, and none is drawn."""
    density, names = ball_density(truth_row()), tuple(name for name in IMAGING_NAMES if name != "pet_background")
    paper = ImagingIntegral(likelihood=imaging, prior=imaging_prior(names))
    nearly = ImagingIntegral(likelihood=imaging, prior=imaging_prior(pet_background=(0.0, 1e-7)))

    assert paper.log_evidence(density) == pytest.approx(nearly.log_evidence(density), abs=1e-3)
    assert set(paper.drawn(density, POINTS)[1]) == set(names)


def test_the_imaging_part_of_a_box_is_found():
    """In the order of the box, growth left aside."""
    names = (
        "pet_noise_std", "growth_time_days", "visibility_width", "flair_threshold", "pet_scale", "pet_background",
        "t1gd_threshold",
    )  # fmt: skip
    box = BoxPrior(ranges=[range_of(name, *RANGES.get(name, (1.0, 2.0))) for name in names])

    found = ImagingPrior.of(box)

    assert found.names == tuple(name for name in names if name != "growth_time_days")
    assert found.ranges == tuple(each for each in box.ranges if each.name in RANGES)


def test_the_imaging_part_of_a_prior_of_growth_time_is_found():
    """The box behind it holds the ranges; without them both are of growth alone."""
    growth = {"proliferation_rate_per_day": (0.01, 0.1), "proliferation_rate_times_squared_time_days": (100.0, 1000.0)}
    ranges = [range_of(name, *low_high) for name, low_high in (growth | RANGES).items()]
    prior = GrowthTimePrior(box=BoxPrior(ranges=ranges))

    found = ImagingPrior.of(prior)

    assert found.ranges == tuple(ranges[2:])
    assert prior.without(*found.names).names == ("proliferation_rate_per_day", "growth_time_days")


def test_a_prior_without_imaging_parameters_has_no_imaging_part():
    """Said by name."""
    with pytest.raises(ParameterError, match="got none"):
        ImagingPrior.of(BoxPrior(ranges=[range_of("growth_time_days", 1.0, 2.0)]))


def test_the_formula_of_the_published_code_is_refused(imaging):
    """Its kernel is not one of u − u_c."""
    likelihood = replace(imaging, options=LikelihoodOptions(formula="published-code"))
    with pytest.raises(ParameterError, match="paper's formula only, got 'published-code': sample them instead"):
        ImagingIntegral(likelihood=likelihood, prior=imaging_prior())


def test_pet_that_the_prior_does_not_know_is_refused(imaging):
    """Observed, but without scale and noise."""
    with pytest.raises(ParameterError, match="PET was observed, .* expected pet_scale, pet_noise_std exactly"):
        ImagingIntegral(likelihood=imaging, prior=imaging_prior(IMAGING_NAMES[:3]))


def test_pet_that_was_not_observed_is_refused():
    """Scale and noise of nothing."""
    with pytest.raises(ParameterError, match="PET was not observed"):
        ImagingIntegral(likelihood=imaging_likelihood(has_pet=False), prior=imaging_prior())


def test_a_density_of_another_grid_is_refused(imaging):
    """By evidence and draws, as by the likelihood itself."""
    integral = ImagingIntegral(likelihood=imaging, prior=imaging_prior())
    other = np.zeros((3, 3, 3), dtype=np.float32)

    with pytest.raises(GridMismatchError, match="cell_density"):
        integral.log_evidence(other)
    with pytest.raises(GridMismatchError, match="cell_density"):
        integral.drawn(other, POINTS)


def test_a_density_that_is_none_is_refused(imaging):
    """NaN is a failed simulation."""
    integral = ImagingIntegral(likelihood=imaging, prior=imaging_prior())
    with pytest.raises(NumericalError, match="cell_density must be finite"):
        integral.log_evidence(np.full(ANATOMY.grid.shape, np.nan, dtype=np.float32))


def test_the_order_of_the_ranges_does_not_matter(imaging):
    """Ranges are found by name."""
    density = ball_density(truth_row())
    integral, reversed_ = (
        ImagingIntegral(likelihood=imaging, prior=imaging_prior(names))
        for names in (IMAGING_NAMES, IMAGING_NAMES[::-1])
    )
    points = dict(zip(IMAGING_NAMES, (0.1, 0.3, 0.5, 0.7, 0.9, 0.2), strict=True))

    assert reversed_.log_evidence(density) == integral.log_evidence(density)
    assert reversed_.drawn(density, points) == integral.drawn(density, points)


def test_an_integrated_likelihood_has_rows_of_growth_alone(imaging):
    """Its value is the evidence of the density of these."""
    prior = imaging_prior()
    integrated = sampled_likelihood(imaging).integrated(prior)
    rows = rows_around_truth(2)[:, :6]

    expected = [ImagingIntegral(likelihood=imaging, prior=prior).log_evidence(ball_density(row[None])) for row in rows]

    assert integrated.simulation.names == GROWTH_NAMES
    assert integrated(rows).tolist() == expected


def test_everything_else_is_kept(imaging):
    """Fixed values and names."""
    names = tuple(name for name in NAMES if name != "growth_time_days")
    fixed = {"growth_time_days": TRUTH["growth_time_days"]}

    integrated = sampled_likelihood(imaging, names=names, fixed=fixed).integrated(imaging_prior())

    assert integrated.simulation.names == tuple(name for name in GROWTH_NAMES if name != "growth_time_days")
    assert integrated.simulation.fixed == fixed


def test_fixed_imaging_parameters_are_not_integrated(imaging):
    """They would be forgotten otherwise."""
    names = tuple(name for name in NAMES if name != "visibility_width")
    likelihood = sampled_likelihood(imaging, names=names, fixed={"visibility_width": 0.06})

    with pytest.raises(ParameterError, match="visibility_width cannot be fixed and integrated"):
        likelihood.integrated(imaging_prior())


def test_a_prior_that_does_not_fit_the_images_is_refused_at_once(imaging):
    """Before a process starts."""
    with pytest.raises(ParameterError, match="PET was observed"):
        sampled_likelihood(imaging, names=GROWTH_NAMES, imaging_prior=imaging_prior(IMAGING_NAMES[:3]))


@pytest.mark.parametrize("failure", ["raises", "nan"])
def test_a_failed_simulation_is_impossible(imaging, failure):
    """As without integration, and counted."""
    integrated = sampled_likelihood(imaging, model=BallModel(failure)).integrated(imaging_prior())

    values = integrated(np.concatenate([growth_row(proliferation_rate_per_day=rate) for rate in (0.02, 0.04)]))

    assert np.isneginf(values).tolist() == [True, False]
    assert integrated.counts.num_failed == 1


def test_drawn_parameters_come_with_their_log_likelihood(imaging):
    """Those of growth alone, and of all twelve parameters; all lie in their ranges."""
    whole = sampled_likelihood(imaging)
    rows, integrated = rows_around_truth(3)[:, :6], whole.integrated(imaging_prior())

    values, drawn = integrated.with_imaging(rows, np.random.default_rng(4))

    assert drawn.shape == (3, 7)
    assert values.tolist() == integrated(rows).tolist()
    for column, (low, high) in zip(drawn.T, RANGES.values(), strict=False):
        assert ((column >= low) & (column <= high)).all()
    assert drawn[:, -1].tolist() == whole(np.hstack([rows, drawn[:, :-1]])).tolist()


def test_every_row_is_drawn_by_its_own_points(imaging):
    """Equal rows have different imaging parameters, equal generators the same."""
    integrated = sampled_likelihood(imaging).integrated(imaging_prior())
    rows = np.repeat(growth_row(), 3, axis=0)

    _, once = integrated.with_imaging(rows, np.random.default_rng(4))
    _, again = integrated.with_imaging(rows, np.random.default_rng(4))

    assert all(len(np.unique(column)) == 3 for column in once.T)
    np.testing.assert_array_equal(once, again)


def test_processes_change_no_draw_and_no_value(imaging):
    """Two processes give the bits of one; what fails has likelihood 0, no draw, and its reason."""
    rows = np.concatenate([growth_row(proliferation_rate_per_day=rate) for rate in (0.03, 0.031, 0.02)])
    alone = sampled_likelihood(imaging, model=BallModel("raises")).integrated(imaging_prior())

    with sampled_likelihood(imaging, model=BallModel("raises"), num_workers=2).integrated(imaging_prior()) as shared:
        assert shared.num_workers == 2
        np.testing.assert_array_equal(shared(rows), alone(rows))
        found = shared.with_imaging(rows, np.random.default_rng(4))
        assert shared.counts.first_failure == "the solver gave up"

    for ours, expected in zip(found, alone.with_imaging(rows, np.random.default_rng(4)), strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert np.isneginf(found[0]).tolist() == [False, False, True]
    assert np.isnan(found[1]).all(axis=1).tolist() == [False, False, True]


def test_nothing_is_drawn_for_columns(imaging):
    """A likelihood of all twelve parameters has nothing left to draw."""
    with pytest.raises(ParameterError, match="columns of this likelihood"):
        sampled_likelihood(imaging).with_imaging(truth_row(), np.random.default_rng(4))


def test_drawn_parameters_are_those_of_an_imaging_model(imaging):
    """Names are its fields, so that they can be passed on."""
    _, drawn = ImagingIntegral(likelihood=imaging, prior=imaging_prior()).drawn(ball_density(truth_row()), POINTS)

    assert np.isfinite(imaging.log_likelihood(ball_density(truth_row()), ImagingParameters(**drawn)).total)


@pytest.mark.parametrize(
    ("name", "low", "high", "complaint"),
    [
        ("visibility_width", 1e-4, 0.08, "visibility_width is integrated over widths of at least"),
        ("flair_threshold", 0.2, 0.201, "flair_threshold is integrated over ranges of at least"),
    ],
)
def test_ranges_that_levels_do_not_tell_apart_are_refused(imaging, name, low, high, complaint):
    """Sampling is the way for them."""
    ranges = tuple(replace(each, low=low, high=high) if each.name == name else each for each in imaging_prior().ranges)
    with pytest.raises(ParameterError, match=complaint):
        _ = ImagingPrior(ranges=ranges).masks
