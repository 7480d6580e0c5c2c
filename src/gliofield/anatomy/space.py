"""The space a tumor grows in: an anatomy, whose brain it is, and the way to the patient and back.

A tumor grows either in the atlas or in the patient's own brain. Masks come from the patient, growth happens in the
space, densities go back to the patient; who observes, estimates or reports need not know which of the two it is.

    patient ──from_patient──▶ space (tissue, domain, grid) ──to_patient──▶ patient
                                        └──────────to_atlas──▶ atlas

`AtlasSpace` is here. The space of a patient is made by the pipeline, which knows the patient's scans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliofield.anatomy.growth_domain import DEFAULT_DOMAIN_RULE, Anatomy
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.resample import Interpolation, resample
from gliofield.volume import Volume

SpaceName = Literal["atlas", "patient"]


class PatientMap(Protocol):
    """The way between a patient and the atlas, as a registration finds it (`registration.Transform`)."""

    def to_atlas(self, volume: Volume, atlas_grid: Grid, interpolation: Interpolation = "linear") -> Volume:
        """Patient volume on a grid in the atlas, float32; 0 outside its field of view."""

    def to_patient(self, volume: Volume, patient_grid: Grid, interpolation: Interpolation = "linear") -> Volume:
        """Atlas volume on a grid in the patient's world, float32; 0 outside its field of view."""

    def mask_to_atlas(self, mask: Volume, atlas_grid: Grid, rule: Interpolation = "linear") -> Volume:
        """Patient mask on a grid in the atlas, bool."""

    def atlas_points_of(self, patient_points_mm: ArrayLike) -> NDArray[np.float64]:
        """Atlas positions of patient positions, both (..., 3) [mm, RAS+]."""

    def patient_points_of(self, atlas_points_mm: ArrayLike) -> NDArray[np.float64]:
        """Patient positions of atlas positions, both (..., 3) [mm, RAS+]."""


class Space(Protocol):
    """Where a tumor grows."""

    @property
    def name(self) -> SpaceName:
        """``atlas`` or ``patient``."""

    @property
    def grid(self) -> Grid:
        """Grid of masks and densities in this space."""

    @property
    def anatomy(self) -> Anatomy:
        """Tissue and simulation domain on `grid`."""

    @property
    def identity(self) -> str:
        """Hash of what the space is made of; equal only where equal tumors grow alike."""

    def mask_from_patient(self, mask: Volume) -> NDArray[np.bool_]:
        """A mask in the patient's world (non-zero = set) on `grid`, (X, Y, Z)."""

    def image_from_patient(self, image: Volume) -> Volume:
        """An image in the patient's world on `grid`, linear, float32; 0 outside its field of view."""

    def to_patient(self, volume: Volume, onto: Grid) -> Volume:
        """A volume of this space on a grid in the patient's world, linear, float32; 0 outside."""

    def to_atlas(self, volume: Volume, onto: Grid) -> Volume:
        """A volume of this space on a grid in the atlas, linear, float32; 0 outside."""

    def points_to_patient(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Positions in the patient of positions in this space, both (..., 3) [mm, RAS+]."""

    def points_to_atlas(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Positions in the atlas of positions in this space, both (..., 3) [mm, RAS+]."""


@dataclass(frozen=True, kw_only=True)
class SpaceRequest:
    """The space a method wants to work in; the pipeline makes it once it knows how the patient lies in the atlas.

    Parameters
    ----------
    name : str
        ``"atlas"`` or ``"patient"``.
    grid : Grid or None
        Grid in the atlas; None: the atlas's simulation grid. Belongs to ``"atlas"``.
    spacing_mm : float or None
        Spacing in the patient [mm], > 0; None: what the user asked for, else the usual one. Belongs to ``"patient"``.
    on_scan : bool
        Whether the patient's space has the grid of the scan itself, for methods that simulate nothing.
    domain_rule : str
        Rule of the simulation domain.
    atlas_hash : str or None
        Content hash of the one atlas the method can work with; None: any will do.

    Raises
    ------
    ParameterError
        If a value does not belong to the space, or the spacing is not positive.
    """

    name: SpaceName = "atlas"
    grid: Grid | None = None
    spacing_mm: float | None = None
    on_scan: bool = False
    domain_rule: str = DEFAULT_DOMAIN_RULE
    atlas_hash: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ("atlas", "patient"):
            raise ParameterError(f"space must be 'atlas' or 'patient', got {self.name!r}.")
        if self.grid is not None and self.name != "atlas":
            raise ParameterError("SpaceRequest: a grid can be asked for in the atlas only. Give spacing_mm instead.")
        if self.name != "patient" and (self.spacing_mm is not None or self.on_scan):
            raise ParameterError("SpaceRequest: spacing_mm and on_scan belong to the patient's space.")
        if self.on_scan and self.spacing_mm is not None:
            raise ParameterError("SpaceRequest: the grid of the scan has a spacing of its own. Leave spacing_mm out.")
        if self.spacing_mm is not None and not self.spacing_mm > 0.0:
            raise ParameterError(f"spacing_mm must be > 0, got {self.spacing_mm}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class AtlasSpace:
    """The brain of an atlas, with the way to one patient where there is one.

    Parameters
    ----------
    anatomy : Anatomy
        Tissue and domain in the atlas's world, as `Atlas.anatomy` makes them.
    patient : PatientMap or None
        How the patient lies in the atlas; None where nothing goes to or comes from a patient.
    mask_rule : {"linear", "nearest"}
        How masks are moved: by linear interpolation of the indicator, strictly > 0.5, or by the nearest voxel.
    """

    anatomy: Anatomy
    patient: PatientMap | None = None
    mask_rule: Interpolation = "linear"

    @property
    def name(self) -> SpaceName:
        """``atlas``."""
        return "atlas"

    @property
    def grid(self) -> Grid:
        """Grid of the anatomy."""
        return self.anatomy.grid

    @property
    def identity(self) -> str:
        """Content hash of the anatomy."""
        return self.anatomy.content_hash

    def mask_from_patient(self, mask: Volume) -> NDArray[np.bool_]:
        """See `Space`; by `mask_rule`."""
        return np.asarray(self._map().mask_to_atlas(mask, self.grid, self.mask_rule).data, dtype=np.bool_)

    def image_from_patient(self, image: Volume) -> Volume:
        """See `Space`."""
        return self._map().to_atlas(image, self.grid)

    def to_patient(self, volume: Volume, onto: Grid) -> Volume:
        """See `Space`."""
        return self._map().to_patient(volume, onto)

    def to_atlas(self, volume: Volume, onto: Grid) -> Volume:
        """See `Space`; between grids of the atlas, by `resample`."""
        return resample(volume, onto)

    def points_to_patient(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """See `Space`."""
        return self._map().patient_points_of(points_mm)

    def points_to_atlas(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """The points themselves."""
        return np.asarray(points_mm, dtype=np.float64)

    def _map(self) -> PatientMap:
        if self.patient is None:
            raise ParameterError(
                "this space is an atlas alone and has no patient: expected the way to one. Make it with "
                "patient=transform, as `register` finds it."
            )
        return self.patient
