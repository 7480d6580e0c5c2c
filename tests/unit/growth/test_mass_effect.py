"""What the mass-effect model refuses, and how it says so."""

import dataclasses
import math

import numpy as np
import pytest
from mass_effect_phantoms import phantom_anatomy, pushed, pushing_tumor

from gliofield.anatomy import DOMAIN_RULES, growth_domain
from gliofield.errors import GliofieldError, NumericalError, ParameterError
from gliofield.growth import FisherKolmogorovParameters, MassEffect

BRAIN = phantom_anatomy((12, 14, 13), 10.0)
SEED_MM = (-25.0, 15.0, 0.0)
FAST = {"seed_mm": SEED_MM, "d": 1.0, "rho": 0.1, "times_days": [60.0]}


def test_parameters_of_another_model_are_refused():
    """Growth without a push is `FisherKolmogorov`, or push_pa = 0."""
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.3, proliferation_rate_per_day=0.1, seed_mm=SEED_MM
    )

    with pytest.raises(ParameterError, match="must be MassEffectParameters, got FisherKolmogorovParameters"):
        MassEffect().simulate(BRAIN, parameters, [10.0])


def test_an_anatomy_without_tissue_maps_is_refused():
    """CSF and skull are not known without them."""
    with pytest.raises(ParameterError, match="expected an Anatomy with tissue_maps"):
        pushed(dataclasses.replace(BRAIN, tissue_maps=None), **FAST)


@pytest.mark.parametrize("push_pa", [-1.0, math.nan, math.inf])
def test_a_push_that_is_negative_or_not_finite_is_refused(push_pa):
    """γ ≥ 0."""
    with pytest.raises(ParameterError, match="push_pa must be finite and ≥ 0"):
        pushing_tumor(push_pa=push_pa)


@pytest.mark.parametrize("push_pa", [0.0, 1000.0])
def test_a_seed_outside_the_tissue_is_refused(push_pa):
    """With and without a push."""
    with pytest.raises(ParameterError, match="lies outside the tissue"):
        pushed(BRAIN, seed_mm=(-55.0, -65.0, -60.0), push_pa=push_pa)


@pytest.mark.parametrize("times_days", [[20.0, 10.0], [], [0.0], [math.nan], [-1.0, 5.0]])
@pytest.mark.parametrize("push_pa", [0.0, 1000.0])
def test_times_out_of_order_are_refused(times_days, push_pa):
    """Strictly increasing, finite and > 0."""
    with pytest.raises(ParameterError, match="times_days must be finite, strictly increasing"):
        pushed(BRAIN, seed_mm=SEED_MM, push_pa=push_pa, times_days=times_days)


@pytest.mark.parametrize("num_coupling_steps", [0, -3, 2.5])
def test_coupling_steps_are_a_positive_integer(num_coupling_steps):
    """At least one."""
    with pytest.raises(ParameterError, match="num_coupling_steps must be an integer ≥ 1"):
        MassEffect(num_coupling_steps=num_coupling_steps)


@pytest.mark.parametrize("force_tolerance", [0.0, -1.0, 0.2, math.nan])
def test_the_force_tolerance_lies_between_0_and_a_tenth(force_tolerance):
    """More than a tenth is no equilibrium."""
    with pytest.raises(ParameterError, match="force_tolerance must lie above 0"):
        MassEffect(force_tolerance=force_tolerance)


@pytest.mark.parametrize("setting", [{"num_threads": 0}, {"time_step_scale": 0.0}])
def test_settings_shared_with_fisher_kolmogorov_are_checked_alike(setting):
    """At once, not at the first run."""
    with pytest.raises(ParameterError, match=next(iter(setting))):
        MassEffect(**setting)


def test_elasticity_of_another_type_is_refused():
    """At once, with the name of the field."""
    with pytest.raises(ParameterError, match="elasticity must be a TissueElasticity"):
        MassEffect(elasticity=None)


@pytest.mark.parametrize("push_pa", [1e7, 1e12, 1e20, 1e38, 1e300])
def test_far_too_strong_a_push_is_a_clear_error(push_pa):
    """No warning, no zero displacement, no endless run: an error that names push_pa."""
    with pytest.raises(GliofieldError, match="push_pa"):
        pushed(BRAIN, push_pa=push_pa, **FAST)


@pytest.mark.parametrize("push_pa", [1e-12, 1e-20, 1e-40, 1e-300])
def test_the_faintest_push_is_no_error(push_pa):
    """Squares of its forces leave the range of float32; nothing moves, and nothing fails."""
    solution = pushed(BRAIN, push_pa=push_pa, **FAST)

    assert np.abs(solution.displacement_mm).max() < 1e-6


def test_a_push_that_finds_no_equilibrium_says_what_to_change():
    """Symptom, value and remedy."""
    with pytest.raises(NumericalError, match=r"push_pa = 1e\+06.*Use a smaller push_pa"):
        pushed(BRAIN, push_pa=1e6, **FAST)


def test_no_domain_rule_admits_cells_beyond_the_brain():
    """A seed beyond the mask is outside the tissue under every rule, though the tissue maps go on there."""
    maps = BRAIN.tissue_maps
    half = dataclasses.replace(maps, brain=maps.brain & (np.indices(maps.brain.shape)[0] < 4))

    for rule in DOMAIN_RULES:
        with pytest.raises(ParameterError, match="lies outside the tissue"):
            pushed(growth_domain(half, rule=rule), **{**FAST, "seed_mm": (35.0, 35.0, 0.0)})
