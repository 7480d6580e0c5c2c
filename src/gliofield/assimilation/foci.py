"""More foci than one: seeds of their own where the fitted tumor leaves a part of the visible one unexplained.

Each further focus grows with the same D_w, ρ and tensor, for a part a of the time, and joins the tumor as if both grew
alone: u ← 1 − (1 − u)(1 − u_new). It is looked for in the largest unexplained piece of the core, which counts double,
or of the whole tumor; it stays if it gains enough Dice. There are as many as the scan needs.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from gliofield.anatomy import Anatomy
from gliofield.assimilation.ellipsoid import largest_piece
from gliofield.assimilation.fit import GROWTH_TIME_DAYS, TumorFit, deepest_point, dice_sum, place_in_world
from gliofield.errors import GliofieldError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.imaging import Observation

# Smaller pieces are left to the correction [ml]; a focus has to gain so much Dice. *Chosen*.
_LEAST_PIECE_ML, _LEAST_GAIN = 0.3, 0.02
# More foci than this are not looked for. *Chosen*: patients with more lesions are another disease.
_MOST_FOCI = 6
_NUM_EVALUATIONS = 36
# Age of a new focus at the start, as a part of the whole time, and edges of the first simplex: age, seed [mm].
_FIRST_AGE, _EDGES = 0.45, (0.5, 4.0, 4.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Focus:
    """A further seed of a tumor.

    Parameters
    ----------
    seed_mm : (float, float, float)
        Where it began [mm, RAS+].
    age : float
        Its part of the growth time, in (0, 1).
    gain : float
        What it added to the Dice sum.
    """

    seed_mm: tuple[float, float, float]
    age: float
    gain: float


@dataclass(frozen=True, kw_only=True, eq=False)
class FociFit:
    """Further foci of a tumor, the density with them, its Dice sum and the simulations it took."""

    foci: tuple[Focus, ...]
    cell_density: NDArray[np.float32]
    dice_sum: float
    num_simulations: int


def add_foci(
    fit: TumorFit,
    seen: Observation,
    anatomy: Anatomy,
    *,
    where: NDArray[np.bool_] | None = None,
    time_step_scale: float = 2.0,
) -> FociFit:
    """Foci that the visible tumor needs beside the fitted one.

    Parameters
    ----------
    fit : TumorFit
        The tumor with one seed.
    seen, anatomy, where : see `fit_tumor`
    time_step_scale : float
        Factor on the solver's time steps.
    """
    model = FisherKolmogorov(time_step_scale=time_step_scale)
    density, best, foci, count = fit.cell_density, fit.dice_sum, list[Focus](), 0
    while len(foci) < _MOST_FOCI:
        start_mm = _unexplained(density, seen, anatomy, where)
        if start_mm is None:
            break
        search = _Search(density, fit.parameters, seen, anatomy, where, model)
        focus, joined, found, number = search.run(start_mm)
        count += number
        if joined is None or found - best < _LEAST_GAIN:
            break
        foci.append(dataclasses.replace(focus, gain=found - best))
        density, best = joined, found
    return FociFit(foci=tuple(foci), cell_density=density, dice_sum=best, num_simulations=count)


def _unexplained(
    density: NDArray[np.float32], seen: Observation, anatomy: Anatomy, where: NDArray[np.bool_] | None
) -> NDArray[np.float64] | None:
    """The deepest point of the largest unexplained piece, along the axes of the grid [mm]; None if all are small."""
    limits, ml = seen.thresholds, seen.grid.voxel_volume_ml
    missed = [
        (2.0, seen.tumor_core & ~limits.tumor_core(density)),
        (1.0, seen.whole_tumor & ~limits.whole_tumor(density)),
    ]
    pieces = []
    for weight, mask in missed:
        allowed = mask & anatomy.domain if where is None else mask & anatomy.domain & where
        piece = largest_piece(allowed)
        pieces.append((weight * float(np.count_nonzero(piece)) * ml, piece))
    size, piece = max(pieces, key=lambda one: one[0])
    if size < _LEAST_PIECE_ML:
        return None
    voxel = deepest_point(piece, seen.grid.spacing_mm)
    assert voxel is not None
    return np.array(voxel) * seen.grid.spacing_mm


@dataclass(frozen=True, eq=False)
class _Search:
    density: NDArray[np.float32]
    parameters: FisherKolmogorovParameters
    seen: Observation
    anatomy: Anatomy
    where: NDArray[np.bool_] | None
    model: FisherKolmogorov

    def run(self, start_mm: NDArray[np.float64]) -> tuple[Focus, NDArray[np.float32] | None, float, int]:
        """The best focus near a start, the density with it, its Dice sum, and the simulations it took."""
        start = np.array([math.log(-math.log(_FIRST_AGE)), *start_mm])
        found = optimize.minimize(
            lambda x: -self._value(x)[1],
            start,
            method="Nelder-Mead",
            options={
                "initial_simplex": np.vstack([start, start + np.diag(_EDGES)]),
                "maxfev": _NUM_EVALUATIONS,
                "xatol": 0.05,
                "fatol": 1e-3,
            },
        )
        joined, value = self._value(found.x)
        focus = Focus(seed_mm=place_in_world(found.x[1:], self.seen.grid), age=_age(found.x), gain=0.0)
        return focus, joined, value, int(found.nfev) + 1

    def _value(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float32] | None, float]:
        """Density with a focus and its Dice sum; none where nothing can be grown."""
        try:
            parameters = dataclasses.replace(self.parameters, seed_mm=place_in_world(x[1:], self.seen.grid))
            new = self.model.simulate(self.anatomy, parameters, _age(x) * GROWTH_TIME_DAYS).cell_density[0]
        except GliofieldError:
            return None, 0.0
        joined = (1.0 - (1.0 - self.density) * (1.0 - new)).astype(np.float32)
        return joined, dice_sum(joined, self.seen, self.where)


def _age(x: NDArray[np.float64]) -> float:
    """exp(−exp z), in (0, 1); never so young that there is nothing to grow."""
    return max(math.exp(-math.exp(min(float(x[0]), 2.0))), 1e-3)
