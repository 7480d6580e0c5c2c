"""μ1 and μ2 are what a tumor knows of D_w, ρ and T."""

import numpy as np
from growth_phantoms import mixed_anatomy, tumor_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from gliofield.growth import FisherKolmogorov
from gliofield.inverse import GrowthRates

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)


@given(
    mu1_mm=st.floats(3.0, 25.0), mu2=st.floats(1.0, 5.0), speeds=st.tuples(st.floats(0.05, 2.0), st.floats(0.05, 2.0))
)
@settings(max_examples=10)
def test_rates_of_any_front_speed_grow_the_same_tumor(mu1_mm, mu2, speeds):
    """Equal μ1 and μ2 give equal densities to float32 rounding, so nothing is lost by fixing the speed."""
    densities = []
    for speed in speeds:
        rates = GrowthRates.of_invariants(mu1_mm, mu2, front_speed_mm_per_day=speed)
        parameters = tumor_parameters(
            ANATOMY, d=rates.white_matter_diffusivity_mm2_per_day, rho=rates.proliferation_rate_per_day
        )
        densities.append(FisherKolmogorov().simulate(ANATOMY, parameters, [rates.growth_time_days]).cell_density)
    np.testing.assert_allclose(densities[0], densities[1], atol=1e-4)
