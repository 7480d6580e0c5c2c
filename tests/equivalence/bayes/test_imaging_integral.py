"""Imaging parameters integrated and drawn from tables, against quadrature of the imaging likelihood voxel by voxel.

The quadrature knows nothing of histograms or transforms: mask likelihoods are computed at some thousand pairs of
threshold and width, interpolated by cubic splines to eight times finer grids, and summed by Simpson's rule.
"""

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, simpson
from scipy.interpolate import CubicSpline

from gliofield.bayes import BoxPrior, ImagingIntegral, ImagingPrior, ParameterRange
from gliofield.grid import Grid
from gliofield.imaging import (
    ImagingLikelihood,
    ImagingParameters,
    LikelihoodOptions,
    Observation,
    log_visibility,
    mask_log_likelihood,
)
from gliofield.volume import Volume

GRID = Grid.axis_aligned((13, 13, 13), 2.0, (0.0, 0.0, 0.0))
_AXES = np.meshgrid(*[np.arange(13) - 6.3] * 3, indexing="ij")
DENSITY = (1.0 / (1.0 + np.exp((np.linalg.norm(_AXES, axis=0) - 4.0) / 1.2))).astype(np.float32)
TRUTH = {
    "t1gd_threshold": 0.7,
    "flair_threshold": 0.3,
    "visibility_width": 0.06,
    "pet_scale": 0.6,
    "pet_background": 0.3,
    "pet_noise_std": 0.1,
}
BOX = {
    "t1gd_threshold": (0.6, 0.8),
    "flair_threshold": (0.05, 0.6),
    "visibility_width": (0.05, 0.08),
    "pet_scale": (0.2, 1.02),
    "pet_background": (0.0, 0.6),
    "pet_noise_std": (0.01, 0.25),
}
NAMES = tuple(BOX)
THRESHOLDS, WIDTH, PET = NAMES[:2], NAMES[2], NAMES[3:]
NUM_DRAWS = 200
# Of the quadrature.
NUM_THRESHOLDS, NUM_WIDTHS = 801, 129


def seen_mask(name):
    """A mask drawn from the observation model."""
    rng = np.random.default_rng(NAMES.index(name))
    log_inside, _ = log_visibility(DENSITY, threshold=TRUTH[name], visibility_width=TRUTH[WIDTH])
    return rng.random(GRID.shape) < np.exp(log_inside)


MASKS = {name: seen_mask(name) for name in THRESHOLDS}
NO_CORE, EVERYTHING = np.zeros(GRID.shape, bool), np.ones(GRID.shape, bool)
_NOISE = TRUTH["pet_noise_std"] * np.random.default_rng(5).normal(size=GRID.shape)
_UPTAKE = TRUTH["pet_scale"] * DENSITY + TRUTH["pet_background"]
SEEN_PET = Volume(np.clip(_UPTAKE + _NOISE, 1e-3, 1.0).astype(np.float32), GRID)


def likelihood_of(core, whole, pet=None, *, weight):
    """Of the masks that are given; one that is None is not compared."""
    compared = tuple(name for name, mask in (("t1gd", core), ("flair", whole)) if mask is not None)
    return ImagingLikelihood(
        observation=Observation(
            tumor_core=NO_CORE if core is None else core & EVERYTHING if whole is None else core & whole,
            whole_tumor=EVERYTHING if whole is None else whole,
            pet=pet,
            grid=GRID,
        ),
        domain=np.ones(GRID.shape, bool),
        options=LikelihoodOptions(mask_weight=weight, pet_weight=weight, modalities=(*compared, "pet")),
    )


def prior_of(box, scale="uniform"):
    """Ranges of one scale; the background is uniform."""
    scales = {name: "uniform" if name == "pet_background" else scale for name in box}
    ranges = [
        ParameterRange(name=name, unit="1", low=low, high=high, scale=scales[name]) for name, (low, high) in box.items()
    ]
    return ImagingPrior(ranges=tuple(ranges))


def integral_of(core, whole, *, weight, box, scale="uniform"):
    """Integral over the masks alone."""
    box = {name: box[name] for name in NAMES[:3]}
    return ImagingIntegral(likelihood=likelihood_of(core, whole, weight=weight), prior=prior_of(box, scale))


class Table:
    """Log-likelihood of one mask by threshold and width, by the imaging likelihood itself."""

    def __init__(self, mask, name):
        thresholds, self._widths = np.linspace(*BOX[name], 201), np.linspace(*BOX[WIDTH], 25)
        values = [
            [mask_log_likelihood(mask, DENSITY, threshold=u, visibility_width=width) for width in self._widths]
            for u in thresholds
        ]
        self._of_threshold = CubicSpline(thresholds, values)

    def at(self, thresholds, widths):
        """Log-likelihoods (J, W)."""
        return CubicSpline(self._widths, self._of_threshold(thresholds), axis=1)(widths)


@pytest.fixture(scope="module")
def tables():
    """Of both masks, and of a core that is empty."""
    return {
        "core": Table(MASKS["t1gd_threshold"], "t1gd_threshold"),
        "whole": Table(MASKS["flair_threshold"], "flair_threshold"),
        "no core": Table(NO_CORE, "t1gd_threshold"),
    }


def log_density_of(values, value_range, scale):
    low, high = value_range
    return -np.log(values * np.log(high / low)) if scale == "log-uniform" else np.full(len(values), -np.log(high - low))


def log_integrand_of_width(seen, box, weight, scale, widths):
    """log of p(σ) times the integrals over thresholds of some tables, by name of the threshold."""
    total = log_density_of(widths, box[WIDTH], scale)
    for name, table in seen.items():
        thresholds = np.linspace(*box[name], NUM_THRESHOLDS)
        values = weight * table.at(thresholds, widths) + log_density_of(thresholds, box[name], scale)[:, None]
        largest = values.max(axis=0)
        total = total + largest + np.log(simpson(np.exp(values - largest), x=thresholds, axis=0))
    return total


def quadrature(seen, box, weight, scale):
    """log ∫ L^w p over thresholds and width."""
    widths = np.linspace(*box[WIDTH], NUM_WIDTHS)
    values = log_integrand_of_width(seen, box, weight, scale, widths)
    return values.max() + np.log(simpson(np.exp(values - values.max()), x=widths))


def distribution(values, log_density):
    """Cumulative distribution at increasing values."""
    mass = cumulative_simpson(np.exp(log_density - log_density.max()), x=values, initial=0.0)
    return mass / mass[-1]


# Posteriors that want to be beyond an end: thresholds above and below, a width below.
AT_ENDS = BOX | {"t1gd_threshold": (0.6, 0.694), "flair_threshold": (0.302, 0.6), "visibility_width": (0.065, 0.08)}


@pytest.mark.parametrize("scale", ["uniform", "log-uniform"])
@pytest.mark.parametrize(
    ("core", "whole", "box", "weight", "tolerance"),
    [
        pytest.param("core", "whole", BOX, 1.0, 0.05, id="both masks"),
        pytest.param("core", "whole", BOX, 0.05, 0.01, id="both masks, weighted"),
        pytest.param("core", None, BOX, 1.0, 0.05, id="core only"),
        pytest.param("core", None, BOX, 0.05, 0.01, id="core only, weighted"),
        pytest.param(None, "whole", BOX, 1.0, 0.05, id="whole tumor only"),
        pytest.param(None, "whole", BOX, 0.05, 0.01, id="whole tumor only, weighted"),
        pytest.param("no core", "whole", BOX, 1.0, 0.05, id="empty core"),
        pytest.param("no core", "whole", BOX, 0.05, 0.01, id="empty core, weighted"),
        pytest.param("core", "whole", AT_ENDS, 1.0, 0.05, id="peaked at ends"),
        pytest.param("core", "whole", AT_ENDS, 0.05, 0.01, id="peaked at ends, weighted"),
    ],
)
def test_the_evidence_of_masks_is_that_of_quadrature(tables, core, whole, box, weight, tolerance, scale):
    """Log evidence to 0.05 nats of independent voxels, and to 0.01 of those weighted by a twentieth."""
    masks = {"core": MASKS["t1gd_threshold"], "no core": NO_CORE, "whole": MASKS["flair_threshold"], None: None}
    seen = {name: tables[key] for name, key in zip(THRESHOLDS, (core, whole), strict=True) if key is not None}

    found = integral_of(masks[core], masks[whole], weight=weight, box=box, scale=scale).log_evidence(DENSITY)

    assert found == pytest.approx(quadrature(seen, box, weight, scale), abs=tolerance)


def stratified_points(names):
    """One point in each of `NUM_DRAWS` equal parts of (0, 1) for every name, in independent random orders."""
    rng = np.random.default_rng(9)
    return {name: (rng.permutation(NUM_DRAWS) + 0.5) / NUM_DRAWS for name in names}


def draws_of(integral, points):
    """Draws by name, (NUM_DRAWS,) each."""
    rows = [
        integral.drawn(DENSITY, {name: float(column[row]) for name, column in points.items()})[1]
        for row in range(NUM_DRAWS)
    ]
    return {name: np.array([row[name] for row in rows]) for name in integral.prior.names}


def shares_below(draws, seen, box, weight, scale, *, widths_of_thresholds):
    """Share of the exact distribution below each draw: of the width, and of the thresholds given some widths."""
    widths = np.linspace(*box[WIDTH], NUM_WIDTHS)
    log_integrand = log_integrand_of_width(seen, box, weight, scale, widths)
    shares = {WIDTH: np.interp(draws[WIDTH], widths, distribution(widths, log_integrand))}
    for name in THRESHOLDS:
        thresholds = np.linspace(*box[name], NUM_THRESHOLDS)
        log_densities = np.repeat(log_density_of(thresholds, box[name], scale)[:, None], NUM_DRAWS, axis=1)
        if name in seen:
            log_densities += weight * seen[name].at(thresholds, widths_of_thresholds)
        shares[name] = np.array(
            [
                np.interp(draw, thresholds, distribution(thresholds, log_density))
                for draw, log_density in zip(draws[name], log_densities.T, strict=True)
            ]
        )
    return shares


def kolmogorov_smirnov(shares):
    """Largest difference between the distribution of some shares and the uniform one."""
    steps = np.arange(NUM_DRAWS + 1) / NUM_DRAWS
    ordered = np.sort(shares)
    return max(np.abs(ordered - steps[1:]).max(), np.abs(ordered - steps[:-1]).max())


# The distance of stratified shares themselves is half a step, 0.0025; the rest is the error of tables: of weighted
# voxels, and of independent ones, for which a posterior is a few steps of the tables wide.
CLOSE, CLOSE_IF_NARROW = 0.01, 0.03


@pytest.mark.parametrize(
    ("core", "box", "weight", "scale"),
    [
        ("core", BOX, 1.0, "uniform"),
        ("core", BOX, 0.05, "log-uniform"),
        ("core", AT_ENDS, 0.05, "uniform"),
        ("no core", BOX, 0.05, "uniform"),
        (None, BOX, 0.05, "log-uniform"),
    ],
    ids=["independent voxels", "weighted", "peaked at ends", "empty core", "no core seen"],
)
def test_thresholds_and_width_are_drawn_from_their_distribution(tables, core, box, weight, scale):
    """Each draw has the share of the exact distribution below it which its point says: the width of all, the
    thresholds of those with that width; and so do all together."""
    masks = {"core": MASKS["t1gd_threshold"], "no core": NO_CORE, None: None}
    seen = {"flair_threshold": tables["whole"]} | ({"t1gd_threshold": tables[core]} if core else {})
    points = stratified_points(NAMES[:3])
    integral = integral_of(masks[core], MASKS["flair_threshold"], weight=weight, box=box, scale=scale)

    draws = draws_of(integral, points)

    shares = shares_below(draws, seen, box, weight, scale, widths_of_thresholds=draws[WIDTH])
    tolerance = CLOSE_IF_NARROW if weight == 1.0 else CLOSE
    for name, found in shares.items():
        assert kolmogorov_smirnov(found) < tolerance, name
        np.testing.assert_allclose(found, points[name], atol=tolerance, err_msg=name)


def test_draws_from_exchanged_points_are_seen(tables):
    """Negative control: with the points of both thresholds exchanged, draws do not lie where their points say."""
    seen = {"t1gd_threshold": tables["core"], "flair_threshold": tables["whole"]}
    points = stratified_points(NAMES[:3])
    t1gd, flair = (points[name] for name in THRESHOLDS)
    integral = integral_of(MASKS["t1gd_threshold"], MASKS["flair_threshold"], weight=0.05, box=BOX)

    draws = draws_of(integral, points | {"t1gd_threshold": flair, "flair_threshold": t1gd})

    shares = shares_below(draws, seen, BOX, 0.05, "uniform", widths_of_thresholds=draws[WIDTH])
    assert np.abs(shares["t1gd_threshold"] - t1gd).max() > 10 * CLOSE


def test_thresholds_drawn_without_regard_to_the_width_are_seen(tables):
    """Negative control: where an empty core ties threshold and width together, thresholds for the middle width have
    another distribution than those for the widths drawn."""
    seen = {"t1gd_threshold": tables["no core"], "flair_threshold": tables["whole"]}
    integral = integral_of(NO_CORE, MASKS["flair_threshold"], weight=0.05, box=BOX)
    draws = draws_of(integral, stratified_points(NAMES[:3]))
    middle = np.full(NUM_DRAWS, np.mean(BOX[WIDTH]))

    shares = shares_below(draws, seen, BOX, 0.05, "uniform", widths_of_thresholds=middle)

    assert kolmogorov_smirnov(shares["t1gd_threshold"]) > 4 * CLOSE


class PetTable:
    """Log-likelihood of PET, weighted and times the prior, at many scales, backgrounds and noises."""

    def __init__(self, weight, scale):
        self.scales, self.backgrounds = np.linspace(*BOX["pet_scale"], 241), np.linspace(*BOX["pet_background"], 1501)
        self._weight, self._scale = weight, scale
        self._squares = np.array([self.squares_of(b) for b in self.scales])

    def squares_of(self, scale):
        """Sums of squared residuals at one scale and all backgrounds."""
        rest = SEEN_PET.data.astype(np.float64) - scale * DENSITY.astype(np.float64)
        return (rest**2).sum() - 2.0 * self.backgrounds * rest.sum() + self.backgrounds**2 * rest.size

    def at(self, noise_std):
        """Log of the integrand, (scales, backgrounds)."""
        log_likelihood = -0.5 * self._squares / noise_std**2 - SEEN_PET.data.size * np.log(noise_std)
        return self._weight * log_likelihood + log_density_of(self.scales, BOX["pet_scale"], self._scale)[:, None]

    def of_scales(self, noise_std):
        """The same with the background integrated, (scales,)."""
        values = self.at(noise_std)
        return values.max() + np.log(simpson(np.exp(values - values.max()), x=self.backgrounds, axis=1) + 1e-300)

    def of_noise(self, noise_std):
        """The same with the scale integrated, too, and with the noise's prior, per log σ."""
        values = self.of_scales(noise_std)
        integral = values.max() + np.log(simpson(np.exp(values - values.max()), x=self.scales))
        # dσ = σ d log σ
        noises = np.array([noise_std])
        return integral + log_density_of(noises, BOX["pet_noise_std"], self._scale)[0] + np.log(noise_std)


@pytest.mark.parametrize(("weight", "scale"), [(1.0, "uniform"), (0.05, "log-uniform")])
def test_the_parameters_of_pet_are_drawn_from_their_distribution(weight, scale):
    """The noise of all, the scale of those with that noise, the background of those with both; a scale for the middle
    noise, and a background for the middle scale, are seen."""
    points = stratified_points(NAMES)
    integral = ImagingIntegral(
        likelihood=likelihood_of(MASKS["t1gd_threshold"], MASKS["flair_threshold"], SEEN_PET, weight=weight),
        prior=prior_of(BOX, scale),
    )

    draws = draws_of(integral, points)

    table, log_noises = PetTable(weight, scale), np.linspace(*np.log(BOX["pet_noise_std"]), 401)
    of_noise = distribution(log_noises, np.array([table.of_noise(noise) for noise in np.exp(log_noises)]))
    noise_shares = np.interp(np.log(draws["pet_noise_std"]), log_noises, of_noise)
    np.testing.assert_allclose(noise_shares, points["pet_noise_std"], atol=CLOSE)

    def scale_shares(noises):
        each = zip(draws["pet_scale"], noises, strict=True)
        return np.array([np.interp(b, table.scales, distribution(table.scales, table.of_scales(s))) for b, s in each])

    def background_shares(scales, noises):
        shares = []
        for background, b, noise in zip(draws["pet_background"], scales, noises, strict=True):
            values = -0.5 * weight * table.squares_of(b) / noise**2
            shares.append(np.interp(background, table.backgrounds, distribution(table.backgrounds, values)))
        return np.array(shares)

    np.testing.assert_allclose(scale_shares(draws["pet_noise_std"]), points["pet_scale"], atol=CLOSE)
    found = background_shares(draws["pet_scale"], draws["pet_noise_std"])
    np.testing.assert_allclose(found, points["pet_background"], atol=CLOSE)
    middle = np.full(NUM_DRAWS, np.mean(BOX["pet_noise_std"]))
    assert np.abs(scale_shares(middle) - points["pet_scale"]).max() > 2 * CLOSE
    middle_scales = np.full(NUM_DRAWS, np.median(draws["pet_scale"]))
    apart = background_shares(middle_scales, draws["pet_noise_std"])
    assert np.abs(apart - points["pet_background"]).max() > 2 * CLOSE


@pytest.mark.parametrize("scale", ["uniform", "log-uniform"])
def test_the_evidence_with_pet_is_the_average_over_the_prior(scale):
    """Four standard errors of 4,000 draws, at a weight at which none of them dominates."""
    likelihood = likelihood_of(MASKS["t1gd_threshold"], MASKS["flair_threshold"], SEEN_PET, weight=0.001)
    prior = prior_of(BOX | {"pet_noise_std": (0.05, 0.25)}, scale)
    drawn = BoxPrior(ranges=prior.ranges).sample(4000, np.random.default_rng(2))
    log_values = np.array(
        [
            likelihood.log_likelihood(
                DENSITY, ImagingParameters(**dict(zip(prior.names, map(float, row), strict=True)))
            ).total
            for row in drawn
        ]
    )
    values = np.exp(log_values - log_values.max())
    error = values.std() / (values.mean() * np.sqrt(len(values)))
    assert error < 0.03

    found = ImagingIntegral(likelihood=likelihood, prior=prior).log_evidence(DENSITY)

    assert found == pytest.approx(log_values.max() + np.log(values.mean()), abs=4.0 * error)
