"""Shape features of a mask, equal to those of pyradiomics 3.0.1 (its class ``shape``) in a fraction of the time.

The surface of a mask is the mesh of marching cubes through the midpoints between voxels inside and outside. In such a
mesh every cube of 2×2×2 voxels is one of 256 kinds, so area and volume follow from how often each kind occurs;
scikit-image triangulates each kind once. pyradiomics resolves ambiguous kinds by looking only at those where one
certain corner is outside, and takes their complements for the others, which leaves holes in the mesh of a rugged mask.
The features here do the same, holes included: they are equal to those of pyradiomics, not better.

The largest diameter is that between two vertices of the mesh; only the ends of rows of voxels can be part of such a
pair. The axes are 4 √λ with λ the eigenvalues of the covariance of the voxel centers.

References
----------
.. [1] van Griethuysen et al. (2017), Computational radiomics system to decode the radiographic phenotype, Cancer
   Research 77(21), e104-e107, doi:10.1158/0008-5472.CAN-17-0339.
.. [2] Lorensen, Cline (1987), Marching cubes: a high resolution 3D surface construction algorithm, SIGGRAPH 21(4).
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of
from gliofield.errors import ParameterError
from gliofield_papers.indexes.shape_kernels import (
    NUM_CUBES,
    add_moments,
    count_cubes,
    largest_squared_distance,
    row_ends,
)

#: The corner (0, 1, 1) of a cube: where it is inside, the complement is triangulated.
_COMPLEMENT_CORNER = 0b00001000
_VARIANCES_AND_COVARIANCES = ((4, 7, 8), (7, 5, 9), (8, 9, 6))


@dataclass(frozen=True, kw_only=True)
class ShapeFeatures:
    """Size and shape of a mask; the names of pyradiomics in parentheses.

    Parameters
    ----------
    voxel_volume_mm3 : float
        Number of voxels times their volume (``VoxelVolume``) [mm³].
    mesh_volume_mm3, surface_area_mm2 : float
        Of the mesh (``MeshVolume``, ``SurfaceArea``) [mm³, mm²].
    sphericity : float
        (36 π V²)^⅓ / A of the mesh, 1 for a ball (``Sphericity``).
    maximum_diameter_mm : float
        Largest distance of two points of the mesh (``Maximum3DDiameter``) [mm].
    major_axis_length_mm, minor_axis_length_mm, least_axis_length_mm : float
        4 √λ, largest first (``MajorAxisLength``, ``MinorAxisLength``, ``LeastAxisLength``) [mm].
    elongation, flatness : float
        Minor and least axis over the major axis (``Elongation``, ``Flatness``); 1 for a single voxel.
    """

    voxel_volume_mm3: float
    mesh_volume_mm3: float
    surface_area_mm2: float
    sphericity: float
    maximum_diameter_mm: float
    major_axis_length_mm: float
    minor_axis_length_mm: float
    least_axis_length_mm: float
    elongation: float
    flatness: float


def require_scikit_image() -> None:
    """Raise `ParameterError` unless scikit-image is installed."""
    if importlib.util.find_spec("skimage") is None:
        raise ParameterError('shape features need the package scikit-image: pip install "gliofield[search]".')


def shape_features(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> ShapeFeatures:
    """Shape features of a mask.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        At least one voxel set; several pieces count as one shape.
    spacing_mm : tuple of 3 float
        Distance of voxel centers along each axis [mm].

    Raises
    ------
    ParameterError
        If the mask is no bool array of three axes or is empty, a spacing is not positive, or scikit-image is not
        installed.

    Examples
    --------
    >>> box = np.ones((2, 3, 4), dtype=bool)
    >>> shape_features(box, (1.0, 1.0, 2.0)).voxel_volume_mm3
    48.0
    """
    if not all(math.isfinite(step) and step > 0.0 for step in spacing_mm):
        raise ParameterError(f"spacing_mm must be three positive lengths [mm], got {spacing_mm}.")
    cut, _ = _cut(mask)
    spacing = np.array(spacing_mm, dtype=np.float64)
    sums = _moments(cut)
    axes_mm = _axis_lengths_mm(sums, spacing)
    area_mm2, volume_mm3 = _area_and_volume(cut, spacing)
    return ShapeFeatures(
        voxel_volume_mm3=float(sums[0] * spacing.prod()),
        mesh_volume_mm3=volume_mm3,
        surface_area_mm2=area_mm2,
        sphericity=float((36.0 * np.pi * volume_mm3**2) ** (1.0 / 3.0) / area_mm2),
        maximum_diameter_mm=_maximum_diameter_mm(cut, spacing),
        major_axis_length_mm=axes_mm[2],
        minor_axis_length_mm=axes_mm[1],
        least_axis_length_mm=axes_mm[0],
        elongation=_share(axes_mm[1], axes_mm[2]),
        flatness=_share(axes_mm[0], axes_mm[2]),
    )


def center_of_mass(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of the (fractional) voxel indices of a mask, (3,).

    Raises
    ------
    ParameterError
        If the mask is no bool array of three axes or is empty.

    Examples
    --------
    >>> mask = np.zeros((4, 4, 4), dtype=bool)
    >>> mask[1, 2, 0] = mask[2, 2, 3] = True
    >>> center_of_mass(mask)
    array([1.5, 2. , 1.5])
    """
    cut, first = _cut(mask)
    sums = _moments(cut)
    return sums[1:4] / sums[0] + first


def _cut(mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The mask inside its bounding box, with a rim of zeros, and the index of the first voxel of the result."""
    if mask.ndim != 3 or mask.dtype != bool:
        raise ParameterError(f"mask must be a bool array (X, Y, Z), got {mask.dtype} of shape {mask.shape}.")
    box = box_of(mask)
    inside = mask[slices_of(box)]
    if not inside.size:
        raise ParameterError("mask is empty: expected at least one voxel, for nothing has no shape.")
    cut = np.zeros(tuple(length + 2 for length in inside.shape), dtype=np.uint8)
    cut[1:-1, 1:-1, 1:-1] = inside
    return cut, np.array([start - 1 for start, _ in box], dtype=np.int64)


def _moments(cut: NDArray[np.uint8]) -> NDArray[np.int64]:
    sums = np.zeros(10, dtype=np.int64)
    add_moments(cut, sums)
    return sums


def _axis_lengths_mm(sums: NDArray[np.int64], spacing: NDArray[np.float64]) -> tuple[float, float, float]:
    """4 √λ of the covariance of voxel centers, smallest first [mm]."""
    mean = sums[1:4] / sums[0]
    products = np.array([[sums[entry] for entry in row] for row in _VARIANCES_AND_COVARIANCES], dtype=np.float64)
    covariance = (products / sums[0] - np.outer(mean, mean)) * np.outer(spacing, spacing)
    # Flat masks have variances of 0, up to rounding.
    least, minor, major = 4.0 * np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    return float(least), float(minor), float(major)


def _share(axis_mm: float, major_axis_mm: float) -> float:
    return axis_mm / major_axis_mm if major_axis_mm > 0.0 else 1.0


def _area_and_volume(cut: NDArray[np.uint8], spacing: NDArray[np.float64]) -> tuple[float, float]:
    """Surface area [mm²] and enclosed volume [mm³] of the mesh.

    The volume is Σ a · (b × c) / 6 over the triangles, seen from the first voxel of `cut`; where the mesh has holes, it
    depends on that place, which is pyradiomics'.
    """
    counts, positions = np.zeros(NUM_CUBES, dtype=np.int64), np.zeros((NUM_CUBES, 3), dtype=np.int64)
    count_cubes(cut, counts, positions)
    area, vector_area, volume = _tables(*(float(step) for step in spacing))
    shifted = np.sum(positions * spacing * vector_area) / 3.0
    return float(counts @ area), float(counts @ volume + shifted)


@lru_cache(maxsize=16)
def _tables(
    x_mm: float, y_mm: float, z_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Area (256,), vector area (256, 3) and volume (256,), seen from its first corner, of each kind of cube."""
    area, vector_area, volume = np.zeros(NUM_CUBES), np.zeros((NUM_CUBES, 3)), np.zeros(NUM_CUBES)
    for cube, triangles in enumerate(_triangles_of_cubes()):
        a, b, c = np.moveaxis(triangles * np.array([x_mm, y_mm, z_mm]), 1, 0)
        normals = 0.5 * np.cross(b - a, c - a)
        area[cube] = np.linalg.norm(normals, axis=1).sum()
        vector_area[cube] = normals.sum(axis=0)
        volume[cube] = np.sum(a * normals) / 3.0
    return area, vector_area, volume


@lru_cache(maxsize=1)
def _triangles_of_cubes() -> tuple[NDArray[np.float64], ...]:
    """Triangles (T, 3, 3) of each kind of cube, normals pointing out; corners numbered as by `count_cubes`."""
    require_scikit_image()
    from skimage.measure import marching_cubes

    triangles = [np.zeros((0, 3, 3)) for _ in range(NUM_CUBES)]
    for cube in range(1, NUM_CUBES - 1):
        if cube & _COMPLEMENT_CORNER:
            continue
        corners = ((cube >> np.arange(8)) & 1).reshape(2, 2, 2).astype(np.float32)
        vertices, faces, _, _ = marching_cubes(corners, 0.5, method="lorensen")
        inward = vertices.astype(np.float64)[faces]
        triangles[cube], triangles[NUM_CUBES - 1 - cube] = inward[:, ::-1], inward
    return tuple(triangles)


def _maximum_diameter_mm(cut: NDArray[np.uint8], spacing: NDArray[np.float64]) -> float:
    """Largest distance of two vertices of the mesh [mm].

    Vertices lie half a voxel from the centers of voxels, along the axes. Around a corner of the convex hull of the
    centers all that point outward are there; the others change nothing.
    """
    found = np.empty((2 * cut.shape[0] * cut.shape[1], 3), dtype=np.int32)
    centers = found[: row_ends(cut, found)] * spacing
    start = _farthest(centers, centers.mean(axis=0))
    # About the middle of a pair nearly as far apart as any, most distances are too small for a pair yet farther.
    middle = (start + _farthest(centers, start)) / 2.0
    radii = np.linalg.norm(centers - middle, axis=1)
    order = np.argsort(-radii)
    return math.sqrt(largest_squared_distance(centers[order], radii[order], spacing))


def _farthest(points: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64]:
    farthest: NDArray[np.float64] = points[np.argmax(np.sum((points - origin) ** 2, axis=1))]
    return farthest
