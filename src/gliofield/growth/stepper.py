"""What a backend has to provide: one tumor's state and the operations a scheme advances it by."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gliofield.growth.super_time_stepping import SuperTimeStep

# An empty voxel would divide 0 by a float32 0 below this.
_SMALLEST_SURVIVAL = 1e-37


def survival_of(growth: float) -> float:
    """q = e^{−ρ Δt} of `growth` = ρ Δt, kept above 0."""
    return max(math.exp(-growth), _SMALLEST_SURVIVAL)


class Stepper(Protocol):
    """State of one run. Operations change it in place; nothing outside sees it but through `cell_density`."""

    @property
    def num_voxel_steps(self) -> int:
        """Voxel updates so far."""
        ...

    def react(self, survival: float) -> None:
        """Exact logistic growth c ← c / (q + c (1 − q)) with q = e^{−ρ Δt} = `survival`."""
        ...

    def diffuse_then_react(self, step: SuperTimeStep, diffusion_number: float, survival: float) -> None:
        """RKL2 diffusion over Δt with D_w Δt / h² = `diffusion_number`, then `react(survival)`."""
        ...

    def published_step(self, diffusion_number: float, growth: float) -> None:
        """Unsplit Euler step of the published solver with ρ Δt = `growth`."""
        ...

    @property
    def num_active_voxels(self) -> int:
        """Voxels that the last operation updated, outside which there are no cells."""
        ...

    def count_above(self, threshold: float) -> int:
        """Number of voxels whose density exceeds `threshold`, rounded to float32."""
        ...

    def cell_density(self) -> NDArray[np.float32]:
        """Copy of the padded density."""
        ...
