"""What the design of a database buys: mean best combined Dice of unseen tumors against the number of simulations.

    python benchmarks/database/bench_matching.py DATABASE [DATABASE ...] [--names NAME ...] [--queries FILE.npz]
        [--data DATA] [--number 200] [--sizes N ...] [--workers 2] [--figure FILE.png] [--csv FILE] [--json FILE]

Asks every database the same queries: the four real patients of DATA (left out where there is no such folder) and
held-out synthetic tumors, a third of each of the designs `clinical` and `papers` with seeds of their own, a third
virtual patients grown in the MNI152 brain from a prior of neither design. FILE.npz keeps the synthetic ones: it is made
if it is missing, and used as it is otherwise, so that all databases ever compared are asked the same. Prints Markdown
tables: means at every N, and the gain of every database over the first.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from gliofield.anatomy import load_atlas
from gliofield.anatomy.atlas import Atlas
from gliofield.cores import available_cores
from gliofield.database import LocalWorkers, SimulationDatabase
from gliofield.report import write_json
from gliofield_papers.databases.matching import DEFAULT_SIZES, MatchingCurve, match_database
from gliofield_papers.databases.matching_figure import matching_figure
from gliofield_papers.databases.matching_tables import (
    differences_table,
    matching_csv,
    matching_record,
    matching_table,
)
from gliofield_papers.queries.matching_queries import (
    DEFAULT_NUM_QUERIES,
    DEFAULT_SEED,
    MatchingQueries,
    held_out_queries,
    patient_queries,
)

# The files of the four patients are listed once, in the benchmark of the whole pipeline.
sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
from bench_patients import default_data, patient_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", type=Path, nargs="+", metavar="DATABASE")
    parser.add_argument("--names", nargs="+", help="One per database; default: the names of their designs.")
    parser.add_argument("--queries", type=Path, help="Keep the synthetic queries here, or use those that are there.")
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--number", type=int, default=DEFAULT_NUM_QUERIES)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(DEFAULT_SIZES))
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    databases = [SimulationDatabase.open(path) for path in arguments.databases]
    names = arguments.names or [str(database.header.design["name"]) for database in databases]
    if len(names) != len(databases):
        parser.error(f"--names: expected {len(databases)} names, one per database, got {len(names)}.")
    queries = all_queries(load_atlas("sri24"), arguments)
    curves = []
    for name, database in zip(names, databases, strict=True):
        curves.append(timed_curve(name, database, queries, arguments.sizes))
    print(matching_table(curves))
    if len(curves) > 1:
        print()
        print(differences_table(curves))
    if arguments.figure is not None:
        matching_figure(curves).savefig(arguments.figure)
    if arguments.csv is not None:
        arguments.csv.write_text(matching_csv(curves), encoding="utf-8")
    if arguments.json is not None:
        write_json(arguments.json, {"queries": queries.settings, **matching_record(curves)})


def all_queries(atlas: Atlas, arguments: argparse.Namespace) -> MatchingQueries:
    """Real patients, as far as their images are here, and held-out synthetic tumors."""
    sets = []
    if (arguments.data / "patients").is_dir():
        sets.append(patient_queries(atlas, patient_files(arguments.data)))
    else:
        print(f"No real patients: {arguments.data} has no folder 'patients'.", file=sys.stderr)
    if arguments.queries is not None and arguments.queries.is_file():
        sets.append(MatchingQueries.read(arguments.queries))
    else:
        sets.append(
            held_out_queries(
                atlas,
                load_atlas("mni152"),
                num_queries=arguments.number,
                seed=arguments.seed,
                workers=LocalWorkers(arguments.workers),
            )
        )
        if arguments.queries is not None:
            sets[-1].write(arguments.queries)
    return MatchingQueries.joined(sets)


def timed_curve(name: str, database: SimulationDatabase, queries: MatchingQueries, sizes: list[int]) -> MatchingCurve:
    """The curve of one database; says how long it took."""
    start_s = time.perf_counter()
    curve = match_database(name, database, queries, sizes=sizes)
    seconds = time.perf_counter() - start_s
    num_queries = len(queries.packed)
    print(f"{name}: {num_queries} queries against {database.num_tumors} tumors in {seconds:.1f} s", file=sys.stderr)
    return curve


if __name__ == "__main__":
    main()
