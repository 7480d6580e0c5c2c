"""Compiled loops of the exact indexes: counts per block of 8×8×8 voxels, and what is concluded from them.

A grid of (X, Y, Z) voxels has ⌈X/8⌉ ⌈Y/8⌉ ⌈Z/8⌉ blocks, numbered in C order. The 512 bits of a block are 8 words, one
per x; bit 8 y + z of a word is voxel (x, y, z) of the block. Masks come packed as `bit_masks.pack_above` packs them.

Lists over blocks ("postings") hold, for each block, the tumors that have voxels there and how many. With q_b voxels of
the query in block b and a_b of the tumor's, Σ_b min(a_b, q_b) is never less than what both have in common. A query
reads the lists of its own blocks only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.compiled import compiled
from gliofield.retrieval.bit_masks import num_set_bits

#: Edge of a block [voxels].
BLOCK_EDGE = 8
#: Voxels of a block.
BLOCK_VOXELS = BLOCK_EDGE**3
#: Coarse levels of `count_levels`: counts above level LEVEL_STEP × 0 … LEVEL_STEP × 15. 51 and 153 are among them.
LEVEL_STEP = 17
NUM_COARSE_LEVELS = 16

_BYTE = np.uint64(0xFF)
_EIGHT = np.uint64(8)
_NO_BITS = np.uint64(0)

Blocks = NDArray[np.unsignedinteger[Any]]
Bits = NDArray[np.uint64]
Counts = NDArray[np.uint16]
Positions = NDArray[np.int64]


@compiled
def block_bits(
    words: NDArray[np.uint64],
    box: Positions,
    num_blocks_yz: tuple[int, int],
    blocks: Blocks,
    bits: Bits,
    counts: Counts,
) -> int:
    """Non-empty blocks of a packed mask, in order; returns how many there are.

    Parameters
    ----------
    words : (X, W, Y) uint64 array
        The mask; read inside its box only.
    box : (6,) int64 array
        Its box of words.
    num_blocks_yz : (int, int)
        Blocks of the grid along y and z.
    blocks : (B,) uint16 or uint32 array
        Filled with the numbers of the blocks.
    bits : (B, 8) uint64 array
        Filled with their bits.
    counts : (B,) uint16 array
        Filled with their numbers of voxels.
    """
    num_y, num_z = num_blocks_yz
    found = 0
    for block_x in range(box[0] // BLOCK_EDGE, (box[1] + BLOCK_EDGE - 1) // BLOCK_EDGE):
        x_start, x_stop = max(block_x * BLOCK_EDGE, box[0]), min((block_x + 1) * BLOCK_EDGE, box[1])
        for block_y in range(box[4] // BLOCK_EDGE, (box[5] + BLOCK_EDGE - 1) // BLOCK_EDGE):
            y_start, y_stop = max(block_y * BLOCK_EDGE, box[4]), min((block_y + 1) * BLOCK_EDGE, box[5])
            for w in range(box[2], box[3]):
                anywhere = _NO_BITS
                for x in range(x_start, x_stop):
                    for y in range(y_start, y_stop):
                        # A word holds eight blocks along z, a byte each: empty ones are skipped after one look.
                        anywhere |= words[x, w, y]
                for byte in range(8):
                    shift = np.uint64(byte) * _EIGHT
                    if (anywhere >> shift) & _BYTE == _NO_BITS:
                        continue
                    count = 0
                    # Outside the box the rows of the block are empty, not what the buffer held before.
                    for x in range(BLOCK_EDGE):
                        bits[found, x] = _NO_BITS
                    for x in range(x_start, x_stop):
                        word = _NO_BITS
                        for y in range(y_start, y_stop):
                            row = (words[x, w, y] >> shift) & _BYTE
                            word |= row << (np.uint64(y - block_y * BLOCK_EDGE) * _EIGHT)
                        bits[found, x - block_x * BLOCK_EDGE] = word
                        count += num_set_bits(word)
                    blocks[found] = (block_x * num_y + block_y) * num_z + 8 * w + byte
                    counts[found] = count
                    found += 1
    return found


@compiled
def count_levels(
    levels: NDArray[np.uint8],
    bounds: Positions,
    num_blocks_yz: tuple[int, int],
    table: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    blocks: Blocks,
    counts: Counts,
) -> int:
    """Voxels above 16 coarse levels per block, and above every level in all; returns the number of non-empty blocks.

    Parameters
    ----------
    levels : (X, Y, Z) uint8 array
        One tumor.
    bounds : (6,) int64 array
        Outside (x_start, x_stop, y_start, …) all levels are 0.
    num_blocks_yz : (int, int)
        Blocks of the grid along y and z.
    table : (B, 16) uint16 array
        All zeros, and again so at the end.
    sizes : (255,) int32 array
        Filled with the number of voxels above level 0 … 254.
    blocks : (B,) uint16 or uint32 array
        Filled with the blocks that have a voxel above level 0, in order.
    counts : (B, 16) uint16 array
        Filled with their voxels above level 0, 17, 34, … 255.
    """
    num_y, num_z = num_blocks_yz
    sizes[:] = 0
    for x in range(bounds[0], bounds[1]):
        for y in range(bounds[2], bounds[3]):
            first = ((x // BLOCK_EDGE) * num_y + y // BLOCK_EDGE) * num_z
            for z in range(bounds[4], bounds[5]):
                level = levels[x, y, z]
                if level > 0:
                    sizes[level - 1] += 1
                    table[first + z // BLOCK_EDGE, (level - 1) // LEVEL_STEP] += 1
    # From voxels at a level to voxels above it, from the top.
    for level in range(len(sizes) - 2, -1, -1):
        sizes[level] += sizes[level + 1]
    found = 0
    for block_x in range(bounds[0] // BLOCK_EDGE, (bounds[1] + BLOCK_EDGE - 1) // BLOCK_EDGE):
        for block_y in range(bounds[2] // BLOCK_EDGE, (bounds[3] + BLOCK_EDGE - 1) // BLOCK_EDGE):
            for block_z in range(bounds[4] // BLOCK_EDGE, (bounds[5] + BLOCK_EDGE - 1) // BLOCK_EDGE):
                block = (block_x * num_y + block_y) * num_z + block_z
                above = 0
                for coarse in range(NUM_COARSE_LEVELS - 1, -1, -1):
                    above += table[block, coarse]
                    counts[found, coarse] = above
                    # Only blocks of this box were touched, so clearing them leaves the table as it was found.
                    table[block, coarse] = 0
                if above > 0:
                    blocks[found] = block
                    found += 1
    return found


@compiled
def add_shared_bounds(
    begins: Positions, tumors: Counts, counts: Counts, query_blocks: Blocks, query_counts: Counts, bounds: Any
) -> None:
    """Add Σ_b min(a_b, q_b) of one mask to the bound of each tumor.

    Parameters
    ----------
    begins : (B + 1,) int64 array
        Where the list of each block begins.
    tumors, counts : (E,) uint16 arrays
        The lists: tumor and its voxels in the block.
    query_blocks : (K,) uint16 or uint32 array
        Non-empty blocks of the query.
    query_counts : (K,) uint16 array
        Its voxels there.
    bounds : (n,) int32 array
        Added to.
    """
    for k in range(len(query_blocks)):
        most = query_counts[k]
        for entry in range(begins[query_blocks[k]], begins[query_blocks[k] + 1]):
            # Never less than what both share in the block: the sum is a bound, which makes the index exact.
            bounds[tumors[entry]] += min(counts[entry], most)


@compiled
def add_level_bounds(
    begins: Positions, tumors: Counts, counts: Counts, query_blocks: Blocks, query_counts: Counts, bounds: Any
) -> None:
    """As `add_shared_bounds` for all coarse levels at once: counts (E, 16), bounds (n, 16) int32."""
    for k in range(len(query_blocks)):
        most = query_counts[k]
        for entry in range(begins[query_blocks[k]], begins[query_blocks[k] + 1]):
            sums, values = bounds[tumors[entry]], counts[entry]
            for coarse in range(NUM_COARSE_LEVELS):
                sums[coarse] += min(values[coarse], most)


@compiled
def shared_voxels(
    tumors: Positions,
    begins: Positions,
    blocks: Any,
    bits: Bits,
    query_rows: NDArray[np.int32],
    query_bits: Bits,
    shared: Any,
) -> None:
    """Voxels that tumors have in common with a query, counted bit by bit.

    Parameters
    ----------
    tumors : (m,) int64 array
        Tumors of the segment.
    begins : (n + 1,) int64 array
        Where the blocks of each tumor begin.
    blocks : (E,) array
        Their numbers.
    bits : (E, 8) uint64 array
        Their bits.
    query_rows : (B,) int32 array
        Row of each block in `query_bits`, −1 where the query has no voxel.
    query_bits : (K, 8) uint64 array
        The query.
    shared : (m,) int64 array
        Filled with the counts.
    """
    for i in range(len(tumors)):
        count = 0
        for entry in range(begins[tumors[i]], begins[tumors[i] + 1]):
            row = query_rows[blocks[entry]]
            if row >= 0:
                for x in range(BLOCK_EDGE):
                    count += num_set_bits(bits[entry, x] & query_bits[row, x])
        shared[i] = count


@compiled
def _similarity(kind: int, size: float, query_size: float, shared: float) -> float:
    """Dice (kind 0) or Jaccard (kind 1); the expressions of `overlap_metric`, 0 if both masks are empty."""
    total = size + query_size
    if kind == 1:
        total -= shared
        return shared / total if total > 0.0 else 0.0
    return 2.0 * shared / total if total > 0.0 else 0.0


@compiled
def overlap_similarities(
    kind: int, sizes: NDArray[np.int32], query_size: int, shared: Any, similarities: NDArray[np.float64]
) -> None:
    """Similarity of each tumor to a query.

    Parameters
    ----------
    kind : int
        0: Dice, 1: Jaccard.
    sizes : (n,) int32 array
        Voxels of the tumors.
    query_size : int
        Voxels of the query.
    shared : (n,) int array
        Voxels they share, or a bound of it.
    similarities : (n,) float64 array
        Filled.
    """
    for tumor in range(len(similarities)):
        similarities[tumor] = _similarity(kind, float(sizes[tumor]), float(query_size), float(shared[tumor]))


@compiled
def shared_bound_at(sizes: NDArray[np.int32], bounds: NDArray[np.int32], level: int) -> int:
    """Bound of what a tumor's mask above any level shares with a query, from the bounds at coarse levels.

    Of the mask at `level`, no more can be shared than of the larger mask at the coarse level below, nor more than of
    the smaller one at the coarse level above plus all voxels between.

    Parameters
    ----------
    sizes : (255,) int32 array
        Voxels of the tumor above each level.
    bounds : (16,) int32 array
        Bound of the shared voxels above each coarse level.
    level : int
        0 … 254.
    """
    below, above = level // LEVEL_STEP, (level + LEVEL_STEP - 1) // LEVEL_STEP
    bound = min(bounds[below], sizes[level])
    if above != below:
        beyond = sizes[above * LEVEL_STEP] if above < NUM_COARSE_LEVELS - 1 else 0
        bound = min(bound, sizes[level] - beyond + bounds[above])
    return bound


@compiled
def shared_bounds_at(sizes: NDArray[np.int32], bounds: NDArray[np.int32], level: int, shared: Any) -> None:
    """`shared_bound_at` of many tumors: sizes (n, 255), bounds (n, 16), shared (n,) int64 to be filled."""
    for tumor in range(len(shared)):
        shared[tumor] = shared_bound_at(sizes[tumor], bounds[tumor], level)


@compiled
def best_similarities(
    kind: int,
    sizes: NDArray[np.int32],
    query_size: int,
    bounds: NDArray[np.int32],
    first: int,
    last: int,
    similarities: NDArray[np.float64],
) -> None:
    """Bound of each tumor's best similarity over the levels first … last.

    Parameters
    ----------
    kind : int
        0: Dice, 1: Jaccard.
    sizes : (n, 255) int32 array
        Voxels of the tumors above each level.
    query_size : int
        Voxels of the query, > 0.
    bounds : (n, 16) int32 array
        Bounds of the shared voxels at the coarse levels.
    first, last : int
        Levels, 0 … 254.
    similarities : (n,) float64 array
        Filled.
    """
    for tumor in range(len(similarities)):
        best = 0.0
        for below in range(first // LEVEL_STEP, last // LEVEL_STEP + 1):
            begin, end = max(first, below * LEVEL_STEP), min(last, (below + 1) * LEVEL_STEP - 1)
            # Between two coarse levels: the largest overlap with the smallest mask.
            most = min(bounds[tumor, below], sizes[tumor, begin])
            if _similarity(kind, float(max(sizes[tumor, end], most)), float(query_size), float(most)) <= best:
                continue
            for level in range(begin, end + 1):
                shared = shared_bound_at(sizes[tumor], bounds[tumor], level)
                best = max(best, _similarity(kind, float(sizes[tumor, level]), float(query_size), float(shared)))
        similarities[tumor] = best


@compiled
def shared_voxels_per_level(
    levels: NDArray[np.uint8], bounds: Positions, whole: NDArray[np.bool_], core: NDArray[np.bool_], shared: Any
) -> None:
    """Voxels that a tumor's mask above every level shares with both masks of a query.

    Parameters
    ----------
    levels : (X, Y, Z) uint8 array
        The tumor.
    bounds : (6,) int64 array
        Outside (x_start, x_stop, y_start, …) all levels are 0.
    whole, core : (X, Y, Z) bool arrays
        The query; the core lies in the whole.
    shared : (2, 255) int64 array
        Filled with the counts above level 0 … 254: FLAIR, T1Gd.
    """
    shared[:] = 0
    for x in range(bounds[0], bounds[1]):
        for y in range(bounds[2], bounds[3]):
            for z in range(bounds[4], bounds[5]):
                if whole[x, y, z] and levels[x, y, z] > 0:
                    shared[0, levels[x, y, z] - 1] += 1
                    if core[x, y, z]:
                        shared[1, levels[x, y, z] - 1] += 1
    for level in range(253, -1, -1):
        # Above a level is at the next one or above that.
        shared[0, level] += shared[0, level + 1]
        shared[1, level] += shared[1, level + 1]
