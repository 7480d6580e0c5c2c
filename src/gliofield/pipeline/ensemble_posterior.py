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
from gliofield.imaging import Observation
from gliofield.pipeline.density_posterior import (
    CELLS_OUTSIDE_CORE,
    DensityMaps,
    DensityPosterior,
    ExpectedCells,
    MemberDensities,
)
from gliofield.pipeline.tumor_box import TumorBox
from gliofield.progress import ProgressEvent, Reporter

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
    model_log_std: float = 0.1
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.model_log_std >= 0.0:
            raise ParameterError(f"model_log_std must be ≥ 0, got {self.model_log_std}.")
        if not 0.0 < self.level < 1.0:
            raise ParameterError(f"level must lie in (0, 1), got {self.level}.")


def ensemble_posterior(
    observation: Observation,
    box: TumorBox,
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
    box : TumorBox
        Where members are grown.
    settings : UncertaintySettings
        Members, level, seed.
    num_threads : int
        Threads; the result does not depend on it.
    report : Reporter
        Told of every member.
    """
    ensemble = Ensemble(
        rim=Rim.of(observation.tumor_core, observation.whole_tumor, box.scan.grid, box.anatomy.domain, box.seen.grid),
        anatomy=box.seen.require_space().anatomy,
        thresholds=observation.thresholds,
        cavity=box.cavity,
        settings=settings.ensemble,
        seed=settings.seed,
    )
    number, cells_ml, levels = settings.ensemble.num_members, list[float](), list[NDArray[np.uint8]]()
    outside, ml = ~observation.tumor_core[box.window], box.scan.grid.voxel_volume_ml

    def on_scan() -> Iterator[NDArray[np.float32]]:
        for done, member in enumerate(ensemble.members(num_threads), start=1):
            levels.append(MemberDensities.level_of(member.cell_density))
            density = box.density_in_window(member.cell_density)
            cells_ml.append(float(density.sum(where=outside, dtype=np.float64)) * ml)
            yield density
            report(ProgressEvent(task="ensemble", completed=done, total=number))

    maps = DensityMaps.of(on_scan(), box.window_grid, observation.thresholds)
    counts = np.array(cells_ml)
    cells = expected_cells(counts, log_std=settings.model_log_std, level=settings.level)
    samples = _samples(ensemble.hypotheses, ensemble.rim, counts)
    interval = CredibleInterval(low=cells.low, high=cells.high, level=cells.level)
    return DensityPosterior(
        mean=box.filled_on_scan(maps.mean.data),
        std=box.filled_on_scan(maps.std.data),
        exceedance={name: box.filled_on_scan(volume.data) for name, volume in maps.exceedance.items()},
        samples=samples,
        intervals={**samples.credible_intervals(settings.level), CELLS_OUTSIDE_CORE: interval},
        details={
            "num_members": number,
            "seed": settings.seed,
            "probability_of_edema": float(np.mean(ensemble.hypotheses.has_edema)),
            "probability_of_unseen_dense_tumor": float(np.mean(ensemble.hypotheses.is_dense)),
        },
        cells_outside_core=cells,
        members=MemberDensities(levels=np.stack(levels), grid=box.seen.grid, log_std=settings.model_log_std),
    )


def expected_cells(cells_ml: NDArray[np.float64], *, log_std: float, level: float = 0.95) -> ExpectedCells:
    """Mean and equal-tailed interval of the members' counts (N,), each uncertain by a lognormal factor of its own."""
    normal = ndtri((np.arange(_NUM_FACTORS) + 0.5) / _NUM_FACTORS)
    spread = np.multiply.outer(cells_ml, np.exp(log_std * normal))
    low, high = np.quantile(spread, [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return ExpectedCells(mean=float(spread.mean()), low=float(low), high=float(high), level=level)


def _samples(found: Hypotheses, rim: Rim, cells_ml: NDArray[np.float64]) -> PosteriorSamples:
    """What the members differ in, and their cells."""
    columns = {
        ("t1gd_threshold", "1"): found.t1gd_threshold,
        ("flair_threshold", "1"): found.flair_threshold,
        ("front_width_mm", "mm"): found.width_mm,
        ("diffusivity_ratio", "1"): found.diffusivity_ratio,
        ("edema_mm", "mm"): np.where(found.has_edema, found.excess_mm, 0.0),
        ("unseen_dense_mm", "mm"): np.where(found.is_dense, found.excess_mm, 0.0),
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
