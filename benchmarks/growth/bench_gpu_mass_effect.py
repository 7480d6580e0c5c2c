"""Seconds per tumor of the mass-effect model on a GPU, and how far its kernels are from the memory's bandwidth.

    python benchmarks/growth/bench_gpu_mass_effect.py [--anatomy sri24] [--device cuda] [--tumors 32] [--repeats 10]
        [--batches 1 4 16 32] [--compare 2] [--write-anatomy FILE.npz]

The anatomy is the name or folder of an atlas on its 128³ grid, or an .npz file written by --write-anatomy, which a
machine without nibabel can read. Prints one line where there is no GPU. Otherwise

1. the floor: bandwidth of a copy within the device's memory, bytes read and written;
2. kernels: time per tumor of the main parts of an iteration and of a coupling step, and the bytes they move per second,
   each float of a field counted once as read or written, on the blocks of voxels that hold any brain;
3. batches: seconds per tumor of random tumors that would have 50 ml without push, from their parameters to solutions in
   the memory of the host, for several batch sizes;
4. agreement: largest difference from the processor in displacement, as a part of its maximum, and in density.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy, growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import DeviceError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, MassEffect, MassEffectParameters
from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield_gpu.mass_effect_batch import simulate_mass_effect_batch
from gliofield_gpu.triton_loading import load_backend

VOLUME_ML, FLAIR_THRESHOLD = 50.0, 0.2
INFILTRATION_LENGTHS_MM = (1.0, 2.0, 3.0)
FRONT_SPEED_MM_PER_DAY = 0.1
KERNEL_BATCH = 16
_STEPS_OF_LEVELS = 65535.0


def read_anatomy(source: str) -> Anatomy:
    """Anatomy of an atlas on its own grid, or from an .npz file."""
    if Path(source).suffix != ".npz":
        # Reads NIfTI files, for which a machine with a GPU need not have the library.
        from gliofield.anatomy import load_atlas

        return load_atlas(source).anatomy()
    with np.load(source) as file:
        white, gray, csf = file["tissue"].astype(np.float32) / np.float32(_STEPS_OF_LEVELS)
        grid, rule = Grid(white.shape, file["world_from_voxel"]), str(file["domain_rule"])
        maps = TissueMaps(white_matter=white, gray_matter=gray, csf=csf, brain=file["brain"], grid=grid)
    return growth_domain(maps, rule=rule)


def write_anatomy(anatomy: Anatomy, path: Path) -> None:
    """Tissue maps of an anatomy as an .npz file, fractions in steps of 1/65535."""
    maps = anatomy.tissue_maps
    assert maps is not None, "atlas anatomies keep their maps"
    tissue = np.stack([maps.white_matter, maps.gray_matter, maps.csf])
    np.savez_compressed(
        path,
        tissue=np.rint(tissue * _STEPS_OF_LEVELS).astype(np.uint16),
        brain=maps.brain,
        world_from_voxel=anatomy.grid.world_from_voxel,
        domain_rule=anatomy.domain_rule,
    )


def random_tumors(anatomy: Anatomy, number: int) -> tuple[list[MassEffectParameters], list[list[float]]]:
    """Tumors seeded in white matter, and the day each would have the volume without push."""
    places = np.argwhere(anatomy.white_matter > 0.8)
    rng, model = np.random.default_rng(0), FisherKolmogorov()
    parameters, times = [], []
    while len(parameters) < number:
        length_mm = INFILTRATION_LENGTHS_MM[len(parameters) % len(INFILTRATION_LENGTHS_MM)]
        x, y, z = anatomy.grid.world_of(places[rng.integers(len(places))])
        tumor = MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=length_mm * FRONT_SPEED_MM_PER_DAY / 2.0,
            proliferation_rate_per_day=FRONT_SPEED_MM_PER_DAY / (2.0 * length_mm),
            seed_mm=(float(x), float(y), float(z)),
        )
        days = np.linspace(0.2, 14.0, 30) / tumor.proliferation_rate_per_day
        volumes_ml = model.simulate(anatomy, tumor, days).volume_ml(FLAIR_THRESHOLD)
        if volumes_ml[-1] > VOLUME_ML:
            parameters.append(tumor)
            times.append([float(np.interp(np.cbrt(VOLUME_ML), np.cbrt(volumes_ml), days))])
    return parameters, times


def kernel_table(anatomy: Anatomy, device: str, bandwidth: float, repeats: int) -> list[str]:
    """Time and traffic of parts of the solver and of a coupling step, with all tumors of a batch taking part."""
    import torch
    from bench_gpu import _median_seconds as median_seconds

    from gliofield_gpu import triton_mechanics_kernels as kernels
    from gliofield_gpu.triton_mass_effect import PushingBatch

    maps, model = anatomy.tissue_maps, MassEffect()
    assert maps is not None, "atlas anatomies keep their maps"
    box = BrainBox.around(maps.brain)
    tissue = (maps.white_matter, maps.gray_matter, maps.csf, maps.brain, anatomy.domain)
    batch = PushingBatch(
        box,
        box.padded(maps.brain),
        np.stack([box.padded(amount.astype(np.float32)) for amount in tissue]),
        spacing_mm=anatomy.spacing_mm,
        elasticity=model.elasticity,
        force_tolerance=model.force_tolerance,
        num_slots=KERNEL_BATCH,
        device=load_backend().require_device(device),
    )
    density: NDArray[np.float32] = box.padded(np.float32(0.3) * anatomy.domain)
    batch.start([density] * KERNEL_BATCH, [10.0] * KERNEL_BATCH, [4000.0] * KERNEL_BATCH)
    active = torch.ones(KERNEL_BATCH, dtype=torch.int32, device=device)
    batch._predicted.copy_(batch._tissue)
    batch._find_missing(active)
    batch._solver.prepare_coarse()
    solver, level = batch._solver, batch._solver._levels[0]
    no_change = torch.zeros(KERNEL_BATCH, device=device)
    common = (active, level.brain.blocks, level.brain.num_voxels)

    def launch(kernel: object, *arguments: object) -> Callable[[], None]:
        return lambda: level.brain.launch(kernel, KERNEL_BATCH, *arguments, *common)

    def smooth() -> None:
        level._elastic(level.u, level.force, level.change, level._other, 0.5, no_change, active, 2)

    vectors = (solver._direction, solver._image)
    # Floats per voxel read and written; none where coarser grids or several kernels take part.
    parts: list[tuple[str, Callable[[], object], int]] = [
        ("smoothing step", smooth, 23),
        ("residual", lambda: level.residual(level.u, level.force, level.change, active), 17),
        ("direction", launch(kernels.scale_and_add, no_change, *vectors), 9),
        ("descent", launch(kernels.descend, no_change, *vectors, level.u, level.force, level.sums), 18),
        ("V-cycle", lambda: solver._cycle(0, active), 0),
        ("stiffness, all grids", lambda: (solver.prepare(), solver.prepare_coarse()), 0),
        ("transport of tissue", lambda: batch._move(batch._tissue, active), 2 * (3 + 3 * 4)),
        ("domain and faces", lambda: batch._find_medium(batch._tissue), 0),
    ]
    num_voxels = KERNEL_BATCH * level.brain.num_blocks * level.brain.block
    lines = [f"{'part':>22} {'ms/tumor':>9} {'GB/s':>8} {'of copy':>8}"]
    for name, call, num_floats in parts:
        seconds = median_seconds(call, repeats)
        rate = 4 * num_floats * num_voxels / seconds
        traffic = f"{1e-9 * rate:8.0f} {rate / bandwidth:8.1%}" if num_floats else f"{'-':>8} {'-':>8}"
        lines.append(f"{name:>22} {1e3 * seconds / KERNEL_BATCH:9.4f} {traffic}")
    return lines


def batch_table(
    anatomy: Anatomy,
    parameters: Sequence[MassEffectParameters],
    times: Sequence[Sequence[float]],
    batches: Sequence[int],
    device: str,
) -> list[str]:
    """Seconds per tumor for several batch sizes, the second of two runs."""
    lines = [f"{'batch':>6} {'tumors':>7} {'s/tumor':>8} {'coupling steps':>15} {'iterations':>11}"]
    for max_batch in batches:
        number = min(len(parameters), 2 * max_batch)
        seconds, num_steps, num_iterations = 0.0, 0, 0
        for _ in range(2):
            num_steps = num_iterations = 0
            start = time.perf_counter()
            for solution in simulate_mass_effect_batch(
                anatomy, parameters[:number], times[:number], device=device, max_batch=max_batch
            ):
                num_steps += solution.num_coupling_steps
                num_iterations += solution.num_solver_iterations
            seconds = time.perf_counter() - start
        means = f"{num_steps / number:15.1f} {num_iterations / number:11.1f}"
        lines.append(f"{max_batch:6d} {number:7d} {seconds / number:8.3f} {means}")
    return lines


def agreement(
    anatomy: Anatomy, parameters: Sequence[MassEffectParameters], times: Sequence[Sequence[float]], device: str
) -> list[str]:
    """Differences between device and processor, tumor by tumor, and the time of the processor."""
    lines = [f"{'largest mm':>11} {'difference, %':>14} {'density':>9} {'iterations':>11} {'processor':>10} {'s':>6}"]
    solutions = simulate_mass_effect_batch(anatomy, parameters, times, device=device)
    for tumor, days, solution in zip(parameters, times, solutions, strict=True):
        start = time.perf_counter()
        expected = MassEffect(num_threads=2).simulate(anatomy, tumor, days)
        seconds = time.perf_counter() - start
        largest = expected.largest_displacement_mm(-1)
        apart = np.linalg.norm(solution.displacement_mm[-1] - expected.displacement_mm[-1], axis=-1).max()
        density = np.abs(solution.cell_density - expected.cell_density).max()
        lines.append(
            f"{largest:11.2f} {100 * apart / largest:14.4f} {density:9.1e} {solution.num_solver_iterations:11d} "
            f"{expected.num_solver_iterations:10d} {seconds:6.1f}"
        )
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anatomy", default="sri24", help="name or folder of an atlas, or an .npz file")
    parser.add_argument("--device", default="cuda", help="CUDA device")
    parser.add_argument("--tumors", type=int, default=32, help="random tumors")
    parser.add_argument("--repeats", type=int, default=10, help="timed repetitions of the kernels")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 32], help="batch sizes")
    parser.add_argument("--compare", type=int, default=2, help="tumors to compare with the processor")
    parser.add_argument("--write-anatomy", type=Path, help="write the anatomy to this .npz file and do nothing else")
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    if arguments.write_anatomy is not None:
        write_anatomy(read_anatomy(arguments.anatomy), arguments.write_anatomy)
        return
    try:
        load_backend().require_device(arguments.device)
    except DeviceError as error:
        print(f"nothing measured: {error}")
        return
    import torch
    from bench_gpu import copy_bandwidth
    from benchmark_tumors import conditions

    from gliofield_gpu.triton_mass_effect import bytes_per_tumor

    anatomy = read_anatomy(arguments.anatomy)
    assert anatomy.tissue_maps is not None, "atlas anatomies keep their maps"
    box = BrainBox.around(anatomy.tissue_maps.brain)
    parameters, times = random_tumors(anatomy, arguments.tumors)
    bandwidth = copy_bandwidth(arguments.device, arguments.repeats)
    print(conditions(anatomy, arguments.anatomy))
    print(f"{torch.cuda.get_device_name(arguments.device)}, torch {torch.__version__}")
    print(f"\ncopy within the device: {1e-9 * bandwidth:.0f} GB/s")
    print(f"memory per tumor: {bytes_per_tumor(box) / 2**20:.0f} MiB, box {box.shape}, {box.num_levels} grids")
    print(f"\nkernels, {KERNEL_BATCH} tumors")
    print("\n".join(kernel_table(anatomy, arguments.device, bandwidth, arguments.repeats)), flush=True)
    print("\nbatches")
    print("\n".join(batch_table(anatomy, parameters, times, arguments.batches, arguments.device)), flush=True)
    print("\nagreement with the processor, 2 threads")
    compared = arguments.compare
    print("\n".join(agreement(anatomy, parameters[:compared], times[:compared], arguments.device)))


if __name__ == "__main__":
    main()
