"""What the exact index costs, and that it gives the hits of a full comparison.

    python benchmarks/retrieval/bench_block_index.py DATABASE [--queries 500] [--sizes 1000 10000] [--synthetic 1000000]

Queries are tumors of the database moved by up to three voxels, at other thresholds, a tenth of them without core, and
20 adversarial ones (a voxel in each corner, everything, all faces, dust, one row); with `--masks`, the packed queries
of a file as well. Prints Markdown tables:

1. making and opening both indexes: time, size, memory;
2. hits: the top 15 of every query against one full pass over the database (`dice_of_all`): indices, order, Dice;
3. one query: median and 99th percentile of wall-clock and process time, and the ratio to the index, of the direct query
   (`ExhaustiveIndex`) and of comparing the bits of all tumors in memory, all taken in turns;
4. growth with the number of tumors: the first tumors of the database, and with `--synthetic`, as many made up from
   them: copies are shifted by up to two blocks and share their bits. Such tumors serve timing only.

The indexes are made in a temporary folder, or in that given by `--folder`, where they are found the next time. Process
time counts all threads; it says what a query costs where other programs keep the machine busy.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.cores import available_cores
from gliofield.database import SimulationDatabase
from gliofield.database.quantization import levels_of
from gliofield.database.tumor_table import TumorTable, joined
from gliofield.imaging.observation import Observation
from gliofield.retrieval import ExhaustiveIndex
from gliofield.retrieval.best_first import best_first
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.block_kernels import overlap_similarities, shared_voxels
from gliofield.retrieval.free_thresholds import FreeThresholdIndex
from gliofield.retrieval.index_cache import Segment, num_blocks
from gliofield.retrieval.mask_blocks import MODALITIES, BlockPreparation, QueryBlocks, lists_by_block
from gliofield_papers.indexes.full_scan import PackedQueries, dice_of_all

_K = 15


def perturbed_query(database: SimulationDatabase, rng: np.random.Generator) -> Observation:
    """A tumor of the database, moved, at other thresholds, a tenth of them without core."""
    levels = database.density_levels(int(rng.integers(database.num_tumors)))
    levels = np.roll(levels, tuple(rng.integers(-3, 4, 3)), axis=(0, 1, 2))
    whole = levels > rng.integers(20, 100)
    core = levels > (255 if rng.random() < 0.1 else rng.integers(120, 200))
    if not whole.any():
        return perturbed_query(database, rng)
    return Observation(tumor_core=core & whole, whole_tumor=whole, grid=database.header.grid)


def adversarial_queries(database: SimulationDatabase, rng: np.random.Generator) -> list[Observation]:
    """One voxel in every corner, everything, all faces, dust, one row; some of them without core."""
    grid, nothing = database.header.grid, np.zeros(database.header.grid.shape, dtype=bool)
    masks = []
    for corner in np.ndindex(2, 2, 2):
        masks.append(nothing.copy())
        masks[-1][tuple(-1 if end else 0 for end in corner)] = True
    faces = ~nothing
    faces[1:-1, 1:-1, 1:-1] = False
    row = nothing.copy()
    row[grid.shape[0] // 2, grid.shape[1] // 2] = True
    masks.extend([~nothing, faces, rng.random(grid.shape) < 0.3, rng.random(grid.shape) < 0.001, row, row[::-1]])
    queries = [Observation(tumor_core=mask, whole_tumor=mask, grid=grid) for mask in masks]
    return queries + [Observation(tumor_core=nothing, whole_tumor=mask, grid=grid) for mask in masks[-6:]]


def check_hits(database: SimulationDatabase, index: BlockIndex, queries: PackedQueries) -> int:
    """Number of queries whose top 15 are those of the full pass, Dice included."""
    equal = 0
    for first in range(0, len(queries), 100):
        group = [queries.query(number) for number in range(first, min(first + 100, len(queries)))]
        table = dice_of_all(database, group)
        answers = index.search_many(group, _K)
        equal += sum(answers[n].hits == table.hits(n, _K, database) for n in range(len(group)))
    return equal


def all_bits_search(index: BlockIndex, query: Observation) -> NDArray[np.intp]:
    """The same k by comparing the bits of every tumor on one thread: what the index saves beyond packing."""
    blocks = QueryBlocks.of(query, index.database.header.grid)
    distance = []
    for segment in index.prepared.segments:
        num_tumors = len(segment["sizes"])
        dice = np.empty((2, num_tumors))
        for column, modality in enumerate(MODALITIES[: blocks.num_modalities]):
            shared = np.empty(num_tumors, dtype=np.int64)
            shared_voxels(
                np.arange(num_tumors),
                segment[f"{modality}_begins"],
                segment[f"{modality}_blocks"],
                segment[f"{modality}_bits"],
                blocks.rows[column],
                blocks.bits[column],
                shared,
            )
            overlap_similarities(0, segment["sizes"][:, column], blocks.sizes[column], shared, dice[column])
        distance.append(index.metric.distance(dice[0], dice[1] if blocks.num_modalities == 2 else None))
    together = np.concatenate(distance)
    return best_first(together, _K, lambda tumors: together[tumors], batch=_K).tumors


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock and process time of a call [ms]."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def spread(milliseconds: Sequence[float]) -> str:
    """Median and 99th percentile."""
    return f"{np.median(milliseconds):.2f} / {np.percentile(milliseconds, 99):.2f}"


def resident_mb(*, peak: bool) -> float:
    """Memory of this process that is resident, or was at most [MB]."""
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def synthetic(index: BlockIndex, num_tumors: int, rng: np.random.Generator) -> BlockIndex:
    """Index over tumors made up from those of another: the same bits at other blocks, whole segments of them."""
    size, table = index.prepared.segment_tumors, index.database.table
    blocks = num_blocks(index.database.header.grid)
    bases = [(segment, table.rows(n * size, (n + 1) * size)) for n, segment in enumerate(index.prepared.segments)]
    full = [base for base in bases if len(base[1]) == size] or [tiled_segment(index, size)]
    chosen = [full[n % len(full)] for n in range(-(-num_tumors // size))]
    database = dataclasses.replace(index.database, table=joined([rows for _, rows in chosen]).rows(0, num_tumors))
    prepared = dataclasses.replace(
        index.prepared, segments=tuple(shifted_segment(segment, blocks, rng) for segment, _ in chosen)
    )
    num_threads = available_cores()
    return BlockIndex(database, prepared, thresholds=index.thresholds, metric=index.metric, num_threads=num_threads)


def tiled_segment(index: BlockIndex, size: int) -> tuple[Segment, TumorTable]:
    """A full segment of the first one's tumors, over and over."""
    preparation = BlockPreparation(grid=index.database.header.grid, levels=levels_of(index.thresholds))
    first, rows = index.prepared.segments[0], index.database.table
    times = -(-size // len(rows))
    piece = preparation.piece_of(first)
    many = preparation.segment({name: np.concatenate([values] * times) for name, values in piece.items()})
    last = {m: int(many[f"{m}_begins"][size]) for m in MODALITIES}
    cut = {f"{m}_{name}": many[f"{m}_{name}"][: last[m]] for m in MODALITIES for name in ("blocks", "bits")}
    for m in MODALITIES:
        here = np.flatnonzero(many[f"{m}_list_tumors"] < size)
        block = np.repeat(np.arange(len(many[f"{m}_list_begins"]) - 1), np.diff(many[f"{m}_list_begins"]))[here]
        _, cut[f"{m}_list_begins"] = lists_by_block(block, len(many[f"{m}_list_begins"]) - 1)
        cut |= {f"{m}_list_{name}": many[f"{m}_list_{name}"][here] for name in ("tumors", "counts")}
        cut[f"{m}_begins"] = many[f"{m}_begins"][: size + 1]
    return {**cut, "sizes": many["sizes"][:size]}, joined([rows] * times).rows(0, size)


def shifted_segment(segment: Segment, blocks_xyz: tuple[int, int, int], rng: np.random.Generator) -> Segment:
    """Each tumor moved by up to two blocks along every axis, as far as the grid allows; bits shared."""
    num_tumors, total = len(segment["sizes"]), int(np.prod(blocks_xyz))
    owners = {m: np.repeat(np.arange(num_tumors), np.diff(segment[f"{m}_begins"])) for m in MODALITIES}
    places = {m: np.unravel_index(segment[f"{m}_blocks"].astype(np.int64), blocks_xyz) for m in MODALITIES}
    moved: dict[str, list[NDArray[np.int64]]] = {m: [] for m in MODALITIES}
    for axis, length in enumerate(blocks_xyz):
        low, high = np.full(num_tumors, length - 1), np.zeros(num_tumors, dtype=np.int64)
        for m in MODALITIES:
            np.minimum.at(low, owners[m], places[m][axis])
            np.maximum.at(high, owners[m], places[m][axis])
        shift = np.clip(rng.integers(-2, 3, num_tumors), np.minimum(-low, 0), np.maximum(length - 1 - high, 0))
        for m in MODALITIES:
            moved[m].append(places[m][axis] + shift[owners[m]])
    made: dict[str, NDArray[Any]] = dict(segment)
    for m in MODALITIES:
        blocks = np.ravel_multi_index(tuple(moved[m]), blocks_xyz)
        counts = np.empty(len(blocks), dtype=np.uint16)
        counts[lists_by_block(segment[f"{m}_blocks"], total)[0]] = segment[f"{m}_list_counts"]
        order, made[f"{m}_list_begins"] = lists_by_block(blocks, total)
        made[f"{m}_blocks"] = blocks.astype(segment[f"{m}_blocks"].dtype)
        made[f"{m}_list_tumors"] = owners[m][order].astype(np.uint16)
        made[f"{m}_list_counts"] = counts[order]
    return made


def _open_into(opened: list[Any], kind: Any, database: SimulationDatabase, folder: Path) -> None:
    opened.append(kind.open(database, folder=folder))


def print_opening(database: SimulationDatabase, folder: Path) -> tuple[BlockIndex, FreeThresholdIndex]:
    """Table of making and opening; the open indexes."""
    print("\n| index | made from tumors | wall s | process s | MB on disk | opened again s | resident MB after it |")
    print("|---|---|---|---|---|---|---|")
    opened = []
    for kind in (BlockIndex, FreeThresholdIndex):
        made: list[Any] = []
        wall_ms, cpu_ms = timed(partial(_open_into, made, kind, database, folder))
        num_read = made.pop().prepared.num_tumors_read
        again_ms, _ = timed(partial(_open_into, made, kind, database, folder))
        index = made.pop()
        size_mb = sum(path.stat().st_size for path in index.prepared.folder.iterdir()) / 1e6
        print(
            f"| {index.name} | {num_read} | {1e-3 * wall_ms:.1f} | {1e-3 * cpu_ms:.1f} | {size_mb:.0f} "
            f"| {1e-3 * again_ms:.2f} | {resident_mb(peak=False):.0f} |"
        )
        opened.append(index)
    return opened[0], opened[1]


def print_queries(
    index: BlockIndex, free: FreeThresholdIndex, queries: Sequence[Observation], *, num_full: int, num_direct: int
) -> None:
    """Table of one query by every way, taken in turns."""
    direct = ExhaustiveIndex(index.database)
    ways: dict[str, tuple[int, Callable[[Observation], Any]]] = {
        "exact index": (len(queries), lambda query: index.search(query, _K)),
        "all bits in memory": (num_full, lambda query: all_bits_search(index, query)),
        "direct query": (num_direct, lambda query: direct.search(query, _K)),
        "free thresholds": (num_full, lambda query: free.search(query, _K)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for name in ("exact index", "free thresholds", "all bits in memory"):
        ways[name][1](queries[0])
    for number, query in enumerate(queries):
        for name, (limit, way) in ways.items():
            if number < limit:
                times[name].append(timed(partial(way, query)))
    evaluated = [index.search(query, _K).num_candidates_evaluated for query in queries[:num_full]]
    print(f"\ncompared in full by the exact index: {spread(evaluated)} of {index.database.num_tumors} tumors")
    wall_ms, cpu_ms = (total / len(queries) for total in timed(lambda: index.search_many(queries, _K)))
    print(f"all {len(queries)} at once, per query: wall {wall_ms:.2f} ms, process {cpu_ms:.2f} ms")
    print("\n| way | queries | wall ms, median / p99 | process ms, median / p99 | process time, ratio to the index |")
    print("|---|---|---|---|---|")
    for name, measured in times.items():
        wall, cpu = np.array(measured).T
        ratio = np.median(cpu / np.array(times["exact index"])[: len(cpu), 1])
        print(f"| {name} | {len(cpu)} | {spread(wall)} | {spread(cpu)} | {ratio:.1f} |")


def print_growth(
    index: BlockIndex,
    queries: Sequence[Observation],
    sizes: Sequence[int],
    made_up: Sequence[int],
    rng: np.random.Generator,
) -> None:
    """Table of one query against the number of tumors."""
    print("\n| tumors | wall ms, median / p99 | process ms, median / p99 | process µs per 1000 tumors |")
    print("|---|---|---|---|")
    for num_tumors in sorted({*sizes, index.database.num_tumors, *made_up}):
        if num_tumors in made_up:
            some, label = synthetic(index, num_tumors, rng), f"{num_tumors}, made up"
        elif num_tumors <= index.database.num_tumors:
            first = dataclasses.replace(index.database, table=index.database.table.rows(0, num_tumors))
            some, label = BlockIndex.open(first, folder=index.prepared.folder.parent), str(num_tumors)
        else:
            continue
        some.search(queries[0], _K)
        wall, cpu = np.array([timed(partial(some.search, query, _K)) for query in queries]).T
        print(f"| {label} | {spread(wall)} | {spread(cpu)} | {1e6 * np.median(cpu) / num_tumors:.1f} |")


def main() -> None:
    """Compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--timed", type=int, default=100, help="Queries that are timed.")
    parser.add_argument("--direct", type=int, default=3, help="Of these, those timed by the direct query as well.")
    parser.add_argument("--masks", type=Path, help="Packed queries to check as well.")
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    parser.add_argument("--synthetic", type=int, nargs="*", default=[])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    database, rng = SimulationDatabase.open(arguments.database), np.random.default_rng(arguments.seed)
    print(f"{database.num_tumors} tumors, {database.header.grid.describe()}, {available_cores()} cores, k = {_K}")
    with tempfile.TemporaryDirectory() as temporary:
        index, free = print_opening(database, arguments.folder or Path(temporary))
        grid = database.header.grid
        # Packed at once: 500 pairs of masks take 2 GB at 128³.
        own = [PackedQueries.pack([perturbed_query(database, rng)], grid) for _ in range(arguments.queries)]
        sets = {"tumors, perturbed": PackedQueries.joined(own)}
        sets["adversarial"] = PackedQueries.pack(adversarial_queries(database, rng), grid)
        for packed in own:
            index.search(packed.query(0), _K)
        print(f"\nresident after {len(own)} searches by the exact index: {resident_mb(peak=False):.0f} MB")
        if arguments.masks is not None:
            sets[arguments.masks.name] = PackedQueries.read(arguments.masks)
        print("\n| queries | number | top 15 equal to the full pass |\n|---|---|---|")
        for name, queries in sets.items():
            print(f"| {name} | {len(queries)} | {check_hits(database, index, queries)} |")
        to_time = [packed.query(0) for packed in own[: arguments.timed]]
        print_queries(index, free, to_time, num_full=min(50, len(to_time)), num_direct=arguments.direct)
        print_growth(index, to_time[:50], arguments.sizes, arguments.synthetic, rng)
        print(f"\nlargest resident memory of this run, its queries included: {resident_mb(peak=True):.0f} MB")


if __name__ == "__main__":
    main()
