"""State and result of a TMCMC run, as frozen values; the algorithm is in `tmcmc`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gliofield_papers.tmcmc.settings import TmcmcSettings

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]


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

    name: ClassVar[str] = "stage"
    share_name: ClassVar[str] = "steps accepted"
    is_adapting: ClassVar[bool] = False

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

    @property
    def share(self) -> float:
        """Share of proposals accepted."""
        return self.acceptance_rate

    @property
    def num_likelihoods(self) -> int:
        """Likelihoods computed."""
        return self.num_evaluations


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
