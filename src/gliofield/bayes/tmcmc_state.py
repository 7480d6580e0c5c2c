"""Settings, state and result of a TMCMC run, as frozen values; the algorithm is in `tmcmc`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError, unknown_name

# *Chosen*: less than a stage of 20 steps costs, and never more than one stage.
_FIRST_PER_SAMPLE = 8
Resampling = Literal["multinomial", "systematic"]
_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]


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


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """What happened in one stage.

    Parameters
    ----------
    stage : int
        1 for the first.
    tempering_exponent : float
        p reached, in (0, 1].
    log_mean_weight : float
        The stage's part of the log evidence [nats].
    weight_cv : float
        Coefficient of variation of the weights.
    effective_sample_size : float
        (Σw)²/Σw² before resampling.
    num_distinct_leaders : int
        Different samples that resampling kept.
    num_distinct : int
        Different samples after the moves; `num_samples` less this are duplicates.
    acceptance_rate : float
        Share of proposals accepted.
    proposal_scale : float
        β² of the last step.
    num_evaluations : int
        Likelihoods computed; proposals without prior mass need none.
    """

    stage: int
    tempering_exponent: float
    log_mean_weight: float
    weight_cv: float
    effective_sample_size: float
    num_distinct_leaders: int
    num_distinct: int
    acceptance_rate: float
    proposal_scale: float
    num_evaluations: int


def evidence_error(settings: TmcmcSettings, stages: Sequence[StageInfo]) -> float:
    """√(Σ CoV²/N) over the stages: the standard error of the log evidence were the samples of a stage independent."""
    numbers = [settings.num_first] + [settings.num_samples] * (len(stages) - 1)
    return math.sqrt(sum(info.weight_cv**2 / number for info, number in zip(stages, numbers, strict=True)))


@dataclass(frozen=True, kw_only=True, eq=False)
class TmcmcState:
    """Samples of π L^p and how they came about. Arrays are read-only.

    Parameters
    ----------
    settings : TmcmcSettings
        Settings of the run.
    tempering_exponent : float
        p in [0, 1].
    coordinates : (N, P) float64 array
        Samples in coordinates without bounds; before the first stage `TmcmcSettings.num_first` of them.
    log_prior, log_likelihood : (N,) float64 arrays
        Of the samples; the prior per unit of the coordinates.
    proposal_scale : float
        β² with which the next stage begins.
    stages : tuple of StageInfo
        Stages so far.
    """

    settings: TmcmcSettings
    tempering_exponent: float
    coordinates: _Matrix
    log_prior: _Vector
    log_likelihood: _Vector
    proposal_scale: float
    stages: tuple[StageInfo, ...] = field(default=())

    def __post_init__(self) -> None:
        for array in (self.coordinates, self.log_prior, self.log_likelihood):
            array.setflags(write=False)

    @property
    def is_finished(self) -> bool:
        """Whether the samples are those of the posterior."""
        return self.tempering_exponent == 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TmcmcResult:
    """Samples of the posterior, equally weighted, and the evidence.

    Parameters
    ----------
    coordinates : (N, P) float64 array
        Samples in coordinates without bounds.
    log_likelihood : (N,) float64 array
        Of the samples.
    log_evidence : float
        log ∫ π L [nats].
    log_evidence_error : float
        √(Σ CoV²/N) over the stages: its standard error were the samples of a stage independent, so a lower bound.
    stages : tuple of StageInfo
        All stages.
    """

    coordinates: _Matrix
    log_likelihood: _Vector
    log_evidence: float
    log_evidence_error: float
    stages: tuple[StageInfo, ...]
