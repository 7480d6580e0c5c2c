"""Correct a density to the outlines that a scan shows: the smallest smooth change of its logit.

    minimize  ∫ ℓ² |∇δ|² + δ² dx   over the domain, no flux through its edge,
    subject to  lo ≤ φ + δ ≤ hi,   φ = logit u

Where T1Gd shows tumor lo is the logit of its threshold; where only FLAIR does, φ + δ lies between the logits of both
thresholds; elsewhere hi is the logit of FLAIR's. Bounds lie inward by 1e-3, so that thresholds hold strictly. The
problem is strictly convex: it has one solution, δ = 0 where φ satisfies every bound. It is solved by projected
Gauss-Seidel sweeps with over-relaxation, on two coarser grids first, until no voxel's projected step exceeds the
tolerance. δ is what the model does not explain.

References
----------
.. [1] Cryer (1971), The solution of a quadratic programming problem using systematic overrelaxation, SIAM J. Control 9,
   385-392, doi 10.1137/0309028.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliofield.errors import NumericalError, ParameterError
from gliofield.imaging import VisibilityThresholds
from gliofield.resample import interpolate_at

#: How far inside the bounds a corrected logit stays.
BOUND_MARGIN = 1e-3
#: Densities are taken to lie in this range before their logit is.
_LOWEST, _HIGHEST = 1e-9, 1.0 - 1e-4
# Densities below this are none. *Chosen*: a cell in a cubic centimeter of tissue.
_NO_CELLS = 1e-6
_SWEEPS_PER_CHECK = 10


@dataclass(frozen=True, kw_only=True)
class CorrectionSettings:
    """How a density is corrected.

    Parameters
    ----------
    smoothness_mm : float
        ℓ [mm], > 0. *Tuned* on the masked third: 12, 25 and 50 find 0.72 of it; 25 costs half of 50.
    tolerance : float
        Largest projected step that may be left, in units of the logit, > 0; 4e-3 leaves errors of up to 0.05.
    max_sweeps : int
        More than this on the finest grid is an error.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    smoothness_mm: float = 25.0
    tolerance: float = 4e-3
    max_sweeps: int = 2000

    def __post_init__(self) -> None:
        for name in ("smoothness_mm", "tolerance", "max_sweeps"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} must be > 0, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Correction:
    """A corrected density.

    Parameters
    ----------
    cell_density : (X, Y, Z) float32 array
        Agrees with the outlines at every voxel of the domain; 0 outside it.
    shift : (X, Y, Z) float32 array
        δ, 0 outside the domain.
    residual : float
        Largest projected step left.
    num_sweeps : int
        Sweeps on the finest grid.
    """

    cell_density: NDArray[np.float32]
    shift: NDArray[np.float32]
    residual: float
    num_sweeps: int


def correct_phase(
    cell_density: NDArray[np.float32],
    tumor_core: NDArray[np.bool_],
    whole_tumor: NDArray[np.bool_],
    domain: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    thresholds: VisibilityThresholds | None = None,
    where: NDArray[np.bool_] | None = None,
    without_core: Literal["unbounded", "below"] = "unbounded",
    settings: CorrectionSettings | None = None,
) -> Correction:
    """The density with the smallest smooth change that shows both outlines.

    Parameters
    ----------
    cell_density : (X, Y, Z) float32 array
        Density of a model in [0, 1].
    tumor_core, whole_tumor : (X, Y, Z) bool arrays
        Outlines; without a core only the whole tumor bounds the density.
    domain : (X, Y, Z) bool array
        Where cells may live; whatever of the outlines lies outside is not corrected.
    spacing_mm : 3 float
        Voxel spacing [mm].
    thresholds : VisibilityThresholds, optional
        Densities that T1Gd and FLAIR show.
    where : (X, Y, Z) bool array, optional
        Outlines bind only there, for what is hidden on purpose.
    without_core : {"unbounded", "below"}
        What a scan without a core says of the density in the whole tumor: nothing, for not every dense tumor enhances,
        or that it lies below T1Gd's threshold.
    settings : CorrectionSettings, optional
        Smoothness and tolerance.

    Raises
    ------
    NumericalError
        If the tolerance is not reached.
    """
    chosen = CorrectionSettings() if settings is None else settings
    phase = logit(np.clip(cell_density.astype(np.float64), _LOWEST, _HIGHEST)).astype(np.float32)
    limits = VisibilityThresholds() if thresholds is None else thresholds
    t1gd_binds = bool(tumor_core.any()) or without_core == "below"
    low, high = phase_bounds(tumor_core, whole_tumor, limits, t1gd_binds=t1gd_binds)
    if where is not None:
        low[~where], high[~where] = -np.inf, np.inf
    shift = np.zeros_like(phase)
    # Coarse grids only give a place to start from: their bounds are those of the voxels they sample.
    for step in (4, 2, 1):
        every = (slice(None, None, step),) * 3
        bounds = (np.ascontiguousarray(low[every] - phase[every]), np.ascontiguousarray(high[every] - phase[every]))
        start = np.ascontiguousarray(shift[every])
        weights = [(chosen.smoothness_mm / (step * float(length))) ** 2 for length in spacing_mm]
        level = np.ascontiguousarray(domain[every])
        solved, residual, num_sweeps = solve_obstacle(start, bounds, level, weights, chosen)
        shift = solved if step == 1 else _refined(solved, step, phase.shape)
    if not residual <= chosen.tolerance:
        raise NumericalError(
            f"the correction to the outlines did not converge: the largest step left is {residual:.2g} after "
            f"{num_sweeps} sweeps, expected at most {chosen.tolerance:g}. Use a smaller smoothness_mm."
        )
    corrected = np.where(domain, expit(phase.astype(np.float64) + shift), 0.0)
    return Correction(
        cell_density=np.where(corrected >= _NO_CELLS, corrected, 0.0).astype(np.float32),
        shift=np.where(domain, shift, 0.0).astype(np.float32),
        residual=float(residual),
        num_sweeps=num_sweeps,
    )


def phase_bounds(
    tumor_core: NDArray[np.bool_], whole_tumor: NDArray[np.bool_], thresholds: VisibilityThresholds, *, t1gd_binds: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bounds of the logit of a density that shows two masks, (X, Y, Z) each; infinite where there is none.

    Where T1Gd binds, the whole tumor outside the core lies below its threshold.
    """
    seen_in_flair, seen_in_t1gd = (
        float(logit(threshold)) for threshold in (thresholds.flair_threshold, thresholds.t1gd_threshold)
    )
    low = np.full(whole_tumor.shape, -np.inf, np.float32)
    high = np.full(whole_tumor.shape, seen_in_flair - BOUND_MARGIN, np.float32)
    low[whole_tumor] = seen_in_flair + BOUND_MARGIN
    high[whole_tumor] = seen_in_t1gd - BOUND_MARGIN if t1gd_binds else np.inf
    low[tumor_core] = seen_in_t1gd + BOUND_MARGIN
    high[tumor_core] = np.inf
    return low, high


def solve_obstacle(
    start: NDArray[np.float32],
    bounds: tuple[NDArray[np.float32], NDArray[np.float32]],
    domain: NDArray[np.bool_],
    weights: Sequence[float],
    settings: CorrectionSettings,
) -> tuple[NDArray[np.float32], float, int]:
    """Solution of the bounded problem on one grid, the largest projected step left, and the sweeps it took.

    Parameters
    ----------
    start : (X, Y, Z) float32 array
        Where to start.
    bounds : pair of (X, Y, Z) float32 arrays
        lo − φ and hi − φ.
    domain : (X, Y, Z) bool array
        Voxels that are solved for.
    weights : 3 float
        (ℓ / h)² along each axis.
    settings : CorrectionSettings
        Tolerance and largest number of sweeps.
    """
    # Numba loads with the first correction.
    from gliofield.assimilation.obstacle_kernels import project, sweep

    values = np.where(domain, start, np.float32(0.0)).astype(np.float32)
    arrays = (*bounds, domain, np.asarray(weights, dtype=np.float32))
    project(values, *arrays[:3])
    # Young's over-relaxation for the unbounded problem, whose Jacobi sweep shrinks errors by this factor at worst.
    factor = 2.0 * sum(weights) / (1.0 + 2.0 * sum(weights))
    relaxation = np.float32(2.0 / (1.0 + np.sqrt(1.0 - factor**2)))
    num_sweeps, residual = 0, np.inf
    while residual > settings.tolerance and num_sweeps < settings.max_sweeps:
        for _ in range(_SWEEPS_PER_CHECK):
            sweep(values, *arrays, relaxation)
        num_sweeps += _SWEEPS_PER_CHECK
        residual = float(sweep(values, *arrays, np.float32(1.0)))
    return values, residual, num_sweeps


def _refined(values: NDArray[np.float32], step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values at every `step`-th voxel, interpolated linearly to all of them."""
    return interpolate_at(values, [np.arange(length) / step for length in shape])
