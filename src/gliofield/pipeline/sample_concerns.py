"""What a posterior says beside its samples: intervals of what a scan determines, and concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes import BoxPrior, CredibleInterval, GrowthTimePrior, PosteriorSamples
from gliofield.bayes.identifiable import IdentifiableTumors
from gliofield.bayes.pareto_smoothing import LARGEST_RELIABLE_SHAPE
from gliofield.bayes.predictive_check import MaskCheck
from gliofield.bayes.published_priors import BACKGROUND_NAME
from gliofield.concern import Concern, named_concern
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME

# So many samples leave five beyond each end of a 95 % interval.
_LEAST_EFFECTIVE = 200
# Part of a prior's range at its end, and share of a posterior there that counts. *Chosen*.
_END, _SHARE_AT_END = 0.1, 0.5
# The same of the parameters of PET at both ends, and what lies behind it. A noise of a few percent is usual.
_PET_AT_ENDS = {
    "pet_scale": (
        (_END, "The image shows hardly more uptake in the tumor than around it."),
        (_END, "The image shows hardly any uptake around the tumor, as if a background had been subtracted."),
    ),
    BACKGROUND_NAME: (
        (_END, "The image shows hardly any uptake of healthy brain, as if it had been subtracted."),
        (_END, "Healthy brain takes up nearly as much as the tumor."),
    ),
    "pet_noise_std": (
        (
            0.02,
            "The image follows the model closer than a scanner's noise allows: was it made by a model, or smoothed?",
        ),
        (
            _END,
            "The model does not explain it, so do not rely on what it says of the tumor. Check that PET and MRI are "
            "aligned, and that the highest uptake lies in the tumor.",
        ),
    ),
}


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
        for side, is_there in (("lower", places[:, column] < _END), ("upper", places[:, column] > 1.0 - _END)):
            share = float(samples.weights @ is_there)
            if share > _SHARE_AT_END:
                text = (
                    f"{share:.0%} of the posterior of {name} lie in the {side} tenth of its prior's range: the prior, "
                    "not the scan, bounds it. Try another prior."
                )
                remarks.append(named_concern("prior-edge", text, share))
    return tuple(remarks)


def pet_concerns(
    prior: BoxPrior | GrowthTimePrior, values: Mapping[str, NDArray[np.float64]], weights: NDArray[np.float64]
) -> tuple[Concern, ...]:
    """Remarks on scale, background and noise of PET at an end of their prior's range.

    Parameters
    ----------
    prior : BoxPrior or GrowthTimePrior
        With their ranges.
    values : mapping of str to (N,) float64 array
        Samples by name; parameters that are not there say nothing.
    weights : (N,) float64 array
        Weights of the samples, of sum 1.
    """
    box = prior.box if isinstance(prior, GrowthTimePrior) else prior
    remarks = []
    for bounds in box.ranges:
        if bounds.name not in _PET_AT_ENDS or bounds.name not in values:
            continue
        places = (values[bounds.name] - bounds.low) / (bounds.high - bounds.low)
        for side, distance, (part, meaning) in zip(
            ("lower", "upper"), (places, 1.0 - places), _PET_AT_ENDS[bounds.name], strict=True
        ):
            share = float(weights @ (distance < part))
            if share > _SHARE_AT_END:
                text = (
                    f"FET-PET: {share:.0%} of the posterior of {bounds.name} lie at the {side} end of its prior's "
                    f"range ({bounds.low:g} to {bounds.high:g} of the highest uptake). {meaning}"
                )
                is_noise = bounds.name == "pet_noise_std" and side == "upper"
                remarks.append(named_concern("pet-unexplained" if is_noise else "prior-edge", text, share))
    return tuple(remarks)


def importance_concerns(pareto_shape: float, effective_samples: float) -> tuple[Concern, ...]:
    """Remarks on weights that cannot be believed, and on few effective samples."""
    if pareto_shape > LARGEST_RELIABLE_SHAPE:
        text = (
            f"A few draws of the posterior carry most of its weight (k̂ = {pareto_shape:.2f}, expected at most "
            f"{LARGEST_RELIABLE_SHAPE}): parts of it may have been missed, and intervals be too narrow. Try another "
            "seed."
        )
        return (named_concern("few-samples", text, pareto_shape),)
    if effective_samples < _LEAST_EFFECTIVE:
        text = (
            f"The posterior has {effective_samples:.0f} effective samples only: ends of 95 % intervals need "
            f"{_LEAST_EFFECTIVE}. Ask for more samples."
        )
        return (named_concern("few-samples", text, effective_samples),)
    return ()


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
