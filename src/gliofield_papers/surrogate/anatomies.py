"""Anatomies to train and test surrogates in: the brain of an atlas, moved smoothly at random.

A smooth random velocity is integrated to a displacement by scaling and squaring (Arsigny et al. 2006), which does not
fold space; the brain is scaled by some percent besides. Anatomy i depends on the seed and i alone, so those for
training and those for tests are told apart by their numbers.
"""

from __future__ import annotations

import math
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Anatomy, Atlas, TissueMaps, growth_domain
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield_papers.surrogate.config import TISSUES

_LATTICE_SPACING_MM = 6.0
_NUM_SQUARINGS = 6
_Region = tuple[EllipsisType | slice, ...]


def patient_like_anatomy(
    atlas: Atlas,
    number: int,
    *,
    seed: int = 0,
    grid: Grid | None = None,
    domain_rule: str = DEFAULT_DOMAIN_RULE,
    displacement_mm: float = 5.0,
    smoothness_mm: float = 20.0,
    size_deviation: float = 0.04,
) -> Anatomy:
    """The atlas's brain, moved as patients' brains differ from it.

    Parameters
    ----------
    atlas : Atlas
        The brain to be moved.
    number : int
        Which anatomy, ≥ 0.
    seed : int
        Root of the random numbers, ≥ 0.
    grid : Grid or None
        Grid to simulate on, isotropic; None: the atlas's simulation grid.
    domain_rule : str
        Rule of the simulation domain.
    displacement_mm : float
        Standard deviation of the velocity per axis, about that of the displacement [mm], ≥ 0.
    smoothness_mm : float
        Standard deviation of the Gaussian that smooths the velocity [mm], > 0.
    size_deviation : float
        Standard deviation of the logarithm of the scale along each axis, ≥ 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """
    if number < 0 or seed < 0:
        raise ParameterError(f"number and seed must not be negative, got {number} and {seed}.")
    for name, value in (("displacement_mm", displacement_mm), ("size_deviation", size_deviation)):
        if not (math.isfinite(value) and value >= 0.0):
            raise ParameterError(f"{name} must be finite and not negative, got {value}.")
    if not (math.isfinite(smoothness_mm) and smoothness_mm > 0.0):
        raise ParameterError(f"smoothness_mm must be finite and > 0 [mm], got {smoothness_mm}.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    onto = atlas.simulation_grid() if grid is None else grid
    lattice = _lattice_over(onto)
    displacement = random_diffeomorphism(lattice, displacement_mm, smoothness_mm, rng)
    scale = np.exp(size_deviation * rng.standard_normal(3))
    points = np.moveaxis(onto.world_of(np.moveaxis(np.indices(onto.shape), 0, -1)), -1, 0)
    on_lattice = _voxels_of(lattice, points)
    center = atlas.grid.center_mm.reshape(3, 1, 1, 1)
    sources = center + (points - center) / scale.reshape(3, 1, 1, 1)
    for axis in range(3):
        sources[axis] += ndimage.map_coordinates(displacement[axis], on_lattice, order=1, mode="nearest")
    return growth_domain(_moved(atlas.tissue_maps, sources, onto), rule=domain_rule)


def random_diffeomorphism(
    grid: Grid, displacement_mm: float, smoothness_mm: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Displacement (3, X, Y, Z) [mm] of a smooth random map that does not fold: the flow of a random velocity."""
    sigma = smoothness_mm / np.array(grid.spacing_mm)
    displacement = np.stack(
        [ndimage.gaussian_filter(rng.standard_normal(grid.shape), sigma, mode="reflect") for _ in range(3)]
    )
    displacement *= displacement_mm / max(float(displacement.std()), 1e-12) / 2.0**_NUM_SQUARINGS
    indices = np.indices(grid.shape, dtype=np.float64)
    spacing = np.array(grid.spacing_mm).reshape(3, 1, 1, 1)
    for _ in range(_NUM_SQUARINGS):
        moved = indices + displacement / spacing
        displacement = displacement + np.stack(
            [ndimage.map_coordinates(component, moved, order=1, mode="nearest") for component in displacement]
        )
    return displacement


def tissue_channels(anatomy: Anatomy) -> NDArray[np.float32]:
    """What a surrogate may know of an anatomy, (3, X, Y, Z): fractions of `TISSUES`.

    White and gray matter are those the solver sees; CSF is the rest of the brain, where no cells can live.

    Raises
    ------
    ParameterError
        If the anatomy does not know its brain.
    """
    fractions = anatomy.tissue_fractions
    return np.stack([fractions[name] for name in TISSUES])


def crop_around(volumes: NDArray[np.float32], center: tuple[int, int, int], size: int) -> NDArray[np.float32]:
    """Cube of `size`³ voxels of volumes (…, X, Y, Z) whose voxel [size/2]³ is `center`; 0 beyond the volume."""
    cropped = np.zeros((*volumes.shape[:-3], size, size, size), dtype=volumes.dtype)
    inside, source = _overlap(volumes.shape[-3:], center, size)
    cropped[inside] = volumes[source]
    return cropped


def paste_around(
    cropped: NDArray[np.float32], center: tuple[int, int, int], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """The cubes of `crop_around` back in their volumes, (…, X, Y, Z); 0 outside the cube."""
    volumes = np.zeros((*cropped.shape[:-3], *shape), dtype=cropped.dtype)
    inside, source = _overlap(shape, center, cropped.shape[-1])
    volumes[source] = cropped[inside]
    return volumes


def _overlap(shape: tuple[int, ...], center: tuple[int, int, int], size: int) -> tuple[_Region, _Region]:
    """Slices of the part of the cube that lies in the volume, and of the same voxels of the volume."""
    inside, source = [], []
    for length, middle in zip(shape, center, strict=True):
        start = middle - size // 2
        first, last = max(start, 0), min(start + size, length)
        source.append(slice(first, max(last, first)))
        inside.append(slice(first - start, max(last, first) - start))
    return (..., *inside), (..., *source)


def _lattice_over(grid: Grid) -> Grid:
    extent_mm = np.array(grid.spacing_mm) * (np.array(grid.shape) - 1)
    shape = np.ceil(extent_mm / _LATTICE_SPACING_MM).astype(int) + 1
    origin_mm = grid.center_mm - (shape - 1) / 2 * _LATTICE_SPACING_MM
    return Grid.axis_aligned(shape, _LATTICE_SPACING_MM, origin_mm)


def _voxels_of(grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.moveaxis(grid.voxel_of(np.moveaxis(points, 0, -1)), -1, 0)


def _moved(maps: TissueMaps, sources: NDArray[np.float64], grid: Grid) -> TissueMaps:
    """Tissue maps at points (3, X, Y, Z) of their world, as maps on the grid."""
    voxels = _voxels_of(maps.grid, sources)

    def at_sources(data: NDArray[np.float32]) -> NDArray[np.float32]:
        values = ndimage.map_coordinates(data, voxels, order=1, mode="constant", output=np.float32)
        return np.clip(values, 0.0, 1.0)

    brain = at_sources(maps.brain.astype(np.float32)) > 0.5
    fractions = {name: at_sources(getattr(maps, name)) * brain for name in TISSUES}
    return TissueMaps(**fractions, brain=brain, grid=grid)
