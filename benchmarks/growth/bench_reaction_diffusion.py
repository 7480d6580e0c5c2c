"""Error against cost of the reaction-diffusion solver on a brain at 128³ (1.875 mm).

    python benchmarks/growth/bench_reaction_diffusion.py [--atlas sri24] [--tumors 64] [--repeats 10]
        [--alternatives 16] [--threads 2]

The atlas is a name known to gliofield or an atlas folder. Seeds are fixed, and one thread computes unless stated.
Prints

1. speed: CPU seconds and ns per voxel-step of typical tumors;
2. threads: a large run shared by --threads threads, and as many runs side by side, on a 1 mm grid;
3. convergence: Dice against a quarter of the time step, over random tumors of the published parameter range;
4. alternatives: Dice against operator evaluations for the schemes that were not taken.

0 for --tumors, --alternatives or --threads leaves that table out. Wall seconds count on a quiet machine only; CPU
seconds suffer less from other work. The second line printed tells the load.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from alternatives import ALTERNATIVES, simulate_with
from benchmark_tumors import THRESHOLDS, Tumor, conditions, dice, make_tumor, random_tumors
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from gliofield.anatomy import load_atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorov

TYPICAL = {"median": (0.42, 0.079, 295.0), "slow": (0.034, 0.012, 1150.0), "fast": (1.35, 0.186, 88.0)}
SCALES = (0.5, 1.0, 2.0)
#: Spacing of the thread table [mm]: that of patient images, the largest runs there are.
FINE_SPACING_MM = 1.0


def typical_tumors(anatomy: Anatomy) -> dict[str, Tumor]:
    """The published median, a slow and a fast tumor, seeded where white matter is deepest."""
    depth = distance_transform_edt(anatomy.white_matter > 0.9)
    seed_mm = anatomy.grid.world_of(np.array(np.unravel_index(depth.argmax(), depth.shape)))
    return {name: make_tumor(seed_mm, *values) for name, values in TYPICAL.items()}


def speed_table(anatomy: Anatomy, repeats: int) -> list[str]:
    """Median and spread of the CPU time of typical tumors: the run time, less what other work takes away."""
    model = FisherKolmogorov()
    lines = [f"{'tumor':8} {'CPU s':>8} {'(min-max)':>15} {'ns/voxel-step':>14} {'steps':>6} {'ml > 0.2':>9}"]
    for name, one in typical_tumors(anatomy).items():
        solution = one.solve(model, anatomy)
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            one.solve(model, anatomy)
            seconds.append(time.process_time() - start)
        middle = float(np.median(seconds))
        spread = f"({min(seconds):.3f}-{max(seconds):.3f})"
        lines.append(
            f"{name:8} {middle:8.3f} {spread:>15} {1e9 * middle / solution.num_voxel_steps:14.2f} "
            f"{solution.num_steps:6d} {solution.volume_ml(0.2)[0]:9.1f}"
        )
    return lines


def thread_table(anatomy: Anatomy, num_threads: int, repeats: int) -> list[str]:
    """Wall and CPU seconds of one large run on 1 and more threads, and of several runs side by side.

    `gain` is runs per second relative to one run on one thread. CPU seconds show what sharing costs even where other
    work keeps the cores busy and the gain means nothing.
    """
    one = typical_tumors(anatomy)["median"]
    alone, shared = FisherKolmogorov(), FisherKolmogorov(num_threads=num_threads)

    def side_by_side() -> None:
        with ThreadPoolExecutor(num_threads) as pool:
            list(pool.map(lambda _: one.grow(alone, anatomy), range(num_threads)))

    cases: dict[str, tuple[int, Callable[[], object]]] = {
        "1 run, 1 thread": (1, lambda: one.grow(alone, anatomy)),
        f"1 run, {num_threads} threads": (1, lambda: one.grow(shared, anatomy)),
        f"{num_threads} runs, 1 thread each": (num_threads, side_by_side),
    }
    seconds = _interleaved_seconds([run for _, run in cases.values()], repeats)
    lines = [f"{'case':24} {'wall s':>8} {'(min-max)':>15} {'CPU s':>8} {'gain':>6}"]
    middle = np.median(seconds, axis=0)
    for (name, (num_runs, _)), (wall, cpu), all_walls in zip(cases.items(), middle, seconds[:, :, 0].T, strict=True):
        spread = f"({all_walls.min():.3f}-{all_walls.max():.3f})"
        lines.append(f"{name:24} {wall:8.3f} {spread:>15} {cpu:8.3f} {num_runs * middle[0, 0] / wall:6.2f}")
    return lines


def _interleaved_seconds(runs: list[Callable[[], object]], repeats: int) -> NDArray[np.float64]:
    """Wall and CPU seconds, shape (repeats, len(runs), 2). In turns, so that all cases meet the same background."""
    for run in runs:
        run()
    seconds = np.zeros((repeats, len(runs), 2))
    for repeat in range(repeats):
        for index, run in enumerate(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            seconds[repeat, index] = time.perf_counter() - wall, time.process_time() - cpu
    return seconds


def convergence_table(anatomy: Anatomy, tumors: list[Tumor], scales: tuple[float, ...]) -> list[str]:
    """Dice of runs at several step scales against a quarter of the default step."""
    references = [t.grow(FisherKolmogorov(time_step_scale=0.25), anatomy) for t in tumors]
    lines = [
        f"{'step':>6} {'Dice@0.2 min':>13} {'median':>8} {'Dice@0.6 min':>13} {'median':>8} "
        f"{'CPU s median':>13} {'mean':>6} {'max':>6}"
    ]
    for scale in scales:
        model = FisherKolmogorov(time_step_scale=scale)
        values, seconds = [], []
        for one, reference in zip(tumors, references, strict=True):
            start = time.process_time()
            density = one.grow(model, anatomy)
            seconds.append(time.process_time() - start)
            values.append([dice(density, reference, threshold) for threshold in THRESHOLDS])
        low, middle = np.min(values, axis=0), np.median(values, axis=0)
        lines.append(
            f"{scale:6.2f} {low[0]:13.4f} {middle[0]:8.4f} {low[1]:13.4f} {middle[1]:8.4f} "
            f"{np.median(seconds):13.3f} {np.mean(seconds):6.3f} {max(seconds):6.3f}"
        )
    return lines


def alternatives_table(anatomy: Anatomy, tumors: list[Tumor], scales: tuple[float, ...]) -> list[str]:
    """Dice against operator evaluations of each scheme, against an eighth of the default step."""
    references = [t.grow(FisherKolmogorov(time_step_scale=0.125), anatomy) for t in tumors]
    lines = [f"{'scheme':14} {'step':>6} {'evaluations':>12} {'Dice min':>9} {'median':>8}"]
    for name, scheme in ALTERNATIVES.items():
        for scale in scales:
            values, evaluations = [], []
            for one, reference in zip(tumors, references, strict=True):
                density, count = simulate_with(scheme, anatomy, one.parameters, one.time_days, scale)
                evaluations.append(count)
                values += [dice(density, reference, threshold) for threshold in THRESHOLDS]
            lines.append(
                f"{name:14} {scale:6.2f} {np.mean(evaluations):12.0f} {min(values):9.4f} {np.median(values):8.4f}"
            )
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="sri24", help="name or folder of an atlas")
    parser.add_argument("--tumors", type=int, default=64, help="tumors of the convergence table")
    parser.add_argument("--repeats", type=int, default=10, help="timed repeats of the speed and thread tables")
    parser.add_argument("--alternatives", type=int, default=16, help="tumors of the table of schemes")
    parser.add_argument("--threads", type=int, default=2, help="threads of the thread table")
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    atlas = load_atlas(arguments.atlas)
    anatomy = atlas.anatomy()
    print(conditions(anatomy, atlas.name))
    print("\n".join(speed_table(anatomy, arguments.repeats)))
    if arguments.threads:
        fine = atlas.anatomy(atlas.simulation_grid(spacing_mm=FINE_SPACING_MM))
        print(f"\nThreads, the median tumor at {FINE_SPACING_MM:g} mm")
        print("\n".join(thread_table(fine, arguments.threads, arguments.repeats)), flush=True)
    tumors = random_tumors(anatomy, max(arguments.tumors, arguments.alternatives))
    if arguments.tumors:
        chosen = tumors[: arguments.tumors]
        print(f"\nDice against a quarter of the time step, {len(chosen)} random tumors")
        print("\n".join(convergence_table(anatomy, chosen, SCALES)), flush=True)
    if arguments.alternatives:
        chosen = tumors[: arguments.alternatives]
        print(f"\nSchemes, {len(chosen)} tumors, Dice at both thresholds against an eighth of the time step")
        print("\n".join(alternatives_table(anatomy, chosen, SCALES)))


if __name__ == "__main__":
    main()
