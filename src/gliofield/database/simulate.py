"""From tumor numbers to stored tumors: draw, simulate, accept or draw again, quantize, compress.

`BatchSimulator` holds what all tumors of a database share and is what a worker process keeps. A batch of tumors is
the unit of work; its result depends on the tumor numbers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.coarsening import coarsened_anatomy
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.database.design import AttemptRng, Design, TumorDraw
from gliofield.database.quantization import quantize_density
from gliofield.database.schema import DatabaseHeader
from gliofield.database.screening import passes_screening
from gliofield.database.sharding import encode_levels
from gliofield.database.tumor_table import Rejections, TumorTable, joined, measured, parameter_names, parameter_row
from gliofield.errors import DatabaseError, NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import GrowthModel, Solution
from gliofield.growth.seed import SEED_RADIUS_MM, seed_cells

#: A design that accepts fewer than one in a thousand does not fit the anatomy.
MAX_ATTEMPTS = 1000


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
        How they grow; takes the parameters that the design draws.
    design : Design
        Which are drawn and accepted.
    header : DatabaseHeader
        Seed and thresholds.
    """

    anatomy: Anatomy
    model: GrowthModel[Any]
    design: Design
    header: DatabaseHeader

    def simulate(self, start: int, stop: int) -> EncodedTumors:
        """Tumors start … stop − 1 of the database.

        Raises
        ------
        DatabaseError
            If a run is not accepted in 1000 attempts.
        ParameterError
            If the model returns a density outside [0, 1].
        """
        runs = self.runs_of(start, stop)
        return joined_tumors([self._encoded_run(run, start, stop) for run in runs])

    def runs_of(self, start: int, stop: int) -> range:
        """Simulations that tumors start … stop − 1 of the database come from."""
        snapshots, first = self.header.snapshots_per_run, self.header.first_tumor
        return range((first + start) // snapshots, (first + stop - 1) // snapshots + 1)

    def encoded(
        self, run: int, draw: TumorDraw, solution: Solution, rejections: Rejections, start: int, stop: int
    ) -> EncodedTumors:
        """The snapshots of an accepted run that are tumors start … stop − 1 of the database.

        Raises
        ------
        ParameterError
            If a density lies outside [0, 1].
        """
        chunks: list[bytes] = []
        tables: list[TumorTable] = []
        first = run * self.header.snapshots_per_run - self.header.first_tumor
        # The solution's own times: the scheme `published` stops at whole steps only.
        for snapshot, time_days in enumerate(solution.times_days):
            if not start <= first + snapshot < stop:
                continue
            levels = _levels_of(first + snapshot, solution.cell_density[snapshot])
            chunks.append(encode_levels(levels))
            row = parameter_row(draw.parameters, time_days)
            table = measured(
                levels, self.anatomy.grid, self.header.threshold_levels, parameters=row, rejections=rejections
            )
            tables.append(table)
        return EncodedTumors(
            start=max(first, start),
            chunks=tuple(chunks),
            table=joined(tables),
            parameter_names=parameter_names(draw.parameters),
        )

    def draw(self, run: int, attempt: int) -> TumorDraw:
        """What one attempt of a run simulates."""
        return self.design.draw(AttemptRng(self.header.root_seed, run, attempt), self.anatomy)

    def is_worth_simulating(self, draw: TumorDraw) -> bool:
        """Whether the draw passes its cheap run (`screening`), and its seed reaches the center of a voxel."""
        return not self._is_between_voxels(draw) and passes_screening(self.anatomy, self._coarse_anatomy, draw)

    def _is_between_voxels(self, draw: TumorDraw) -> bool:
        """Whether a seed lies in a voxel of tissue, but too far from all centers to be there: on coarse grids alone."""
        grid = self.anatomy.grid
        if np.linalg.norm(grid.spacing_mm) / 2 < SEED_RADIUS_MM:
            return False
        voxel = np.rint(grid.voxel_of(draw.parameters.seed_mm)).astype(int)
        if np.any(voxel < 0) or np.any(voxel >= grid.shape) or not self.anatomy.domain[tuple(voxel)]:
            return False  # a wrong seed, which the model refuses
        try:
            seed_cells(self.anatomy, draw.parameters.seed_mm)
        except ParameterError:
            return True
        return False

    def rejection_of(self, draw: TumorDraw, solution: Solution) -> str | None:
        """Why a simulated draw does not become part of the database, a name of `REJECTION_NAMES`; None if it does.

        Raises
        ------
        DatabaseError
            If the density is not finite, or there are not as many as times were asked for.
        """
        if solution.stopped_at_days is not None:
            return "too_large"
        if len(solution.cell_density) != len(draw.times_days) or not np.isfinite(solution.cell_density.sum()):
            raise DatabaseError(
                f"the model {self.model.name!r} returned {len(solution.cell_density)} densities for "
                f"{len(draw.times_days)} times, or values that are not finite, for {draw.parameters}."
            )
        return None if self.design.accepts(draw, solution.cell_density, self.anatomy.grid) else "outside_filter"

    def no_tumor_accepted(self, run: int, rejections: Rejections) -> DatabaseError:
        """The error of a run whose every attempt was rejected."""
        return DatabaseError(
            f"the design {self.design.name!r} accepted none of {MAX_ATTEMPTS} tumors drawn for run {run}: "
            f"{rejections}. Its ranges do not fit this anatomy and model: widen its size filter or change its ranges. "
            "Draws that are not solvable are errors of the model: simulate one alone to see them."
        )

    def _encoded_run(self, run: int, start: int, stop: int) -> EncodedTumors:
        rejections = Rejections()
        for attempt in range(MAX_ATTEMPTS):
            draw = self.draw(run, attempt)
            solution, rejection = self._simulated(draw)
            if solution is not None and rejection is None:
                return self.encoded(run, draw, solution, rejections, start, stop)
            assert rejection is not None
            rejections = rejections.with_one_more(rejection)
        raise self.no_tumor_accepted(run, rejections)

    def _simulated(self, draw: TumorDraw) -> tuple[Solution | None, str | None]:
        """Solution of a draw where there is one, and why it was rejected if it was."""
        if not self.is_worth_simulating(draw):
            return None, "screened_out"
        try:
            solution = self.model.simulate(
                self.anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit
            )
        except NumericalError:
            return None, "not_solvable"
        return solution, self.rejection_of(draw, solution)

    @cached_property
    def _coarse_anatomy(self) -> Anatomy | None:
        # Screening is by converged steps, of which the sizes of tumors in published ones say nothing.
        if getattr(self.model, "scheme", None) == "published":
            return None
        return coarsened_anatomy(self.anatomy)


def joined_tumors(runs: Sequence[EncodedTumors]) -> EncodedTumors:
    """Consecutive tumors of several runs, in order, as one."""
    return EncodedTumors(
        start=runs[0].start,
        chunks=tuple(chunk for encoded in runs for chunk in encoded.chunks),
        table=joined([encoded.table for encoded in runs]),
        parameter_names=runs[0].parameter_names,
    )


def _levels_of(tumor: int, cell_density: NDArray[np.float32]) -> NDArray[np.uint8]:
    try:
        return quantize_density(cell_density)
    except ParameterError as error:
        raise ParameterError(f"the growth model's result for tumor {tumor} cannot be stored: {error}") from error


def save_anatomy(target: Path | BinaryIO, anatomy: Anatomy) -> None:
    """Write an anatomy for the workers of a build (not a format to keep)."""
    maps = anatomy.tissue_maps
    arrays: dict[str, NDArray[Any]] = {
        "white_matter": anatomy.white_matter,
        "gray_matter": anatomy.gray_matter,
        "domain": anatomy.domain,
        "world_from_voxel": anatomy.grid.world_from_voxel,
        "domain_rule": np.array(anatomy.domain_rule),
    }
    if maps is not None:
        arrays |= {f"maps_{name}": getattr(maps, name) for name in _MAPS}
    np.savez_compressed(target, **cast(dict[str, Any], arrays))


def load_anatomy(source: Path | BinaryIO) -> Anatomy:
    """Anatomy written by `save_anatomy`."""
    with np.load(source) as stored:
        grid = Grid(stored["domain"].shape, stored["world_from_voxel"])
        maps = {name: stored[f"maps_{name}"] for name in _MAPS if f"maps_{name}" in stored}
        return Anatomy(
            white_matter=stored["white_matter"],
            gray_matter=stored["gray_matter"],
            domain=stored["domain"],
            grid=grid,
            domain_rule=str(stored["domain_rule"]),
            tissue_maps=TissueMaps(**maps, grid=grid) if maps else None,
        )


_MAPS = ("white_matter", "gray_matter", "csf", "brain")
