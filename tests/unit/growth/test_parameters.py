import math

import pytest

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorovParameters, MassEffectParameters, growth_parameters_of

GOOD = {"white_matter_diffusivity_mm2_per_day": 0.4, "proliferation_rate_per_day": 0.1, "seed_mm": (1.0, 2.0, 3.0)}


def test_derived_quantities_follow_their_definitions():
    """D_g = D_w / ratio, √(D/ρ) and 2 √(D ρ)."""
    tumor = FisherKolmogorovParameters(**GOOD, diffusivity_ratio=4.0)

    assert tumor.gray_matter_diffusivity_mm2_per_day == pytest.approx(0.1)
    assert tumor.infiltration_length_mm == pytest.approx(2.0)
    assert tumor.front_speed_mm_per_day == pytest.approx(0.4)


def test_zero_rates_are_allowed():
    """Pure growth and pure diffusion are limits of the model; the infiltration length is infinite without growth."""
    assert (
        FisherKolmogorovParameters(**{**GOOD, "white_matter_diffusivity_mm2_per_day": 0.0}).infiltration_length_mm == 0
    )
    assert FisherKolmogorovParameters(**{**GOOD, "proliferation_rate_per_day": 0.0}).infiltration_length_mm == math.inf


@pytest.mark.parametrize("name", ["white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_negative_or_non_finite_rates_are_refused(name, value):
    """Rates are finite and at least 0."""
    with pytest.raises(ParameterError, match=f"{name} must be finite and ≥ 0"):
        FisherKolmogorovParameters(**{**GOOD, name: value})


@pytest.mark.parametrize("value", [0.0, -10.0, math.nan, math.inf, 1e7])
def test_a_diffusivity_ratio_out_of_range_is_refused(value):
    """The ratio is positive and of a size float32 can work with."""
    with pytest.raises(ParameterError, match="diffusivity_ratio must lie between"):
        FisherKolmogorovParameters(**GOOD, diffusivity_ratio=value)


@pytest.mark.parametrize("seed", [(1.0, 2.0), (1.0, 2.0, math.nan), (1.0, 2.0, 3.0, 4.0)])
def test_a_seed_that_is_no_point_is_refused(seed):
    """The seed has three finite coordinates."""
    with pytest.raises(ParameterError, match="three finite world coordinates"):
        FisherKolmogorovParameters(**{**GOOD, "seed_mm": seed})


def test_numbers_by_name_become_growth_parameters():
    """With a push those of mass effect; what does not belong to growth is not looked at."""
    values = {
        "white_matter_diffusivity_mm2_per_day": 0.3,
        "proliferation_rate_per_day": 0.05,
        "growth_time_days": 100.0,
        "seed_x_mm": 1.0,
        "seed_y_mm": 2.0,
        "seed_z_mm": 3.0,
    }
    plain = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.3, proliferation_rate_per_day=0.05, seed_mm=(1.0, 2.0, 3.0)
    )
    pushing = growth_parameters_of({**values, "diffusivity_ratio": 5.0, "push_pa": 100.0})

    assert growth_parameters_of(values) == plain
    assert pushing == MassEffectParameters(**{**vars(plain), "diffusivity_ratio": 5.0}, push_pa=100.0)
