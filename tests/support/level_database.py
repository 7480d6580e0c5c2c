"""Databases of given levels, in memory: searches can be tried on tumors no growth model would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.database import DatabaseHeader, Rejections, SimulationDatabase
from gliofield.database.sharding import encode_levels
from gliofield.database.tumor_table import joined, measured
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LevelDatabase(SimulationDatabase):
    """Database whose chunks lie in memory; the number of a tumor is its parameter."""

    chunks: tuple[bytes, ...]

    def encoded_levels(self, index: int) -> bytes:
        """Compressed chunk of one tumor."""
        return self.chunks[self._checked(index)]


def database_of_levels(levels: Sequence[NDArray[np.uint8]], grid: Grid) -> LevelDatabase:
    """Database of the tumors with these levels, (X, Y, Z) each."""
    header = DatabaseHeader(
        atlas_name="none",
        atlas_hash="0" * 64,
        grid=grid,
        domain_rule="none",
        anatomy_hash="0" * 64,
        model={"name": "none", "settings": {}},
        design={"name": "none", "settings": {}},
        root_seed=0,
        snapshots_per_run=1,
        thresholds=VisibilityThresholds(),
        gliofield_version="0",
    )
    rows = [
        measured(tumor, grid, header.threshold_levels, parameters=np.array([float(number)]), rejections=Rejections())
        for number, tumor in enumerate(levels)
    ]
    return LevelDatabase(
        path=Path("memory"),
        header=header,
        parameter_names=("number",),
        table=joined(rows),
        chunks=tuple(encode_levels(tumor) for tumor in levels),
    )
