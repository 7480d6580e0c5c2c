"""What it costs to notice damage where it is read: opening a database, reading tumors, making an index, an atlas.

    python benchmarks/reliability/bench_cost_of_checks.py [--number 300] [--spacing-mm 1.875] [--atlas sri24]

Prints milliseconds (median of ten) with and without the checks. Opening is measured as well for the table of 50,000
tumors, whose files are written without densities.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.anatomy.atlas_sources import _content_of
from gliofield.cores import available_cores
from gliofield.database import LocalWorkers, SimulationDatabase, build_database, layout
from gliofield.database.damage import find_damage
from gliofield.database.manifest import FileEntry, Manifest, entry_of, files_below
from gliofield.database.tumor_table import TumorTable
from gliofield.imaging import Observation
from gliofield.retrieval.block_index import BlockIndex

_REPEATS = 10
_LARGE = 50_000


def main() -> None:
    """Build a database, then time what reads it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--spacing-mm", type=float, default=1.875)
    parser.add_argument("--atlas", default="sri24")
    arguments = parser.parse_args()
    atlas = load_atlas(arguments.atlas)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GLIOFIELD_CACHE_DIR"] = str(Path(scratch) / "cache")
        path = Path(scratch) / "tumors"
        grid = atlas.simulation_grid(spacing_mm=arguments.spacing_mm)
        workers = LocalWorkers(available_cores())
        database = build_database(path, arguments.number, atlas=atlas, grid=grid, workers=workers)
        print(f"{database}\n{'':<46} {'ms':>9}")
        _print_opening(path, "")
        _print_opening(_large(database, Path(scratch) / "large"), f", {_LARGE} tumors")
        _print_reading(path)
        _print_query(path)
        print(f"{'content of the atlas, once per run':<46} {_milliseconds(lambda: _fresh_content(atlas)):>9.1f}")


def _print_opening(path: Path, what: str) -> None:
    files = Manifest.read(path / "manifest.json").files
    print(f"{'open' + what:<46} {_milliseconds(lambda: SimulationDatabase.open(path)):>9.1f}")
    print(f"{'  of it SHA-256 of all but the shards':<46} {_milliseconds(lambda: find_damage(path, files, {})):>9.1f}")


def _print_reading(path: Path) -> None:
    """Tumors of a shard: the first is compared with its own checksum, the second has the file read, others are free."""
    fresh = SimulationDatabase.open(path)
    unchecked = dataclasses.replace(fresh, checks=_BelievesAll())
    levels = np.empty(fresh.header.grid.shape, np.uint8)

    def read(database: SimulationDatabase, tumor: int) -> Callable[[], object]:
        return lambda: database.density_levels(tumor, out=levels)

    print(f"{'read a tumor, unchecked':<46} {_milliseconds(read(unchecked, 3)):>9.2f}")
    first = [_once(read(SimulationDatabase.open(path), 3)) for _ in range(_REPEATS)]
    print(f"{'read the first tumor of a shard':<46} {statistics.median(first):>9.2f}")
    second = []
    for _ in range(_REPEATS):
        database = SimulationDatabase.open(path)
        database.density_levels(2)
        second.append(_once(read(database, 3)))
    print(f"{'read the second':<46} {statistics.median(second):>9.2f}")
    print(f"{'read a further one':<46} {_milliseconds(read(database, 3)):>9.2f}")
    total = _once(lambda: [read(fresh, tumor)() for tumor in range(len(fresh))])
    print(f"{'read all, per tumor':<46} {total / len(fresh):>9.2f}")


def _print_query(path: Path) -> None:
    database = SimulationDatabase.open(path)
    believing = dataclasses.replace(SimulationDatabase.open(path), checks=_BelievesAll())
    made = [_once(_make_index(SimulationDatabase.open(path))) for _ in range(3)]
    plain = [_once(_make_index(believing)) for _ in range(3)]
    print(f"{'make an index, per tumor':<46} {statistics.median(made) / len(database):>9.2f}")
    print(f"{'make an index, per tumor, unchecked':<46} {statistics.median(plain) / len(database):>9.2f}")
    levels = database.density_levels(5)
    query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)

    def answer(asked: Callable[[], SimulationDatabase]) -> Callable[[], object]:
        def run() -> object:
            store = asked()
            return [store.cell_density(hit.index) for hit in BlockIndex.open(store).search(query, 10).hits]

        return run

    checked = _milliseconds(answer(lambda: SimulationDatabase.open(path)))
    unchecked = _milliseconds(answer(lambda: dataclasses.replace(database, checks=_BelievesAll())))
    print(f"{'open, search, read 10 densities':<46} {checked:>9.1f}")
    print(f"{'search, read 10 densities, unchecked':<46} {unchecked:>9.1f}")


class _BelievesAll:
    """Stands in for `ShardChecks` and checks nothing."""

    def signature(self, shard: int) -> None:
        """Nothing to compare."""

    def is_sound(self, shard: int, signature: object) -> bool:
        """Always."""
        return True


def _large(database: SimulationDatabase, path: Path) -> Path:
    """The table of 50,000 tumors, their shards being empty files of the right size."""
    repeats = -(-_LARGE // len(database))
    arrays = {name: np.concatenate([values] * repeats)[:_LARGE] for name, values in database.table.arrays().items()}
    rng = np.random.default_rng(0)
    arrays["parameters"] = arrays["parameters"] * rng.uniform(0.5, 1.5, arrays["parameters"].shape)
    arrays["checksum"] = rng.integers(0, 2**63, _LARGE).astype(np.uint64)
    layout.write_tables(path, database.header, database.parameter_names, TumorTable(**arrays))
    entries = [entry_of(path, name) for name in files_below(path)]
    for shard in range(-(-_LARGE // database.tumors_per_shard)):
        name = layout.shard_name(shard)
        (path / name).parent.mkdir(parents=True)
        (path / name).write_bytes(b"x")
        entries.append(FileEntry(name, 1, "0" * 64))
    Manifest(_LARGE, tuple(sorted(entries, key=lambda entry: entry.path))).write(path / "manifest.json")
    return path


def _fresh_content(atlas: object) -> object:
    vars(atlas).pop("content_hash", None)
    return _content_of(atlas)


def _make_index(database: SimulationDatabase) -> Callable[[], object]:
    """Make the index of a database in an empty folder."""

    def make() -> object:
        with tempfile.TemporaryDirectory() as scratch:
            return BlockIndex.open(database, folder=scratch).notices

    return make


def _once(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return 1000.0 * (time.perf_counter() - start)


def _milliseconds(run: Callable[[], object]) -> float:
    run()
    return statistics.median(_once(run) for _ in range(_REPEATS))


if __name__ == "__main__":
    main()
