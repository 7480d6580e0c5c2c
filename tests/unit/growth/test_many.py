"""Many tumors through one door: in order, one after the other on the processor, and what is refused."""

import pytest
from growth_phantoms import center_of, uniform_anatomy

from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, VolumeLimit, simulate_many

ANATOMY = uniform_anatomy((20, 20, 20), spacing_mm=2.0)


def tumor(rate=0.05):
    return FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.1, proliferation_rate_per_day=rate, seed_mm=center_of(ANATOMY)
    )


class Failing:
    """A model that finds no solution for slow tumors."""

    name = "failing"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        if parameters.proliferation_rate_per_day < 0.04:
            raise NumericalError("no equilibrium")
        return FisherKolmogorov().simulate(anatomy, parameters, times_days, volume_limit=volume_limit)


def test_tumors_come_in_their_order_each_at_its_times():
    """As from the model itself; one time or several."""
    events = []
    found = list(
        simulate_many(
            FisherKolmogorov(), ANATOMY, [(tumor(0.05), 50.0), (tumor(0.06), (20.0, 40.0))], report=events.append
        )
    )

    assert [each.times_days for each in found] == [(50.0,), (20.0, 40.0)]
    alone = FisherKolmogorov().simulate(ANATOMY, tumor(0.06), (20.0, 40.0))
    assert (found[1].cell_density == alone.cell_density).all()
    assert [event.completed for event in events] == [1, 2]


def test_an_error_stands_in_the_place_of_a_solution():
    """And costs the others nothing."""
    first, second = simulate_many(Failing(), ANATOMY, [(tumor(0.03), 10.0), (tumor(0.05), 10.0)])

    assert isinstance(first, NumericalError)
    assert second.times_days == (10.0,)


def test_each_tumor_may_have_its_own_limit():
    """Or all the same."""
    limit = VolumeLimit(threshold=0.2, max_volume_ml=0.2)
    asked = [(tumor(), 120.0), (tumor(), 120.0)]

    own = [
        each.stopped_at_days for each in simulate_many(FisherKolmogorov(), ANATOMY, asked, volume_limit=[None, limit])
    ]
    same = [each.stopped_at_days for each in simulate_many(FisherKolmogorov(), ANATOMY, asked, volume_limit=limit)]

    assert own[0] is None
    assert own[1] == same[0] == same[1]
    assert own[1] is not None


def test_limits_are_one_for_all_or_one_for_each():
    """Another number of them is refused at once."""
    with pytest.raises(ParameterError, match="expected one for each of the 1 parameters, got 2"):
        simulate_many(FisherKolmogorov(), ANATOMY, [(tumor(), 10.0)], volume_limit=[None, None])


def test_a_device_is_a_plug_in_and_another_name_is_refused():
    """With what there is, and who offers it."""
    with pytest.raises(ParameterError, match=r"device 'tpu' is unknown.*cpu.*cuda: of gliofield_gpu"):
        simulate_many(FisherKolmogorov(), ANATOMY, [(tumor(), 10.0)], device="tpu:1")
