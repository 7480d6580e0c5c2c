"""Symptom: a diffusivity of 10⁶ mm²/day stepped 200,000 times, for minutes and without a word.

Cause: any finite number was taken for a diffusivity.
Guard: at most 1,000 mm²/day, three hundred times what gliomas have; the message names the unit.
"""

import pytest

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorovParameters, MassEffectParameters


@pytest.mark.parametrize("kind", [FisherKolmogorovParameters, MassEffectParameters])
@pytest.mark.parametrize("diffusivity", [1e6, 1001.0])
def test_a_diffusivity_beyond_all_tumors_is_refused(kind, diffusivity):
    """Before anything is simulated."""
    rates = {"proliferation_rate_per_day": 0.05, "seed_mm": (0.0, 0.0, 0.0)}
    with pytest.raises(ParameterError, match=r"must be at most 1000 mm²/day, got .*\. Check the unit"):
        kind(white_matter_diffusivity_mm2_per_day=diffusivity, **rates)
    assert kind(white_matter_diffusivity_mm2_per_day=1000.0, **rates).infiltration_length_mm > 100.0
