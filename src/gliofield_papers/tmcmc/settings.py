"""Settings of TMCMC, which are a sampler of the product: `gliofield.bayes.Sampler`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gliofield.bayes import PosteriorSamples, PosteriorTarget, SampledPosterior, effective_number_of_distinct
from gliofield.concern import Concern, named_concern
from gliofield.errors import ParameterError, unknown_name
from gliofield.progress import Reporter
from gliofield_papers.tmcmc.sampling import sample_posterior
from gliofield_papers.tmcmc.state import TmcmcResult

# *Chosen*: less than a stage of 20 steps costs, and never more than one stage.
_FIRST_PER_SAMPLE = 8
# Fewer leave a bias that a run does not show. *Chosen* by the table of docs/design/0008-bayes-decisions.md.
_SAMPLES_PER_PARAMETER, _LEAST_STEPS = 10, 5
_REFERENCES = (
    "Ching and Chen (2007), Transitional Markov chain Monte Carlo method for Bayesian model updating, model class "
    "selection, and model averaging, doi:10.1061/(ASCE)0733-9399(2007)133:7(816)",
)
Resampling = Literal["multinomial", "systematic"]


@dataclass(frozen=True, kw_only=True)
class TmcmcSettings:
    """Settings of the sampler; the defaults are the surrogate paper's.

    Parameters
    ----------
    seed : int
        Root of all randomness, ≥ 0.
    num_samples : int
        Samples per stage, ≥ 2.
    num_first_samples : int or None
        Draws of the prior, or of another start, with which a run begins, ≥ `num_samples`; None: `num_samples`. Many
        find a posterior that few would miss.
    target_weight_cv : float
        Coefficient of variation of the weights that fixes the next exponent, > 0.
    proposal_scale : float
        β², what the weighted covariance is multiplied by; the published code has 0.2.
    num_steps : int
        Metropolis steps per sample and stage, ≥ 1.
    target_acceptance : float or None
        If given, in (0, 1): the proposal scale is adapted after every step so that this share of proposals is accepted;
        `proposal_scale` is where it starts.
    resampling : str
        ``"multinomial"`` (the paper's) or ``"systematic"`` (less noise).
    max_stages : int
        Stages after which a run gives up, ≥ 1.

    Raises
    ------
    ParameterError
        If a value lies outside its range.
    """

    seed: int = 0
    num_samples: int = 2048
    num_first_samples: int | None = None
    target_weight_cv: float = 1.0
    proposal_scale: float = 0.04
    num_steps: int = 1
    target_acceptance: float | None = None
    resampling: Resampling = "multinomial"
    max_stages: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("num_samples", 2), ("num_steps", 1), ("max_stages", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if self.num_first < self.num_samples:
            raise ParameterError(
                f"num_first_samples must be at least num_samples ({self.num_samples}), got {self.num_first_samples}."
            )
        for name in ("target_weight_cv", "proposal_scale"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise ParameterError(f"{name} must be finite and above 0, got {getattr(self, name)}.")
        if self.target_acceptance is not None and not 0.0 < self.target_acceptance < 1.0:
            raise ParameterError(f"target_acceptance must lie in (0, 1), got {self.target_acceptance}.")
        if self.resampling not in get_args(Resampling):
            raise ParameterError(unknown_name("resampling", self.resampling, get_args(Resampling)))

    @property
    def num_first(self) -> int:
        """Draws of the prior with which a run begins."""
        return self.num_samples if self.num_first_samples is None else self.num_first_samples

    @property
    def name(self) -> str:
        """``tmcmc``."""
        return "tmcmc"

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the algorithm."""
        return _REFERENCES

    def sample(self, target: PosteriorTarget, *, report: Reporter) -> SampledPosterior:
        """See `gliofield.bayes.Sampler`."""
        run = sample_posterior(target, self, report=report)
        samples = equally_weighted(target, run)
        return SampledPosterior(
            samples=samples,
            stages=run.stages,
            effective_samples=effective_number_of_distinct(samples.tumors),
            num_likelihoods=sum(info.num_evaluations for info in run.stages) + len(run.coordinates),
            details={"log_evidence": run.log_evidence, "log_evidence_error_at_least": run.log_evidence_error},
            concerns=_concerns(self, target.num_parameters),
        )

    @classmethod
    def thorough(cls, *, seed: int = 0, num_samples: int = 2048, num_steps: int = 20) -> TmcmcSettings:
        """Settings without visible bias in 11 dimensions: many steps, their length adapted, systematic resampling.

        A run begins with eight times as many draws as it goes on with, or `num_steps` times if that is less.

        The evidence for them is in docs/design/0008-bayes-decisions.md.
        """
        return cls(
            seed=seed,
            num_samples=num_samples,
            num_first_samples=min(_FIRST_PER_SAMPLE, num_steps) * num_samples,
            num_steps=num_steps,
            proposal_scale=0.2,
            target_acceptance=0.25,
            resampling="systematic",
        )


def equally_weighted(target: PosteriorTarget, sampled: TmcmcResult) -> PosteriorSamples:
    """Samples of a run in the parameters' own units."""
    parameters = target.to_parameters(sampled.coordinates)
    return PosteriorSamples(
        names=target.prior.names,
        units=target.prior.units,
        parameters=parameters,
        log_weights=np.zeros(len(parameters)),
        log_prior=target.prior.log_density(parameters),
        log_likelihood=sampled.log_likelihood,
    )


def _concerns(sampler: TmcmcSettings, num_parameters: int) -> tuple[Concern, ...]:
    """What docs/design/0008-bayes-decisions.md says of settings that leave samples where resampling put them."""
    if sampler.num_samples >= _SAMPLES_PER_PARAMETER * num_parameters and sampler.num_steps >= _LEAST_STEPS:
        return ()
    text = (
        f"The sampler had {sampler.num_samples} samples of {num_parameters} parameters and {sampler.num_steps} steps "
        f"per stage: with fewer than {_SAMPLES_PER_PARAMETER} per parameter, or {_LEAST_STEPS} steps, samples may "
        "collapse, and intervals be far too narrow."
    )
    return (named_concern("few-samples", text, sampler.num_samples),)
