"""The map between the world of a patient and the world of the atlas, as a plain NumPy value.

A `Transform` carries points, images and masks both ways. It follows ANTs with the patient as fixed image and the
atlas as moving image (positions in mm, RAS+):

    atlas   = atlas_from_patient · (p + displacement_mm(p))
    patient = y + inverse_displacement_mm(y)   with   y = atlas_from_patient⁻¹ · q

Both displacement fields live on one grid in patient space; outside it they are 0. No displacement is a
legitimate case: `Transform.identity()` for a patient already in atlas space, `Transform.affine(...)`.

What it does not do: estimate anything (`registration`), or touch files (`transform_files`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.box import Box, box_of, make_box
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.registration import warp_kernels
from gliofield.resample import Interpolation
from gliofield.volume import Volume

_INTERPOLATIONS = ("linear", "nearest")


@dataclass(frozen=True, kw_only=True, eq=False)
class Transform:
    """Invertible map between patient and atlas space.

    Parameters
    ----------
    atlas_from_patient : (4, 4) array
        Affine from (displaced) patient positions to atlas positions [mm, RAS+], with positive determinant.
    displacement_mm : (X, Y, Z, 3) float32 array, optional
        Displacement of patient positions [mm, RAS+] on `displacement_grid`; None for a purely affine map.
    inverse_displacement_mm : (X, Y, Z, 3) float32 array, optional
        Displacement that undoes it, at displaced patient positions, on the same grid.
    displacement_grid : Grid, optional
        Grid of both fields, in patient space.

    Raises
    ------
    ParameterError
        If the affine is not finite and orientation-preserving, only some of the three displacement arguments are
        given, or a field has another shape than its grid or values that are not finite.

    References
    ----------
    .. [1] Avants et al. (2008), Symmetric diffeomorphic image registration with cross-correlation,
       doi:10.1016/j.media.2007.06.004.

    Examples
    --------
    >>> shift = np.eye(4)
    >>> shift[0, 3] = 5.0
    >>> Transform.affine(shift).atlas_points_of([0.0, 1.0, 2.0]).tolist()
    [5.0, 1.0, 2.0]
    """

    atlas_from_patient: NDArray[np.float64]
    displacement_mm: NDArray[np.float32] | None = None
    inverse_displacement_mm: NDArray[np.float32] | None = None
    displacement_grid: Grid | None = None

    def __post_init__(self) -> None:
        affine = np.array(self.atlas_from_patient, dtype=np.float64)
        _check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "atlas_from_patient", affine)
        given = [
            value is not None for value in (self.displacement_mm, self.inverse_displacement_mm, self.displacement_grid)
        ]
        if any(given) and not all(given):
            raise ParameterError(
                "Transform: displacement_mm, inverse_displacement_mm and displacement_grid must be given together "
                "or not at all. Transform.from_displacement(...) computes the inverse."
            )
        for name in ("displacement_mm", "inverse_displacement_mm"):
            if self.displacement_grid is not None:
                object.__setattr__(self, name, _checked_field(name, getattr(self, name), self.displacement_grid))

    @classmethod
    def identity(cls) -> Transform:
        """Map of a patient that is in atlas space already."""
        return cls(atlas_from_patient=np.eye(4))

    @classmethod
    def affine(cls, atlas_from_patient: ArrayLike) -> Transform:
        """Purely affine map [mm, RAS+]."""
        return cls(atlas_from_patient=np.asarray(atlas_from_patient, dtype=np.float64))

    @classmethod
    def from_displacement(
        cls, displacement_mm: NDArray[np.floating], grid: Grid, *, atlas_from_patient: ArrayLike | None = None
    ) -> Transform:
        """Map of a displacement field whose inverse is computed by `inverse_displacement`.

        Raises
        ------
        NumericalError
            If the field cannot be inverted (it folds).
        """
        return cls(
            atlas_from_patient=np.asarray(np.eye(4) if atlas_from_patient is None else atlas_from_patient),
            displacement_mm=np.asarray(displacement_mm, dtype=np.float32),
            inverse_displacement_mm=inverse_displacement(displacement_mm, grid),
            displacement_grid=grid,
        )

    @property
    def has_displacement(self) -> bool:
        """Whether the map bends, beyond its affine part."""
        return self.displacement_mm is not None

    @property
    def patient_from_atlas(self) -> NDArray[np.float64]:
        """Inverse of the affine part, (4, 4) [mm, RAS+]."""
        return np.asarray(np.linalg.inv(self.atlas_from_patient), dtype=np.float64)

    @property
    def affine_volume_ratio(self) -> float:
        """Volume in the atlas over volume in the patient, affine part only."""
        return float(np.linalg.det(self.atlas_from_patient[:3, :3]))

    def atlas_points_of(self, patient_points_mm: ArrayLike) -> NDArray[np.float64]:
        """Atlas positions of patient positions, both (..., 3) [mm, RAS+]."""
        points = np.asarray(patient_points_mm, dtype=np.float64)
        return _mapped(self.atlas_from_patient, points + self._displacement_at(self.displacement_mm, points))

    def patient_points_of(self, atlas_points_mm: ArrayLike) -> NDArray[np.float64]:
        """Patient positions of atlas positions, both (..., 3) [mm, RAS+]."""
        points = _mapped(self.patient_from_atlas, np.asarray(atlas_points_mm, dtype=np.float64))
        return points + self._displacement_at(self.inverse_displacement_mm, points)

    def to_atlas(self, volume: Volume, atlas_grid: Grid, interpolation: Interpolation = "linear") -> Volume:
        """Patient volume at the voxels of a grid in atlas space, float32; 0 outside its field of view.

        Raises
        ------
        ParameterError
            If the interpolation is unknown.
        """
        return _warped(
            volume,
            onto=atlas_grid,
            source_from_target_mm=self.patient_from_atlas,
            displaced_from_target_mm=self.patient_from_atlas,
            source_from_displacement=np.eye(3),
            displacement_mm=self.inverse_displacement_mm,
            displacement_grid=self.displacement_grid,
            interpolation=interpolation,
        )

    def to_patient(self, volume: Volume, patient_grid: Grid, interpolation: Interpolation = "linear") -> Volume:
        """Atlas volume at the voxels of a grid in patient space, float32; 0 outside its field of view.

        Raises
        ------
        ParameterError
            If the interpolation is unknown.
        """
        return _warped(
            volume,
            onto=patient_grid,
            source_from_target_mm=self.atlas_from_patient,
            displaced_from_target_mm=np.eye(4),
            source_from_displacement=self.atlas_from_patient[:3, :3],
            displacement_mm=self.displacement_mm,
            displacement_grid=self.displacement_grid,
            interpolation=interpolation,
        )

    def mask_to_atlas(self, mask: Volume, atlas_grid: Grid, rule: Interpolation = "linear") -> Volume:
        """Patient mask (non-zero = set) on a grid in atlas space, bool.

        Parameters
        ----------
        mask : Volume
            Mask in patient space.
        atlas_grid : Grid
            Target grid, in atlas space.
        rule : {"linear", "nearest"}
            Linear interpolation of the indicator, strictly > 0.5; or the nearest voxel, as the papers did.

        Raises
        ------
        ParameterError
            If the rule is unknown.
        """
        return _as_mask(self.to_atlas(_indicator(mask), atlas_grid, rule))

    def mask_to_patient(self, mask: Volume, patient_grid: Grid, rule: Interpolation = "linear") -> Volume:
        """Atlas mask (non-zero = set) on a grid in patient space, bool; rules and errors as `mask_to_atlas`."""
        return _as_mask(self.to_patient(_indicator(mask), patient_grid, rule))

    def jacobian_determinant(self, grid: Grid | None = None) -> Volume:
        """Local volume ratio atlas / patient at patient positions, float32.

        det(∂ atlas / ∂ patient) = det(A) · det(I + ∂u/∂x), derivatives by central differences on the displacement
        grid. 1 keeps volume, values ≤ 0 are folds. The affine part is included.

        Parameters
        ----------
        grid : Grid, optional
            Grid in patient space; values between voxels of the field are interpolated linearly, det(A) holds
            outside it. Default: the displacement grid.

        Raises
        ------
        ParameterError
            If a purely affine map is asked without a grid.
        """
        ratio = self.affine_volume_ratio
        if self.displacement_mm is None or self.displacement_grid is None:
            if grid is None:
                raise ParameterError(
                    "jacobian_determinant: a purely affine transform has no grid of its own: expected a grid in "
                    "patient space. Pass grid=patient_image.grid."
                )
            return Volume(np.full(grid.shape, ratio, dtype=np.float32), grid)
        own = np.empty(self.displacement_grid.shape, dtype=np.float32)
        voxel_from_mm = np.ascontiguousarray(self.displacement_grid.voxel_from_world[:3, :3])
        warp_kernels.jacobian_determinants(self.displacement_mm, voxel_from_mm, own)
        own *= np.float32(ratio)
        if grid is None or grid.is_same_as(self.displacement_grid):
            return Volume(own, self.displacement_grid)
        # Sampled as deviation from the affine part, so that "0 outside" means the affine part.
        deviation = Volume(own - np.float32(ratio), self.displacement_grid)
        sampled = Transform.identity().to_patient(deviation, grid)
        return Volume(sampled.data + np.float32(ratio), grid)

    def _displacement_at(self, field: NDArray[np.float32] | None, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacement [mm] at patient-space positions (..., 3)."""
        if field is None or self.displacement_grid is None:
            return np.zeros_like(points)
        voxels = np.ascontiguousarray(self.displacement_grid.voxel_of(points).reshape(-1, 3))
        result = np.empty_like(voxels)
        warp_kernels.displacements_at(field, voxels, result)
        return result.reshape(points.shape)


def inverse_displacement(
    displacement_mm: NDArray[np.floating], grid: Grid, *, tolerance_mm: float = 1e-3, max_iterations: int = 200
) -> NDArray[np.float32]:
    """Displacement w [mm] that undoes u on the same grid, by fixed-point iteration.

    w(y) = −u(y + w(y)), so p = y + w(y) is the point that u moves to y. Converges where the Lipschitz constant of
    u is below 1, at that rate per iteration; u should vanish at the border of the grid.

    Parameters
    ----------
    displacement_mm : (X, Y, Z, 3) array
        Displacement u [mm, RAS+].
    grid : Grid
        Its grid.
    tolerance_mm : float
        Iteration stops per voxel when w changes by less [mm].
    max_iterations : int
        Limit per voxel.

    Raises
    ------
    ParameterError
        If the field does not fit the grid or is not finite.
    NumericalError
        If the iteration does not converge everywhere: the field folds, or is too steep.
    """
    field = _checked_field("displacement_mm", displacement_mm, grid)
    inverse = np.empty_like(field)
    voxel_from_mm = np.ascontiguousarray(grid.voxel_from_world[:3, :3])
    worst = warp_kernels.invert_field(field, voxel_from_mm, tolerance_mm, max_iterations, inverse)
    if not worst <= tolerance_mm:
        raise NumericalError(
            f"inverse_displacement: not converged after {max_iterations} iterations: the worst voxel still moves by "
            f"{worst:.3g} mm, expected at most {tolerance_mm:g} mm. The field folds or is too steep; smooth it or "
            "make it smaller."
        )
    return inverse


def _warped(
    volume: Volume,
    *,
    onto: Grid,
    source_from_target_mm: NDArray[np.float64],
    displaced_from_target_mm: NDArray[np.float64],
    source_from_displacement: NDArray[np.float64],
    displacement_mm: NDArray[np.float32] | None,
    displacement_grid: Grid | None,
    interpolation: Interpolation,
) -> Volume:
    """Values of `volume` at source_from_target · t + source_from_displacement · u(displaced_from_target · t)."""
    if interpolation not in _INTERPOLATIONS:
        raise ParameterError(unknown_name("interpolation", interpolation, _INTERPOLATIONS))
    source_from_target = volume.grid.voxel_from_world @ source_from_target_mm @ onto.world_from_voxel
    field_from_target = np.eye(4)
    if displacement_grid is not None:
        field_from_target = displacement_grid.voxel_from_world @ displaced_from_target_mm @ onto.world_from_voxel
    source_from_mm = np.ascontiguousarray(volume.grid.voxel_from_world[:3, :3] @ source_from_displacement)
    reached = _reached_box(volume.data, source_from_target, source_from_mm, displacement_mm, onto.shape)
    result = np.zeros(onto.shape, dtype=np.float32)
    warp_kernels.warp_volume(
        np.ascontiguousarray(volume.data, dtype=np.float32),
        warp_kernels.contiguous_field(displacement_mm),
        # Rounding as in `gliofield.resample`: halves stay halves however the affines were stored.
        np.round(source_from_target, 10),
        field_from_target,
        source_from_mm,
        interpolation == "nearest",
        reached,
        result,
    )
    return Volume(result, onto)


def _reached_box(
    source: NDArray[np.generic],
    source_from_target: NDArray[np.float64],
    source_from_mm: NDArray[np.float64],
    displacement_mm: NDArray[np.float32] | None,
    shape: tuple[int, ...],
) -> Box:
    """The box of target voxels that can see a source voxel other than 0; all others are 0.

    Tumors and brains fill a small part of a scan, and a voxel costs the same whatever it sees.
    """
    box = np.array(box_of(source != 0), dtype=np.float64)
    if (box[:, 0] == box[:, 1]).any():
        return (0, 0), (0, 0), (0, 0)
    # Interpolation sees one voxel further; the field moves a target by at most its largest component per axis.
    reach = np.full(3, 1.0 + 1e-6)
    if displacement_mm is not None:
        reach += np.abs(source_from_mm) @ np.maximum(displacement_mm.max((0, 1, 2)), -displacement_mm.min((0, 1, 2)))
    low, high = box[:, 0] - reach, box[:, 1] - 1.0 + reach
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
    target_from_source = np.linalg.inv(source_from_target)
    there = target_from_source[:3, :3] @ corners + target_from_source[:3, 3:]
    first = np.clip(np.floor(there.min(axis=1)), 0, shape)
    return make_box(zip(first, np.clip(np.ceil(there.max(axis=1)) + 1, first, shape), strict=True))


def _indicator(mask: Volume) -> Volume:
    return Volume((mask.data != 0).astype(np.float32), mask.grid)


def _as_mask(indicator: Volume) -> Volume:
    return Volume(indicator.data > 0.5, indicator.grid)


def _mapped(affine: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ affine[:3, :3].T + affine[:3, 3]


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4) or not np.all(np.isfinite(affine)) or not np.array_equal(affine[3], [0, 0, 0, 1]):
        raise ParameterError(
            "Transform: atlas_from_patient must be a finite 4 x 4 affine with last row 0 0 0 1, got shape "
            f"{affine.shape}:\n{affine}"
        )
    determinant = float(np.linalg.det(affine[:3, :3]))
    if determinant < 1e-6:
        raise ParameterError(
            "Transform: atlas_from_patient must be invertible and keep left and right: expected a positive "
            f"determinant, got {determinant:.3g}. A negative one mirrors the brain; check the images' orientation."
        )


def _checked_field(name: str, field: NDArray[np.floating] | None, grid: Grid) -> NDArray[np.float32]:
    values = np.ascontiguousarray(field, dtype=np.float32)
    if values.shape != (*grid.shape, 3):
        raise ParameterError(
            f"{name} must have the shape of its grid and 3 components {(*grid.shape, 3)}, got {values.shape}."
        )
    if not np.all(np.isfinite(values)):
        raise ParameterError(
            f"{name} must be finite [mm], got {int(np.count_nonzero(~np.isfinite(values)))} NaN or inf."
        )
    return values
