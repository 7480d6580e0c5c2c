"""The spaces of one patient: the atlas as the patient lies in it, and the patient's own brain.

In the patient's own brain the registration brings the atlas's tissue to the patient; masks and PET stay where they were
taken, only their spacing changes (the setting of Ezhov et al. 2021, "Learnable surrogate"). Tissue that the tumor has
pushed aside or replaced is thus the atlas's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.anatomy import (
    DEFAULT_DOMAIN_RULE,
    Anatomy,
    Atlas,
    AtlasSpace,
    Space,
    SpaceName,
    SpaceRequest,
    TissueMaps,
    growth_domain,
)
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.pipeline.case import Case
from gliofield.registration import Transform
from gliofield.resample import Interpolation, resample
from gliofield.volume import Volume

#: Spacing of simulations in a patient [mm]: that of the default grid in the atlas.
DEFAULT_SPACING_MM = 1.875
# Around the patient's brain; in voxels, so that grids of one spacing stay aligned.
_MARGIN_VOXELS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientSpace:
    """The patient's own brain, with the atlas's tissue in it.

    Parameters
    ----------
    case : Case
        The patient.
    atlas : Atlas
        Whose tissue is moved.
    transform : Transform
        Between the patient and the atlas.
    grid : Grid
        Grid in the patient's world, such as `patient_grid` or the scan's own.
    domain_rule : str
        Rule of the simulation domain.
    mask_rule : {"linear", "nearest"}
        How masks reach `grid`.
    """

    case: Case
    atlas: Atlas
    transform: Transform
    grid: Grid
    domain_rule: str = DEFAULT_DOMAIN_RULE
    mask_rule: Interpolation = "linear"
    _stay: Transform = field(default_factory=Transform.identity, init=False, repr=False)
    _others: dict[Grid, PatientSpace] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        """Atlas, rule and grid."""
        return f"PatientSpace(tissue of {self.atlas.name!r}, rule {self.domain_rule!r}; {self.grid.describe()})"

    @property
    def name(self) -> SpaceName:
        """``patient``."""
        return "patient"

    def on_grid(self, grid: Grid) -> PatientSpace:
        """The same brain on another grid; the same value for equal grids, so that its anatomy is made once."""
        return self._others.setdefault(grid, replace(self, grid=grid))

    @cached_property
    def anatomy(self) -> Anatomy:
        """The atlas's tissue within the patient's brain; made when first asked for.

        Raises
        ------
        ParameterError
            If the domain rule is unknown, or the grid not isotropic.
        """

        def moved(data: NDArray[np.generic]) -> NDArray[np.float32]:
            values = self.transform.to_patient(Volume(np.asarray(data, dtype=np.float32), self.atlas.grid), self.grid)
            return np.asarray(np.clip(values.data, 0.0, 1.0), dtype=np.float32)

        brain = resample(Volume(self.case.brain.astype(np.float32), self.case.grid), self.grid).data > 0.5
        tissue = self.atlas.tissue_maps
        maps = {name: moved(getattr(tissue, name)) * brain for name in ("white_matter", "gray_matter", "csf")}
        return growth_domain(TissueMaps(**maps, brain=brain, grid=self.grid), rule=self.domain_rule)

    @cached_property
    def identity(self) -> str:
        """Hash of tissue, domain and grid, which hold what the registration found."""
        return hashlib.sha256(f"patient {self.atlas.content_hash} {self.anatomy.content_hash}".encode()).hexdigest()

    def mask_from_patient(self, mask: Volume) -> NDArray[np.bool_]:
        """See `Space`; by `mask_rule`."""
        return np.asarray(self._stay.mask_to_atlas(mask, self.grid, self.mask_rule).data, dtype=np.bool_)

    def image_from_patient(self, image: Volume) -> Volume:
        """See `Space`."""
        return self._stay.to_atlas(image, self.grid)

    def to_patient(self, volume: Volume, onto: Grid) -> Volume:
        """See `Space`; between grids of the patient, by `resample`."""
        return resample(volume, onto)

    def to_atlas(self, volume: Volume, onto: Grid) -> Volume:
        """See `Space`."""
        return self.transform.to_atlas(volume, onto)

    def points_to_patient(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """The points themselves."""
        return np.asarray(points_mm, dtype=np.float64)

    def points_to_atlas(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """See `Space`."""
        return self.transform.atlas_points_of(points_mm)


def patient_grid(case: Case, spacing_mm: float) -> Grid:
    """Isotropic grid around a patient's brain, axis-aligned in the patient's world.

    Raises
    ------
    ParameterError
        If the spacing is not positive.
    """
    if not spacing_mm > 0.0:
        raise ParameterError(f"spacing_mm must be > 0, got {spacing_mm}.")
    corners = np.argwhere(case.brain)
    world = case.grid.world_of(np.array(np.meshgrid(*zip(corners.min(axis=0), corners.max(axis=0), strict=True))).T)
    margin_mm = _MARGIN_VOXELS * spacing_mm
    low, high = world.reshape(-1, 3).min(axis=0) - margin_mm, world.reshape(-1, 3).max(axis=0) + margin_mm
    return Grid.axis_aligned(np.ceil((high - low) / spacing_mm).astype(int) + 1, spacing_mm, np.round(low, 6))


def tumor_grid(
    scan: PatientSpace,
    mask: NDArray[np.bool_],
    *,
    spacing_mm: float,
    reach_mm: float,
    axes: NDArray[np.float64] | None = None,
) -> Grid:
    """Isotropic grid around a mask of a scan, as far as a tumor may reach, within the brain.

    Its axes are the scan's or turned against them, and its lattice begins at the scan's first voxel: a head that lies
    in another way, or an outline that changes a little, gives the same one.

    Parameters
    ----------
    scan : PatientSpace
        The patient's brain on the grid of the scan, which is the mask's.
    mask : (X, Y, Z) bool array
        Not empty.
    spacing_mm, reach_mm : float
        Spacing of the grid, and how far it goes beyond the mask [mm], > 0.
    axes : (3, 3) float64 array, optional
        A rotation whose columns are the axes of the grid, along those of the scan.
    """
    turn = np.eye(3) if axes is None else axes
    voxel_mm, margin_mm = np.array(scan.grid.spacing_mm), _MARGIN_VOXELS * spacing_mm
    (low, high), (brain_low, brain_high) = (_extent(each, voxel_mm, turn) for each in (mask, scan.case.brain))
    low_mm = np.maximum(low - reach_mm, brain_low - margin_mm)
    high_mm = np.minimum(high + reach_mm, brain_high + margin_mm)
    first, last = np.floor(low_mm / spacing_mm).astype(int), np.ceil(high_mm / spacing_mm).astype(int)
    world_from_voxel = scan.grid.world_from_voxel.copy()
    world_from_voxel[:3, :3] = world_from_voxel[:3, :3] / voxel_mm @ turn * spacing_mm
    world_from_voxel[:3, 3] = scan.grid.world_of(turn @ (first * spacing_mm) / voxel_mm)
    x, y, z = (int(length) for length in last - first + 1)
    return Grid((x, y, z), world_from_voxel)


def _extent(
    mask: NDArray[np.bool_], voxel_mm: NDArray[np.float64], turn: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last place of a mask along turned axes, from the first voxel [mm]."""
    # The ends of the rows along z are enough: what lies between them does not reach farther.
    last = mask.shape[2] - 1 - np.argmax(mask[:, :, ::-1], axis=2)
    rows = np.argwhere(mask.any(axis=2))
    ends = [np.column_stack([rows, along[tuple(rows.T)]]) for along in (np.argmax(mask, axis=2), last)]
    places = np.concatenate(ends) * voxel_mm @ turn
    return places.min(axis=0), places.max(axis=0)


def make_space(
    request: SpaceRequest,
    *,
    case: Case,
    atlas: Atlas,
    transform: Transform,
    spacing_mm: float | None = None,
    mask_rule: Interpolation = "linear",
) -> Space:
    """The space a method asked for.

    Parameters
    ----------
    request : SpaceRequest
        What the method asked for.
    case, atlas, transform
        The patient, the atlas, and the way between them.
    spacing_mm : float or None
        Spacing in the patient where the method leaves it open [mm]; None: 1.875.
    mask_rule : {"linear", "nearest"}
        How masks are moved.

    Raises
    ------
    ParameterError
        If the domain rule is unknown or the spacing not positive.
    """
    if request.name == "atlas":
        return AtlasSpace(
            anatomy=atlas.anatomy(request.grid, domain_rule=request.domain_rule),
            patient=transform,
            mask_rule=mask_rule,
        )
    grid = case.grid
    if not request.on_scan:
        wanted_mm = spacing_mm if request.spacing_mm is None else request.spacing_mm
        grid = patient_grid(case, DEFAULT_SPACING_MM if wanted_mm is None else wanted_mm)
    return PatientSpace(
        case=case, atlas=atlas, transform=transform, grid=grid, domain_rule=request.domain_rule, mask_rule=mask_rule
    )


def require_fitting_atlas(request: SpaceRequest, atlas: Atlas, *, method_name: str) -> None:
    """Raise `DatabaseError` where a method was made for another atlas."""
    if request.atlas_hash is not None and request.atlas_hash != atlas.content_hash:
        raise DatabaseError(
            f"the method {method_name!r} was made for another atlas (content hash {request.atlas_hash[:12]}…) than "
            f"{atlas.name} ({atlas.content_hash[:12]}…). Use the atlas it was made for, or build a database for this "
            "one."
        )
