"""How fast a tumor advances on a grid, against the exact speed: what the warning about thin fronts rests on.

In uniform tissue the front of a growing tumor approaches the speed 2 √(D ρ) from below, in the same manner whatever it
started from [1]_:

    v(t) = 2 √(D ρ) · (1 − 3/(4 τ) + 3 √π / (4 τ^{3/2})),     τ = ρ t

On a lattice of spacing h
the slowest of the exponential fronts e^{−k(x − v t)} has another speed, and the tumor takes it:

    v_h = min over k of (2 D (cosh(k h) − 1) / h² + ρ) / k

which is more than 2 √(D ρ), the more so the fewer voxels the infiltration length √(D/ρ) has.

References
----------
.. [1] Ebert, van Saarloos (2000), Front propagation into unstable states: universal algebraic convergence towards
   uniformly translating pulled fronts, Physica D 146, 1-99, doi 10.1016/S0167-2789(00)00068-3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import minimize_scalar

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.measuring import RunCounter

FRONT_RESOLUTIONS = (4.0, 2.0, 1.0, 0.5, 0.25)
# Scaled times τ = ρ T between which the speed is measured.
_FIRST, _LAST = 40.0, 80.0
_SPACING_MM, _RATE_PER_DAY, _WIDTH = 1.875, 0.1, 3


@dataclass(frozen=True, kw_only=True)
class FrontSpeedRow:
    """Speed of a front along an axis of the grid, in uniform white matter.

    Parameters
    ----------
    front_resolution : float
        Infiltration length over voxel spacing.
    speed_over_exact : float
        Measured speed over the exact one of the equation.
    lattice_over_exact : float
        Speed the lattice prescribes, v_h, over 2 √(D ρ).
    """

    front_resolution: float
    speed_over_exact: float
    lattice_over_exact: float


def front_speeds(
    front_resolutions: Sequence[float] = FRONT_RESOLUTIONS, *, report: Reporter = ignore_progress
) -> tuple[FrontSpeedRow, ...]:
    """A row for each front resolution, with the solver at its default time step."""
    counter = RunCounter("front speed", len(front_resolutions), report)
    rows = []
    for resolution in front_resolutions:
        _, relative = counter.timed(partial(_measured_over_exact, resolution))
        rows.append(
            FrontSpeedRow(
                front_resolution=resolution,
                speed_over_exact=relative,
                lattice_over_exact=lattice_speed_factor(resolution),
            )
        )
    return tuple(rows)


def lattice_speed_factor(front_resolution: float) -> float:
    """v_h over 2 √(D ρ) of the module docstring.

    Examples
    --------
    >>> round(lattice_speed_factor(1.0), 3), round(lattice_speed_factor(100.0), 3)
    (1.037, 1.0)
    """

    def speed(steepness: float) -> float:
        """In units of √(D ρ), with k in units of √(ρ/D)."""
        return (2.0 * front_resolution**2 * (math.cosh(steepness / front_resolution) - 1.0) + 1.0) / steepness

    # The steepest front is that of the equation itself.
    return float(minimize_scalar(speed, bounds=(1e-2, 1.0), method="bounded", options={"xatol": 1e-9}).fun) / 2.0


def _measured_over_exact(front_resolution: float) -> float:
    length_mm = front_resolution * _SPACING_MM
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=length_mm**2 * _RATE_PER_DAY,
        proliferation_rate_per_day=_RATE_PER_DAY,
        seed_mm=(0.0, 0.0, 0.0),
    )
    anatomy = _rod(math.ceil(2.5 * _LAST * front_resolution) + 20)
    times = [_FIRST / _RATE_PER_DAY, _LAST / _RATE_PER_DAY]
    density = FisherKolmogorov().simulate(anatomy, parameters, times).cell_density
    # The front stands where the cells, packed to capacity, would end.
    first_mm, last_mm = density.mean(axis=(2, 3), dtype=np.float64).sum(axis=1) * _SPACING_MM
    exact_mm = length_mm * (_scaled_position(_LAST) - _scaled_position(_FIRST))
    return float((last_mm - first_mm) / exact_mm)


def _scaled_position(scaled_time: float) -> float:
    """∫ v dt in units of √(D/ρ), but for a constant."""
    return 2.0 * scaled_time - 1.5 * math.log(scaled_time) - 3.0 * math.sqrt(math.pi / scaled_time)


def _rod(num_voxels: int) -> Anatomy:
    """A long thin box of white matter; x = y = z = 0 is at one end of it."""
    shape = (num_voxels, _WIDTH, _WIDTH)
    middle_mm = _SPACING_MM * (_WIDTH // 2)
    return Anatomy(
        white_matter=np.ones(shape, np.float32),
        gray_matter=np.zeros(shape, np.float32),
        domain=np.ones(shape, bool),
        grid=Grid.axis_aligned(shape, _SPACING_MM, (0.0, -middle_mm, -middle_mm)),
        domain_rule="all",
    )
