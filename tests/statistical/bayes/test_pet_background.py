"""FET-PET in which healthy brain takes up tracer, too: which of two tumors the evidence prefers, with and without a
background in the model. The other tumor has twice the visible volume and is more diffuse, so that masks of other
thresholds look more alike; its tail reaches where healthy tissue takes up tracer.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from growth_phantoms import uniform_anatomy

from gliofield.bayes import ImagingIntegral, ImagingPrior, surrogate_paper_prior
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.imaging import (
    ImagingLikelihood,
    LikelihoodOptions,
    Observation,
    independent_voxel_fraction,
    make_virtual_pet,
    normalized_pet,
)
from gliofield.volume import Volume

ANATOMY = uniform_anatomy((30, 30, 30), spacing_mm=3.75)
GRID = ANATOMY.grid
SEED_MM = tuple(float(x) for x in GRID.world_of(np.array([14, 15, 15])))
SHOWN = 0.25


@cache
def tumor(diffusivity, volume_ml):
    """A tumor of a visible volume, by bisection of its age."""
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=diffusivity, proliferation_rate_per_day=0.02, seed_mm=SEED_MM
    )
    low, high = 50.0, 1500.0
    for _ in range(12):
        days = 0.5 * (low + high)
        density = FisherKolmogorov().simulate(ANATOMY, parameters, (days,)).cell_density[0]
        low, high = (
            (days, high) if np.count_nonzero(density > SHOWN) * GRID.voxel_volume_ml < volume_ml else (low, days)
        )
    return density


TRUTH, LARGER = (0.05, 29.0), (0.4, 58.0)


def masks():
    density = tumor(*TRUTH)
    return Observation(tumor_core=density > 0.65, whole_tumor=density > SHOWN, grid=GRID)


def with_pet(background, *, unit=1.0):
    """Masks of the smaller tumor, and its PET, blurred by 5 mm and noisy."""
    image = make_virtual_pet(
        Volume(tumor(*TRUTH), GRID), ANATOMY.domain, rng=np.random.default_rng(0), background=background, unit=unit
    )
    return replace(masks(), pet=normalized_pet(image))


def nats_for_the_truth(seen, model):
    """Log evidence of the true tumor less that of the larger one, at the default weight of voxels."""
    weight = independent_voxel_fraction(GRID.spacing_mm, correlation_length_mm=3.0)
    options = LikelihoodOptions(
        mask_weight=weight, pet_weight=weight, pet_fwhm_mm=5.0 if model == "background" else 0.0
    )
    prior = ImagingPrior.of(surrogate_paper_prior(ANATOMY, has_pet=seen.pet is not None, pet_model=model))
    integral = ImagingIntegral(
        likelihood=ImagingLikelihood(observation=seen, domain=ANATOMY.domain, options=options), prior=prior
    )
    truth, larger = (integral.log_evidence(tumor(*which)) for which in (TRUTH, LARGER))
    return truth - larger


def test_without_a_background_in_image_or_model_the_truth_wins():
    """By masks alone, and with PET by hundreds of nats more, by either model: what the paper's images are like."""
    of_masks = nats_for_the_truth(masks(), "paper")
    assert of_masks > 0.0
    for model in ("paper", "background"):
        assert nats_for_the_truth(with_pet(0.0), model) > of_masks + 300.0


@pytest.mark.parametrize("background", [0.2, 0.3, 0.4])
def test_with_a_background_the_paper_prefers_twice_the_tumor_and_the_default_the_truth(background):
    """By dozens and by hundreds of nats: the model without background explains healthy uptake by more tumor."""
    seen = with_pet(background)

    assert nats_for_the_truth(seen, "paper") < -20.0
    assert nats_for_the_truth(seen, "background") > 200.0


def test_the_unit_of_uptake_does_not_matter():
    """SUV in place of ratios: the same evidences to rounding."""
    one, other = (nats_for_the_truth(with_pet(0.3, unit=unit), "background") for unit in (1.0, 4.2))

    assert one == pytest.approx(other, abs=1e-2)
