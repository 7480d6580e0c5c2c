"""Multigrid-preconditioned conjugate gradients for a batch of tumors in one brain, on a device.

The method is that of `mechanics.multigrid.ElasticitySolver`: the same grids, smoothers and transfers, with the
stiffness of each tumor. All tumors go through an iteration together; each has its own scalars, and one that has
converged takes no further part. The scalars stay on the device, and only every few iterations does the host ask whether
any is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gliofield.growth.mechanics import multigrid
from gliofield_gpu import triton_mechanics_kernels as kernels
from gliofield_gpu.triton_brain import DEFAULT_BLOCK, DeviceBrain, padded_size

# Iterations between two looks at what has converged. *Chosen*: a correction takes about three.
_ITERATIONS_PER_LOOK = 3
#: Floats per voxel of a grid: λ, μ, edges, inverse diagonal, and u, its other half, change, force.
LEVEL_FLOATS = 2 + 2 * 3 + 4 * 3
#: Floats per voxel of the finest grid for conjugate gradients: direction and image.
_SOLVER_FLOATS = 2 * 3


@dataclass(frozen=True, eq=False)
class BatchSolveReport:
    """Of each tumor (batch,) the iterations taken and the norm of the last residual, in the units of the force."""

    num_iterations: torch.Tensor
    residual_norm: torch.Tensor


class BatchElasticitySolver:
    """Solver of A u = f for tumors of one brain, each with its own stiffness.

    Parameters
    ----------
    brain : DeviceBrain
        The finest grid; X' − 2 and the like of its mask divisible by 2^(num_levels − 1).
    mask : (X', Y', Z') bool array
        Its mask.
    num_levels : int
        Grids used, ≥ 1.
    num_tumors : int
        Tumors at once.
    """

    def __init__(self, brain: DeviceBrain, mask: NDArray[np.bool_], *, num_levels: int, num_tumors: int) -> None:
        self._num_tumors = num_tumors
        self._levels = [_Level(brain, num_tumors)]
        for _ in range(1, num_levels):
            mask = multigrid._coarse_mask(mask)
            self._levels.append(_Level(DeviceBrain(mask, brain.device, block=brain.block), num_tumors))
        self._direction, self._image = (brain.zeros(num_tumors, 3) for _ in range(2))
        self._all = torch.ones(num_tumors, dtype=torch.int32, device=brain.device)

    @property
    def lame(self) -> torch.Tensor:
        """λ (batch, voxels) [Pa]; to be written before `prepare`."""
        return self._levels[0].lame

    @property
    def shear(self) -> torch.Tensor:
        """μ (batch, voxels) [Pa]; to be written before `prepare`."""
        return self._levels[0].shear

    @property
    def inverse_diagonal(self) -> torch.Tensor:
        """Inverse diagonal (batch, 3, voxels) of the finest grid; > 0 on live faces."""
        return self._levels[0].inverse_diagonal

    def prepare(self, active: torch.Tensor | None = None) -> None:
        """Take λ and μ over on the finest grid, which is all `residual` needs."""
        self._levels[0].prepare(self._active(active))

    def prepare_coarse(self, active: torch.Tensor | None = None) -> None:
        """Take λ and μ over from the finest grid to the others, for `solve`."""
        for fine, coarse in zip(self._levels[:-1], self._levels[1:], strict=True):
            coarse.take_stiffness(fine, self._active(active))

    def prepare_lame(self, active: torch.Tensor | None = None) -> None:
        """Take λ alone over on the finest grid; μ is as before."""
        self._levels[0].prepare_diagonal(self._active(active))

    def residual(
        self, u: torch.Tensor, force: torch.Tensor, out: torch.Tensor, active: torch.Tensor | None = None
    ) -> None:
        """out = f − A u on live faces, 0 elsewhere; all (batch, 3, voxels), `out` may be `force`."""
        self._levels[0].residual(u, force, out, self._active(active))

    def squared_norm(self, x: torch.Tensor, active: torch.Tensor | None = None) -> torch.Tensor:
        """|x|² of each tumor, (batch,) float64."""
        return self._levels[0].dot(x, x, self._active(active))

    def solve(
        self,
        force: torch.Tensor,
        u: torch.Tensor,
        *,
        absolute_tolerances: torch.Tensor,
        active: torch.Tensor | None = None,
        max_iterations: int = 200,
    ) -> BatchSolveReport:
        """Improve `u` in place until |f − A u|₂ ≤ tolerance for each tumor that is `active`.

        Parameters
        ----------
        force : (batch, 3, voxels) float32 tensor
            Force on the faces times h² [Pa mm], read on live faces only.
        u : (batch, 3, voxels) float32 tensor
            First guess [mm], 0 on dead faces.
        absolute_tolerances : (batch,) float64 tensor
            Residual to reach, in the units of the force.
        active : (batch,) int32 tensor or None
            Tumors to solve for, 0 or 1; None: all.
        max_iterations : int
            Where to stop in any case; the report tells what was reached.
        """
        finest, brain = self._levels[0], self._levels[0].brain
        going = self._active(active)
        residual = finest.force
        finest.residual(u, force, residual, going)
        square = finest.dot(residual, residual, going)
        num_iterations = torch.zeros_like(going)
        product = torch.ones_like(square)
        # A tumor that left the range of numbers may have left them here, for the next one in its place.
        self._direction.zero_()
        for iteration in range(max_iterations):
            going = going * (torch.sqrt(square) > absolute_tolerances)
            if iteration % _ITERATIONS_PER_LOOK == 0 and not bool(going.any()):
                break
            correction = self._cycle(0, going)
            previous, product = product, finest.dot(residual, correction, going)
            scales = (product / previous).float() if iteration else torch.zeros_like(product, dtype=torch.float32)
            common = (going, brain.blocks, brain.num_voxels)
            brain.launch(kernels.scale_and_add, self._num_tumors, scales, correction, self._direction, *common)
            finest.apply(self._direction, self._image, going)
            steps = (product / finest.dot(self._direction, self._image, going)).float()
            arrays = (self._direction, self._image, u, residual, finest.sums)
            brain.launch(kernels.descend, self._num_tumors, steps, *arrays, *common)
            square = torch.where(going > 0, finest.sums.sum(dim=1), square)
            num_iterations += going
        return BatchSolveReport(num_iterations, torch.sqrt(square))

    def _cycle(self, index: int, active: torch.Tensor) -> torch.Tensor:
        """One V-cycle from 0 for the force of a level."""
        level = self._levels[index]
        if index == len(self._levels) - 1:
            return level.smooth(level.coarsest_weights, multigrid._COARSEST_PART, active, from_zero=True)
        level.smooth(level.weights, multigrid._SMOOTHED_PART, active, from_zero=True)
        level.residual(level.u, level.force, level.change, active)
        coarse = self._levels[index + 1]
        coarse.restrict(level, active)
        level.prolong_add(coarse, self._cycle(index + 1, active), active)
        return level.smooth(level.weights, multigrid._SMOOTHED_PART, active, from_zero=False)

    def _active(self, active: torch.Tensor | None) -> torch.Tensor:
        return self._all if active is None else active


class _Level:
    """One grid: its brain, operator and working arrays."""

    def __init__(self, brain: DeviceBrain, num_tumors: int) -> None:
        self.brain, self._num_tumors = brain, num_tumors
        self.lame, self.shear = (brain.zeros(num_tumors) for _ in range(2))
        self.edges, self.inverse_diagonal = (brain.zeros(num_tumors, 3) for _ in range(2))
        self.u, self._other, self.change, self.force = (brain.zeros(num_tumors, 3) for _ in range(4))
        self.sums = torch.zeros(num_tumors, brain.num_blocks, dtype=torch.float64, device=brain.device)
        self._bounds = torch.zeros_like(self.sums, dtype=torch.float32)
        # Weights of the Chebyshev steps (steps, batch), after the largest eigenvalue of each tumor.
        self._unit_weights, self._unit_coarsest_weights = (
            torch.tensor([weight for _, weight in _chebyshev(*steps)], dtype=torch.float64, device=brain.device)[
                :, None
            ]
            for steps in (
                (multigrid.SMOOTHING_STEPS, multigrid._SMOOTHED_PART),
                (multigrid._COARSEST_STEPS, multigrid._COARSEST_PART),
            )
        )
        self.weights = torch.zeros(multigrid.SMOOTHING_STEPS, num_tumors, device=brain.device)
        self.coarsest_weights = torch.zeros(multigrid._COARSEST_STEPS, num_tumors, device=brain.device)

    def prepare(self, active: torch.Tensor) -> None:
        brain = self.brain
        self._launch(kernels.edge_stiffness, brain.brain, self.shear, self.edges, active, brain.blocks, *brain.sizes)
        self.prepare_diagonal(active)

    def prepare_diagonal(self, active: torch.Tensor) -> None:
        brain = self.brain
        moduli = (brain.brain, self.lame, self.shear, self.edges)
        outputs = (self.inverse_diagonal, self._bounds)
        self._launch(kernels.diagonal, *moduli, *outputs, active, brain.blocks, *brain.sizes)
        eigenvalues = self._bounds.amax(dim=1).clamp(min=2.0).double()
        self.weights.copy_(self._unit_weights / eigenvalues)
        self.coarsest_weights.copy_(self._unit_coarsest_weights / eigenvalues)

    def take_stiffness(self, fine: _Level, active: torch.Tensor) -> None:
        brain = self.brain
        for own, finer in ((self.lame, fine.lame), (self.shear, fine.shear)):
            arrays = (fine.brain.brain, brain.rows, finer, own)
            self._launch(kernels.coarsened, *arrays, active, brain.blocks, *brain.sizes, *fine.brain.sizes)
        self.prepare(active)

    def apply(self, u: torch.Tensor, out: torch.Tensor, active: torch.Tensor) -> None:
        self._elastic(u, out, out, out, 0.0, self.weights[0], active, kernels.APPLY)

    def residual(self, u: torch.Tensor, force: torch.Tensor, out: torch.Tensor, active: torch.Tensor) -> None:
        self._elastic(u, force, out, out, 0.0, self.weights[0], active, kernels.RESIDUAL)

    def smooth(self, weights: torch.Tensor, part: float, active: torch.Tensor, *, from_zero: bool) -> torch.Tensor:
        """Chebyshev steps for the level's force, one for each row of weights; the result is in `u`."""
        brain = self.brain
        for step, (momentum, _) in enumerate(_chebyshev(len(weights), part)):
            if step == 0 and from_zero:
                arrays = (self.force, self.inverse_diagonal, self.change, self.u, weights[step])
                self._launch(kernels.first_smoothing, *arrays, active, brain.blocks, brain.num_voxels)
            else:
                own, other = self.u, self._other
                self._elastic(own, self.force, self.change, other, momentum, weights[step], active, kernels.SMOOTH)
                self.u, self._other = self._other, self.u
        return self.u

    def restrict(self, fine: _Level, active: torch.Tensor) -> None:
        """Force from what `change` of the finer grid holds."""
        brain, arrays = self.brain, (fine.change, self.inverse_diagonal, self.force)
        sizes = (*brain.sizes, *fine.brain.sizes)
        self._launch(kernels.restrict, *arrays, active, brain.blocks, *sizes, last_axis=3)

    def prolong_add(self, coarse: _Level, correction: torch.Tensor, active: torch.Tensor) -> None:
        brain, arrays = self.brain, (correction, self.inverse_diagonal, self.u)
        sizes = (*brain.sizes, *coarse.brain.sizes)
        self._launch(kernels.prolong_add, *arrays, active, brain.blocks, *sizes, last_axis=3)

    def dot(self, x: torch.Tensor, y: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        """x · y of each tumor, (batch,) float64."""
        brain = self.brain
        self._launch(kernels.dot, x, y, self.sums, active, brain.blocks, brain.num_voxels)
        return self.sums.sum(dim=1)

    def _elastic(
        self,
        u: torch.Tensor,
        force: torch.Tensor,
        change: torch.Tensor,
        out: torch.Tensor,
        momentum: float,
        weights: torch.Tensor,
        active: torch.Tensor,
        mode: object,
    ) -> None:
        operator = (self.lame, self.shear, self.edges, self.inverse_diagonal)
        arrays = (u, *operator, force, change, out, momentum, weights, active, self.brain.blocks)
        self._launch(kernels.elastic, *arrays, *self.brain.sizes, mode=mode)

    def _launch(self, kernel: object, *arguments: object, last_axis: int = 1, **constants: object) -> None:
        self.brain.launch(kernel, self._num_tumors, *arguments, last_axis=last_axis, **constants)


def floats_per_tumor(finest_shape: Sequence[int], mask_shape: Sequence[int], num_levels: int) -> int:
    """Floats a solver takes for each tumor, with the finest grid in arrays of `finest_shape`."""
    total = (LEVEL_FLOATS + _SOLVER_FLOATS) * padded_size(finest_shape, DEFAULT_BLOCK)
    shape = list(mask_shape)
    for _ in range(1, num_levels):
        shape = [(n - 2) // 2 + 2 for n in shape]
        total += LEVEL_FLOATS * padded_size(shape, DEFAULT_BLOCK)
    return total


def _chebyshev(num_steps: int, part: float) -> list[tuple[float, float]]:
    """Momentum and weight of each step at a largest eigenvalue of 1; the weight is inverse to it, the momentum not."""
    middle, half_width = (1.0 + 1.0 / part) / 2.0, (1.0 - 1.0 / part) / 2.0
    momentum, weight, rho = 0.0, 1.0 / middle, half_width / middle
    steps = []
    for _ in range(num_steps):
        steps.append((momentum, weight))
        newer = 1.0 / (2.0 * middle / half_width - rho)
        momentum, weight, rho = newer * rho, 2.0 * newer / half_width, newer
    return steps
