"""What a tumor of the design ``papers`` costs, most draws of which are rejected, and whether rejecting early is right.

    python benchmarks/database/bench_papers_design.py [--number 200] [--workers 2] [--attempts 100] [--draws 40]
        [--atlas sri24]

Prints

1. build: wall seconds per accepted tumor of `build_database`, start of the workers included, and what that makes for
   50,000 tumors;
2. attempts: the same draws in this process with CPU seconds for each kind of end: screened out on the coarse grid,
   stopped when too large, rejected when finished, accepted; and what storing a tumor costs;
3. early ends: for random draws grown without end, the volume of the coarse run when the full run passes a limit of the
   design, to be compared with the factors of the screening: no draw must be screened out that is just good enough. And
   the largest fall of the volume between two of 40 times once it was above a tenth of the limit (0: a tumor that was
   stopped would not have shrunk back).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.coarsening import coarsened_anatomy
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database import LocalWorkers, build_database
from gliofield.database.design import AttemptRng, TumorDraw
from gliofield.database.quantization import quantize_density
from gliofield.database.screening import SCREENING_MODEL, passes_screening
from gliofield.database.sharding import encode_levels
from gliofield.growth import FisherKolmogorov, VolumeLimit
from gliofield_papers.queries.papers_design import PapersDesign

ROOT_SEED = 0
PROJECTED_NUMBER = 50_000
# The longest growth time of the design [day]: no limit may be exceeded later.
LONGEST_DAYS = 1500.0


def build_line(atlas: Atlas, number: int, num_workers: int) -> str:
    """Build a database and say what it cost."""
    with tempfile.TemporaryDirectory() as scratch:
        start_s = time.perf_counter()
        database = build_database(
            Path(scratch) / "database",
            num_tumors=number,
            design=PapersDesign(),
            atlas=atlas,
            model=FisherKolmogorov(),
            seed=ROOT_SEED,
            workers=LocalWorkers(num_workers),
        )
        wall_s = time.perf_counter() - start_s
        num_attempts = number + int(database.table.attempt.sum())
    return (
        f"{number} tumors, {num_workers} workers: {wall_s:.1f} s, {wall_s / number:.3f} s per accepted tumor, "
        f"{number / num_attempts:.1%} of {num_attempts} draws accepted; "
        f"{PROJECTED_NUMBER} tumors in {wall_s / number * PROJECTED_NUMBER / 60:.0f} minutes"
    )


def attempt_table(anatomy: Anatomy, num_attempts: int) -> list[str]:
    """CPU time by what became of the first attempts of as many runs."""
    design, model, coarse = PapersDesign(), FisherKolmogorov(), coarsened_anatomy(anatomy)
    seconds: dict[str, list[float]] = defaultdict(list)
    clock = time.process_time
    for run in range(-1, num_attempts):
        if run == 0:  # The one before compiled and computed what all share.
            seconds.clear()
        start_s = clock()
        draw = design.draw(AttemptRng(ROOT_SEED, max(run, 0), 0), anatomy)
        drawn_s = clock()
        seconds["draw"].append(drawn_s - start_s)
        is_screened_out = not passes_screening(anatomy, coarse, draw)
        screened_s = clock()
        seconds["screened out" if is_screened_out else "passed the screening"].append(screened_s - drawn_s)
        if is_screened_out:
            continue
        solution = model.simulate(anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit)
        is_complete = solution.stopped_at_days is None
        is_accepted = is_complete and design.accepts(draw, solution.cell_density, anatomy.grid)
        kind = "accepted" if is_accepted else "rejected when finished" if is_complete else "stopped when too large"
        seconds[kind].append(clock() - screened_s)
        if is_accepted:
            accepted_s = clock()
            encode_levels(quantize_density(solution.cell_density[0]))
            seconds["stored"].append(clock() - accepted_s)
    lines = [f"{'':24} {'draws':>6} {'CPU ms each':>12} {'CPU ms per accepted tumor':>26}"]
    num_accepted = max(1, len(seconds["accepted"]))
    for kind, values in seconds.items():
        lines.append(
            f"{kind:24} {len(values):6d} {1e3 * np.mean(values):12.2f} {1e3 * np.sum(values) / num_accepted:26.1f}"
        )
    total = sum(sum(values) for values in seconds.values())
    return [
        *lines,
        f"{'all':24} {num_attempts:6d} {1e3 * total / num_attempts:12.2f} {1e3 * total / num_accepted:26.1f}",
    ]


def coarse_over_full(anatomy: Anatomy, coarse: Anatomy, draw: TumorDraw, volume_ml: float) -> float:
    """Volume of the coarse run over `volume_ml` when the full run has just exceeded it; NaN if it never does."""
    threshold = draw.filter_thresholds[-1]
    limit = VolumeLimit(threshold=threshold, max_volume_ml=volume_ml)
    full = FisherKolmogorov().simulate(anatomy, draw.parameters, [LONGEST_DAYS], volume_limit=limit)
    if full.stopped_at_days is None:
        return np.nan
    return SCREENING_MODEL.simulate(coarse, draw.parameters, [full.stopped_at_days]).volume_ml(threshold)[0] / volume_ml


def largest_fall(anatomy: Anatomy, draw: TumorDraw) -> float:
    """Largest relative fall of the volume between 40 times, once it was above a tenth of the limit."""
    assert draw.volume_limit is not None
    beyond = VolumeLimit(
        threshold=draw.volume_limit.threshold,
        max_volume_ml=min(1.5 * draw.volume_limit.max_volume_ml, anatomy.volume_ml),
    )
    times_days = np.linspace(LONGEST_DAYS / 40, LONGEST_DAYS, 40)
    solution = FisherKolmogorov().simulate(anatomy, draw.parameters, list(times_days), volume_limit=beyond)
    volumes_ml = solution.volume_ml(draw.volume_limit.threshold)
    volumes_ml = volumes_ml[volumes_ml > 0.1 * draw.volume_limit.max_volume_ml]
    return max([0.0, *(-np.diff(volumes_ml) / volumes_ml[:-1])])


def early_end_lines(anatomy: Anatomy, number: int) -> list[str]:
    """Both measures over random draws, by infiltration length."""
    coarse = coarsened_anatomy(anatomy)
    assert coarse is not None
    draws = [PapersDesign().draw(AttemptRng(ROOT_SEED + 1, run, 0), anatomy) for run in range(number)]
    design = PapersDesign()
    assert design.screening_factors is not None
    lines = [
        f"{number} draws grown without end; volume of the coarse run when the full run passes a limit, over the limit"
    ]
    for name, volume_ml, factor in zip(
        ("lower", "upper"), design.filter_volume_ml, design.screening_factors, strict=True
    ):
        ratios = np.array([coarse_over_full(anatomy, coarse, draw, volume_ml) for draw in draws])
        ratios = ratios[~np.isnan(ratios)]
        num_wrong = np.count_nonzero(ratios < factor if name == "lower" else ratios > factor)
        lines.append(
            f"{name} limit {volume_ml:g} ml: {ratios.min():.2f}-{ratios.max():.2f}, median {np.median(ratios):.2f}, "
            f"screened out beyond {factor:g}: {num_wrong} of {len(ratios)}"
        )
    falls = [largest_fall(anatomy, draw) for draw in draws]
    return [*lines, f"largest fall of a volume above a tenth of the upper limit: {max(falls):.1%}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=200, help="tumors of the build")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the build")
    parser.add_argument("--attempts", type=int, default=100, help="draws of the table of attempts")
    parser.add_argument("--draws", type=int, default=40, help="draws grown without end, for the early ends")
    parser.add_argument("--atlas", default="sri24", help="name or folder of an atlas")
    return parser.parse_args()


def main() -> None:
    """Print the three parts; 0 leaves one out."""
    arguments = _arguments()
    atlas = load_atlas(arguments.atlas)
    anatomy = atlas.anatomy()
    print(f"{atlas.name}, {anatomy.grid.describe()}, domain {anatomy.domain_rule} {anatomy.volume_ml:.0f} ml")
    if arguments.number:
        print(build_line(atlas, arguments.number, arguments.workers), flush=True)
    if arguments.attempts:
        print("\n".join(attempt_table(anatomy, arguments.attempts)), flush=True)
    if arguments.draws:
        print("\n".join(early_end_lines(anatomy, arguments.draws)))


if __name__ == "__main__":
    main()
