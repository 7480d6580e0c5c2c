"""Settings, state and stages of a multilevel TMCMC run, as frozen values; the algorithm is in `multilevel`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gliofield.bayes.target import Target
from gliofield.bayes.tmcmc_state import StageInfo, TmcmcSettings
from gliofield.errors import ParameterError

_Matrix = NDArray[np.float64]
_Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """Two targets with one prior in the same coordinates; `fine` is the one whose posterior is wanted.

    Raises
    ------
    ParameterError
        If they have different numbers of parameters.
    """

    coarse: Target
    fine: Target

    def __post_init__(self) -> None:
        if self.coarse.num_parameters != self.fine.num_parameters:
            raise ParameterError(
                f"both levels must have the same parameters, got {self.coarse.num_parameters} on the coarse and "
                f"{self.fine.num_parameters} on the fine one."
            )


@dataclass(frozen=True, kw_only=True)
class MultilevelSettings:
    """Settings of a multilevel run.

    Parameters
    ----------
    sampler : TmcmcSettings
        Samples, seed, weights and steps on the coarse level.
    num_coarse_steps : int
        Metropolis steps of a walk between two decisions by the fine level, ≥ 1.
    num_fine_steps : int
        Such decisions per sample and stage, ≥ 1; up to five times as many where the stage before kept few walks.
    num_probes : int
        Samples of which the fine likelihood is computed after every coarse stage, to see whether to switch; 0: switch
        at p = 1 only.
    switch_weight_cv : float
        Coefficient of variation of the probes' weights (F/C)^p above which the run switches, > 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    sampler: TmcmcSettings = field(default_factory=TmcmcSettings.thorough)
    num_coarse_steps: int = 10
    num_fine_steps: int = 2
    num_probes: int = 16
    switch_weight_cv: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("num_coarse_steps", 1), ("num_fine_steps", 1), ("num_probes", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if not (math.isfinite(self.switch_weight_cv) and self.switch_weight_cv > 0.0):
            raise ParameterError(f"switch_weight_cv must be finite and above 0, got {self.switch_weight_cv}.")


@dataclass(frozen=True, kw_only=True)
class MultilevelStageInfo(StageInfo):
    """What happened in one stage; `num_evaluations` and `acceptance_rate` are those of the coarse level.

    Parameters
    ----------
    fine_share : float
        s reached, in [0, 1].
    fine_acceptance_rate : float or None
        Share of walks kept by the fine level; None while only the coarse one was used.
    num_fine_evaluations : int
        Fine likelihoods computed.
    """

    fine_share: float
    fine_acceptance_rate: float | None
    num_fine_evaluations: int


@dataclass(frozen=True, kw_only=True, eq=False)
class MultilevelState:
    """Samples of π C^(p(1−s)) F^(ps) and how they came about. Arrays are read-only.

    Parameters
    ----------
    settings : MultilevelSettings
        Settings of the run.
    tempering_exponent, fine_share : float
        p and s in [0, 1].
    is_switched : bool
        Whether the coarse level has done its part.
    coordinates : (N, P) float64 array
        Samples in coordinates without bounds; before the first stage `TmcmcSettings.num_first` of them.
    log_prior, log_coarse, log_fine : (N,) float64 arrays
        Of the samples; the prior per unit of the coordinates, the fine likelihood NaN before the bridge.
    proposal_scale : float
        β² with which the next stage begins.
    stages : tuple of MultilevelStageInfo
        Stages so far.
    """

    settings: MultilevelSettings
    tempering_exponent: float
    fine_share: float
    is_switched: bool
    coordinates: _Matrix
    log_prior: _Vector
    log_coarse: _Vector
    log_fine: _Vector
    proposal_scale: float
    stages: tuple[MultilevelStageInfo, ...] = ()

    def __post_init__(self) -> None:
        for array in (self.coordinates, self.log_prior, self.log_coarse, self.log_fine):
            array.setflags(write=False)

    @property
    def is_finished(self) -> bool:
        """Whether the samples are those of the fine posterior."""
        return self.tempering_exponent == 1.0 and self.fine_share == 1.0

    def at(self, rows: NDArray[np.int64]) -> MultilevelState:
        """The state with these of its samples, in this order."""
        return replace(
            self,
            coordinates=self.coordinates[rows],
            log_prior=self.log_prior[rows],
            log_coarse=self.log_coarse[rows],
            log_fine=self.log_fine[rows],
        )

    def where(self, is_here: NDArray[np.bool_], other: MultilevelState) -> MultilevelState:
        """The state with its own samples where `is_here`, those of another elsewhere."""
        return replace(
            self,
            coordinates=np.where(is_here[:, None], self.coordinates, other.coordinates),
            log_prior=np.where(is_here, self.log_prior, other.log_prior),
            log_coarse=np.where(is_here, self.log_coarse, other.log_coarse),
            log_fine=np.where(is_here, self.log_fine, other.log_fine),
        )
