"""Masks cut into blocks of 8×8×8 voxels: which are not empty, how many voxels they hold, and which.

`MaskBlocks` cuts any mask, `QueryBlocks` holds both masks of a query, `BlockPreparation` those of all tumors of a
database, for `block_index`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.database.store import SimulationDatabase
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.retrieval.bit_masks import WORD_BITS, num_words, pack_above, whole_grid
from gliofield.retrieval.block_kernels import BLOCK_EDGE, Blocks, block_bits
from gliofield.retrieval.index_cache import Piece, Segment, num_blocks, total_blocks
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.query import on_database_grid

MODALITIES = ("flair", "t1gd")

_NO_ROW = -1

#: Voxels of a mask, its non-empty blocks, voxels in each, and their bits.
CutMask = tuple[int, Blocks, NDArray[np.uint16], NDArray[np.uint64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryBlocks:
    """Blocks of a query; columns FLAIR, T1Gd.

    Parameters
    ----------
    query : Observation
        The query on the database's grid.
    sizes : tuple of int
        Voxels of each mask.
    blocks : tuple of (K,) uint16 or uint32 array
        Non-empty blocks.
    counts : tuple of (K,) uint16 array
        Voxels there.
    bits : tuple of (K, 8) uint64 array
        Their bits.
    bounds : (6,) int64 array
        Outside (x_start, x_stop, y_start, …) no voxel of the query is set.
    rows : tuple of (B,) int32 array
        Row of every block of the grid in `bits`, −1 for empty ones.
    """

    query: Observation
    sizes: tuple[int, ...]
    blocks: tuple[Blocks, ...]
    counts: tuple[NDArray[np.uint16], ...]
    bits: tuple[NDArray[np.uint64], ...]
    bounds: NDArray[np.int64]
    rows: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(cls, query: Observation, grid: Grid) -> QueryBlocks:
        """Blocks of a query on any grid; errors as `on_database_grid`."""
        on_grid = on_database_grid(query, grid)
        blocker = MaskBlocks(grid)
        everywhere = whole_grid(grid.shape)
        found = [blocker.above(np.ascontiguousarray(on_grid.whole_tumor).view(np.uint8), everywhere, 0)]
        bounds = blocker.bounds()
        # The core lies in the whole, so it need not be looked for elsewhere.
        found.append(blocker.above(np.ascontiguousarray(on_grid.tumor_core).view(np.uint8), bounds, 0))
        rows = [np.full(total_blocks(grid), _NO_ROW, dtype=np.int32) for _ in found]
        for row, (_, blocks, _, _) in zip(rows, found, strict=True):
            row[blocks] = np.arange(len(blocks))
        return cls(
            query=on_grid,
            sizes=tuple(size for size, _, _, _ in found),
            blocks=tuple(blocks for _, blocks, _, _ in found),
            counts=tuple(counts for _, _, counts, _ in found),
            bits=tuple(bits for _, _, _, bits in found),
            bounds=bounds,
            rows=tuple(rows),
        )

    @property
    def num_modalities(self) -> int:
        """2 with a core, 1 without."""
        return 2 if self.sizes[1] > 0 else 1


class MaskBlocks:
    """Cuts masks into blocks, in memory that is used for one mask after the other."""

    def __init__(self, grid: Grid) -> None:
        x, y, z = grid.shape
        self._num_voxels_z = z
        _, self._num_y, self._num_z = num_blocks(grid)
        total = total_blocks(grid)
        self._words = np.empty((x, num_words(z), y), dtype=np.uint64)
        self._box = np.empty(6, dtype=np.int64)
        block_type: type[np.unsignedinteger[Any]] = np.uint16 if total <= 1 << 16 else np.uint32
        self._blocks = np.empty(total, dtype=block_type)
        self._bits = np.empty((total, BLOCK_EDGE), dtype=np.uint64)
        self._counts = np.empty(total, dtype=np.uint16)

    def above(self, levels: NDArray[np.uint8], bounds: NDArray[np.int64], level: int) -> CutMask:
        """Size, blocks, counts and bits of the mask levels > level, none of which lies outside the bounds."""
        size = pack_above(levels, bounds, np.uint8(level), self._words, self._box)
        found = block_bits(self._words, self._box, (self._num_y, self._num_z), self._blocks, self._bits, self._counts)
        return int(size), self._blocks[:found].copy(), self._counts[:found].copy(), self._bits[:found].copy()

    def bounds(self) -> NDArray[np.int64]:
        """Bounds (x_start, x_stop, y_start, …) outside which the mask cut last has no voxel."""
        x_start, x_stop, first_word, last_word, y_start, y_stop = self._box
        z_stop = min(last_word * WORD_BITS, self._num_voxels_z)
        return np.array([x_start, x_stop, y_start, y_stop, first_word * WORD_BITS, z_stop], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class BlockPreparation:
    """Blocks of both masks of every tumor: counts and bits.

    Arrays of a piece of n tumors: ``sizes`` (n, 2), and for each modality ``lengths`` (n,), the number of non-empty
    blocks, with their numbers ``blocks`` (E,), ``counts`` (E,) and ``bits`` (E, 8). A segment has ``begins`` (n + 1,)
    in place of lengths, and lists by block in place of counts: ``list_begins`` (B + 1,), ``list_tumors`` (E,),
    ``list_counts`` (E,).

    Parameters
    ----------
    grid : Grid
        Grid of the database.
    levels : (int, int)
        Levels of the thresholds: FLAIR, T1Gd.
    """

    grid: Grid
    levels: tuple[int, int]

    @property
    def name(self) -> str:
        """``blocks``."""
        return "blocks"

    @property
    def settings(self) -> dict[str, Any]:
        """Levels and edge of a block."""
        return {"kind": self.name, "levels": list(self.levels), "block_edge": BLOCK_EDGE}

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """Blocks of some tumors."""
        blocker, levels = MaskBlocks(self.grid), np.empty(self.grid.shape, dtype=np.uint8)
        sizes = np.empty((len(tumors), 2), dtype=np.int32)
        found: list[list[tuple[int, Blocks, NDArray[np.uint16], NDArray[np.uint64]]]] = [
            [],
            [],
        ]
        for row, tumor in enumerate(tumors):
            database.density_levels(tumor, out=levels)
            bounds = database.bounding_box[tumor].astype(np.int64)
            for column, level in enumerate(self.levels):
                found[column].append(blocker.above(levels, bounds, level))
                sizes[row, column] = found[column][-1][0]
        piece: dict[str, NDArray[Any]] = {"sizes": sizes}
        for modality, masks in zip(MODALITIES, found, strict=True):
            piece[f"{modality}_lengths"] = np.array([len(blocks) for _, blocks, _, _ in masks], dtype=np.int64)
            piece[f"{modality}_blocks"] = np.concatenate([blocks for _, blocks, _, _ in masks])
            piece[f"{modality}_counts"] = np.concatenate([counts for _, _, counts, _ in masks])
            piece[f"{modality}_bits"] = np.concatenate([bits for _, _, _, bits in masks])
        return piece

    def segment(self, piece: Piece) -> Arrays:
        """The same with lists by block."""
        segment: dict[str, NDArray[Any]] = {"sizes": piece["sizes"]}
        for modality in MODALITIES:
            lengths, blocks = piece[f"{modality}_lengths"], piece[f"{modality}_blocks"]
            tumors = np.repeat(np.arange(len(lengths), dtype=np.uint16), lengths)
            order, begins = lists_by_block(blocks, total_blocks(self.grid))
            segment[f"{modality}_begins"] = np.concatenate([[0], np.cumsum(lengths)])
            segment[f"{modality}_blocks"] = blocks
            segment[f"{modality}_bits"] = piece[f"{modality}_bits"]
            segment[f"{modality}_list_begins"] = begins
            segment[f"{modality}_list_tumors"] = tumors[order]
            segment[f"{modality}_list_counts"] = piece[f"{modality}_counts"][order]
        return segment

    def piece_of(self, segment: Segment) -> Piece:
        """The piece the segment was made of."""
        piece: dict[str, NDArray[Any]] = {"sizes": segment["sizes"]}
        for modality in MODALITIES:
            order, _ = lists_by_block(segment[f"{modality}_blocks"], total_blocks(self.grid))
            counts = np.empty(len(order), dtype=np.uint16)
            counts[order] = segment[f"{modality}_list_counts"]
            piece[f"{modality}_lengths"] = np.diff(segment[f"{modality}_begins"])
            piece[f"{modality}_blocks"] = segment[f"{modality}_blocks"]
            piece[f"{modality}_counts"] = counts
            piece[f"{modality}_bits"] = segment[f"{modality}_bits"]
        return piece


def lists_by_block(blocks: NDArray[Any], total: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Order of entries (E,) by their block, and where each of `total` blocks begins in it, (total + 1,)."""
    lengths = np.bincount(blocks, minlength=total)
    return np.argsort(blocks, kind="stable"), np.concatenate([[0], np.cumsum(lengths)])
