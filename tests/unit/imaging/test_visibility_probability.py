import math

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.imaging import log_visibility, mask_log_likelihood

DENSITIES = np.array([0.0, 0.19, 0.2, 0.21, 0.55, 0.6, 0.65, 1.0])


def equation_6(density, threshold, width):
    """As printed, in plain probabilities."""
    offset = density - threshold
    return 0.5 + 0.5 * np.sign(offset) * (1 - np.exp(-(offset**2) / width**2))


@pytest.mark.parametrize(("threshold", "width"), [(0.2, 0.05), (0.6, 0.08), (0.5, 0.3)])
def test_the_log_form_is_equation_6(threshold, width):
    """Exponentials of both logarithms are α and 1 − α to rounding."""
    log_inside, log_outside = log_visibility(DENSITIES, threshold=threshold, visibility_width=width)
    alpha = equation_6(DENSITIES, threshold, width)

    np.testing.assert_allclose(np.exp(log_inside), alpha, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(np.exp(log_outside), 1 - alpha, rtol=1e-9, atol=1e-15)


def test_the_published_code_is_flat_above_its_threshold():
    """Above it x is 1/σ² whatever the density, below it the paper's."""
    log_inside, log_outside = log_visibility(
        [0.3, 0.7, 1.0], threshold=0.5, visibility_width=math.sqrt(0.06), formula="published-code"
    )

    np.testing.assert_allclose(np.exp(log_inside[1:]), 1 - 0.5 * math.exp(-1 / 0.06), rtol=1e-12)
    np.testing.assert_allclose(log_outside[1:], -math.log(2) - 1 / 0.06, rtol=1e-12)
    assert log_inside[0] == pytest.approx(-math.log(2) - 0.04 / 0.06)


@pytest.mark.parametrize("width", [1e-12, 1e-6, 0.05, 1e3])
@pytest.mark.parametrize("formula", ["paper", "published-code"])
def test_no_logarithm_is_infinite(width, formula):
    """Neither where the density is the threshold nor for the narrowest and widest visibility."""
    for values in log_visibility(DENSITIES, threshold=0.2, visibility_width=width, formula=formula):
        assert np.isfinite(values).all()
        assert (values <= 0.0).all()


def test_at_the_threshold_both_answers_are_equally_probable():
    """log 1/2, from either side of the equation."""
    log_inside, log_outside = log_visibility([0.2], threshold=0.2, visibility_width=1e-12)

    assert log_inside[0] == log_outside[0] == -math.log(2)


@pytest.mark.parametrize("formula", ["paper", "published-code"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_compiled_sum_is_the_sum_of_the_logarithms(rng, formula, dtype):
    """Over many voxels, of both precisions, densities at the threshold included."""
    density = np.concatenate([rng.random(5000), np.zeros(5000), np.full(10, 0.5)]).astype(dtype)
    mask = rng.random(density.size) < 0.3
    log_inside, log_outside = log_visibility(density, threshold=0.5, visibility_width=0.07, formula=formula)
    plain = np.where(mask, log_inside, log_outside).sum()

    fast = mask_log_likelihood(mask, density, threshold=0.5, visibility_width=0.07, formula=formula)

    assert fast == pytest.approx(plain, rel=1e-12)


def test_a_density_that_is_no_number_makes_the_sum_one():
    """NaN does not vanish among voxels that agree."""
    density, mask = np.array([0.1, np.nan]), np.array([False, False])

    assert math.isnan(mask_log_likelihood(mask, density, threshold=0.5, visibility_width=0.07))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"threshold": 0.0}, "threshold must lie strictly between 0 and 1"),
        ({"threshold": float("nan")}, "threshold must lie"),
        ({"visibility_width": 0.0}, "visibility_width must be finite and at least 1e-12"),
        ({"visibility_width": math.inf}, "visibility_width must be"),
        ({"formula": "papers"}, "Did you mean 'paper'"),
    ],
)
def test_settings_outside_their_range_are_refused(change, complaint):
    """Thresholds, widths and formulas, with what was expected."""
    settings = {"threshold": 0.5, "visibility_width": 0.05} | change
    with pytest.raises(ParameterError, match=complaint):
        log_visibility([0.5], **settings)


def test_shapes_must_agree():
    """A mask of other voxels is no observation of these."""
    with pytest.raises(ParameterError, match="one shape"):
        mask_log_likelihood(np.zeros(3, dtype=bool), np.zeros(4), threshold=0.5, visibility_width=0.05)
