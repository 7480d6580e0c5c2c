"""What a tumor costs to make and to keep: seconds, bytes, and draws rejected.

    python benchmarks/database/bench_build.py [--number 100] [--workers 1] [--design clinical] [--model fk]
        [--atlas sri24] [--spacing-mm 1.875] [--keep FOLDER]

Prints tumors per second, CPU time and peak memory of the processes, the share of draws accepted, bytes per tumor, the
spread of volumes and ratios (does the design cover patients?), and the time of verification. The atlas is a name known
to gliofield or an atlas folder.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from gliofield.anatomy import load_atlas
from gliofield.database import LocalWorkers, build_database, named_design, named_model, summarize, verify_database
from gliofield.database.summary import QUANTILES


def main() -> None:
    """Build, summarize, verify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--design", default="clinical")
    parser.add_argument("--snapshots", type=int, default=1)
    parser.add_argument("--model", default="fk")
    parser.add_argument("--spacing-mm", type=float, default=1.875)
    parser.add_argument("--atlas", default="sri24")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep the database in")
    arguments = parser.parse_args()
    atlas = load_atlas(arguments.atlas)
    design = named_design(
        arguments.design, snapshots_per_run=arguments.snapshots, mass_effect=arguments.model == "mass-effect"
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.keep if arguments.keep is not None else Path(scratch) / "database"
        start_s = time.perf_counter()
        database = build_database(
            path,
            num_tumors=arguments.number,
            design=design,
            atlas=atlas,
            grid=atlas.simulation_grid(spacing_mm=arguments.spacing_mm),
            model=named_model(arguments.model),
            seed=arguments.seed,
            workers=LocalWorkers(arguments.workers),
        )
        build_s = time.perf_counter() - start_s
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        start_s = time.perf_counter()
        is_intact = verify_database(path).is_intact
        verify_s = time.perf_counter() - start_s
        summary = summarize(database)
    print(
        f"design {arguments.design}, {summary.num_tumors} tumors, {arguments.workers} workers\n"
        f"atlas {atlas.name}, {database.header.grid.describe()}"
    )
    print(f"build        {build_s:8.1f} s   {summary.num_tumors / build_s:6.2f} tumors/s (start-up included)")
    cpu_s, peak_mb = sum(u.ru_utime + u.ru_stime for u in used), max(u.ru_maxrss for u in used) / 1e3
    print(f"CPU time     {cpu_s / summary.num_tumors:8.4f} s/tumor (start-up included), peak memory {peak_mb:.0f} MB")
    print(f"accepted     {summary.acceptance:8.1%}   {summary.rejections}")
    print(f"size         {summary.bytes_per_tumor:8.0f} bytes/tumor in {summary.num_files} files")
    print(f"verify       {1e3 * verify_s / summary.num_tumors:8.2f} ms/tumor, intact: {is_intact}")
    print("quantiles    " + "".join(f"{quantile:>9.0%}" for quantile in QUANTILES))
    for label, values in (("core [ml]", summary.t1gd_ml), ("whole [ml]", summary.flair_ml)):
        print(f"{label:<13}" + "".join(f"{value:9.1f}" for value in values))
    print(f"{'whole/core':<13}" + "".join(f"{value:9.2f}" for value in summary.whole_to_core_ratio))


if __name__ == "__main__":
    main()
