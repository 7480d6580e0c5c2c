"""Voxels of every tumor above every level, and per block of 8×8×8 voxels above 16 coarse levels.

What `free_thresholds` keeps of a database; the coarse levels are 0, 17, 34, …, 255, the usual thresholds 51 and 153
among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gliofield.database.quantization import NUM_LEVELS
from gliofield.database.store import SimulationDatabase
from gliofield.grid import Grid
from gliofield.retrieval.block_kernels import BLOCK_EDGE, LEVEL_STEP, NUM_COARSE_LEVELS, count_levels
from gliofield.retrieval.index_cache import Piece, Segment, num_blocks, total_blocks
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.mask_blocks import lists_by_block


@dataclass(frozen=True, kw_only=True)
class LevelPreparation:
    """Voxels of every tumor above each level, and per block above the coarse levels.

    Arrays of a piece of n tumors: ``sizes`` (n, 255), ``lengths`` (n,), the number of blocks with a voxel above level
    0, their numbers ``blocks`` (E,) and ``counts`` (E, 16). A segment has lists by block in place of the last three:
    ``list_begins`` (B + 1,), ``list_tumors`` (E,), ``list_counts`` (E, 16).

    Parameters
    ----------
    grid : Grid
        Grid of the database.
    """

    grid: Grid

    @property
    def name(self) -> str:
        """``levels``."""
        return "levels"

    @property
    def settings(self) -> dict[str, Any]:
        """Step of the coarse levels and edge of a block."""
        return {"kind": self.name, "level_step": LEVEL_STEP, "block_edge": BLOCK_EDGE}

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """Counts of some tumors."""
        _, num_y, num_z = num_blocks(self.grid)
        total = total_blocks(self.grid)
        levels = np.empty(self.grid.shape, dtype=np.uint8)
        sizes = np.empty((len(tumors), NUM_LEVELS), dtype=np.int32)
        table = np.zeros((total, NUM_COARSE_LEVELS), dtype=np.uint16)
        blocks, counts = np.empty(total, dtype=np.uint32), np.empty((total, NUM_COARSE_LEVELS), dtype=np.uint16)
        found = []
        for row, tumor in enumerate(tumors):
            database.density_levels(tumor, out=levels)
            bounds = database.bounding_box[tumor].astype(np.int64)
            num_found = count_levels(levels, bounds, (num_y, num_z), table, sizes[row], blocks, counts)
            found.append((blocks[:num_found].copy(), counts[:num_found].copy()))
        return {
            "sizes": sizes,
            "lengths": np.array([len(numbers) for numbers, _ in found], dtype=np.int64),
            "blocks": np.concatenate([numbers for numbers, _ in found]),
            "counts": np.concatenate([above for _, above in found]),
        }

    def segment(self, piece: Piece) -> Arrays:
        """The same with lists by block."""
        tumors = np.repeat(np.arange(len(piece["lengths"]), dtype=np.uint16), piece["lengths"])
        order, begins = lists_by_block(piece["blocks"], total_blocks(self.grid))
        return {
            "sizes": piece["sizes"],
            "list_begins": begins,
            "list_tumors": tumors[order],
            "list_counts": piece["counts"][order],
        }

    def piece_of(self, segment: Segment) -> Piece:
        """The piece the segment was made of."""
        blocks = np.repeat(np.arange(len(segment["list_begins"]) - 1, dtype=np.uint32), np.diff(segment["list_begins"]))
        order = np.argsort(segment["list_tumors"], kind="stable")
        return {
            "sizes": segment["sizes"],
            "lengths": np.bincount(segment["list_tumors"], minlength=len(segment["sizes"])),
            "blocks": blocks[order],
            "counts": segment["list_counts"][order],
        }
