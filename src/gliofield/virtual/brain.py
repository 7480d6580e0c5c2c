"""The brain of a virtual patient: an atlas moved by a known smooth deformation, so that it is no atlas.

Neither its shape nor its tissue maps are those a method works in, and registration is part of what is scored. Images
are those of BraTS (240 x 240 x 155 voxels of 1 mm, LPS); tumors grow on 128³ voxels of 1.875 mm. A `Resolution` of
larger voxels gives the same chain in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.growth_domain import Anatomy, growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import NumericalError, ParameterError
from gliofield.grid import Grid, reoriented_to_ras
from gliofield.registration import Transform
from gliofield.volume import Volume

# BraTS files: 240 x 240 x 155 voxels of 1 mm stored LPS with the world origin at the (0, 239, 0) corner.
_BRATS_GRID = Grid((240, 240, 155), np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]))
# The MNI152 brain is larger than life (1.88 l); patients get about 1.45 l, which also fits the BraTS field of view.
_ATLAS_OVER_PATIENT_SIZE = 1.09
# Where a seed may lie. *Chosen*.
_SEED_WHITE_MATTER, _SEED_DEPTH_MM = 0.7, 8.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Resolution:
    """Grids of a virtual patient.

    Parameters
    ----------
    stored_grid : Grid
        Grid of its files.
    simulation_spacing_mm : float
        Voxels that its tumor grows on [mm].
    """

    stored_grid: Grid = _BRATS_GRID
    simulation_spacing_mm: float = 1.875

    @cached_property
    def image_grid(self) -> Grid:
        """The grid of the files in RAS+ order."""
        return reoriented_to_ras(self.stored_grid)[0]

    @cached_property
    def simulation_grid(self) -> Grid:
        """A cube around the middle of the images, as wide as they are."""
        extent_mm = np.array(self.image_grid.shape) * self.image_grid.spacing_mm
        shape = (math.ceil(float(extent_mm.max()) / self.simulation_spacing_mm),) * 3
        origin = self.image_grid.center_mm - (np.array(shape) - 1) / 2 * self.simulation_spacing_mm
        return Grid.axis_aligned(shape, self.simulation_spacing_mm, np.round(origin, 9))


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualBrain:
    """Tissue and T1 template of a virtual patient without a tumor.

    Parameters
    ----------
    maps : TissueMaps
        Tissue on the grid of the images.
    t1 : (X, Y, Z) float32 array
        Values of the atlas's T1 there.
    """

    maps: TissueMaps
    t1: NDArray[np.float32]

    def anatomy(self, grid: Grid) -> Anatomy:
        """Where a tumor can grow, on the grid it grows on."""
        return growth_domain(self.maps.resampled(grid))

    def displaced(self, displacement_mm: NDArray[np.float32], grid: Grid) -> VirtualBrain:
        """The brain pushed by a tumor: every value at x comes from x − u(x).

        Parameters
        ----------
        displacement_mm : (X', Y', Z', 3) array
            u [mm, RAS+] of `MassEffectSolution`, 0 at the skull.
        grid : Grid
            Its grid.
        """
        # Only the way to the patient is taken: its inverse, u to first order, is not looked at.
        push = Transform(
            atlas_from_patient=np.eye(4),
            displacement_mm=-displacement_mm,
            inverse_displacement_mm=displacement_mm,
            displacement_grid=grid,
        )
        fractions = {
            name: _warped(push, getattr(self.maps, name), self.maps.grid, self.maps.grid) * self.maps.brain
            for name in ("white_matter", "gray_matter", "csf")
        }
        maps = TissueMaps(**fractions, brain=self.maps.brain, grid=self.maps.grid)
        return VirtualBrain(maps=maps, t1=_warped(push, self.t1, maps.grid, maps.grid))


def make_virtual_brain(
    atlas: Atlas, *, rng: np.random.Generator, deformation_mm: float = 5.0, resolution: Resolution | None = None
) -> VirtualBrain:
    """An atlas moved by a random smooth deformation.

    Parameters
    ----------
    atlas : Atlas
        Brain to deform.
    rng : Generator
        Draws the deformation.
    deformation_mm : float
        Standard deviation of each component of the random smooth displacement [mm], ≥ 0.
    resolution : Resolution, optional
        Grid of the images.

    Raises
    ------
    ParameterError
        If `deformation_mm` is negative.
    NumericalError
        If the deformation folds space.
    """
    if not deformation_mm >= 0:  # NaN fails too
        raise ParameterError(f"deformation_mm must be ≥ 0, got {deformation_mm}.")
    grid = (resolution or Resolution()).image_grid
    deformation = random_deformation(atlas, grid, deformation_mm, rng)
    brain = _warped(deformation, atlas.tissue_maps.brain, atlas.grid, grid) > 0.5
    fractions = {
        name: np.clip(_warped(deformation, getattr(atlas.tissue_maps, name), atlas.grid, grid), 0.0, 1.0) * brain
        for name in ("white_matter", "gray_matter", "csf")
    }
    maps = TissueMaps(**fractions, brain=brain, grid=grid)
    return VirtualBrain(maps=maps, t1=_warped(deformation, atlas.t1.data, atlas.grid, grid))


def virtual_tissue_maps(atlas: Atlas, *, rng: np.random.Generator, deformation_mm: float = 5.0) -> TissueMaps:
    """The brain of a virtual patient without its tumor, on the grid its tumors grow on (128³, 1.875 mm).

    Parameters
    ----------
    atlas, rng, deformation_mm : see `make_virtual_patient`
    """
    brain = make_virtual_brain(atlas, rng=rng, deformation_mm=deformation_mm)
    return brain.maps.resampled(Resolution().simulation_grid)


def seed_candidates(anatomy: Anatomy) -> NDArray[np.float64]:
    """Where a tumor may begin, (N, 3) world positions [mm]: mostly white matter, at least 8 mm inside the domain.

    Raises
    ------
    NumericalError
        If there is no such voxel.
    """
    depth_mm = ndimage.distance_transform_edt(anatomy.domain, sampling=anatomy.spacing_mm)
    candidates = np.argwhere((anatomy.white_matter > _SEED_WHITE_MATTER) & (depth_mm > _SEED_DEPTH_MM))
    if len(candidates) == 0:
        raise NumericalError(
            f"the virtual patient has no place for a seed: expected a voxel with white_matter > {_SEED_WHITE_MATTER} "
            f"at least {_SEED_DEPTH_MM:g} mm inside the domain. Check the tissue maps of the atlas."
        )
    return anatomy.grid.world_of(candidates)


def drawn_from(points_mm: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float, float]:
    """One of some positions (N, 3), all as likely."""
    x, y, z = points_mm[rng.integers(len(points_mm))]
    return float(x), float(y), float(z)


def _warped(transform: Transform, data: NDArray[np.generic], source: Grid, onto: Grid) -> NDArray[np.float32]:
    warped = transform.to_patient(Volume(np.asarray(data, dtype=np.float32), source), onto)
    return np.asarray(warped.data, dtype=np.float32)


def random_deformation(atlas: Atlas, image_grid: Grid, deformation_mm: float, rng: np.random.Generator) -> Transform:
    """Random smooth map from the patient's world to the atlas's: affine change, then displacement."""
    grid = Grid.axis_aligned((64, 64, 64), 4.0, np.round(image_grid.center_mm - 126.0, 6))
    smoothness_voxels = 30.0 / 4.0
    noise = rng.standard_normal((*grid.shape, 3))
    field = np.stack(
        [ndimage.gaussian_filter(noise[..., axis], smoothness_voxels, mode="nearest") for axis in range(3)], axis=-1
    )
    field *= deformation_mm / field.std() * _border_window(grid.shape)[..., np.newaxis]
    scale = np.diag(_ATLAS_OVER_PATIENT_SIZE * (1.0 + 0.03 * rng.standard_normal(3)))
    angles = np.radians(3.0) * rng.standard_normal(3)
    affine = np.eye(4)
    affine[:3, :3] = _rotation(angles) @ scale
    affine[:3, 3] = atlas.grid.center_mm - affine[:3, :3] @ image_grid.center_mm
    try:
        return Transform.from_displacement(field.astype(np.float32), grid, atlas_from_patient=affine)
    except NumericalError as error:
        raise NumericalError(
            f"the random deformation of {deformation_mm} mm folds space. Use a smaller deformation_mm (5 is safe)."
        ) from error


def _border_window(shape: tuple[int, int, int], width: int = 8) -> NDArray[np.float64]:
    """1 inside, falling smoothly to 0 over the outer `width` voxels, so that a field vanishes at its border."""
    window = np.ones(shape)
    for axis, length in enumerate(shape):
        depth = np.minimum(np.arange(length), np.arange(length)[::-1]) / width
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(depth, 0.0, 1.0))
        window *= ramp.reshape(tuple(-1 if a == axis else 1 for a in range(3)))
    return window


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
