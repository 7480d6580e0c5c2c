"""From tumor numbers to stored tumors: draw, simulate, accept or draw again, quantize, compress.

`BatchSimulator` holds what all tumors of a database share and is what a worker process keeps. A batch of tumors is
the unit of work; its result depends on the tumor numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliomap.anatomy.growth_domain import Anatomy
from gliomap.database.design import Design, TumorDraw, attempt_rng
from gliomap.database.quantization import quantize_density
from gliomap.database.schema import DatabaseHeader
from gliomap.database.screening import coarsened_anatomy, passes_screening
from gliomap.database.sharding import encode_levels
from gliomap.database.tumor_table import TumorTable, joined, measured, parameter_names, parameter_row
from gliomap.errors import DatabaseError, ParameterError
from gliomap.grid import Grid
from gliomap.growth import FisherKolmogorovParameters, GrowthModel, Solution

# A design that accepts fewer than one in a thousand does not fit the anatomy.
_MAX_ATTEMPTS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedTumors:
    """Consecutive tumors, ready to be stored.

    Parameters
    ----------
    start : int
        Number of the first.
    chunks : tuple of bytes
        Compressed levels of each.
    table : TumorTable
        One row each.
    parameter_names : tuple of str
        Columns of the table's parameters.
    """

    start: int
    chunks: tuple[bytes, ...]
    table: TumorTable
    parameter_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchSimulator:
    """Everything the tumors of one database share.

    Parameters
    ----------
    anatomy : Anatomy
        Where they grow.
    model : GrowthModel
        How they grow.
    design : Design
        Which are drawn and accepted.
    header : DatabaseHeader
        Seed and thresholds.
    """

    anatomy: Anatomy
    model: GrowthModel[FisherKolmogorovParameters]
    design: Design
    header: DatabaseHeader

    def simulate(self, start: int, stop: int) -> EncodedTumors:
        """Tumors start … stop − 1.

        Raises
        ------
        DatabaseError
            If a run is not accepted in 1000 attempts.
        ParameterError
            If the model returns a density outside [0, 1].
        """
        snapshots = self.header.snapshots_per_run
        chunks: list[bytes] = []
        tables: list[TumorTable] = []
        names: tuple[str, ...] = ()
        for run in range(start // snapshots, (stop - 1) // snapshots + 1):
            draw, solution, attempt = self._accepted(run)
            names = parameter_names(draw.parameters)
            # The solution's own times: the scheme `published` stops at whole steps only.
            for snapshot, time_days in enumerate(solution.times_days):
                tumor = run * snapshots + snapshot
                if not start <= tumor < stop:
                    continue
                levels = _levels_of(tumor, solution.cell_density[snapshot])
                chunks.append(encode_levels(levels))
                row = parameter_row(draw.parameters, time_days)
                tables.append(
                    measured(levels, self.anatomy.grid, self.header.threshold_levels, parameters=row, attempt=attempt)
                )
        return EncodedTumors(start=start, chunks=tuple(chunks), table=joined(tables), parameter_names=names)

    def _accepted(self, run: int) -> tuple[TumorDraw, Solution, int]:
        """Draw, solution and number of the first accepted attempt of a run."""
        for attempt, draw in enumerate(self._draws(run)):
            if not passes_screening(self._coarse_anatomy, draw):
                continue
            solution = self.model.simulate(
                self.anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit
            )
            if solution.stopped_at_days is not None:
                continue
            if self.design.accepts(draw, solution.cell_density, self.anatomy.grid):
                return draw, solution, attempt
        raise DatabaseError(
            f"the design {self.design.name!r} accepted none of {_MAX_ATTEMPTS} tumors drawn for run {run}: its ranges "
            "do not fit this anatomy and model. Widen its size filter or change its ranges."
        )

    @cached_property
    def _coarse_anatomy(self) -> Anatomy | None:
        return coarsened_anatomy(self.anatomy)

    def _draws(self, run: int) -> Iterator[TumorDraw]:
        for attempt in range(_MAX_ATTEMPTS):
            rng = attempt_rng(self.header.root_seed, run, attempt)
            yield self.design.draw(rng, self.anatomy)


def _levels_of(tumor: int, cell_density: NDArray[np.float32]) -> NDArray[np.uint8]:
    try:
        return quantize_density(cell_density)
    except ParameterError as error:
        raise ParameterError(f"the growth model's result for tumor {tumor} cannot be stored: {error}") from error


def save_anatomy(path: Path, anatomy: Anatomy) -> None:
    """Write an anatomy for the workers of a build (not a format to keep)."""
    np.savez(
        path,
        white_matter=anatomy.white_matter,
        gray_matter=anatomy.gray_matter,
        domain=anatomy.domain,
        world_from_voxel=anatomy.grid.world_from_voxel,
        domain_rule=np.array(anatomy.domain_rule),
    )


def load_anatomy(path: Path) -> Anatomy:
    """Anatomy written by `save_anatomy`."""
    with np.load(path) as stored:
        return Anatomy(
            white_matter=stored["white_matter"],
            gray_matter=stored["gray_matter"],
            domain=stored["domain"],
            grid=Grid(stored["domain"].shape, stored["world_from_voxel"]),
            domain_rule=str(stored["domain_rule"]),
        )
