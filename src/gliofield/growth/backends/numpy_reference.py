"""The solver in plain NumPy on the full box: slow, short, and the measure of every other backend.

Diffusion follows the published RKL2 recurrence in its textbook form, which shares no line with the fused kernels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.diffusivity import FaceCoefficients
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield.growth.super_time_stepping import SuperTimeStep


class NumpyStepper:
    """`Stepper` of one run on whole arrays; growth clears densities below `density_floor`."""

    def __init__(
        self, faces: FaceCoefficients, padded_density: NDArray[np.float32], *, density_floor: float = DENSITY_FLOOR
    ) -> None:
        self._faces = faces
        self._floor = density_floor
        self._density = padded_density.astype(np.float32)
        self._num_voxel_steps = 0
        self._num_voxels = int(np.prod([n - 2 for n in padded_density.shape]))

    @property
    def num_voxel_steps(self) -> int:
        return self._num_voxel_steps

    def react(self, survival: float) -> None:
        q = np.float32(survival)
        c = self._density
        self._density = _bounded(c / (q + c * (np.float32(1.0) - q)), self._floor)

    def diffuse_then_react(self, step: SuperTimeStep, diffusion_number: float, survival: float) -> None:
        number = np.float32(diffusion_number)
        initial = self._density
        initial_change = number * net_inflow(initial, self._faces)
        older, newer = initial, initial + np.float32(step.first) * initial_change
        for stage in step.stages:
            mu, nu, m = np.float32(stage.newer), np.float32(stage.older), np.float32(stage.operator)
            # γ̃_j = −a_{j−1} m_j with a = 1 − b; the increment form stores m_j b_{j−1}.
            gamma = np.float32(stage.initial_rate - stage.operator)
            change = number * net_inflow(newer, self._faces)
            own = np.float32(1.0) - mu - nu
            older, newer = newer, mu * newer + nu * older + own * initial + m * change + gamma * initial_change
        self._density = newer
        self._num_voxel_steps += step.num_stages * self._num_voxels
        self.react(survival)

    def published_step(self, diffusion_number: float, growth: float) -> None:
        c = self._density
        inflow = net_inflow(c, self._faces, mirrored=True)
        change = np.float32(diffusion_number) * inflow + np.float32(growth) * (c * (np.float32(1.0) - c))
        stepped = (c + change).astype(np.float32, copy=False)
        self._density = _bounded(stepped, 1e-30)
        self._num_voxel_steps += self._num_voxels

    @property
    def num_active_voxels(self) -> int:
        return self._num_voxels

    def count_above(self, threshold: float) -> int:
        return int(np.count_nonzero(self._density > np.float32(threshold)))

    def cell_density(self) -> NDArray[np.float32]:
        return self._density.copy()


def net_inflow(density: NDArray[np.float32], faces: FaceCoefficients, *, mirrored: bool = False) -> NDArray[np.float32]:
    """Σ_faces f (c_neighbor − c) for every voxel of a padded box, 0 on the padding.

    With `mirrored`, a face opposite to a closed one counts twice (the published solver's boundary).
    """
    inner = (slice(1, -1),) * 3
    total = np.zeros_like(density)
    for axis, coefficient in enumerate((faces.x, faces.y, faces.z)):
        before, after = list(inner), list(inner)
        before[axis], after[axis] = slice(0, -2), slice(2, None)
        low, high = coefficient[inner], coefficient[tuple(after)]
        if mirrored:
            low, high = np.where(high == 0.0, 2.0 * low, low), np.where(low == 0.0, 2.0 * high, high)
        c = density[inner]
        total[inner] += high * (density[tuple(after)] - c) - low * (c - density[tuple(before)])
    return total


def _bounded(density: NDArray[np.float32], floor: float) -> NDArray[np.float32]:
    return np.where(density >= np.float32(floor), np.minimum(density, np.float32(1.0)), np.float32(0.0))
