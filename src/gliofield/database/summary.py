"""What a database holds, in numbers: how many tumors of which sizes, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.database.manifest import MANIFEST_NAME, Manifest
from gliofield.database.store import SimulationDatabase
from gliofield.database.tumor_table import Rejections
from gliofield.growth.thin_fronts import are_thin_fronts, infiltration_lengths_mm

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True)
class DatabaseSummary:
    """Counts and quantiles of a database.

    Parameters
    ----------
    num_tumors, num_runs, num_files : int
        Tumors, simulations behind them, and files.
    size_bytes : int
        Bytes of all files of the manifest.
    acceptance : float
        Accepted share of the draws, in (0, 1].
    rejections : Rejections
        The other draws, by reason.
    flair_ml, t1gd_ml : tuple of float
        5, 25, 50, 75 and 95 % quantiles of the visible volumes [ml].
    whole_to_core_ratio : tuple of float
        The same quantiles of FLAIR over T1Gd volume, over the tumors with a core; NaN if there is none.
    num_without_core : int
        Tumors without a voxel above the T1Gd threshold.
    num_thin_fronts : int
        Tumors whose front the grid does not resolve (`growth.thin_fronts`): they are larger than they should be.
    num_thin_fronts_at_1_mm : int
        How many of them a grid of 1 mm would not resolve either.
    """

    num_tumors: int
    num_runs: int
    num_files: int
    size_bytes: int
    acceptance: float
    rejections: Rejections
    flair_ml: tuple[float, ...]
    t1gd_ml: tuple[float, ...]
    whole_to_core_ratio: tuple[float, ...]
    num_without_core: int
    num_thin_fronts: int
    num_thin_fronts_at_1_mm: int

    @property
    def bytes_per_tumor(self) -> float:
        """Mean size on disk of one tumor [bytes]."""
        return self.size_bytes / self.num_tumors


def summarize(database: SimulationDatabase) -> DatabaseSummary:
    """Summary of an open database.

    Raises
    ------
    DatabaseError
        If its manifest has become unreadable.
    """
    flair_ml, t1gd_ml = database.volume_ml.astype(np.float64).T
    has_core = t1gd_ml > 0.0
    per_run = database.table.rejections[:: database.header.snapshots_per_run]
    rejections = Rejections(tuple(int(n) for n in per_run.sum(axis=0, dtype=np.int64)))
    files = Manifest.read(database.path / MANIFEST_NAME).files
    lengths_mm = infiltration_lengths_mm(database.parameters, database.parameter_names)
    is_thin = are_thin_fronts(lengths_mm, database.header.grid.spacing_mm)
    return DatabaseSummary(
        num_tumors=database.num_tumors,
        num_runs=len(per_run),
        num_files=len(files),
        size_bytes=sum(entry.size for entry in files),
        acceptance=len(per_run) / (len(per_run) + rejections.total),
        rejections=rejections,
        flair_ml=_quantiles(flair_ml),
        t1gd_ml=_quantiles(t1gd_ml),
        whole_to_core_ratio=_quantiles(flair_ml[has_core] / t1gd_ml[has_core]),
        num_without_core=int(np.count_nonzero(~has_core)),
        num_thin_fronts=int(np.count_nonzero(is_thin)),
        num_thin_fronts_at_1_mm=int(np.count_nonzero(is_thin & are_thin_fronts(lengths_mm, 1.0))),
    )


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    if len(values) == 0:
        return (float("nan"),) * len(QUANTILES)
    return tuple(float(value) for value in np.quantile(values, QUANTILES))
