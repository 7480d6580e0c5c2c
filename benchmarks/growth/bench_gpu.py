"""Tumors per second of the reaction-diffusion model on a GPU, and how far its kernels are from the memory's bandwidth.

    python benchmarks/growth/bench_gpu.py [--anatomy sri24] [--device cuda] [--tumors 64] [--repeats 10]
        [--batches 1 4 16 64 128 256] [--write-anatomy FILE.npz]

The anatomy is the name or folder of an atlas on its 128³ grid, or an .npz file written by --write-anatomy, which a
machine without nibabel can read. Prints one line where there is no GPU. Otherwise

1. the floor: bandwidth of a copy within the device's memory, bytes read and written;
2. kernels: voxel-steps and bytes per second of one long time step of many tumors that fill the box, for several tiles;
3. batches: tumors per second of random tumors of the published range, from their parameters to densities in the
   memory of the host, for several batch sizes, next to the processor;
4. agreement: largest difference in density between the device and the processor.

A voxel-step moves 16 bytes of state (`gliofield_gpu.triton_kernels`); the face coefficients, which all
tumors share, are not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import DeviceError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov
from gliofield.growth.diffusivity import face_coefficients
from gliofield_gpu.batch import simulate_batch
from gliofield_gpu.triton_loading import load_backend

#: Shapes of a tile and its warps that the table of kernels compares; the first is the default.
TILES = ((8, 16, 16, 2), (8, 8, 32, 2), (8, 16, 32, 4), (16, 16, 16, 2), (4, 16, 16, 2), (8, 8, 16, 1))
NUM_STAGES = 40
_COPIED_BYTES = 1 << 30


def read_anatomy(source: str) -> Anatomy:
    """Anatomy of an atlas on its own grid, or from an .npz file."""
    if Path(source).suffix != ".npz":
        # Reads NIfTI files, for which a machine with a GPU need not have the library.
        from gliofield.anatomy import load_atlas

        return load_atlas(source).anatomy()
    with np.load(source) as file:
        white, domain = file["white_matter"].astype(np.float32) / 65535.0, file["domain"]
        grid = Grid(domain.shape, file["world_from_voxel"])
        rule = str(file["domain_rule"])
    white = np.where(domain, white, 0.0).astype(np.float32)
    gray = np.where(domain, np.float32(1.0) - white, 0.0).astype(np.float32)
    return Anatomy(white_matter=white, gray_matter=gray, domain=domain, grid=grid, domain_rule=rule)


def write_anatomy(anatomy: Anatomy, path: Path) -> None:
    """Anatomy as an .npz file, tissue fractions in steps of 1/65535."""
    np.savez_compressed(
        path,
        white_matter=np.rint(anatomy.white_matter * 65535).astype(np.uint16),
        domain=anatomy.domain,
        world_from_voxel=anatomy.grid.world_from_voxel,
        domain_rule=anatomy.domain_rule,
    )


def copy_bandwidth(device: str, repeats: int) -> float:
    """Bytes read and written per second by a copy within the device's memory, median."""
    import torch

    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / _median_seconds(lambda: target.copy_(source), repeats)


def kernel_table(anatomy: Anatomy, device: str, bandwidth: float, repeats: int, num_slots: int = 64) -> list[str]:
    """Voxel-steps per second of a step of many stages on the full box, for several tiles."""
    from gliofield_gpu.stage_operations import step_operations
    from gliofield_gpu.triton_batch import BYTES_PER_VOXEL_STEP, Tile, TumorBatch

    faces = face_coefficients(anatomy, 10.0)
    box = (faces.x.shape[0], faces.x.shape[1], faces.x.shape[2])
    cells = faces.padded(0.3 * anatomy.domain)[1:-1, 1:-1, 1:-1].astype(np.float32)
    operations = step_operations(NUM_STAGES, 0.2, 0.99)
    codes = np.repeat(operations.codes[:, None], num_slots, axis=1)
    weights = np.repeat(operations.weights[:, None], num_slots, axis=1)
    num_voxel_steps = NUM_STAGES * num_slots * cells.size
    lines = [f"{'tile':>14} {'warps':>6} {'ps/voxel-step':>14} {'GB/s':>8} {'of copy':>8}"]
    for *shape, num_warps in TILES:
        tile = Tile(x=shape[0], y=shape[1], z=shape[2], num_warps=num_warps)
        batch = TumorBatch(box, num_slots=num_slots, device=device, tile=tile)
        batch.set_faces(0, faces)
        for slot in range(num_slots):
            batch.load(slot, cells, (1, 1, 1))
        seconds = _median_seconds(lambda batch=batch: batch.launch(codes, weights), repeats)
        rate = num_voxel_steps / seconds
        lines.append(
            f"{'x'.join(map(str, shape)):>14} {num_warps:6d} {1e12 / rate:14.2f} "
            f"{1e-9 * BYTES_PER_VOXEL_STEP * rate:8.0f} {BYTES_PER_VOXEL_STEP * rate / bandwidth:8.1%}"
        )
        del batch
    return lines


def batch_table(
    anatomy: Anatomy, tumors: Sequence, batches: Sequence[int], device: str, bandwidth: float, repeats: int
) -> list[str]:
    """Tumors per second for several batch sizes, and the processor's; parameters in, densities on the host out."""
    from gliofield_gpu.triton_batch import BYTES_PER_VOXEL_STEP

    lines = [f"{'batch':>6} {'tumors':>7} {'tumors/s':>9} {'(min-max)':>17} {'GB/s':>8} {'of copy':>8}"]
    for max_batch in batches:
        # Enough that the batch is full most of the time.
        chosen = [tumors[index % len(tumors)] for index in range(max(len(tumors), 4 * max_batch))]
        run = [one.parameters for one in chosen], [[one.time_days] for one in chosen]
        rates, num_voxel_steps = [], 0
        for repeat in range(repeats + 1):
            start = time.perf_counter()
            num_voxel_steps = sum(
                solution.num_voxel_steps
                for solution in simulate_batch(anatomy, *run, device=device, max_batch=max_batch)
            )
            if repeat > 0:
                rates.append(len(chosen) / (time.perf_counter() - start))
        middle = float(np.median(rates))
        moved = BYTES_PER_VOXEL_STEP * num_voxel_steps / len(chosen) * middle
        spread = f"({min(rates):.0f}-{max(rates):.0f})"
        lines.append(
            f"{max_batch:6d} {len(chosen):7d} {middle:9.0f} {spread:>17} {1e-9 * moved:8.0f} {moved / bandwidth:8.1%}"
        )
    return lines


def agreement(anatomy: Anatomy, tumors: Sequence, device: str) -> str:
    """Largest difference between device and processor, and the time of the processor."""
    run = [one.parameters for one in tumors], [[one.time_days] for one in tumors]
    model = FisherKolmogorov()
    worst, same_steps, seconds = 0.0, True, 0.0
    for one, solution in zip(tumors, simulate_batch(anatomy, *run, device=device), strict=True):
        start = time.perf_counter()
        expected = one.solve(model, anatomy)
        seconds += time.perf_counter() - start
        worst = max(worst, float(np.abs(solution.cell_density - expected.cell_density).max()))
        same_steps &= solution.num_steps == expected.num_steps
    return (
        f"largest difference in density {worst:.2g} over {len(tumors)} tumors, steps "
        f"{'equal' if same_steps else 'different'}; "
        f"the processor takes {seconds / len(tumors):.4f} s per tumor on one thread"
    )


def _median_seconds(call, repeats: int) -> float:
    """Median time of a call on the device, after three to warm up."""
    import torch

    seconds = []
    for repeat in range(repeats + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        if repeat >= 3:
            seconds.append(begin.elapsed_time(end) / 1000.0)
    return float(np.median(seconds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anatomy", default="sri24", help="name or folder of an atlas, or an .npz file")
    parser.add_argument("--device", default="cuda", help="CUDA device")
    parser.add_argument("--tumors", type=int, default=64, help="random tumors")
    parser.add_argument("--repeats", type=int, default=10, help="timed repetitions")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64, 128, 256], help="batch sizes")
    parser.add_argument("--write-anatomy", type=Path, help="write the anatomy to this .npz file and do nothing else")
    return parser.parse_args()


def main() -> None:
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
    from benchmark_tumors import conditions, random_tumors

    anatomy = read_anatomy(arguments.anatomy)
    tumors = random_tumors(anatomy, arguments.tumors)
    bandwidth = copy_bandwidth(arguments.device, arguments.repeats)
    print(conditions(anatomy, arguments.anatomy))
    print(f"{torch.cuda.get_device_name(arguments.device)}, torch {torch.__version__}")
    print(f"\ncopy within the device: {1e-9 * bandwidth:.0f} GB/s")
    print(f"\nkernels: {NUM_STAGES} stages of 64 tumors that fill the box")
    print("\n".join(kernel_table(anatomy, arguments.device, bandwidth, arguments.repeats)))
    print(f"\nbatches of {len(tumors)} random tumors, repeated to four batches")
    repeats = max(1, arguments.repeats // 3)
    print("\n".join(batch_table(anatomy, tumors, arguments.batches, arguments.device, bandwidth, repeats)))
    print("\n" + agreement(anatomy, tumors, arguments.device))


if __name__ == "__main__":
    main()
