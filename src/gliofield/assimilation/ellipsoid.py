"""The ellipsoid that overlaps most with a mask: where growth starts from, along which axes, and a control.

    minimize  mean (1/(1 + exp k (|R^T (x − c) / r| − 1)) − mask)² / part of the mask
              +  w Σ (ln r_i − mean ln r)²  +  v |turn of R|²

over center c, axes R and radii r, with an edge that is soft first (small k) and sharper in the end.
A tumor of one tensor in uniform tissue is an ellipsoid whose squared radii are proportional to the tensor. So its axes
R are those along which the tensor of a fit is diagonal, and r² says what it is. Places are along the axes of the mask's
grid, in millimeters from its first voxel: a head that lies otherwise gets the same ellipsoid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation
from scipy.special import expit

from gliofield.box import box_of, slices_of, widened
from gliofield.errors import ParameterError
from gliofield.growth.parameters import with_product_1

# w and v. w is *tuned* on the masked third of four patients, where 0.06 to 0.3 are alike; v is *chosen*: a ball has no
# axes of its own, and gets the grid's.
_ROUNDNESS, _UPRIGHTNESS = 0.15, 0.01
# k, one after the other. *Chosen*.
_EDGES = (3.0, 8.0)
# Lengths of which one counts as much as an e-fold of a radius or a turn by one radian [mm].
_SCALE = np.array([20.0, 20.0, 20.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
# Voxels that are looked at; more of them find nothing else.
_MOST_POINTS = 20_000
_MARGIN_MM = 30.0
# Largest logarithm of a factor of the tensor. *Chosen*: within what fits may find.
_LOG_STRETCH = 1.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Ellipsoid:
    """An ellipsoid along the axes of a grid.

    Parameters
    ----------
    center_mm : (3,) float64 array
        c.
    axes : (3, 3) float64 array
        R, a rotation; columns are the axes.
    radii_mm : (3,) float64 array
        r.
    """

    center_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    radii_mm: NDArray[np.float64]

    @property
    def axis_stretch(self) -> tuple[float, float, float]:
        """The tensor along the axes that grows such an ellipsoid in uniform tissue: r², within bounds."""
        logs = 2.0 * (np.log(self.radii_mm) - np.log(self.radii_mm).mean())
        x, y, z = np.exp(logs * min(1.0, _LOG_STRETCH / max(float(np.abs(logs).max()), 1e-12)))
        return with_product_1((float(x), float(y), float(z)))

    def level(self, along_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the center in radii, 1 on the surface, of places (..., 3) [mm]."""
        return np.asarray(np.linalg.norm((along_mm - self.center_mm) @ self.axes / self.radii_mm, axis=-1))


def fit_ellipsoid(
    mask: NDArray[np.bool_], spacing_mm: Sequence[float], *, where: NDArray[np.bool_] | None = None
) -> Ellipsoid:
    """The ellipsoid that overlaps most with a mask, from its largest piece on.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Not empty.
    spacing_mm : 3 float
        Voxel spacing [mm].
    where : (X, Y, Z) bool array, optional
        Compare only there, for what is hidden on purpose.

    Raises
    ------
    ParameterError
        If the mask is empty.
    """
    visible = mask if where is None else mask & where
    if not visible.any():
        raise ParameterError("fit_ellipsoid: expected a mask with voxels, got an empty one.")
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    margin = int(np.ceil(_MARGIN_MM / spacing.min()))
    box = widened(box_of(visible), margin, mask.shape)
    step = max(1, round((np.prod([stop - start for start, stop in box]) / _MOST_POINTS) ** (1.0 / 3.0)))
    window = tuple(slice(start, stop, step) for start, stop in box)
    compared = np.ones(visible[window].shape, bool) if where is None else where[window]
    first_mm = np.array([start for start, _ in box]) * spacing
    points = first_mm + np.argwhere(compared) * (step * spacing)
    inside = visible[window][compared]
    piece = largest_piece(visible)[slices_of(box)]
    places = first_mm + np.argwhere(piece) * spacing
    center = places.mean(axis=0)
    spread = places.var(axis=0) + spacing**2 / 12.0
    x = np.concatenate([center, 0.5 * np.log(5.0 * spread), np.zeros(3)])

    part = max(float(np.mean(inside)), 1e-12)

    def residuals(scaled: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
        x = scaled * _SCALE
        shown = expit(edge * (1.0 - _ellipsoid(x).level(points)))
        logs = x[3:6] - x[3:6].mean()
        held = np.concatenate([np.sqrt(_ROUNDNESS) * logs, np.sqrt(_UPRIGHTNESS) * x[6:9]])
        return np.concatenate([(shown - inside) / np.sqrt(part * len(points)), held])

    for edge in _EDGES if inside.any() else ():
        x = optimize.least_squares(residuals, x / _SCALE, args=(edge,), max_nfev=30).x * _SCALE
    return _ellipsoid(x)


def _ellipsoid(x: NDArray[np.float64]) -> Ellipsoid:
    return Ellipsoid(
        center_mm=x[:3], axes=Rotation.from_rotvec(x[6:9]).as_matrix(), radii_mm=np.exp(np.clip(x[3:6], -3.0, 6.0))
    )


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest component of a mask (X, Y, Z), voxels that share a face belong together; the first of equals."""
    labels, number = ndimage.label(mask)
    if number == 0:
        return mask
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))
