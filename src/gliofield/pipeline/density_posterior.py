"""The distribution of densities that explain a patient's scans, as an inverse method returns it.

Maps are in the space of the estimate; `personalize` brings them to the patient. Not every method has one: it is an
optional part of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Space
from gliofield.bayes import CredibleInterval, PosteriorSamples, SamplerStage
from gliofield.bayes.predictive_check import MaskCheck
from gliofield.grid import Grid
from gliofield.growth.parameters import SEED_NAMES
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.volume import Volume

_SEEDS_OF_PATIENT = ("seed_patient_x_mm", "seed_patient_y_mm", "seed_patient_z_mm")


#: Name of `ExpectedCells` in details and in `quality.json`.
CELLS_OUTSIDE_CORE = "cells_outside_core_ml"


@dataclass(frozen=True, kw_only=True)
class ExpectedCells:
    """Cells outside the core, as a volume filled with them [ml]: the integral of the density there.

    Parameters
    ----------
    mean : float
        Expected value [ml].
    low, high : float
        Equal-tailed interval [ml].
    level : float
        Probability that it holds the true value.
    """

    mean: float
    low: float
    high: float
    level: float

    def in_words(self) -> str:
        """Such as ``cells outside the core 21.3 ml (95 %: 9.8 to 40.1 ml)``."""
        return f"cells outside the core {self.mean:.1f} ml ({self.level:.0%}: {self.low:.1f} to {self.high:.1f} ml)"


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberDensities:
    """Equally likely densities on one coarse grid, in 256 levels; what is asked of them is how many cells a region has.

    A level l stands for the density (l / 255)²: fine steps where there are few cells.

    Parameters
    ----------
    levels : (N, X, Y, Z) uint8 array
        The densities.
    grid : Grid
        Of each.
    log_std : float
        Standard deviation of the logarithm of the factor by which all of them may be wrong at once.
    """

    levels: NDArray[np.uint8]
    grid: Grid
    log_std: float = 0.0

    @staticmethod
    def level_of(cell_density: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Levels of a density in [0, 1]."""
        return np.rint(255.0 * np.sqrt(np.clip(cell_density, 0.0, 1.0))).astype(np.uint8)

    def cells_ml(self, region: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
        """Cells of each density in a region of a finer grid [ml], (N,).

        They are the sum over the region's voxels of the density interpolated there; so they are found as the sum over
        the coarse voxels of the density times what of the region interpolates from each.

        Parameters
        ----------
        region : (X, Y, Z) bool array
            On `grid`, whose axes must be those of the members' grid.
        grid : Grid
            Such as that of the scan.
        """
        weights = region.astype(np.float32)
        voxels = self.grid.voxel_from_world @ grid.world_from_voxel
        for axis in range(3):
            places = voxels[axis, axis] * np.arange(grid.shape[axis]) + voxels[axis, 3]
            reader = _linear_reader(places, self.grid.shape[axis])
            weights = np.moveaxis(np.tensordot(reader, weights, axes=(0, axis)), 0, axis)
        used = np.argwhere(weights > 0.0)
        if not len(used):
            return np.zeros(len(self.levels))
        window = tuple(slice(first, last + 1) for first, last in zip(used.min(axis=0), used.max(axis=0), strict=True))
        density = (np.arange(256, dtype=np.float32) / np.float32(255.0)) ** 2
        inside = weights[window].ravel()
        sums = [float(density[each[window].ravel()] @ inside) for each in self.levels]
        return np.array(sums) * grid.voxel_volume_ml


def _linear_reader(places: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Matrix that reads values along an axis, linearly, at fractional places; 0 outside."""
    places = np.round(places, 10)
    inside = (places >= 0.0) & (places <= length - 1)
    low = np.clip(np.floor(places).astype(int), 0, max(length - 2, 0))
    part = np.where(inside, places - low, 0.0)
    reader = np.zeros((len(places), length), dtype=np.float32)
    rows = np.arange(len(places))
    reader[rows, low] = np.where(inside, 1.0 - part, 0.0)
    if length > 1:
        reader[rows, low + 1] += part
    return reader


@dataclass(frozen=True, kw_only=True, eq=False)
class DensityPosterior:
    """What is known of a tumor's density, and how well.

    Parameters
    ----------
    mean, std : Volume
        Posterior mean and standard deviation of the cell density, float32.
    exceedance : mapping of str to Volume
        P(u > threshold) for the thresholds of ``t1gd`` and ``flair``, float32 in [0, 1].
    samples : PosteriorSamples
        Parameters, weighted or not.
    intervals : mapping of str to CredibleInterval
        Of all parameters and of what a scan determines of them.
    details : mapping
        How it was found: effective sample size, weights, counts; JSON-ready.
    stages : sequence of SamplerStage
        Stages or batches of the sampler, if there was one.
    mask_checks : mapping of str to MaskCheck
        Posterior predictive checks of the masks, by ``t1gd`` and ``flair``.
    cells_outside_core : ExpectedCells or None
        Where the method states them.
    members : MemberDensities or None
        Equally likely densities, where they are kept.
    prior : (M, P) float64 array or None
        Draws of the prior, with the columns of `samples`; None where parameters follow a convention instead.
    """

    mean: Volume
    std: Volume
    exceedance: Mapping[str, Volume]
    samples: PosteriorSamples
    intervals: Mapping[str, CredibleInterval]
    details: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[SamplerStage] = ()
    mask_checks: Mapping[str, MaskCheck] = field(default_factory=dict)
    cells_outside_core: ExpectedCells | None = None
    members: MemberDensities | None = None
    prior: NDArray[np.float64] | None = None

    @property
    def maps(self) -> dict[str, Volume]:
        """All maps by the names of their files."""
        return {
            "mean": self.mean,
            "std": self.std,
            **{f"probability_{name}": volume for name, volume in self.exceedance.items()},
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class DensityMaps:
    """Mean, standard deviation and exceedance of equally likely densities; made by `of`."""

    mean: Volume
    std: Volume
    exceedance: Mapping[str, Volume]

    @classmethod
    def of(cls, densities: Iterable[NDArray[np.float32]], grid: Grid, thresholds: VisibilityThresholds) -> DensityMaps:
        """Maps of densities (X, Y, Z), read one after the other; at least one."""
        limits = {"t1gd": thresholds.t1gd_threshold, "flair": thresholds.flair_threshold}
        first, second = np.zeros(grid.shape), np.zeros(grid.shape)
        above = {name: np.zeros(grid.shape) for name in limits}
        number = 0
        for density in densities:
            number += 1
            first += density
            second += density.astype(np.float64) ** 2
            for name, limit in limits.items():
                above[name] += density > limit

        def volume(values: NDArray[np.float64]) -> Volume:
            return Volume(np.clip(values, 0.0, 1.0).astype(np.float32), grid)

        mean = first / number
        return cls(
            mean=volume(mean),
            std=volume(np.sqrt(np.maximum(second / number - mean**2, 0.0))),
            exceedance={name: volume(values / number) for name, values in above.items()},
        )


def name_seeds_of_patient(posterior: DensityPosterior, space: Space) -> DensityPosterior:
    """A posterior found in the patient's space, whose seeds are named as positions in the patient.

    Samples and intervals say `seed_patient_x_mm`, … instead of `seed_x_mm`, …; intervals of the seed in the atlas stand
    beside them under the usual names, so that results compare among patients.
    """
    samples, names = posterior.samples, dict(zip(SEED_NAMES, _SEEDS_OF_PATIENT, strict=True))
    columns = [list(samples.names).index(name) for name in SEED_NAMES]
    in_atlas = replace(
        samples,
        names=SEED_NAMES,
        units=("mm", "mm", "mm"),
        parameters=space.points_to_atlas(samples.parameters[:, columns]),
    )
    intervals = {names.get(name, name): interval for name, interval in posterior.intervals.items()}
    return replace(
        posterior,
        samples=replace(samples, names=tuple(names.get(name, name) for name in samples.names)),
        intervals={**intervals, **in_atlas.credible_intervals()},
    )
