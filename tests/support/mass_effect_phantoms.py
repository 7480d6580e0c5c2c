"""A small brain with a skull and a ventricle, and boxes of brain, on which mass effect can be checked.

`phantom_maps` has what matters to mass effect: a curved skull, a smooth mixture of white and gray matter and a
ventricle of CSF, the three summing to 1. `box_solver` makes the elasticity operator of a box, where the skull lies on
faces of cells and closed forms hold up to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy, growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.grid import Grid
from gliofield.growth import MassEffect, MassEffectParameters, MassEffectSolution
from gliofield.growth.mechanics.multigrid import ElasticitySolver

#: Place of the tumor in the phantom [mm]: in tissue, beside the ventricle.
SEED_MM = (-20.0, 15.0, 5.0)


def phantom_maps(shape=(24, 28, 26), spacing_mm=5.0, *, is_mirror_symmetric=False) -> TissueMaps:
    """An ellipsoid of smoothly mixed white and gray matter with a ventricle of CSF; its center is the origin.

    Symmetric in x with `is_mirror_symmetric`; otherwise no two directions are alike.
    """
    grid = Grid.axis_aligned(shape, spacing_mm, tuple(-0.5 * spacing_mm * (n - 1) for n in shape))
    x, y, z = np.moveaxis(grid.world_of(np.moveaxis(np.indices(shape), 0, -1)), -1, 0) / spacing_mm
    x, y, z = x / shape[0], y / shape[1], z / shape[2]
    if is_mirror_symmetric:
        x = np.abs(x)
    brain = (x / 0.45) ** 2 + (y / 0.46) ** 2 + (z / 0.44) ** 2 < 1
    ventricle = ((x - 0.05) / 0.12) ** 2 + ((y - 0.05) / 0.2) ** 2 + ((z + 0.04) / 0.12) ** 2
    csf = np.where(brain, np.clip(2.0 - 1.5 * ventricle, 0.0, 1.0), 0.0)
    white = 0.5 + 0.4 * np.sin(9 * x + 1) * np.cos(7 * y - 11 * z)
    return TissueMaps(
        white_matter=np.where(brain, (1 - csf) * white, 0.0).astype(np.float32),
        gray_matter=np.where(brain, (1 - csf) * (1 - white), 0.0).astype(np.float32),
        csf=csf.astype(np.float32),
        brain=brain,
        grid=grid,
    )


def phantom_anatomy(shape=(24, 28, 26), spacing_mm=5.0, *, is_mirror_symmetric=False) -> Anatomy:
    """The growth domain of `phantom_maps`, under the default rule."""
    return growth_domain(phantom_maps(shape, spacing_mm, is_mirror_symmetric=is_mirror_symmetric))


def uniform_anatomy_with_skull(num_voxels=20, spacing_mm=4.0) -> Anatomy:
    """A ball of white matter within a skull."""
    shape = (num_voxels,) * 3
    grid = Grid.axis_aligned(shape, spacing_mm, (-0.5 * spacing_mm * (num_voxels - 1),) * 3)
    radius = np.linalg.norm(grid.world_of(np.moveaxis(np.indices(shape), 0, -1)), axis=-1)
    brain = radius < 0.45 * spacing_mm * num_voxels
    white, none = brain.astype(np.float32), np.zeros(shape, np.float32)
    return growth_domain(TissueMaps(white_matter=white, gray_matter=none, csf=none, brain=brain, grid=grid))


def pushing_tumor(push_pa=4000.0, d=0.3, rho=0.06, seed_mm=SEED_MM, **changes) -> MassEffectParameters:
    """Parameters of a tumor that pushes, seeded beside the ventricle of the phantom."""
    values = {
        "white_matter_diffusivity_mm2_per_day": d,
        "proliferation_rate_per_day": rho,
        "seed_mm": seed_mm,
        "push_pa": push_pa,
        **changes,
    }
    return MassEffectParameters(**values)


def pushed(anatomy, *, times_days=(120.0,), model=None, **changes) -> MassEffectSolution:
    """Solution with a tumor of `pushing_tumor`, in few coupling steps unless a model is given."""
    model = model or MassEffect(num_coupling_steps=6)
    return model.simulate(anatomy, pushing_tumor(**changes), times_days)


def box_solver(num_cells: int, lame_pa, shear_pa, *, num_levels: int | None = None) -> ElasticitySolver:
    """Elasticity solver of a cube of brain of `num_cells` a side, padded by one; coefficients per brain cell or one."""
    brain = np.pad(np.ones((num_cells,) * 3, bool), 1)
    if num_levels is None:
        num_levels = 1
        while num_cells % 2**num_levels == 0 and num_cells >= 2**num_levels * 4:
            num_levels += 1
    solver = ElasticitySolver(brain, num_levels=num_levels)
    solver.set_stiffness(padded_cells(lame_pa, num_cells), padded_cells(shear_pa, num_cells))
    return solver


def padded_cells(values, num_cells: int) -> NDArray[np.float32]:
    """Cell values of a cube, or one for all, with one layer of zeros around."""
    return np.pad(np.broadcast_to(np.asarray(values, np.float32), (num_cells,) * 3), 1)


def face_centers(num_cells: int) -> list[list[NDArray[np.float64]]]:
    """Coordinates x, y, z (padded shape) in the unit cube of the faces of each component, cube side 1."""
    index = np.arange(num_cells + 2)
    middle, low = (index - 0.5) / num_cells, (index - 1.0) / num_cells
    return [
        list(np.meshgrid(*[low if axis == component else middle for axis in range(3)], indexing="ij"))
        for component in range(3)
    ]


def cell_centers(num_cells: int) -> list[NDArray[np.float64]]:
    """Coordinates x, y, z (num_cells³) in the unit cube of the cells inside it."""
    return list(np.meshgrid(*[(np.arange(num_cells) + 0.5) / num_cells] * 3, indexing="ij"))
