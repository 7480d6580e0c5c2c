"""The tumor at time zero: a smooth ball of cells of fixed size around the seed.

The published solver does not start from a point but from a ball with a smooth edge, sized in fractions of its
229 mm simulation cube. The shape matters: a single-voxel seed changes the tumors by 0.2 Dice. Here the size is fixed
in mm, so the seed is the same tumor on every grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import ParameterError

#: Side of the published simulation cube [mm], the unit of the published seed.
PUBLISHED_CUBE_MM = 229.0
#: Distance beyond which the seed holds no cells [mm]: ψ = 1.
SEED_RADIUS_MM = PUBLISHED_CUBE_MM * (0.005 + 1.0 / 64.0)
#: Second moment of the seed profile along one axis [mm²], ∫ d⁴ c dd / (3 ∫ d² c dd); a test recomputes it.
SEED_VARIANCE_MM2 = 1.779605
#: Densities below this count as no cells, here and in every time step. *Chosen*: far above float32 denormals, with
#: which a spreading front would fill its surroundings; what larger ones cost is in docs/design/0002-time-stepping.md.
DENSITY_FLOOR = 1e-12


def seed_profile(distance_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cell density of the seed at a distance from its center [mm].

    ψ = (d / 229 mm − 0.005) · 64; c = ½ (1 − ψ − sin(π ψ) / π) for |ψ| ≤ 1, 1 for ψ < −1, 0 for ψ > 1
    (initial condition of the published solver, in mm).
    """
    psi = np.clip((distance_mm / PUBLISHED_CUBE_MM - 0.005) * 64.0, -1.0, 1.0)
    return 0.5 * (1.0 - psi - np.sin(np.pi * psi) / np.pi)


def seed_density(anatomy: Anatomy, seed_mm: Sequence[float]) -> NDArray[np.float32]:
    """Cell density at time zero, shape (X, Y, Z), float32.

    Parameters
    ----------
    anatomy : Anatomy
        Where cells may live; none are put outside its domain.
    seed_mm : (float, float, float)
        World position of the center [mm, RAS+].

    Raises
    ------
    ParameterError
        If the seed lies off the grid, or no voxel of the domain is close enough to hold any cells.
    """
    cells, window = seed_cells(anatomy, seed_mm)
    density = np.zeros(anatomy.grid.shape, dtype=np.float32)
    density[window] = cells
    return density


def seed_cells(anatomy: Anatomy, seed_mm: Sequence[float]) -> tuple[NDArray[np.float32], tuple[slice, slice, slice]]:
    """The part of `seed_density` that holds cells, and where in the grid it lies: far fewer voxels than the grid has.

    Raises
    ------
    ParameterError
        As `seed_density`.
    """
    seed = np.asarray(seed_mm, dtype=np.float64)
    if not anatomy.grid.contains(seed):
        raise ParameterError(
            f"seed_mm {_text(seed)} lies off the grid ({anatomy.grid.describe()}). "
            "Give world coordinates in mm, not voxel indices."
        )
    window = _window_around(anatomy, seed)
    indices = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in window], indexing="ij"), axis=-1)
    distance = np.linalg.norm(anatomy.grid.world_of(indices) - seed, axis=-1)
    profile = np.where(anatomy.domain[window], seed_profile(distance), 0.0)
    cells = np.where(profile >= DENSITY_FLOOR, profile, 0.0).astype(np.float32)
    if not cells.any():
        raise ParameterError(
            f"seed_mm {_text(seed)} lies outside the tissue: the nearest tissue voxel is "
            f"{_distance_to_tissue_mm(anatomy, seed):.1f} mm away, the seed has a radius of {SEED_RADIUS_MM:.1f} mm. "
            "Move the seed into the brain tissue."
        )
    return cells, window


def _window_around(anatomy: Anatomy, seed: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    center = anatomy.grid.voxel_of(seed)
    reach = SEED_RADIUS_MM / np.array(anatomy.grid.spacing_mm)
    low = np.clip(np.floor(center - reach), 0, None).astype(int)
    high = np.minimum(np.ceil(center + reach).astype(int) + 1, anatomy.grid.shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return x, y, z


def _distance_to_tissue_mm(anatomy: Anatomy, seed: NDArray[np.float64]) -> float:
    tissue = anatomy.grid.world_of(np.argwhere(anatomy.domain))
    return float(np.linalg.norm(tissue - seed, axis=1).min())


def _text(point: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{x:g}" for x in point) + ")"
