import pytest

from gliofield.units import ml_from_mm3, mm2_per_day_from_cm2_per_day


def test_the_papers_diffusivity_unit_is_a_hundred_times_ours():
    """Their default 0.0013 cm²/day is 0.13 mm²/day."""
    assert mm2_per_day_from_cm2_per_day(0.0013) == pytest.approx(0.13)


def test_a_milliliter_is_a_cube_of_ten_millimeters():
    """10 mm x 10 mm x 10 mm = 1 ml."""
    assert ml_from_mm3(10.0**3) == 1.0
