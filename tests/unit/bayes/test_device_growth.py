"""Likelihoods whose tumors grow on a device, which the processor stands in for."""

import numpy as np
import pytest
from growth_likelihoods import ANATOMY, NAMES, imaging_likelihood, narrow_prior, rows_around_truth, truth_row
from growth_phantoms import center_of
from mass_effect_phantoms import phantom_anatomy

from gliofield.bayes import ImagingPrior, ParameterRange
from gliofield.bayes.device_growth import grown_on_device
from gliofield.bayes.growth_target import GrowthLikelihood
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, MassEffect, MassEffectParameters, Solution, VolumeLimit, many


class StandIn:
    """A device that the processor stands in for; it keeps the numbers of tumors it was given."""

    def __init__(self):
        self.batches = []

    def simulate_many(self, model, anatomy, tumors, *, device, volume_limit, **other):
        self.batches.append((device, len(tumors)))
        for index, ((tumor, times), limit) in enumerate(zip(tumors, volume_limit, strict=True)):
            if getattr(tumor, "push_pa", 0.0) > 1e4:
                yield NumericalError("the push comes to no equilibrium")
                continue
            try:
                yield model.simulate(anatomy, tumor, times, volume_limit=limit)
            except ParameterError as error:
                raise ParameterError(f"parameters[{index}]: {error}") from error


@pytest.fixture
def stand_in(monkeypatch):
    device = StandIn()
    monkeypatch.setattr(many, "load_device", lambda name: device)
    return device


@pytest.fixture(scope="module")
def imaging():
    return imaging_likelihood()


def likelihood_of(imaging, device, **changes):
    settings = {"model": FisherKolmogorov(), "anatomy": ANATOMY, "likelihood": imaging, "names": NAMES}
    return GrowthLikelihood(**{**settings, "device": device, **changes})


@pytest.mark.parametrize("num_workers", [1, 3])
def test_rows_grow_as_one_batch_and_have_the_same_values(stand_in, imaging, num_workers):
    """One call of the device for all rows, whatever the number of threads; the values of the processor, in order."""
    rows = rows_around_truth(7)

    with likelihood_of(imaging, "cuda", num_workers=num_workers) as on_device:
        values = on_device(rows)

    np.testing.assert_array_equal(values, likelihood_of(imaging, "cpu")(rows))
    assert stand_in.batches == [("cuda", 7)]
    assert on_device.counts.num_simulations == 7


def test_imaging_parameters_are_integrated_and_drawn_on_a_device_too(stand_in, imaging):
    """Evidences and draws are the processor's, each of one batch."""
    pet = [
        ParameterRange(name=name, unit="1", low=low, high=1.0)
        for name, low in (("pet_scale", 0.2), ("pet_background", 0.0), ("pet_noise_std", 0.01))
    ]
    prior = ImagingPrior(ranges=(*ImagingPrior.of(narrow_prior()).ranges, *pet))
    rows = rows_around_truth(5)[:, :6]
    on_device, plain = (likelihood_of(imaging, device).integrated(prior) for device in ("cuda", "cpu"))

    np.testing.assert_array_equal(on_device(rows), plain(rows))
    for one, other in zip(
        *(each.with_imaging(rows, np.random.default_rng(3)) for each in (on_device, plain)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert stand_in.batches == [("cuda", 5)] * 2


def test_refused_tumors_cost_the_others_nothing(stand_in, imaging):
    """Two seeds off the grid among seven rows: they are impossible and counted, the others keep their values."""
    rows = rows_around_truth(7)
    rows[[2, 6], NAMES.index("seed_x_mm")] = -50.0
    on_device, plain = likelihood_of(imaging, "cuda"), likelihood_of(imaging, "cpu")

    values = on_device(rows)

    np.testing.assert_array_equal(values, plain(rows))
    assert np.flatnonzero(np.isneginf(values)).tolist() == [2, 6]
    assert on_device.counts.num_failed == 2
    assert "off the grid" in on_device.counts.first_failure


def test_densities_and_limits_are_those_of_the_processor(stand_in, imaging):
    """Densities of rows, and tumors beyond the volume limit counted apart."""
    limit = VolumeLimit(threshold=0.2, max_volume_ml=1.0)
    on_device, plain = (likelihood_of(imaging, device, volume_limit=limit) for device in ("cuda", "cpu"))
    rows = rows_around_truth(2)

    for found, expected in zip(on_device.densities(rows), plain.densities(rows), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert on_device(truth_row()).tolist() == [-np.inf]
    assert on_device.counts.num_too_large == 1
    with pytest.raises(NumericalError, match="cannot be simulated"):
        list(on_device.densities(truth_row(seed_x_mm=-50.0)))


def test_a_tumor_without_equilibrium_is_a_failure_of_its_row(stand_in, imaging):
    """With mass effect the device hands out errors in the place of solutions."""
    model = MassEffect(num_coupling_steps=2)
    anatomy = phantom_anatomy()
    seed_mm = center_of(anatomy)
    tumors = [
        MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=0.1, proliferation_rate_per_day=0.03, seed_mm=seed_mm, push_pa=push_pa
        )
        for push_pa in (0.0, 2e4)
    ]

    grown = list(grown_on_device(model, anatomy, [(tumor, 30.0) for tumor in tumors], device="cuda"))

    assert isinstance(grown[0], Solution)
    assert isinstance(grown[1], NumericalError)
    likelihood = likelihood_of(imaging, "cuda", model=model, fixed={"push_pa": 2e4})
    assert likelihood(truth_row()).tolist() == [-np.inf]
    assert "no equilibrium" in likelihood.counts.first_failure
