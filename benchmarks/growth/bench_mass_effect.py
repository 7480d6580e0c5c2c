"""How far tumors push, and what a run with mass effect costs, on a brain at 128³ (1.875 mm).

    python benchmarks/growth/bench_mass_effect.py [--atlas sri24] [--tumors 3] [--clinical 12] [--spacing-mm 3.75]

The atlas is a name known to gliofield or an atlas folder. Tumors are seeded at random in white matter near the
ventricles and grow, with mass effect, to 50 ml above the FLAIR threshold. Prints

1. push: largest displacement of the ventricle wall at the default γ and at twice that, smallest det J, seconds;
2. resolution: the first tumor with other numbers of coupling steps and tolerances against a fully resolved run;
3. clinical: tumors as a database would have them, with random pushes: what fails, volumes, seconds;
4. memory: peak of the process.

Seconds count on a quiet machine only, the second line printed tells the load; seconds of processor time of a run count
on any other (`CPU s`), up to what other programs take of the caches.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace

import numpy as np
from benchmark_tumors import conditions, dice
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import load_atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.clinical_design import ClinicalDesign
from gliofield.database.design import AttemptRng
from gliofield.errors import NumericalError
from gliofield.growth import FisherKolmogorov, MassEffect, MassEffectParameters, MassEffectSolution
from gliofield.growth.parameters import DEFAULT_PUSH_PA

WHOLE_VOLUME_ML = 50.0
FLAIR_THRESHOLD = 0.2
# Infiltration lengths [mm], in turn; all fronts move at the same speed, which changes nothing but the days.
INFILTRATION_LENGTHS_MM = (1.0, 2.0, 3.0)
FRONT_SPEED_MM_PER_DAY = 0.1
# Volume without push over that with push at the same time, for a first guess.
VOLUME_AT_REST = 0.7
# Seeds lie so far from the ventricles [mm].
SEED_DISTANCES_MM = (6.0, 20.0)
# CSF so deep inside the brain is ventricle [mm].
VENTRICLE_DEPTH_MM = 25.0
RESOLUTIONS = ((4, 5e-3), (8, 5e-3), (16, 2e-2), (16, 5e-3), (16, 2e-3), (32, 5e-3))
FULLY_RESOLVED = MassEffect(num_coupling_steps=96, force_tolerance=5e-4, time_step_scale=0.5)


def ventricles(anatomy: Anatomy) -> NDArray[np.bool_]:
    """The CSF spaces that reach deep into the brain."""
    maps = anatomy.tissue_maps
    assert maps is not None, "atlas anatomies keep their maps"
    depth_mm = ndimage.distance_transform_edt(maps.brain, sampling=anatomy.spacing_mm)
    labels, _ = ndimage.label((maps.csf > 0.5) & (depth_mm > VENTRICLE_DEPTH_MM))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes * anatomy.grid.voxel_volume_ml > 1.0))


def wall_shift_mm(solution: MassEffectSolution, wall: NDArray[np.bool_]) -> float:
    """Largest displacement of the ventricle wall [mm]."""
    return float(np.linalg.norm(solution.displacement_mm[-1], axis=-1)[wall].max())


def tumors_near(anatomy: Anatomy, distance_mm: NDArray[np.float64], number: int) -> list[MassEffectParameters]:
    """Tumors with random seeds."""
    low, high = SEED_DISTANCES_MM
    places = np.argwhere((anatomy.white_matter > 0.8) & (distance_mm > low) & (distance_mm < high))
    rng = np.random.default_rng(0)
    tumors = []
    for index in range(number):
        length_mm = INFILTRATION_LENGTHS_MM[index % len(INFILTRATION_LENGTHS_MM)]
        x, y, z = anatomy.grid.world_of(places[rng.integers(len(places))])
        tumors.append(
            MassEffectParameters(
                white_matter_diffusivity_mm2_per_day=length_mm * FRONT_SPEED_MM_PER_DAY / 2.0,
                proliferation_rate_per_day=FRONT_SPEED_MM_PER_DAY / (2.0 * length_mm),
                seed_mm=(float(x), float(y), float(z)),
            )
        )
    return tumors


def time_of_volume(model: MassEffect, anatomy: Anatomy, parameters: MassEffectParameters) -> float:
    """Time [day] at which the whole tumor has its volume: from a run without push and one correction with it."""
    days = np.linspace(0.2, 14.0, 60) / parameters.proliferation_rate_per_day
    radius = np.cbrt(FisherKolmogorov().simulate(anatomy, parameters, days).volume_ml(FLAIR_THRESHOLD))
    guess = float(np.interp(np.cbrt(VOLUME_AT_REST * WHOLE_VOLUME_ML), radius, days))
    pushed = np.cbrt(model.simulate(anatomy, parameters, [guess]).volume_ml(FLAIR_THRESHOLD)[-1])
    speed = np.interp(guess, days[1:], np.diff(radius) / np.diff(days))
    return float(guess - (pushed - np.cbrt(WHOLE_VOLUME_ML)) / speed)


def push_table(anatomy: Anatomy, number: int, num_threads: int) -> list[str]:
    """Wall shifts of tumors of one volume, at the default push and at twice that."""
    inside = ventricles(anatomy)
    wall = ndimage.binary_dilation(inside) & ~inside & anatomy.domain
    distance_mm = ndimage.distance_transform_edt(~inside, sampling=anatomy.spacing_mm)
    model = MassEffect(num_threads=num_threads)
    lines = [
        f"{'√(D/ρ) mm':>9} {'seed to ventricle mm':>21} {'γ Pa':>7} {'whole ml':>9} {'wall mm':>8} "
        f"{'largest mm':>11} {'min det J':>10} {'s':>6}"
    ]
    for tumor in tumors_near(anatomy, distance_mm, number):
        for factor in (1.0, 2.0):
            parameters = replace(tumor, push_pa=factor * DEFAULT_PUSH_PA)
            days = time_of_volume(model, anatomy, parameters)
            start = time.perf_counter()
            solution = model.simulate(anatomy, parameters, [days])
            seconds = time.perf_counter() - start
            away = distance_mm[tuple(np.rint(anatomy.grid.voxel_of(tumor.seed_mm)).astype(int))]
            lines.append(
                f"{tumor.infiltration_length_mm:9.1f} {away:21.0f} {parameters.push_pa:7.0f} "
                f"{solution.volume_ml(FLAIR_THRESHOLD)[-1]:9.1f} {wall_shift_mm(solution, wall):8.2f} "
                f"{solution.largest_displacement_mm(-1):11.2f} {solution.min_jacobian_determinant[-1]:10.2f} "
                f"{seconds:6.1f}"
            )
    return lines


def resolution_table(anatomy: Anatomy, num_threads: int) -> list[str]:
    """Error of the displacement and the visible tumor against a fully resolved run of the first tumor."""
    distance_mm = ndimage.distance_transform_edt(~ventricles(anatomy), sampling=anatomy.spacing_mm)
    tumor = tumors_near(anatomy, distance_mm, 1)[0]
    days = time_of_volume(MassEffect(num_threads=num_threads), anatomy, tumor)
    reference = replace(FULLY_RESOLVED, num_threads=num_threads).simulate(anatomy, tumor, [days])
    largest = reference.largest_displacement_mm(-1)
    lines = [
        f"fully resolved: {reference.num_coupling_steps} coupling steps, largest displacement {largest:.2f} mm",
        f"{'coupling steps':>14} {'tolerance':>10} {'error, % of largest':>20} {'Dice@0.2':>9} {'iterations':>11} "
        f"{'s':>6}",
    ]
    for num_steps, tolerance in RESOLUTIONS:
        model = MassEffect(num_coupling_steps=num_steps, force_tolerance=tolerance, num_threads=num_threads)
        start = time.perf_counter()
        solution = model.simulate(anatomy, tumor, [days])
        seconds = time.perf_counter() - start
        error = np.linalg.norm(solution.displacement_mm[-1] - reference.displacement_mm[-1], axis=-1).max()
        overlap = dice(solution.cell_density[-1], reference.cell_density[-1], FLAIR_THRESHOLD)
        lines.append(
            f"{num_steps:14d} {tolerance:10.0e} {100 * error / largest:20.2f} {overlap:9.4f} "
            f"{solution.num_solver_iterations:11d} {seconds:6.1f}"
        )
    return lines


def clinical_table(anatomy: Anatomy, number: int, num_threads: int) -> list[str]:
    """Tumors of the design `clinical` with pushes between 0 and twice the default."""
    design, rng, model = ClinicalDesign(), np.random.default_rng(1), MassEffect(num_threads=num_threads)
    lines = [
        f"{'√(D/ρ) mm':>9} {'γ Pa':>7} {'ml at rest':>11} {'ml with push':>13} {'largest mm':>11} "
        f"{'min det J':>10} {'s':>6} {'CPU s':>6}"
    ]
    seconds, cpu_seconds, num_failed = [], [], 0
    for index in range(number):
        draw = design.draw(AttemptRng(5, index, 0), anatomy)
        push_pa = float(rng.uniform(0.0, 2.0 * DEFAULT_PUSH_PA))
        parameters = MassEffectParameters(**vars(draw.parameters), push_pa=push_pa)
        days = draw.times_days[-1:]
        row = f"{parameters.infiltration_length_mm:9.1f} {push_pa:7.0f}"
        start, cpu_start = time.perf_counter(), time.process_time()
        try:
            solution = model.simulate(anatomy, parameters, days, volume_limit=draw.volume_limit)
        except NumericalError as error:
            num_failed += 1
            lines.append(f"{row} {error}")
            continue
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
        cost = f"{seconds[-1]:6.1f} {cpu_seconds[-1]:6.1f}"
        if solution.stopped_at_days is not None:
            lines.append(f"{row} {'stopped: too large':>25} {'':>11} {'':>10} {cost}")
            continue
        at_rest = FisherKolmogorov().simulate(anatomy, parameters, days).volume_ml(FLAIR_THRESHOLD)[-1]
        lines.append(
            f"{row} {at_rest:11.1f} {solution.volume_ml(FLAIR_THRESHOLD)[-1]:13.1f} "
            f"{solution.largest_displacement_mm(-1):11.2f} {solution.min_jacobian_determinant[-1]:10.2f} "
            f"{cost}"
        )
    lines.append(
        f"{num_failed} of {number} failed; median {np.median(seconds):.1f} s, longest {max(seconds):.1f} s; processor "
        f"time {np.median(cpu_seconds):.1f} s and {max(cpu_seconds):.1f} s"
    )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="sri24", help="name or folder of an atlas")
    parser.add_argument(
        "--tumors", type=int, default=3, help="tumors of the push table; 0 for neither that nor the resolution"
    )
    parser.add_argument("--clinical", type=int, default=12, help="tumors of the design clinical; 0 for none")
    parser.add_argument("--spacing-mm", type=float, help="spacing of the grid; default: that of databases")
    parser.add_argument("--threads", type=int, default=2, help="threads of each run")
    arguments = parser.parse_args()
    atlas = load_atlas(arguments.atlas)
    grid = None if arguments.spacing_mm is None else atlas.simulation_grid(spacing_mm=arguments.spacing_mm)
    anatomy = atlas.anatomy(grid)
    print(conditions(anatomy, atlas.name))
    if arguments.tumors:
        print(f"\nPush, tumors of {WHOLE_VOLUME_ML:g} ml, {arguments.threads} threads")
        print("\n".join(push_table(anatomy, arguments.tumors, arguments.threads)), flush=True)
        print("\nResolution")
        print("\n".join(resolution_table(anatomy, arguments.threads)), flush=True)
    if arguments.clinical:
        print("\nTumors of the design clinical, γ from 0 to twice the default")
        print("\n".join(clinical_table(anatomy, arguments.clinical, arguments.threads)), flush=True)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GiB")


if __name__ == "__main__":
    main()
