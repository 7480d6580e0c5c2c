"""Targets of the inverse network: published ranges in mm and days, scaling there and back, clamping."""

import math

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.growth.parameters import SEED_NAMES
from gliofield.inverse import FRONT_SPEED_MM_PER_DAY, PUBLISHED_RANGES, GrowthRates, TargetSettings
from gliofield.inverse.targets import TargetScaling, target_groups, target_values
from gliofield.records import from_record, to_record

SEED_RANGES = ((-60.0, 60.0), (10.0, 170.0), (-20.0, 100.0))
TUMOR = np.array([[0.4, 0.1, 250.0, 5.0, 80.0, 30.0]])
EVERY_SETTING = [
    TargetSettings(growth=growth, scale=scale) for growth in ("invariants", "rates") for scale in ("linear", "log")
]


def scaling_of(settings):
    names = target_groups(settings)["joint"]
    return TargetScaling.of(settings, names, SEED_RANGES)


def test_the_published_ranges_are_those_of_the_code_in_mm():
    """μ1 in [0.1, 4.743] cm, μ2 in [0.316, 17.32]."""
    assert PUBLISHED_RANGES["mu1_mm"] == pytest.approx((1.0, 47.43), abs=0.005)
    assert PUBLISHED_RANGES["mu2"] == pytest.approx((0.316, 17.32), abs=0.005)


def test_the_invariants_range_from_the_ends_of_the_rates():
    """Smallest and largest μ1 and μ2 are those of the sampling ranges of D_w, ρ and T."""
    for name, factor in (("mu1_mm", "white_matter_diffusivity_mm2_per_day"), ("mu2", "proliferation_rate_per_day")):
        ends = [
            math.sqrt(rate * time)
            for rate, time in zip(PUBLISHED_RANGES[factor], PUBLISHED_RANGES["growth_time_days"], strict=True)
        ]
        assert PUBLISHED_RANGES[name] == pytest.approx(ends)


def test_the_front_speed_is_the_published_one():
    """0.05540 cm/day, 202.2 mm/year."""
    assert FRONT_SPEED_MM_PER_DAY == pytest.approx(0.5540, abs=5e-5)
    assert FRONT_SPEED_MM_PER_DAY * 365.0 == pytest.approx(202.2, abs=0.05)


def test_rates_of_invariants_have_these_invariants_and_this_speed():
    """D_w = μ1 v / (2 μ2), ρ = μ2 v / (2 μ1), T = 2 μ1 μ2 / v undo their definitions."""
    rates = GrowthRates.of_invariants(12.0, 4.0)

    assert (rates.mu1_mm, rates.mu2) == pytest.approx((12.0, 4.0))
    speed = 2.0 * math.sqrt(rates.white_matter_diffusivity_mm2_per_day * rates.proliferation_rate_per_day)
    assert speed == pytest.approx(FRONT_SPEED_MM_PER_DAY)


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_rates_need_positive_invariants(values):
    """Anything else has no rates."""
    with pytest.raises(ParameterError, match="finite and > 0"):
        GrowthRates.of_invariants(*values)


def test_targets_of_a_stored_tumor():
    """√(0.4 · 250) = 10 mm, √(0.1 · 250) = 5, and the seed as it is."""
    names = ("mu1_mm", "mu2", *SEED_NAMES, "growth_time_days")
    np.testing.assert_allclose(target_values(TUMOR, names), [[10.0, 5.0, 5.0, 80.0, 30.0, 250.0]])


@pytest.mark.parametrize("settings", EVERY_SETTING, ids=str)
def test_decoding_undoes_encoding(settings):
    """Within the ranges nothing is clamped, and values come back."""
    scaling = scaling_of(settings)
    values = target_values(TUMOR, scaling.names)
    decoded, is_clamped = scaling.decode(scaling.encode(values))

    np.testing.assert_allclose(decoded, values, rtol=1e-12)
    assert not is_clamped.any()


@pytest.mark.parametrize("settings", EVERY_SETTING, ids=str)
def test_ranges_become_minus_one_to_one(settings):
    """The ends of each range are the ends of the scale."""
    scaling = scaling_of(settings)
    ends = np.array(scaling.ranges).T

    np.testing.assert_allclose(scaling.encode(ends), [[-1.0] * len(scaling.names), [1.0] * len(scaling.names)])


def test_the_middle_of_a_log_range_is_its_geometric_mean():
    """Linear in the logarithm; seeds stay linear."""
    scaling = scaling_of(TargetSettings(scale="log"))
    middle, _ = scaling.decode(np.zeros((1, 5)))

    assert middle[0, 0] == pytest.approx(math.sqrt(math.prod(PUBLISHED_RANGES["mu1_mm"])))
    assert middle[0, 2:] == pytest.approx([0.0, 90.0, 40.0])


def test_predictions_beyond_the_range_are_clamped_and_named():
    """As the published code does with np.interp, but said."""
    scaling = scaling_of(TargetSettings())
    decoded, is_clamped = scaling.decode(np.array([[1.2, -1.5, 0.0, 1.0, -1.0]]))

    assert decoded[0, :2] == pytest.approx((PUBLISHED_RANGES["mu1_mm"][1], PUBLISHED_RANGES["mu2"][0]))
    assert is_clamped.tolist() == [[True, True, False, False, False]]


def test_separate_networks_share_the_targets_of_the_joint_one():
    """Growth and seed, in the same order."""
    joint = target_groups(TargetSettings(is_joint=True))["joint"]
    separate = target_groups(TargetSettings(is_joint=False))

    assert joint == (*separate["growth"], *separate["seed"])
    assert separate["seed"] == SEED_NAMES


def test_a_scaling_is_stored_as_json():
    """Equal after a round trip."""
    scaling = scaling_of(TargetSettings(scale="log"))
    assert from_record(TargetScaling, to_record(scaling)) == scaling


@pytest.mark.parametrize(
    ("ranges", "is_log", "message"),
    [
        (((1.0, 1.0),), (False,), "low < high"),
        (((-1.0, 1.0),), (True,), "both positive"),
        (((0.0, math.inf),), (False,), "low < high"),
        (((0.0, 1.0), (0.0, 1.0)), (False,), "one length"),
    ],
)
def test_senseless_ranges_are_refused(ranges, is_log, message):
    """Empty, not finite, without a logarithm, or too many."""
    with pytest.raises(ParameterError, match=message):
        TargetScaling(names=("a",), ranges=ranges, is_log=is_log)
