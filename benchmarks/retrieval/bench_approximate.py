"""What the approximate searches of the papers find, and what they cost: a Markdown table.

    python benchmarks/retrieval/bench_approximate.py DATABASE [--queries 50] [--query-file FILE.npz]

Queries are tumors of the database, each left out of its own search, so that they are unseen draws of the same design;
or packed queries of a file (`PackedQueries.write`), such as real tumors in atlas space. A hit counts for top-n if fewer
than n tumors are strictly nearer than it by the exact distance, as in Tables 1 and 2 of Ezhov et al. 2022. "Dice lost"
is how much less its Dice sum is than that of the exact best. Searches take turns query by query; times are medians, the
hits' Dice in full resolution included where an index reports them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.retrieval import Index
from gliofield.retrieval.block_index import BlockIndex
from gliofield_papers.indexes.downsampled_index import DownsampledIndex
from gliofield_papers.indexes.full_scan import PackedQueries, dice_of_all
from gliofield_papers.indexes.radiomics_index import NUM_PRESELECTED, RadiomicsIndex

NUM_HITS = 15
TOP = (1, 5, 15)
# 1,000 of the papers' 50,000 tumors; smaller databases need fewer for the center of mass to matter.
PRESELECTED_SHARE = 0.02
COLUMNS = (
    "index",
    *(f"top-{top}" for top in TOP),
    "Dice lost",
    "of the exact 15",
    "worst rank",
    "ms per query (10-90 %)",
    "opened in [s]",
    "KB per tumor",
)


@dataclass(kw_only=True)
class Record:
    """What one index did: rank and Dice lost of its best hit, shared hits, seconds, all per query."""

    index: Index
    name: str
    preparation_s: float
    kilobytes_per_tumor: float
    ranks: list[int] = field(default_factory=list)
    dice_lost: list[float] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def row(self) -> str:
        """One line of the table."""
        ranks, milliseconds = np.array(self.ranks), 1e3 * np.array(self.seconds)
        low, median, high = np.percentile(milliseconds, (10, 50, 90))
        cells = [self.name]
        cells += [f"{100 * np.mean(ranks <= top):.1f} %" for top in TOP]
        cells += [f"{np.mean(self.dice_lost):.3f}", f"{np.mean(self.shared):.1f}", f"{ranks.max()}"]
        cells += [f"{median:.2f} ({low:.2f}-{high:.2f})"]
        cells += [f"{self.preparation_s:.2f}", f"{self.kilobytes_per_tumor:.2f}"]
        return "| " + " | ".join(cells) + " |"


def opened(
    database: SimulationDatabase, open_index: Callable[[], DownsampledIndex | RadiomicsIndex | BlockIndex]
) -> Record:
    """Open an index and note what that took."""
    start_s = time.perf_counter()
    index = open_index()
    kilobytes = index.prepared.num_bytes / database.num_tumors / 1e3
    few = isinstance(index, RadiomicsIndex) and index.num_preselected < NUM_PRESELECTED
    name = f"{index.name}, nearest {index.num_preselected}" if few else index.name
    return Record(index=index, name=name, preparation_s=time.perf_counter() - start_s, kilobytes_per_tumor=kilobytes)


def compare(
    records: Sequence[Record], queries: Sequence[Observation], own: Sequence[int | None], distances: NDArray[np.float64]
) -> None:
    """Ask every index every query; `own` is the tumor to leave out, `distances` (Q, N) are the exact ones."""
    for query, left_out, row in zip(queries, own, distances, strict=True):
        exact = row.copy()
        if left_out is not None:
            exact[left_out] = np.inf
        nearest = set(np.argsort(exact, kind="stable")[:NUM_HITS].tolist())
        for record in records:
            answer = record.index.search(query, NUM_HITS + 1)
            found = [hit.index for hit in answer.hits if hit.index != left_out][:NUM_HITS]
            record.ranks.append(1 + int(np.sum(exact < exact[found[0]])))
            record.dice_lost.append(float(exact[found[0]] - exact.min()))
            record.shared.append(len(nearest.intersection(found)))
            record.seconds.append(answer.seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--query-file", type=Path)
    parser.add_argument("--folder", type=Path, help="Where indexes are kept; default: the user's cache.")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    database = SimulationDatabase.open(arguments.database)
    rng = np.random.default_rng(arguments.seed)
    own: list[int | None]
    if arguments.query_file is not None:
        packed = PackedQueries.read(arguments.query_file)
        chosen = range(min(arguments.queries, len(packed)))
        queries, own = [packed.query(row) for row in chosen], [None for _ in chosen]
    else:
        visible = np.flatnonzero(database.volume_ml[:, 0] > 0)
        tumors = rng.choice(visible, min(arguments.queries, len(visible)), replace=False)
        queries, own = [], []
        for tumor in tumors:
            levels = database.density_levels(int(tumor))
            queries.append(Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid))
            own.append(int(tumor))
    options = {"folder": arguments.folder, "num_threads": arguments.threads}
    num_near = max(NUM_HITS + 1, round(PRESELECTED_SHARE * database.num_tumors))
    openings: list[Callable[[], DownsampledIndex | RadiomicsIndex | BlockIndex]] = [
        lambda: BlockIndex.open(database, **options),
        lambda: DownsampledIndex.open(database, **options),
        lambda: DownsampledIndex.open(database, size=32, **options),
        lambda: RadiomicsIndex.open(database, **options),
    ]
    if num_near < NUM_PRESELECTED:
        openings.append(lambda: RadiomicsIndex.open(database, num_preselected=num_near, **options))
    records = [opened(database, open_index) for open_index in openings]
    for record in records:  # the first search compiles
        record.index.search(queries[0], NUM_HITS)
    table = dice_of_all(database, queries, num_threads=arguments.threads)
    distances = np.stack([table.distance(row) for row in range(len(queries))])
    compare(records, queries, own, distances)
    kind = "of a file" if arguments.query_file is not None else "of the database, each left out of its own search"
    print(f"{database.num_tumors} tumors, {database.header.grid.describe()}; {len(queries)} queries {kind}\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for record in records:
        print(record.row())


if __name__ == "__main__":
    main()
