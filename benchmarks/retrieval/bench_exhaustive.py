"""What the direct query costs: milliseconds per tumor against threads, and what it finds.

    python benchmarks/retrieval/bench_exhaustive.py DATABASE [--queries 10] [--threads 1 2]

Queries are tumors of the database, moved by one voxel so that they do not match exactly. Prints median and spread of
the time per query for each number of threads, and the distance of the best hit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.database import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.pipeline import open_database
from gliofield.retrieval import ExhaustiveIndex


def shifted_query(database: SimulationDatabase, tumor: int) -> Observation:
    """Masks of a tumor one voxel further along x."""
    levels = np.roll(database.density_levels(tumor), 1, axis=0)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def main() -> None:
    """Time the search over a given database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, nargs="?", help="Default: the default database, built on first use.")
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    database = open_database(arguments.database, load_atlas("sri24"))
    rng = np.random.default_rng(arguments.seed)
    with_core = np.flatnonzero(database.volume_ml[:, 1] > 0)
    queries = [shifted_query(database, int(tumor)) for tumor in rng.choice(with_core, arguments.queries)]
    print(f"{database.num_tumors} tumors, {database.header.grid.describe()}, {len(queries)} queries")
    print("threads   s/query (median, min-max)   ms/tumor   best distance (median)")
    for num_threads in arguments.threads:
        index = ExhaustiveIndex(database, num_threads=num_threads)
        index.search(queries[0], 15)
        answers = [index.search(query, 15) for query in queries]
        seconds = np.array([answer.seconds for answer in answers])
        distance = np.median([answer.hits[0].distance for answer in answers])
        spread = f"{np.median(seconds):7.3f} ({seconds.min():.3f}-{seconds.max():.3f})"
        print(
            f"{num_threads:>7}   {spread:<26} {1e3 * np.median(seconds) / database.num_tumors:>9.3f} {distance:>14.3f}"
        )


if __name__ == "__main__":
    main()
