"""A patient with a third of the tumor hidden, and what is fitted to the rest.

A half-space that holds a third of the visible tumor is hidden. `HiddenThird` knows the visible part of both outlines,
distances to it, the growth fitted to it and densities corrected to it; every one is computed when it is first asked
for. Nothing in it looks at what is hidden but `hidden_tumor` and `region`, which are for the score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.assimilation import (
    Ellipsoid,
    FitSettings,
    correct_phase,
    distance_mm,
    fit_ellipsoid,
    fit_tumor,
    open_domain,
)
from gliofield.grid import Grid
from gliofield.growth.parameters import ISOTROPIC
from gliofield.imaging import Observation
from gliofield.resample import resample
from gliofield.volume import Volume

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

#: As the method ``assimilate``: spacing of the simulations, and how far they reach beyond the tumor [mm].
SPACING_MM, REACH_MM = 1.875, 34.0
# Below this a logarithm of a density says nothing of order.
_LEAST_LOG = -14.0


@dataclass(frozen=True, kw_only=True, eq=False)
class HiddenThird:
    """A patient with a half-space hidden.

    Parameters
    ----------
    seen : Observation
        Both whole outlines, on the grid of the simulations.
    anatomy : Anatomy
        The patient's tissue on it.
    direction : (3,) array
        Where the half-space lies, as a unit vector.
    """

    seen: Observation
    anatomy: Anatomy
    direction: Values
    _kept: dict[object, Values] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def world(self) -> Values:
        """Positions of the voxels [mm], (X, Y, Z, 3)."""
        return self.seen.grid.world_of(np.moveaxis(np.indices(self.seen.grid.shape), 0, -1))

    @cached_property
    def where(self) -> Mask:
        """Voxels that are not hidden, (X, Y, Z)."""
        along = self.world @ self.direction
        return np.asarray(along <= np.quantile(along[self.seen.whole_tumor], 2.0 / 3.0))

    @property
    def region(self) -> Mask:
        """The hidden part of the brain, which is ranked."""
        return ~self.where & (self.brain | self.seen.whole_tumor)

    @property
    def brain(self) -> Mask:
        """The brain, hidden or not."""
        assert self.anatomy.tissue_maps is not None
        return self.anatomy.tissue_maps.brain

    @property
    def hidden_tumor(self) -> Mask:
        """The hidden part of the whole tumor, which is looked for."""
        return self.seen.whole_tumor & self.region

    @cached_property
    def whole_tumor(self) -> Mask:
        """The visible part of the whole tumor."""
        return self.seen.whole_tumor & self.where

    @cached_property
    def tumor_core(self) -> Mask:
        """The visible part of the core; may be empty."""
        return self.seen.tumor_core & self.where

    @cached_property
    def from_whole_mm(self) -> Values:
        """Distance to the visible whole tumor [mm]."""
        return distance_mm(self.whole_tumor, self.seen.grid.spacing_mm).astype(np.float64)

    @cached_property
    def from_core_mm(self) -> Values:
        """Distance to the visible core [mm]; to the visible whole tumor where no core is visible."""
        if not self.tumor_core.any():
            return self.from_whole_mm
        return distance_mm(self.tumor_core, self.seen.grid.spacing_mm).astype(np.float64)

    @cached_property
    def open_anatomy(self) -> Anatomy:
        """Where cells may live: tissue, and the tumor that is visible."""
        return open_domain(self.anatomy, self.whole_tumor)

    @cached_property
    def visible(self) -> Observation:
        """The visible part of both outlines, as if there were no more."""
        return Observation(
            tumor_core=self.tumor_core,
            whole_tumor=self.whole_tumor,
            grid=self.seen.grid,
            thresholds=self.seen.thresholds,
        )

    def growth(self, settings: FitSettings, *, tissue_alone: bool = False) -> Values:
        """Density of the growth fitted to the visible part, as the method ``assimilate`` fits it.

        Parameters
        ----------
        settings : FitSettings
            How it is fitted; with a tensor, along the axes of the turned ellipsoid.
        tissue_alone : bool
            Keep CSF closed outside the visible tumor.
        """
        return self._once((settings, tissue_alone), lambda: self._fitted(settings, tissue_alone=tissue_alone))

    def _fitted(self, settings: FitSettings, *, tissue_alone: bool) -> Values:
        grid, found = self.seen.grid, self.turned_ellipsoid
        turned = turned_grid(grid, found.axes)

        def moved(values: NDArray[np.generic]) -> NDArray[np.float32]:
            return resample(Volume(values.astype(np.float32), grid), turned).data

        opened = self.open_anatomy if tissue_alone else open_domain(self.anatomy, self.brain | self.whole_tumor)
        domain, visible = moved(opened.domain) > 0.5, moved(self.where)
        white, gray = moved(opened.white_matter), moved(opened.gray_matter)
        part = np.where(domain, white / np.maximum(white + gray, 1e-6), 0.0).astype(np.float32)
        # Of the visible voxels around a place alone: what is hidden must not reach across the cut.
        where = visible > 0.5
        core, whole = (where & (moved(mask) > 0.5 * visible) for mask in (self.tumor_core, self.whole_tumor))
        stretch = found.axis_stretch if settings.num_stretched else ISOTROPIC
        fitted = fit_tumor(
            Observation(tumor_core=core & whole, whole_tumor=whole, grid=turned, thresholds=self.seen.thresholds),
            replace(opened, white_matter=part, gray_matter=domain - part, domain=domain, grid=turned, tissue_maps=None),
            settings=replace(settings, axis_stretch=stretch),
            where=where,
            center_mm=turned.voxel_of(grid.world_of(found.center_mm / grid.spacing_mm)) * turned.spacing_mm,
        )
        back = resample(Volume(np.log(fitted.cell_density + np.float32(1e-12)), turned), grid).data
        inside = resample(Volume(np.ones(turned.shape, np.float32), turned), grid).data > 0.99
        return np.where(inside, np.exp(np.minimum(back, 0.0)), 0.0).astype(np.float64)

    @cached_property
    def turned_ellipsoid(self) -> Ellipsoid:
        """The ellipsoid in any position that overlaps most with the visible part."""
        return fit_ellipsoid(self.seen.whole_tumor, self.seen.grid.spacing_mm, where=self.where)

    def log_density(self, density: Values) -> Values:
        """Logarithm of a density, within what numbers can tell."""
        return np.maximum(np.log(density + 1e-12), _LEAST_LOG)

    def corrected(self, density: Values) -> Values:
        """Logarithm of a density with the shift that the visible outlines ask for."""
        within = density * self.open_anatomy.domain
        shift = correct_phase(
            within.astype(np.float32),
            self.tumor_core,
            self.whole_tumor,
            self.open_anatomy.domain,
            self.seen.grid.spacing_mm,
            thresholds=self.seen.thresholds,
            where=self.where,
        ).shift
        return self.log_density(within) + shift

    def _once(self, key: object, compute: Callable[[], Values]) -> Values:
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def turned_grid(grid: Grid, axes: Values) -> Grid:
    """A grid along other axes, (3, 3) along those of the first, that holds the first."""
    spacing_mm = np.array(grid.spacing_mm)
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in grid.shape])).T.reshape(-1, 3) * spacing_mm @ axes
    first = np.floor(corners.min(axis=0) / spacing_mm)
    x, y, z = (int(length) for length in np.ceil(corners.max(axis=0) / spacing_mm) - first + 1)
    world_from_voxel = grid.world_from_voxel.copy()
    world_from_voxel[:3, :3] = world_from_voxel[:3, :3] @ axes
    world_from_voxel[:3, 3] = grid.world_of(axes @ first)
    return Grid((x, y, z), world_from_voxel)


def directions() -> NDArray[np.float64]:
    """The twelve vertices of an icosahedron, (12, 3): unit vectors."""
    golden = (1.0 + 5.0**0.5) / 2.0
    corners = [(0.0, a, b * golden) for a in (1.0, -1.0) for b in (1.0, -1.0)]
    turned = [tuple(np.roll(corner, shift)) for shift in range(3) for corner in corners]
    return np.array(turned) / np.linalg.norm(corners[0])
