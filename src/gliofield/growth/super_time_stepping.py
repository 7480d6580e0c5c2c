"""Coefficients of RKL2, the second-order Runge–Kutta–Legendre super-time-stepping scheme.

An explicit diffusion step of s stages that is stable for (s² + s − 2) / 4 forward Euler steps, so ten times the Euler
step costs six stages instead of ten steps, a hundred times it twenty.

For a linear operator L and increments d_j = Y_j − Y_0 the published recurrence becomes

    d_1 = m_1 τ L Y_0
    d_j = μ_j d_{j−1} + ν_j d_{j−2} + m_j τ L d_{j−1} + m_j b_{j−1} τ L Y_0        (d_0 = 0)

which reads one array fewer per stage than the form with Y_j, and adds small increments instead of whole states.

References
----------
.. [1] Meyer, Balsara, Aslam (2014), A stabilized Runge–Kutta–Legendre method for explicit super-time-stepping of
   parabolic and mixed equations, J. Comput. Phys. 257, 594-626, doi 10.1016/j.jcp.2013.08.021, Eqs. 15-17, 21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Coefficients of one stage j ≥ 2, in the notation of the module docstring."""

    newer: float
    older: float
    operator: float
    initial_rate: float


@dataclass(frozen=True, kw_only=True)
class SuperTimeStep:
    """RKL2 step: weight m_1 of the first stage and the stages 2 … s."""

    first: float
    stages: tuple[Stage, ...]

    @property
    def num_stages(self) -> int:
        """s."""
        return 1 + len(self.stages)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """μ_j, ν_j, m_j and m_j b_{j−1} of each stage, shape (s, 4); of the first stage m_1 alone. Read-only."""
        later = [(stage.newer, stage.older, stage.operator, stage.initial_rate) for stage in self.stages]
        weights = np.array([(0.0, 0.0, self.first, 0.0), *later])
        weights.setflags(write=False)
        return weights


def num_stages_for(euler_steps: float) -> int:
    """Fewest stages s ≥ 2 that are stable for a step of `euler_steps` forward Euler steps.

    Examples
    --------
    >>> [num_stages_for(ratio) for ratio in (0.3, 1.0, 2.5, 10.0, 100.0)]
    [2, 2, 3, 6, 20]
    """
    return max(2, math.ceil(0.5 * (math.sqrt(9.0 + 16.0 * euler_steps) - 1.0) - 1e-9))


@lru_cache(maxsize=1024)
def super_time_step(num_stages: int) -> SuperTimeStep:
    """Coefficients of RKL2 with s = `num_stages` ≥ 2 stages.

    Examples
    --------
    >>> step = super_time_step(2)
    >>> round(step.first, 6), round(step.stages[0].newer, 6), round(step.stages[0].operator, 6)
    (0.333333, 1.5, 1.5)
    """

    def b(j: int) -> float:
        return 1.0 / 3.0 if j <= 2 else (j * j + j - 2) / (2.0 * j * (j + 1))

    w1 = 4.0 / (num_stages * num_stages + num_stages - 2)
    stages = []
    for j in range(2, num_stages + 1):
        mu = (2 * j - 1) / j * b(j) / b(j - 1)
        nu = -(j - 1) / j * b(j) / b(j - 2)
        # d_0 = 0: the buffer of d_{j−2} holds an earlier step then and must not enter.
        older = nu if j > 2 else 0.0
        stages.append(Stage(newer=mu, older=older, operator=mu * w1, initial_rate=mu * w1 * b(j - 1)))
    return SuperTimeStep(first=b(1) * w1, stages=tuple(stages))
