"""Controls: densities made of distances to the visible outlines, without growth.

A growth model has to beat them. They are methods like the others, so every comparison can hold them: `MarginMethod`
ranks voxels by their distance to the core, as the usual clinical target does, or to the whole tumor; `DistanceMethod`
passes through both thresholds at both outlines. Distances are Euclidean, between voxel centers [mm]. None of them has
growth parameters.

    margin    u = t1gd (flair / t1gd)^(d / margin)             outside the mask, d its distance
    distance  u = t1gd (flair / t1gd)^(d_C / (d_C + e_W))      between the outlines, e_W the depth in the whole tumor
              u = flair exp(−d_W / λ)                          outside the whole tumor
    both      u = 1 − (1 − t1gd) exp(−e / λ)                   inside the mask or core, e the depth in it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import SpaceName, SpaceRequest
from gliofield.errors import SegmentationError
from gliofield.grid import Grid
from gliofield.imaging import Estimate, Observation
from gliofield.progress import Reporter
from gliofield.volume import Volume

# How fast the density rises towards 1 inside a mask [mm]; it ranks voxels there and has no other meaning. *Chosen*.
_DEPTH_LENGTH_MM = 3.0


@dataclass(frozen=True, kw_only=True)
class MarginMethod:
    """Controls ``margin`` and ``whole-margin``: the density falls with the distance to one mask.

    Parameters
    ----------
    name : str
        ``margin`` or ``whole-margin``.
    around : {"tumor core", "whole tumor"}
        The mask.
    margin_mm : float
        Distance at which the density has fallen to the FLAIR threshold [mm], > 0: what lies above the threshold is the
        mask with that margin.
    """

    name: str = "margin"
    around: Literal["tumor core", "whole tumor"] = "tumor core"
    margin_mm: float = 15.0

    @property
    def references(self) -> tuple[str, ...]:
        """None: a margin is no method of a paper."""
        return ()

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The patient's scan, unless the atlas is wanted."""
        return _space_of_outlines(wanted)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density by the distance to the mask.

        Raises
        ------
        SegmentationError
            If the mask is empty.
        """
        mask = observation.tumor_core if self.around == "tumor core" else observation.whole_tumor
        if not mask.any():
            raise SegmentationError(
                f"method {self.name!r} measures the distance to the tumor core, and this tumor has none. Use method "
                "'whole-margin'."
            )
        limits = observation.thresholds
        distance_mm, depth_mm = _distances_mm(mask, observation.grid)
        ratio = limits.flair_threshold / limits.t1gd_threshold
        outside = limits.t1gd_threshold * ratio ** (distance_mm / self.margin_mm)
        density = np.where(mask, _inside(limits.t1gd_threshold, depth_mm), outside)
        details: dict[str, float | str] = {"margin_mm": self.margin_mm, "around": self.around}
        return _estimate(density, observation, details=details, is_ranking=True)


@dataclass(frozen=True, kw_only=True)
class DistanceMethod:
    """Control ``distance``: the density has the thresholds' values at both outlines and decays outside.

    Parameters
    ----------
    decay_length_mm : float
        λ outside the whole tumor [mm], > 0.
    """

    decay_length_mm: float = 3.0

    @property
    def name(self) -> str:
        """``distance``."""
        return "distance"

    @property
    def references(self) -> tuple[str, ...]:
        """None: it is no method of a paper."""
        return ()

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The patient's scan, unless the atlas is wanted."""
        return _space_of_outlines(wanted)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density by the distances to both outlines; without a core, by that to the whole tumor."""
        density = density_by_distances(observation, decay_length_mm=self.decay_length_mm)
        return _estimate(density, observation, details={"decay_length_mm": self.decay_length_mm})


def density_by_distances(observation: Observation, *, decay_length_mm: float = 3.0) -> NDArray[np.float64]:
    """Density (X, Y, Z) of the control ``distance``; see the module docstring.

    Parameters
    ----------
    observation : Observation
        Outlines, with or without a core.
    decay_length_mm : float
        λ outside the whole tumor [mm], > 0.
    """
    limits, whole, core = observation.thresholds, observation.whole_tumor, observation.tumor_core
    low, high = limits.flair_threshold, limits.t1gd_threshold
    from_whole_mm, in_whole_mm = _distances_mm(whole, observation.grid)
    density = low * np.exp(-from_whole_mm / decay_length_mm)
    if observation.has_core:
        from_core_mm, in_core_mm = _distances_mm(core, observation.grid)
        # In the whole tumor e_W > 0, so the share is below 1 and the density above the FLAIR threshold.
        share = from_core_mm / np.maximum(from_core_mm + in_whole_mm, np.finfo(float).tiny)
        density = np.where(whole, high * (low / high) ** share, density)
        density = np.where(core, _inside(high, in_core_mm), density)
    else:
        depth = 1.0 - np.exp(-in_whole_mm / _DEPTH_LENGTH_MM)
        density = np.where(whole, low + (high - low) * depth, density)
    return density


def _space_of_outlines(wanted: SpaceName | None) -> SpaceRequest:
    return SpaceRequest() if wanted == "atlas" else SpaceRequest(name="patient", on_scan=True)


def _distances_mm(mask: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance to a mask outside it, and depth in it, 0 elsewhere [mm]."""
    spacing_mm = grid.spacing_mm
    outside = np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm))
    return outside, np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing_mm))


def _inside(edge: float, depth_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density in a mask at whose edge it has a value, rising to 1."""
    return 1.0 - (1.0 - edge) * np.exp(-depth_mm / _DEPTH_LENGTH_MM)


def _estimate(
    density: NDArray[np.float64], observation: Observation, *, details: dict[str, float | str], is_ranking: bool = False
) -> Estimate:
    volume = Volume(density.astype(np.float32), observation.grid)
    return Estimate(cell_density=volume, space=observation.require_space(), details=details, is_ranking=is_ranking)
