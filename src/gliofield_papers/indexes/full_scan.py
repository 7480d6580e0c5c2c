"""Many queries against every tumor of a database in one pass: all Dice values, nothing approximated.

`ExhaustiveIndex` answers one query and decodes the whole database for it. Here each tumor is decoded once, its two
masks are packed into bits, and the voxels it shares with every query are counted 64 at a time. The counts are integers
and Dice follows from them by the same expressions, so distances and rankings are those of `ExhaustiveIndex`, bit for
bit. It is the yardstick for approximate indexes on hundreds of queries, and what experiments over whole databases use.

`PackedQueries` holds the queries, each cut to its own bounding box; `dice_of_all` compares them with a database,
`dice_of_levels` with tumors that are in none. The result, a `DiceTable`, takes 8 bytes per query and tumor; apart from
it, memory does not depend on the number of tumors. Columns of all arrays of two are FLAIR (whole tumor), T1Gd (core).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import map_blocks, require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.errors import GridMismatchError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.metrics.overlap import dice_from_counts
from gliofield.output import atomic_file
from gliofield.progress import Reporter, ignore_progress
from gliofield.retrieval.bit_masks import WORD_BITS, count_shared, num_words, pack_above, whole_grid
from gliofield.retrieval.exhaustive import nearest_hits
from gliofield.retrieval.query import Hit, distance_from_dice, on_database_grid, require_count

TASK_NAME = "compare with every tumor"
_BLOCK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedQueries:
    """Masks of many queries on one grid, as bits; made by `pack` or `read`.

    Parameters
    ----------
    grid : Grid
        Grid of all masks.
    words : (K,) uint64 array
        Their bits, each mask cut to its box of words (`bit_masks`), one after the other.
    boxes : (Q, 2, 6) int64 array
        The boxes.
    begins : (Q, 2) int64 array
        Where in `words` each mask begins.
    sizes : (Q, 2) int64 array
        Voxels of each mask.
    """

    grid: Grid
    words: NDArray[np.uint64]
    boxes: NDArray[np.int64]
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def pack(cls, queries: Sequence[Observation], grid: Grid) -> PackedQueries:
        """Pack queries, after bringing each to the grid by the mask rule.

        Raises
        ------
        ParameterError
            If there is no query, or nothing of one is left on the grid.
        """
        if not queries:
            raise ParameterError("queries is empty: expected at least one query to compare with.")
        tumor = _PackedTumor(grid)
        parts: list[NDArray[np.uint64]] = []
        boxes = np.zeros((len(queries), 2, 6), dtype=np.int64)
        sizes = np.zeros((len(queries), 2), dtype=np.int64)
        for row, query in enumerate(queries):
            on_grid = on_database_grid(query, grid)
            levels = on_grid.whole_tumor.astype(np.uint8) + on_grid.tumor_core
            tumor.pack(levels, whole_grid(grid.shape), levels=(0, 1))
            boxes[row], sizes[row] = tumor.boxes, tumor.sizes
            parts.extend(tumor.cut(column) for column in range(2))
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        return cls(
            grid=grid,
            words=np.concatenate(parts),
            boxes=boxes,
            begins=(np.cumsum(lengths) - lengths).reshape(len(queries), 2),
            sizes=sizes,
        )

    @classmethod
    def joined(cls, parts: Sequence[PackedQueries]) -> PackedQueries:
        """The queries of several sets on one grid, in order.

        Raises
        ------
        ParameterError
            If there is no set.
        GridMismatchError
            If grids differ.
        """
        if not parts:
            raise ParameterError("parts is empty: expected at least one set of queries to join.")
        for number, part in enumerate(parts):
            parts[0].grid.require_same_as(part.grid, self_name="parts[0]", other_name=f"parts[{number}]")
        lengths = np.array([len(part.words) for part in parts], dtype=np.int64)
        shifts = np.cumsum(lengths) - lengths
        return cls(
            grid=parts[0].grid,
            words=np.concatenate([part.words for part in parts]),
            boxes=np.concatenate([part.boxes for part in parts]),
            begins=np.concatenate([part.begins + shift for part, shift in zip(parts, shifts, strict=True)]),
            sizes=np.concatenate([part.sizes for part in parts]),
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PackedQueries:
        """Queries from what `arrays` gave."""
        x, y, z = (int(number) for number in arrays["grid_shape"])
        return cls(
            grid=Grid((x, y, z), arrays["world_from_voxel"]),
            **{name: arrays[name] for name in ("words", "boxes", "begins", "sizes")},
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PackedQueries:
        """Queries written by `write`.

        Raises
        ------
        ParameterError
            If there is no such file, or it holds something else.
        """
        try:
            with np.load(path) as stored:
                return cls.of_arrays(stored)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ParameterError(
                f"{path} cannot be read as packed queries ({error}). Pack and write them again."
            ) from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the queries as a compressed ``.npz``, replacing a file of that name.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        with atomic_file(Path(path)) as partial, open(partial, "wb") as handle:
            named: dict[str, Any] = self.arrays()
            np.savez_compressed(handle, **named)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, the grid as ``grid_shape`` and ``world_from_voxel``."""
        return {
            "grid_shape": np.array(self.grid.shape),
            "world_from_voxel": self.grid.world_from_voxel,
            "words": self.words,
            "boxes": self.boxes,
            "begins": self.begins,
            "sizes": self.sizes,
        }

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def has_core(self) -> NDArray[np.bool_]:
        """Whether T1Gd is compared, (Q,)."""
        return self.sizes[:, 1] > 0

    def query(self, index: int) -> Observation:
        """One query as masks."""
        whole, core = (self._mask(index, column) for column in range(2))
        return Observation(tumor_core=core, whole_tumor=whole, grid=self.grid)

    def _mask(self, index: int, column: int) -> NDArray[np.bool_]:
        x_start, x_stop, w_start, w_stop, y_start, y_stop = self.boxes[index, column]
        shape = (x_stop - x_start, w_stop - w_start, y_stop - y_start)
        begin = self.begins[index, column]
        words = self.words[begin : begin + int(np.prod(shape))].reshape(shape).transpose(0, 2, 1)
        little_endian = np.ascontiguousarray(words).astype("<u8").view(np.uint8)
        bits = np.unpackbits(little_endian, axis=-1, bitorder="little").astype(bool)
        padded = np.zeros((*self.grid.shape[:2], num_words(self.grid.shape[2]) * WORD_BITS), dtype=bool)
        padded[x_start:x_stop, y_start:y_stop, w_start * WORD_BITS : w_stop * WORD_BITS] = bits
        return padded[..., : self.grid.shape[2]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DiceTable:
    """Overlap of every query with every tumor, as counts of voxels.

    Parameters
    ----------
    shared : (Q, N, 2) int32 array
        Voxels that query and tumor have in common.
    tumor_sizes : (N, 2) int32 array
        Voxels of each tumor's masks.
    query_sizes : (Q, 2) int64 array
        Voxels of each query's masks.
    """

    shared: NDArray[np.int32]
    tumor_sizes: NDArray[np.int32]
    query_sizes: NDArray[np.int64]

    @property
    def num_queries(self) -> int:
        """Number of queries Q."""
        return self.shared.shape[0]

    @property
    def num_tumors(self) -> int:
        """Number of tumors N."""
        return self.shared.shape[1]

    def dice_flair(self, query: int) -> NDArray[np.float64]:
        """Dice of the whole tumors with one query's, (N,); 0 if both are empty."""
        return self._dice(query, 0)

    def dice_t1gd(self, query: int) -> NDArray[np.float64] | None:
        """Dice of the tumor cores with one query's, (N,); None for a query without core."""
        return self._dice(query, 1) if self.query_sizes[query, 1] > 0 else None

    def distance(self, query: int) -> NDArray[np.float64]:
        """Distance of one query to every tumor, (N,), as `query.distance_from_dice` defines it."""
        return distance_from_dice(self.dice_t1gd(query), self.dice_flair(query))

    def combined_dice(self, query: int) -> NDArray[np.float64]:
        """Dice of T1Gd plus Dice of FLAIR of one query, (N,), at most 2; of FLAIR alone without a core, at most 1."""
        core, whole = self.dice_t1gd(query), self.dice_flair(query)
        return whole if core is None else core + whole

    def nearest(self, query: int, k: int) -> NDArray[np.intp]:
        """Indices of the k nearest tumors, nearest first, ties by lower index; all if there are fewer.

        Raises
        ------
        ParameterError
            If k is below 1.
        """
        require_count(k)
        return np.argsort(self.distance(query), kind="stable")[:k]

    def hits(self, query: int, k: int, database: SimulationDatabase) -> tuple[Hit, ...]:
        """The k nearest tumors of the database that was compared, as `Index.search` gives them.

        Raises
        ------
        ParameterError
            If k is below 1, or the database does not hold as many tumors as were compared.
        """
        if database.num_tumors != self.num_tumors:
            raise ParameterError(
                f"the table compares {self.num_tumors} tumors, the database holds {database.num_tumors}. Pass the "
                "database the table was made from."
            )
        require_count(k)
        return nearest_hits(database, self.dice_t1gd(query), self.dice_flair(query), k)

    def _dice(self, query: int, column: int) -> NDArray[np.float64]:
        return dice_from_counts(
            self.shared[query, :, column],
            self.tumor_sizes[:, column],
            self.query_sizes[query, column],
            if_both_empty=0.0,
        )


def dice_of_all(
    database: SimulationDatabase,
    queries: PackedQueries | Sequence[Observation],
    *,
    thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
    num_threads: int | None = None,
    report: Reporter = ignore_progress,
) -> DiceTable:
    """Overlap of every query with every tumor of a database, each tumor decoded once.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    queries : PackedQueries or sequence of Observation
        Packed on the database's grid, or on any grid in atlas space.
    thresholds : VisibilityThresholds
        Cell densities above which a tumor shows, rounded to multiples of 1/255 as by `ExhaustiveIndex`.
    num_threads : int or None
        Threads; None: all cores this process may use.
    report : Reporter
        Receives the number of tumors compared.

    Raises
    ------
    ParameterError
        If a threshold or the number of threads is out of range, or there is no query, or nothing of one is left on the
        database's grid.
    GridMismatchError
        If packed queries lie on another grid than the database.
    DatabaseError
        If a tumor cannot be read.
    """
    grid = database.header.grid
    packed = queries if isinstance(queries, PackedQueries) else PackedQueries.pack(queries, grid)
    if not packed.grid.is_same_as(grid):
        raise GridMismatchError(
            f"queries are packed on another grid than the database's:\n  queries   {packed.grid.describe()}\n"
            f"  database  {grid.describe()}\nPack them on `database.header.grid`."
        )

    def read(index: int, levels: NDArray[np.uint8]) -> NDArray[np.int64]:
        database.density_levels(index, out=levels)
        return database.bounding_box[index].astype(np.int64)

    return _compared(read, database.num_tumors, packed, thresholds, num_threads, report)


def dice_of_levels(
    levels: Sequence[NDArray[np.uint8]],
    queries: PackedQueries,
    *,
    thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
    num_threads: int | None = None,
) -> DiceTable:
    """Overlap of every query with tumors that are in no database.

    Parameters
    ----------
    levels : sequence of (X, Y, Z) uint8 arrays
        Quantized densities (`quantize_density`) on the grid of the queries.
    queries : PackedQueries
        What they are compared with.
    thresholds, num_threads
        As `dice_of_all`.

    Raises
    ------
    ParameterError
        If an array has another type or shape, or a setting is out of range.
    """
    for index, tumor in enumerate(levels):
        if tumor.dtype != np.uint8 or tumor.shape != queries.grid.shape:
            raise ParameterError(
                f"levels[{index}] must be a uint8 array of shape {queries.grid.shape}, the grid of the queries, got "
                f"{tumor.dtype} of shape {tumor.shape}. Quantize densities with quantize_density first."
            )
    bounds = whole_grid(queries.grid.shape)

    def read(index: int, out: NDArray[np.uint8]) -> NDArray[np.int64]:
        out[...] = levels[index]
        return bounds

    return _compared(read, len(levels), queries, thresholds, num_threads, ignore_progress)


def _compared(
    read: Callable[[int, NDArray[np.uint8]], NDArray[np.int64]],
    num_tumors: int,
    queries: PackedQueries,
    thresholds: VisibilityThresholds,
    num_threads: int | None,
    report: Reporter,
) -> DiceTable:
    """Table of tumors that `read` decodes into an array, returning bounds of their voxels."""
    threads = require_threads(num_threads)
    shared = np.empty((len(queries), num_tumors, 2), dtype=np.int32)
    sizes = np.empty((num_tumors, 2), dtype=np.int32)
    levels = levels_of(thresholds)
    query_columns = [
        (np.ascontiguousarray(queries.boxes[:, column]), np.ascontiguousarray(queries.begins[:, column]))
        for column in range(2)
    ]
    buffers = threading.local()

    def compare(block: range) -> None:
        if not hasattr(buffers, "tumor"):
            buffers.tumor = _PackedTumor(queries.grid)
            buffers.levels = np.empty(queries.grid.shape, dtype=np.uint8)
            buffers.counts = np.empty(len(queries), dtype=np.int32)
        tumor: _PackedTumor = buffers.tumor
        for index in block:
            tumor.pack(buffers.levels, read(index, buffers.levels), levels=levels)
            sizes[index] = tumor.sizes
            for column, (boxes, begins) in enumerate(query_columns):
                count_shared(tumor.words[column], tumor.boxes[column], queries.words, boxes, begins, buffers.counts)
                shared[:, index, column] = buffers.counts

    map_blocks(compare, num_tumors, block=_BLOCK, num_threads=threads, task=TASK_NAME, report=report)
    return DiceTable(shared=shared, tumor_sizes=sizes, query_sizes=queries.sizes)


class _PackedTumor:
    """Both masks of one tumor as bits, in memory that is used for one tumor after the other."""

    def __init__(self, grid: Grid) -> None:
        x, y, z = grid.shape
        self.words = np.empty((2, x, num_words(z), y), dtype=np.uint64)
        self.boxes = np.empty((2, 6), dtype=np.int64)
        self.sizes = np.empty(2, dtype=np.int64)

    def pack(self, tumor: NDArray[np.uint8], bounds: NDArray[np.int64], *, levels: tuple[int, int]) -> None:
        """Masks of the voxels above each of two levels; none lies outside the bounds."""
        for column, level in enumerate(levels):
            self.sizes[column] = pack_above(tumor, bounds, np.uint8(level), self.words[column], self.boxes[column])

    def cut(self, column: int) -> NDArray[np.uint64]:
        """A copy of one mask's words inside its box, flat."""
        x_start, x_stop, w_start, w_stop, y_start, y_stop = self.boxes[column]
        return self.words[column, x_start:x_stop, w_start:w_stop, y_start:y_stop].flatten()
