"""What a result of method ``sample`` says beside its samples: intervals of what a scan determines, and concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gliofield.bayes import BoxPrior, CredibleInterval, GrowthTimePrior, PosteriorSamples, TmcmcSettings
from gliofield.bayes.identifiable import IdentifiableTumors
from gliofield.bayes.predictive_check import MaskCheck
from gliofield.bayes.prior import DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME
from gliofield.concern import Concern, named_concern

# Fewer leave a bias that a run does not show. *Chosen* by the table of docs/design/0008-bayes-decisions.md.
_SAMPLES_PER_PARAMETER, _LEAST_STEPS = 10, 5


def identifiable_intervals(samples: PosteriorSamples, level: float = 0.95) -> dict[str, CredibleInterval]:
    """Intervals of √(D_w T) [mm], √(ρ T) and √(D_w/ρ) [mm], which a scan determines, of samples of D_w, ρ and T."""
    tumors = IdentifiableTumors.of_parameters(samples.parameters, tuple(samples.names))
    derived = replace(
        samples,
        names=("diffusion_length_mm", "proliferation_number", "infiltration_length_mm"),
        units=("mm", "1", "mm"),
        parameters=np.column_stack(
            [tumors.diffusion_length_mm, tumors.proliferation_number, tumors.infiltration_length_mm]
        ),
    )
    return derived.credible_intervals(level)


def prior_edge_concerns(prior: BoxPrior | GrowthTimePrior, samples: PosteriorSamples) -> tuple[Concern, ...]:
    """Remarks on growth parameters most of whose samples lie in the last tenth of their prior's range."""
    from scipy.special import expit

    places = expit(prior.box_transform.to_coordinates(samples.parameters))
    remarks = []
    for name in (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME):
        column = list(samples.names).index(name)
        for side, is_there in (("lower", places[:, column] < 0.1), ("upper", places[:, column] > 0.9)):
            share = float(samples.weights @ is_there)
            if share > 0.5:
                text = (
                    f"{share:.0%} of the posterior of {name} lie in the {side} tenth of its prior's range: the prior, "
                    "not the scan, bounds it. Try another prior."
                )
                remarks.append(named_concern("prior-edge", text, share))
    return tuple(remarks)


def sampler_concerns(sampler: TmcmcSettings, num_parameters: int) -> tuple[Concern, ...]:
    """What docs/design/0008-bayes-decisions.md says of settings that leave samples where resampling put them."""
    if sampler.num_samples >= _SAMPLES_PER_PARAMETER * num_parameters and sampler.num_steps >= _LEAST_STEPS:
        return ()
    text = (
        f"The sampler had {sampler.num_samples} samples of {num_parameters} parameters and {sampler.num_steps} steps "
        f"per stage: with fewer than {_SAMPLES_PER_PARAMETER} per parameter, or {_LEAST_STEPS} steps, samples may "
        "collapse, and intervals be far too narrow."
    )
    return (named_concern("few-samples", text, sampler.num_samples),)


def simulation_concerns(checks: Mapping[str, MaskCheck], num_failed: int, num_simulations: int) -> tuple[Concern, ...]:
    """Remarks on masks that the posterior does not explain, and on simulations that failed."""
    remarks = [
        named_concern(
            "mask-unexplained",
            f"Masks drawn from the posterior overlap with the observed {name} mask by Dice "
            f"{check.dice_with_observed:.2f}, with each other by {check.dice_with_each_other:.2f}: the model does not "
            "explain it, so intervals are those of a wrong model.",
            check.dice_with_observed,
        )
        for name, check in checks.items()
        if check.dice_with_observed < check.dice_with_each_other - 0.15
    ]
    if num_failed > 0.01 * max(num_simulations, 1):
        text = f"{num_failed} of {num_simulations} simulations of the sampler failed."
        remarks.append(named_concern("failed-simulations", text, num_failed))
    return tuple(remarks)
