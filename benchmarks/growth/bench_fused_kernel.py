"""The solver beside fused C kernels: nanoseconds per voxel-step, seconds per tumor and error, in one process.

    python benchmarks/growth/bench_fused_kernel.py [--atlas sri24] [--repeats 10]

A voxel-step is one evaluation of the seven-point stencil on a voxel of the active rows. `fused_kernel.c` is compiled
with gcc -O3 -march=native when the benchmark runs; without gcc those lines are left out. Everything is single-threaded
on the same anatomy, parameters and seed, and repeats take turns. Prints

1. kernels: forward Euler with growth in C, the simplest fused step; an RKL2 stage in C, in the arithmetic of the
   solver; and the solver's own stage. All on the same active rows, those of the typical tumor at half of its volume and
   at its end;
2. runs: the whole typical tumor by forward Euler in C at 0.9 of its stable step (only the time inside C counts, active
   rows renewed every eight steps) and by the solver (all of `simulate` counts); Dice against the solver at a quarter of
   its step;"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_reaction_diffusion import typical_tumors
from benchmark_tumors import THRESHOLDS, Tumor, conditions, dice
from numpy.typing import NDArray

from gliofield.anatomy import load_atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorov, seed_density
from gliofield.growth.backends import numba_kernels
from gliofield.growth.backends.numba_kernels import ActiveRows, Layout
from gliofield.growth.backends.numba_stepper import aligned_zeros, list_active_rows, packed_faces, whole_vectors
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.super_time_stepping import super_time_step

SOURCE = Path(__file__).with_name("fused_kernel.c")
EULER_SAFETY = 0.9
# Even, so that the density is in the first box whenever rows are listed.
STEPS_PER_ROW_LIST = 8
FLOOR = np.float32(1e-12)


def compiled_library(folder: Path) -> ctypes.CDLL | None:
    """The C kernels, or None without a compiler."""
    if shutil.which("gcc") is None:
        return None
    library = folder / "fused_kernel.so"
    subprocess.run(
        ["gcc", "-O3", "-march=native", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lm"], check=True
    )
    return ctypes.CDLL(str(library))


class Field:
    """Boxes and active rows of one tumor, in the memory layout of the solver for all kernels alike."""

    def __init__(self, anatomy: Anatomy, tumor: Tumor) -> None:
        self.anatomy, self.parameters = anatomy, tumor.parameters
        self.faces = face_coefficients(anatomy, tumor.parameters.diffusivity_ratio)
        num_x, num_y, self.num_z = self.faces.x.shape
        row_length = whole_vectors(self.num_z)
        self.layout = Layout(num_x * num_y * row_length, num_y * row_length, row_length)
        self.shape = (num_x, num_y, row_length)
        self.packed_faces = packed_faces(self.faces)
        self.state = aligned_zeros((4, *self.shape))
        self.start, self.stop = np.full((num_x, num_y), 1 << 20, np.int32), np.zeros((num_x, num_y), np.int32)

    def set_density(self, density: NDArray[np.float32]) -> None:
        """Make an (X, Y, Z) density the state."""
        self.state[0, :, :, : self.num_z] = self.faces.padded(density)

    def active_rows(self, num_voxels: int) -> tuple[ActiveRows, int]:
        """Rows that cells reach in some steps, and their number of voxels."""
        found = np.empty((2, *self.start.shape), np.int32)
        numba_kernels.find_extents(self.state.reshape(-1), self.layout, found[0].reshape(-1), found[1].reshape(-1))
        limits = (self.faces.row_start, self.faces.row_stop)
        numba_kernels.widen_rows(num_voxels, *found, *limits, self.start, self.stop)
        rows, count, _ = list_active_rows(self.start, self.stop, self.layout.y)
        return rows, count


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """Address of an array for C."""
    return ctypes.c_void_p(array.ctypes.data)


def row_arguments(rows: ActiveRows, layout: Layout) -> tuple[ctypes._SimpleCData[int] | ctypes.c_void_p, ...]:
    """The leading arguments both C kernels share."""
    integer = ctypes.c_int64
    return integer(len(rows.row)), pointer(rows.begin), pointer(rows.end), integer(layout.x), integer(layout.y)


def kernel_table(library: ctypes.CDLL | None, anatomy: Anatomy, tumor: Tumor, repeats: int) -> list[str]:
    """Nanoseconds per voxel-step of each kernel alone."""
    lines = [f"{'kernel':32} {'rows of':>14} {'voxels':>8} {'ns per voxel-step (median, min-max)':>38}"]
    days = (0.5 ** (1 / 3) * tumor.time_days, tumor.time_days)
    densities = FisherKolmogorov().simulate(anatomy, tumor.parameters, list(days)).cell_density
    for name, density in zip(("half of it", "whole tumor"), densities, strict=True):
        field = Field(anatomy, tumor)
        field.set_density(density)
        rows, count = field.active_rows(4)
        for label, seconds in _kernel_seconds(library, field, rows, repeats).items():
            ns = 1e9 * seconds / count
            spread = f"({ns.min():.2f}-{ns.max():.2f})"
            lines.append(f"{label:32} {name:>14} {count:8d} {np.median(ns):24.2f} {spread:>13}")
    return lines


def _kernel_seconds(
    library: ctypes.CDLL | None, field: Field, rows: ActiveRows, repeats: int
) -> dict[str, NDArray[np.float64]]:
    """Seconds of one pass of each kernel over the rows, in turns."""
    step = super_time_step(3)
    weights = (step.weights * (1.0, 1.0, 0.3, 0.3)).astype(np.float32)
    boxes = field.state.reshape(4, -1)
    faces = field.packed_faces.reshape(3, -1)
    nothing = np.zeros(field.start.size, np.int32)
    planes = (1, 0, field.shape[0] - 1, 0)

    def own_stages(first: int, last: int) -> None:
        arrays = (field.state.reshape(-1), field.packed_faces, field.layout, rows, weights)
        numba_kernels.sweep_stages(*planes, *arrays, first, last, np.float32(1.0), FLOOR, nothing, nothing)

    cases: dict[str, tuple[int, Callable[[], object]]] = {
        "solver, middle stage": (1, lambda: own_stages(1, 2)),
        "solver, step of 3 stages": (3, lambda: own_stages(0, 3)),
    }
    if library is not None:
        leading, number = row_arguments(rows, field.layout), ctypes.c_float
        face_pointers = [pointer(face) for face in faces]
        c, rate, newer, older = (pointer(box) for box in boxes)
        cases["C, Euler and growth"] = (
            1,
            lambda: library.euler_step(*leading, c, *face_pointers, rate, number(0.05), number(0.05)),
        )
        stage = [number(float(weight)) for weight in weights[1]]
        cases["C, RKL2 stage"] = (1, lambda: library.rkl2_stage(*leading, newer, *face_pointers, rate, older, *stage))
    seconds = {label: np.empty(repeats) for label in cases}
    for repeat in range(-1, repeats):
        for label, (num_stages, call) in cases.items():
            call()
            start_s = time.perf_counter()
            call()
            seconds[label][max(repeat, 0)] = (time.perf_counter() - start_s) / num_stages
    return seconds


def grow_by_euler(library: ctypes.CDLL, anatomy: Anatomy, tumor: Tumor) -> tuple[NDArray[np.float32], int, float]:
    """Density (X, Y, Z), voxel-steps and seconds inside C of a forward Euler run."""
    field = Field(anatomy, tumor)
    field.set_density(seed_density(anatomy, tumor.parameters.seed_mm))
    per_day = tumor.parameters.white_matter_diffusivity_mm2_per_day / anatomy.spacing_mm**2
    # The stable step is 2 over the largest eigenvalue, which is at most twice the largest sum of faces.
    num_steps = int(np.ceil(tumor.time_days * per_day * field.faces.max_face_sum / EULER_SAFETY))
    duration = tumor.time_days / num_steps
    numbers = (
        ctypes.c_float(per_day * duration),
        ctypes.c_float(tumor.parameters.proliferation_rate_per_day * duration),
    )
    faces = [pointer(face) for face in field.packed_faces.reshape(3, -1)]
    num_voxel_steps, seconds = 0, 0.0
    c, result = 0, 1
    for index in range(num_steps):
        if index % STEPS_PER_ROW_LIST == 0:
            # Without the floor of the solver the far tail would become denormal.
            field.state[c][field.state[c] < FLOOR] = 0.0
            rows, count = field.active_rows(STEPS_PER_ROW_LIST)
            leading = row_arguments(rows, field.layout)
        start_s = time.perf_counter()
        library.euler_step(*leading, pointer(field.state[c]), *faces, pointer(field.state[result]), *numbers)
        seconds += time.perf_counter() - start_s
        c, result = result, c
        num_voxel_steps += count
    density = np.zeros(anatomy.grid.shape, np.float32)
    field.faces.unpadded_into(density, field.state[c, :, :, : field.num_z])
    return density, num_voxel_steps, seconds


def run_table(library: ctypes.CDLL | None, anatomy: Anatomy, tumor: Tumor, repeats: int) -> list[str]:
    """Seconds, nanoseconds per voxel-step and Dice of whole runs."""
    reference = tumor.grow(FisherKolmogorov(time_step_scale=0.25), anatomy)

    def by_solver() -> tuple[NDArray[np.float32], int, float]:
        start_s = time.perf_counter()
        solution = tumor.solve(FisherKolmogorov(), anatomy)
        return solution.cell_density[0], solution.num_voxel_steps, time.perf_counter() - start_s

    cases = {"solver": by_solver}
    if library is not None:
        cases["forward Euler in C"] = lambda: grow_by_euler(library, anatomy, tumor)
    lines = [
        f"{'run':20} {'seconds':>8} {'ns per voxel-step':>18} {'voxel-steps (million)':>22} {'Dice@0.2':>9} {'@0.6':>7}"
    ]
    results: dict[str, list[tuple[NDArray[np.float32], int, float]]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            results[name].append(run())
    for name, runs in results.items():
        density, count, _ = runs[0]
        middle = float(np.median([seconds for *_, seconds in runs]))
        values = [dice(density, reference, threshold) for threshold in THRESHOLDS]
        cost = f"{middle:8.3f} {1e9 * middle / count:18.2f} {count / 1e6:22.1f}"
        lines.append(f"{name:20} {cost} {values[0]:9.4f} {values[1]:7.4f}")
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="sri24", help="name or folder of an atlas")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    atlas = load_atlas(arguments.atlas)
    anatomy = atlas.anatomy()
    print(conditions(anatomy, atlas.name))
    tumor = typical_tumors(anatomy)["median"]
    with tempfile.TemporaryDirectory() as scratch:
        library = compiled_library(Path(scratch))
        if library is None:
            print("no gcc: the C kernels are left out")
        print("\n".join(kernel_table(library, anatomy, tumor, arguments.repeats)), flush=True)
        print("\n".join(run_table(library, anatomy, tumor, max(1, arguments.repeats // 2))))


if __name__ == "__main__":
    main()
