"""The run of one tumor as a list of small operations, each of which a device does in one launch.

On a device many tumors share every launch, each at another point of its run. So the plan of a run (`plan_steps`, the
stages of RKL2, the merged half steps of growth of `evolve`) is written out beforehand: one row per operation, with its
kind and its coefficients. A launch takes the next row of every tumor; no row depends on what the device computed.

The rows hold exactly the operations `evolve` asks a `Stepper` for, with the same float32 coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.stepper import survival_of
from gliofield.growth.super_time_stepping import super_time_step
from gliofield.growth.time_step import TimeStep

#: Columns of `Operations.codes`.
KIND, NEWER_INCREMENT, NUM_STAGES, ENDS_STEP = range(4)
NUM_CODES = 4
#: Columns of `Operations.weights`; the names of `Stage`, e^{−ρ Δt}, and the density above which voxels are counted.
NEWER, OLDER, OPERATOR, INITIAL_RATE, SURVIVAL, THRESHOLD = range(6)
NUM_WEIGHTS = 6


class OperationKind(IntEnum):
    """What an operation does; d are the increments of `super_time_stepping`, c the density."""

    #: Nothing: the tumor is finished.
    IDLE = 0
    #: rate = L c and d_1 = operator · rate; the active box grows by the stages of the step.
    FIRST = 1
    #: d_j = newer · d_{j−1} + older · d_{j−2} + operator · L d_{j−1} + initial_rate · rate, in the place of d_{j−2}.
    MIDDLE = 2
    #: d_s as above, then c ← c + d_s and the growth of `REACT`.
    LAST = 3
    #: c ← c / (q + c (1 − q)) with q = survival.
    REACT = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Operations:
    """A run, written out.

    Parameters
    ----------
    codes : (num_operations, 4) int32 array
        Kind, which of the two increment fields holds d_{j−1} (the other one is written), stages of the step, and
        whether the operation ends a time step.
    weights : (num_operations, 6) float32 array
        Coefficients, in the order of the columns named above. The threshold is infinite where no voxels need counting.
    landings : tuple of int
        For each requested time the operation after which the density is that of this time.
    step_ends_days : tuple of float
        End of each time step [day].
    """

    codes: NDArray[np.int32]
    weights: NDArray[np.float32]
    landings: tuple[int, ...]
    step_ends_days: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class _Pattern:
    """Operations of one step at a diffusion number of 1 and without growth."""

    codes: NDArray[np.int32]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class _Part:
    """A pattern, its diffusion number, and survival and threshold of its last operation."""

    pattern: _Pattern
    diffusion_number: float
    survival: float
    threshold: float = math.inf


def write_out(
    steps: Iterable[TimeStep],
    *,
    diffusion_number_per_day: float,
    proliferation_rate_per_day: float,
    threshold: float = math.inf,
) -> Operations:
    """Operations of a run from its plan.

    Parameters
    ----------
    steps : iterable of TimeStep
        From `plan_steps`.
    diffusion_number_per_day : float
        D_w / h² [1/day].
    proliferation_rate_per_day : float
        ρ [1/day].
    threshold : float
        Voxels of a higher density are to be counted at the end of every step but the last.
    """
    rate = proliferation_rate_per_day
    parts: list[_Part] = []
    landings: list[int] = []
    ends: list[float] = []
    num_operations = 0
    is_growth_pending = True
    for step, following in pairwise(chain(steps, [None])):
        assert step is not None
        if is_growth_pending:
            parts.append(_Part(_growth_pattern(False), 1.0, survival_of(rate * step.duration_days / 2.0)))
            num_operations += 1
        # As in `evolve`: the half steps of growth between two time steps are one, except at a landing.
        is_growth_pending = step.is_landing
        ahead_days = following.duration_days / 2.0 if following is not None and not is_growth_pending else 0.0
        part = _Part(
            _step_pattern(step.num_stages) if step.num_stages else _growth_pattern(True),
            diffusion_number_per_day * step.duration_days,
            survival_of(rate * (step.duration_days / 2.0 + ahead_days)),
            math.inf if following is None else _grown_threshold(threshold, survival_of(rate * ahead_days)),
        )
        parts.append(part)
        num_operations += len(part.pattern.codes)
        ends.append(step.end_days)
        if step.is_landing:
            landings.append(num_operations - 1)
    return _joined(parts, tuple(landings), tuple(ends))


def step_operations(num_stages: int, diffusion_number: float, survival: float) -> Operations:
    """Operations of one step of diffusion and growth."""
    return _joined([_Part(_step_pattern(num_stages), diffusion_number, survival)], (), ())


def growth_operation(survival: float) -> Operations:
    """The one operation of growth without diffusion."""
    return _joined([_Part(_growth_pattern(False), 1.0, survival)], (), ())


def _grown_threshold(threshold: float, survival: float) -> float:
    """Density a voxel at the threshold has after the growth of the next half step, which is done already."""
    if math.isinf(threshold):
        return threshold
    return threshold / (survival + threshold * (1.0 - survival))


def _joined(parts: list[_Part], landings: tuple[int, ...], ends: tuple[float, ...]) -> Operations:
    lengths = [len(part.pattern.codes) for part in parts]
    last = np.cumsum(lengths) - 1
    weights = np.concatenate([part.pattern.weights for part in parts])
    numbers = np.repeat([part.diffusion_number for part in parts], lengths)
    weights[:, OPERATOR] *= numbers
    weights[:, INITIAL_RATE] *= numbers
    weights[last, SURVIVAL] = [part.survival for part in parts]
    weights[last, THRESHOLD] = [part.threshold for part in parts]
    return Operations(
        codes=np.concatenate([part.pattern.codes for part in parts]),
        weights=weights.astype(np.float32),
        landings=landings,
        step_ends_days=ends,
    )


@lru_cache(maxsize=1024)
def _step_pattern(num_stages: int) -> _Pattern:
    step = super_time_step(num_stages)
    codes = np.zeros((num_stages, NUM_CODES), np.int32)
    weights = np.zeros((num_stages, NUM_WEIGHTS))
    codes[:, KIND] = OperationKind.MIDDLE
    codes[0, KIND], codes[-1, KIND] = OperationKind.FIRST, OperationKind.LAST
    # The first stage writes field 0; each later one writes the field that is not the newer one.
    codes[:, NEWER_INCREMENT] = np.maximum(np.arange(num_stages) - 1, 0) % 2
    codes[:, NUM_STAGES] = num_stages
    codes[-1, ENDS_STEP] = 1
    weights[0, OPERATOR] = step.first
    for row, stage in zip(weights[1:], step.stages, strict=True):
        row[:SURVIVAL] = stage.newer, stage.older, stage.operator, stage.initial_rate
    weights[:, SURVIVAL], weights[:, THRESHOLD] = 1.0, math.inf
    return _Pattern(codes, weights)


@lru_cache(maxsize=2)
def _growth_pattern(ends_step: bool) -> _Pattern:
    codes = np.array([[OperationKind.REACT, 0, 0, ends_step]], np.int32)
    return _Pattern(codes, np.array([[0.0, 0.0, 0.0, 0.0, 1.0, math.inf]]))
