"""What 10⁶ and 10⁷ tumors cost in time, disk, memory and search, from measured costs of one tumor.

    python benchmarks/database/bench_plan.py DATABASE [--number 100] [--design clinical] [--atlas sri24]

Simulates some tumors in one process (seconds of CPU time each), takes bytes and files per tumor from an existing
DATABASE, times how long that takes to open and to search, and multiplies. Costs per tumor do not depend on the number
of tumors: work is cut into batches and shards of fixed size; only tables and manifest grow with it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from gliofield.anatomy import load_atlas
from gliofield.database import SimulationDatabase, build_database, named_design, named_model, summarize
from gliofield.imaging.observation import Observation
from gliofield.report.tables import markdown_table
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.indexes.full_scan import PackedQueries, dice_of_all

NUMBERS = (50_000, 1_000_000, 10_000_000)


def seconds_per_tumor(number: int, design: str, atlas_name: str) -> float:
    """CPU time of one process per accepted tumor, compilation left out [s]."""
    atlas = load_atlas(atlas_name)
    with tempfile.TemporaryDirectory() as scratch:
        for name, num_tumors in (("warm up", 2), ("measured", number)):
            begin = time.process_time()
            build_database(
                Path(scratch) / name,
                num_tumors=num_tumors,
                design=named_design(design),
                atlas=atlas,
                model=named_model("fk"),
                seed=1,
            )
        return (time.process_time() - begin) / number


def main() -> None:
    """Measure one tumor, multiply."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--design", default="clinical")
    parser.add_argument("--atlas", default="sri24")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    database = SimulationDatabase.open(arguments.database)
    open_s = time.perf_counter() - begin
    summary = summarize(database)
    table_bytes = sum(values.nbytes for values in database.table.arrays().values()) / database.num_tumors
    levels = database.density_levels(0)
    query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)
    direct_s = ExhaustiveIndex(database).search(query, 15).seconds / database.num_tumors
    packed = PackedQueries.pack([query], database.header.grid)
    begin = time.perf_counter()
    dice_of_all(database, packed)
    scan_s = (time.perf_counter() - begin) / database.num_tumors
    cpu_s = seconds_per_tumor(arguments.number, arguments.design, arguments.atlas)
    print(
        f"{database.num_tumors} tumors at {database.header.grid.describe()}: {1e3 * cpu_s:.1f} ms of CPU time to make "
        f"one ({arguments.number} made now), {summary.bytes_per_tumor / 1e3:.1f} KB on disk, {table_bytes:.0f} bytes "
        f"of table in memory; opened in {open_s:.2f} s; direct search {1e3 * direct_s:.3f} ms and bit-packed scan "
        f"{1e3 * scan_s:.3f} ms per tumor on all cores\n"
    )
    rows = []
    for number in NUMBERS:
        core_hours = number * cpu_s / 3600.0
        rows.append(
            [
                f"{number:,}",
                f"{core_hours:,.1f}",
                f"{core_hours / 2:,.1f} h",
                f"{core_hours / 64 * 60:,.0f} min",
                f"{core_hours / 640 * 60:,.1f} min",
                f"{number * summary.bytes_per_tumor / 1e9:,.1f}",
                f"{-(-number // database.tumors_per_shard):,}",
                f"{number * table_bytes / 1e6:,.0f}",
                f"{number * direct_s:,.0f}",
            ]
        )
    head = [
        "tumors", "core hours", "2 cores", "64 cores", "10 nodes of 64", "disk [GB]", "shards", "table [MB]",
        "direct search [s]",
    ]  # fmt: skip
    print(markdown_table(head, rows))


if __name__ == "__main__":
    main()
