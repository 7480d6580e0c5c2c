"""Multigrid-preconditioned conjugate gradients for the displacement of an elastic brain.

Conjugate gradients on the staggered operator of `elasticity_kernels`, preconditioned by one symmetric V-cycle: linear
transfer between grids of twice the spacing, Chebyshev smoothing with the diagonal, operators made anew on every grid
from averaged stiffness. Stiff tumor, soft ventricles and a skull of any shape cost few iterations more than a uniform
box.

References
----------
.. [1] Trottenberg, Oosterlee, Schüller (2001), Multigrid, Academic Press, chapters 2 and 8.
.. [2] Adams, Brezina, Hu, Tuminaro (2003), Parallel multigrid smoothing: polynomial versus Gauss-Seidel, J. Comput.
   Phys. 188, 593-610, doi 10.1016/S0021-9991(03)00194-3.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.mechanics import elasticity_kernels as kernels
from gliofield.growth.mechanics.planes import PlaneRunner

#: Chebyshev steps before and after the coarse correction. *Chosen*, docs/design/0005-mass-effect.md.
SMOOTHING_STEPS = 2
# The smoother reduces the part of the spectrum from its upper end to this fraction of it. *Chosen*.
_SMOOTHED_PART = 8.0
_COARSEST_STEPS = 24
_COARSEST_PART = 200.0


@dataclass(frozen=True, kw_only=True)
class SolveReport:
    """Iterations a solve took, and the norm of its last residual in the units of the force."""

    num_iterations: int
    residual_norm: float


class ElasticitySolver:
    """Solver of A u = f for one brain; the stiffness may change from solve to solve.

    Parameters
    ----------
    brain : (X', Y', Z') bool array
        Cells inside the skull, with one layer of others around; X' − 2 and the like divisible by 2^(num_levels − 1).
    num_levels : int
        Grids used, ≥ 1.
    executor : Executor or None
        Threads that share each operation; None computes in the calling thread.
    num_threads : int
        Number of ranges an operation is cut into. Results do not depend on it.
    """

    def __init__(
        self, brain: NDArray[np.bool_], *, num_levels: int, executor: Executor | None = None, num_threads: int = 1
    ) -> None:
        self._levels = [_Level(brain, executor, num_threads)]
        for _ in range(1, num_levels):
            self._levels.append(_Level(_coarse_mask(self._levels[-1].brain), executor, num_threads))
        finest = self._levels[0]
        self._direction, self._image = np.zeros_like(finest.u), np.zeros_like(finest.u)
        self._is_prepared = False

    @property
    def live(self) -> NDArray[np.bool_]:
        """Faces (3, X', Y', Z') the displacement may differ from 0 on."""
        return self._levels[0].inverse_diagonal > 0.0

    def set_stiffness(self, lame_pa: NDArray[np.float32], shear_pa: NDArray[np.float32]) -> None:
        """Use new Lamé coefficients λ and μ of the cells [Pa], shape (X', Y', Z'), > 0 in the brain."""
        self._levels[0].set_stiffness(lame_pa, shear_pa)
        self._is_prepared = False

    def set_lame(self, lame_pa: NDArray[np.float32]) -> None:
        """Use another λ of the cells [Pa], shape (X', Y', Z'), with the μ there is."""
        self._levels[0].set_lame(lame_pa)
        self._is_prepared = False

    def prepare(self) -> None:
        """Bring diagonals and coarse grids up to the stiffness, as `solve` does first; residuals need neither."""
        if self._is_prepared:
            return
        self._levels[0].prepare_diagonal()
        for fine, coarse in zip(self._levels[:-1], self._levels[1:], strict=True):
            coarse.take_stiffness(fine)
        self._is_prepared = True

    def residual(self, u: NDArray[np.float32], force: NDArray[np.float32]) -> NDArray[np.float32]:
        """f − A u on live faces, 0 elsewhere, shape (3, X', Y', Z')."""
        out = np.zeros_like(u)
        self._levels[0].residual(u, force, out)
        return out

    def norm(self, force: NDArray[np.float32]) -> float:
        """Euclidean norm of forces on live faces."""
        return self._levels[0].norm(force)

    def solve(
        self,
        force: NDArray[np.float32],
        u: NDArray[np.float32],
        *,
        absolute_tolerance: float,
        max_iterations: int = 200,
    ) -> SolveReport:
        """Improve `u` in place until |f − A u|₂ ≤ `absolute_tolerance`.

        Parameters
        ----------
        force : (3, X', Y', Z') float32 array
            Force on the faces times h² [Pa mm], for a displacement in mm; read on live faces only.
        u : (3, X', Y', Z') float32 array
            First guess [mm], 0 on dead faces.
        absolute_tolerance : float
            Residual to reach, in the units of the force.
        max_iterations : int
            Where to stop in any case; the report tells what was reached.
        """
        self.prepare()
        finest = self._levels[0]
        residual, direction, image = finest.force, self._direction, self._image
        finest.residual(u, force, residual)
        norm = math.sqrt(finest.dot(residual, residual))
        target, iteration, product = absolute_tolerance, 0, 0.0
        while norm > target and iteration < max_iterations:
            correction = self._cycle(0)
            previous, product = product, finest.dot(residual, correction)
            finest.scale_and_add(product / previous if iteration else 0.0, correction, direction)
            finest.apply(direction, image)
            step = product / finest.dot(direction, image)
            finest.add_scaled_and_norm(step, direction, u)
            norm = math.sqrt(finest.add_scaled_and_norm(-step, image, residual))
            iteration += 1
        return SolveReport(num_iterations=iteration, residual_norm=norm)

    def _cycle(self, index: int) -> NDArray[np.float32]:
        """One V-cycle from 0 for the force of a level."""
        level = self._levels[index]
        if index == len(self._levels) - 1:
            return level.smooth(_COARSEST_STEPS, _COARSEST_PART, from_zero=True)
        level.smooth(SMOOTHING_STEPS, _SMOOTHED_PART, from_zero=True)
        level.residual(level.u, level.force, level.change)
        coarse = self._levels[index + 1]
        coarse.restrict(level.change)
        level.prolong_add(self._cycle(index + 1))
        return level.smooth(SMOOTHING_STEPS, _SMOOTHED_PART, from_zero=False)


class _Level:
    """One grid: its brain, operator and working arrays."""

    def __init__(self, brain: NDArray[np.bool_], executor: Executor | None, num_threads: int) -> None:
        self.brain = brain
        self._planes = PlaneRunner(brain, executor, num_threads)
        self._rows = PlaneRunner(brain, executor, num_threads, extents="rows")
        shape = brain.shape
        self.lame, self.shear, self.twice_shear = np.zeros((3, *shape), np.float32)
        self.shear_edges, self.inverse_diagonal = np.zeros((2, 3, *shape), np.float32)
        self.u, self._other, self.change, self.force = np.zeros((4, 3, *shape), np.float32)
        self._largest_eigenvalue = 1.0
        # Kernels take a face for live where its inverse diagonal is positive, which no stiffness changes.
        for axis in range(3):
            self.inverse_diagonal[axis] = brain & np.roll(brain, 1, axis=axis)

    def set_stiffness(self, lame_pa: NDArray[np.float32], shear_pa: NDArray[np.float32]) -> None:
        np.copyto(self.shear, shear_pa, where=self.brain)
        self.set_lame(lame_pa)
        self._prepare_shear()

    def set_lame(self, lame_pa: NDArray[np.float32]) -> None:
        np.copyto(self.lame, lame_pa, where=self.brain)

    def take_stiffness(self, fine: _Level) -> None:
        for own, finer in ((self.lame, fine.lame), (self.shear, fine.shear)):
            self._rows.run(kernels.coarsened, fine.brain, finer, own)
        self._prepare_shear()
        self.prepare_diagonal()

    def _prepare_shear(self) -> None:
        np.add(self.shear, self.shear, out=self.twice_shear)
        # Edges lie behind their cells, so those of the last cells have the indices of cells beyond them.
        kernels.edge_stiffness(self.brain, self.shear, self.shear_edges)

    def prepare_diagonal(self) -> None:
        bounds = self._rows.map(
            kernels.diagonal, self.brain, self.lame, self.twice_shear, self.shear_edges, self.inverse_diagonal
        )
        self._largest_eigenvalue = float(max(bounds))

    def apply(self, u: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        self._planes.run(kernels.apply, u, *self._operator, out)

    def residual(self, u: NDArray[np.float32], force: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        self._planes.run(kernels.residual, u, *self._operator, force, out)

    def smooth(self, num_steps: int, part: float, *, from_zero: bool) -> NDArray[np.float32]:
        """Chebyshev steps for the level's force; the result is in `u`."""
        upper = self._largest_eigenvalue
        middle, half_width = upper * (1.0 + 1.0 / part) / 2.0, upper * (1.0 - 1.0 / part) / 2.0
        momentum, weight, rho = 0.0, 1.0 / middle, half_width / middle
        for step in range(num_steps):
            if step == 0 and from_zero:
                arguments = (self.force, self.inverse_diagonal, np.float32(weight), self.change, self.u)
                self._planes.run(kernels.first_smoothing, *arguments)
            else:
                weights = (np.float32(momentum), np.float32(weight))
                arguments = (self.u, *self._operator, self.force, *weights, self.change, self._other)
                self._planes.run(kernels.smoothing, *arguments)
                self.u, self._other = self._other, self.u
            newer = 1.0 / (2.0 * middle / half_width - rho)
            momentum, weight, rho = newer * rho, 2.0 * newer / half_width, newer
        return self.u

    def restrict(self, fine_residual: NDArray[np.float32]) -> None:
        self._rows.run(kernels.restrict, fine_residual, self.inverse_diagonal, self.force)

    def prolong_add(self, coarse: NDArray[np.float32]) -> None:
        self._rows.run(kernels.prolong_add, coarse, self.inverse_diagonal, self.u)

    def dot(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        return self._planes.total(kernels.dot, x, y)

    def norm(self, x: NDArray[np.float32]) -> float:
        return math.sqrt(self._planes.total(kernels.live_norm, x, self.inverse_diagonal))

    def add_scaled_and_norm(self, scale: float, x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        return self._planes.total(kernels.add_scaled_and_norm, np.float32(scale), x, y)

    def scale_and_add(self, scale: float, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        self._planes.run(kernels.scale_and_add, np.float32(scale), x, y)

    @property
    def _operator(self) -> tuple[NDArray[np.float32], ...]:
        return self.lame, self.twice_shear, self.shear_edges, self.inverse_diagonal


def _coarse_mask(brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Coarse cells with at least half of their fine cells in the brain."""
    inner = brain[1:-1, 1:-1, 1:-1]
    x, y, z = (n // 2 for n in inner.shape)
    counts = inner.reshape(x, 2, y, 2, z, 2).sum(axis=(1, 3, 5))
    return np.pad(counts >= 4, 1)
