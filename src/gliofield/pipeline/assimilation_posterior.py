"""The uncertainty of method ``assimilate``: an ensemble on the scan's grid, and how many cells lie outside the core.

Members are brought to the scan one after the other; what stays are mean, standard deviation, P(u > threshold) and the
cells of each outside the core. Their interval is wider than their scatter: every count is also uncertain by a factor,
`model_log_std`, for what no member varies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from gliofield.assimilation import Ensemble, EnsembleSettings, Hypotheses, Rim
from gliofield.bayes import CredibleInterval, PosteriorSamples
from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.pipeline.density_posterior import DensityMaps, DensityPosterior
from gliofield.pipeline.spaces import PatientSpace
from gliofield.progress import ProgressEvent, Reporter
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

#: What the interval is of.
CELLS_OUTSIDE_CORE = "cells_outside_core_ml"
# Quantiles of the factor by which a member's count may be wrong, as equally likely values.
_NUM_FACTORS = 41


@dataclass(frozen=True, kw_only=True)
class UncertaintySettings:
    """How uncertain an assimilated density is.

    Parameters
    ----------
    ensemble : EnsembleSettings
        Members and what differs among them.
    model_log_std : float
        Standard deviation of the logarithm of the factor by which all members may be wrong, ≥ 0. *Tuned*: see
        docs/assimilation.md.
    level : float
        Of the interval, in (0, 1).
    seed : int
        Seed of all that is random, ≥ 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    ensemble: EnsembleSettings = EnsembleSettings()
    model_log_std: float = 0.15
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.model_log_std >= 0.0:
            raise ParameterError(f"model_log_std must be ≥ 0, got {self.model_log_std}.")
        if not 0.0 < self.level < 1.0:
            raise ParameterError(f"level must lie in (0, 1), got {self.level}.")


def ensemble_posterior(
    observation: Observation,
    space: PatientSpace,
    grid: Grid,
    *,
    settings: UncertaintySettings,
    num_threads: int,
    report: Reporter,
) -> DensityPosterior:
    """Mean, standard deviation and P(u > threshold) on the scan's grid, and the interval of the cells outside the core.

    Parameters
    ----------
    observation : Observation
        On the grid of the scan.
    space : PatientSpace
        The patient, on the grid of the scan.
    grid : Grid
        Where members are grown: coarser, around the tumor.
    settings : UncertaintySettings
        Members, level, seed.
    num_threads : int
        Threads; the result does not depend on it.
    report : Reporter
        Told of every member.
    """
    anatomy, cavity = space.on_grid(grid).anatomy, space.case.segmentation.cavity
    ensemble = Ensemble(
        rim=Rim.of(observation.tumor_core, observation.whole_tumor, space.grid, anatomy.domain, grid),
        anatomy=anatomy,
        thresholds=observation.thresholds,
        cavity=None if cavity is None else resample_mask(Volume(cavity, space.grid), grid).data,
        settings=settings.ensemble,
        seed=settings.seed,
    )
    window = ScanWindow.of(space.grid, grid)
    alive = space.case.brain if cavity is None else space.case.brain & ~cavity
    counts = _Counts(alive=window.cut(alive), outside=window.cut(~observation.tumor_core), grid=window.grid)
    number = settings.ensemble.num_members

    def on_scan() -> Iterator[NDArray[np.float32]]:
        for done, member in enumerate(ensemble.members(num_threads), start=1):
            yield counts.of(Volume(member.cell_density, grid))
            report(ProgressEvent(task="ensemble", completed=done, total=number))

    maps = DensityMaps.of(on_scan(), window.grid, observation.thresholds)
    cells_ml = np.array(counts.outside_ml)
    low, high = interval_of(cells_ml, settings)
    samples = _samples(ensemble.hypotheses, ensemble.rim, cells_ml)
    interval = CredibleInterval(low=low, high=high, level=settings.level)
    return DensityPosterior(
        mean=window.filled(maps.mean),
        std=window.filled(maps.std),
        exceedance={name: window.filled(volume) for name, volume in maps.exceedance.items()},
        samples=samples,
        intervals={**samples.credible_intervals(settings.level), CELLS_OUTSIDE_CORE: interval},
        details={
            "num_members": number,
            "seed": settings.seed,
            CELLS_OUTSIDE_CORE: {"mean": float(cells_ml.mean()), "low": low, "high": high, "level": settings.level},
            "probability_of_edema": float(np.mean(ensemble.hypotheses.edema_mm > 0.0)),
        },
    )


def interval_of(cells_ml: NDArray[np.float64], settings: UncertaintySettings) -> tuple[float, float]:
    """Equal-tailed interval of the members' counts (N,), each uncertain by a lognormal factor of its own."""
    normal = ndtri((np.arange(_NUM_FACTORS) + 0.5) / _NUM_FACTORS)
    spread = np.multiply.outer(cells_ml, np.exp(settings.model_log_std * normal))
    low, high = np.quantile(spread, [0.5 * (1.0 - settings.level), 0.5 * (1.0 + settings.level)])
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanWindow:
    """The part of a scan's grid in which another grid lies.

    Parameters
    ----------
    scan : Grid
        The whole grid.
    slices : 3 slice
        Its part.
    """

    scan: Grid
    slices: tuple[slice, slice, slice]

    @classmethod
    def of(cls, scan: Grid, grid: Grid) -> ScanWindow:
        """The voxels of a scan within the corners of another grid."""
        corners = np.array(np.meshgrid(*[(0, length - 1) for length in grid.shape])).T.reshape(-1, 3)
        voxels = scan.voxel_of(grid.world_of(corners))
        first = np.clip(np.ceil(voxels.min(axis=0)), 0, None).astype(int)
        last = np.minimum(np.floor(voxels.max(axis=0)).astype(int), np.array(scan.shape) - 1)
        x, y, z = (slice(int(start), int(stop) + 1) for start, stop in zip(first, last, strict=True))
        return cls(scan=scan, slices=(x, y, z))

    @property
    def grid(self) -> Grid:
        """The grid of the part alone."""
        affine = self.scan.world_from_voxel.copy()
        affine[:3, 3] = self.scan.world_of([each.start for each in self.slices])
        x, y, z = (each.stop - each.start for each in self.slices)
        return Grid((x, y, z), affine)

    def cut(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The part of an array on the scan's grid."""
        return np.ascontiguousarray(values[self.slices])

    def filled(self, volume: Volume) -> Volume:
        """A volume of the part on the scan's grid, 0 elsewhere."""
        whole = np.zeros(self.scan.shape, dtype=np.float32)
        whole[self.slices] = volume.data
        return Volume(whole, self.scan)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Counts:
    """Brings members to the scan and counts their cells outside the core."""

    alive: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "outside_ml", list[float]())

    outside_ml: list[float] = None  # type: ignore[assignment]

    def of(self, density: Volume) -> NDArray[np.float32]:
        """A member on the scan's grid."""
        moved = np.where(self.alive, resample(density, self.grid).data, np.float32(0.0))
        self.outside_ml.append(float(moved.sum(where=self.outside, dtype=np.float64)) * self.grid.voxel_volume_ml)
        return moved


def _samples(found: Hypotheses, rim: Rim, cells_ml: NDArray[np.float64]) -> PosteriorSamples:
    """What the members differ in, and their cells."""
    columns = {
        ("t1gd_threshold", "1"): found.t1gd_threshold,
        ("flair_threshold", "1"): found.flair_threshold,
        ("front_width_mm", "mm"): found.width_mm,
        ("diffusivity_ratio", "1"): found.diffusivity_ratio,
        ("edema_mm", "mm"): found.edema_mm,
        ("tumor_part_of_rim", "1"): found.tumor_part(rim.surface.directions) @ rim.surface.share,
        (CELLS_OUTSIDE_CORE, "ml"): cells_ml,
    }
    return PosteriorSamples(
        names=[name for name, _ in columns],
        units=[unit for _, unit in columns],
        parameters=np.stack(list(columns.values()), axis=-1),
        log_weights=np.zeros(len(found)),
        log_prior=np.zeros(len(found)),
        log_likelihood=found.log_likelihood,
    )
