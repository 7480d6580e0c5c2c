"""What each choice in the design `clinical` is worth: small databases that differ from it in one setting.

    python benchmarks/database/bench_design_choices.py --queries FILE.npz [--number 1500] [--workers 2] [--seed 0]

FILE.npz are the held-out synthetic tumors that `gliofield papers matching --queries FILE.npz` made. Prints the mean
best combined Dice of every kind of them, acceptance, and CPU seconds per tumor. How much of a difference is chance
shows when it is run with another seed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from dataclasses import replace
from pathlib import Path

from gliofield.anatomy import load_atlas
from gliofield.cores import available_cores
from gliofield.database import ClinicalDesign, LocalWorkers, build_database, named_model, summarize
from gliofield.report.tables import markdown_table, number
from gliofield_papers.databases.matching import match_database
from gliofield_papers.queries.matching_queries import MatchingQueries

BASE = ClinicalDesign()
VARIANTS = {
    "clinical": BASE,
    "smaller tumors: reach 8-20-60 mm": replace(BASE, reach_mm=(8.0, 20.0, 60.0)),
    "larger tumors: reach 8-45-60 mm": replace(BASE, reach_mm=(8.0, 45.0, 60.0)),
    "sharper edges: λ 0.5-0.8-12 mm": replace(BASE, infiltration_length_mm=(0.5, 0.8, 12.0)),
    "softer edges: λ 0.5-4-12 mm": replace(BASE, infiltration_length_mm=(0.5, 4.0, 12.0)),
    "seeds uniform over the tissue": replace(BASE, gray_matter_seed_weight=1.0),
    "seeds in white matter": replace(BASE, gray_matter_seed_weight=0.2),
    "three snapshots per run": replace(BASE, snapshots_per_run=3),
}


def cpu_seconds() -> float:
    """CPU time of this process and of its workers that have ended [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Build and match every variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--number", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    atlas, queries = load_atlas("sri24"), MatchingQueries.read(arguments.queries)
    rows = []
    for name, design in VARIANTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            begin = cpu_seconds()
            database = build_database(
                Path(scratch) / "database",
                num_tumors=arguments.number,
                design=design,
                atlas=atlas,
                model=named_model("fk"),
                seed=arguments.seed,
                workers=LocalWorkers(arguments.workers),
            )
            cost_s = (cpu_seconds() - begin) / arguments.number
            curve = match_database(name, database, queries, sizes=[arguments.number])
            means = [number(curve.point(group, arguments.number).mean, ".3f") for group in curve.groups]
            rows.append([name, *means, f"{summarize(database).acceptance:.0%}", f"{cost_s:.3f}"])
        print(rows[-1], flush=True)
    print(f"\n{arguments.number} tumors each, seed {arguments.seed}:\n")
    print(markdown_table(["design", *curve.groups, "accepted", "CPU s per tumor"], rows))


if __name__ == "__main__":
    main()
