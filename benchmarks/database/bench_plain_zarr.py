"""Does a plain Zarr reader see what ours sees, and what does either cost?

    python benchmarks/database/bench_plain_zarr.py DATABASE [--number 1000] [--seed 0]

Reads random tumors by index through `zarr.open` and through `SimulationDatabase`, compares every voxel, decodes the
levels by the documented rule alone, and prints milliseconds per tumor of both.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import zarr

from gliofield.database import SimulationDatabase


def main() -> None:
    """Read, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    database = SimulationDatabase.open(arguments.database)
    number = min(arguments.number, database.num_tumors)
    tumors = np.random.default_rng(arguments.seed).choice(database.num_tumors, number, replace=False)
    group = zarr.open(str(arguments.database), mode="r")
    seconds = {"zarr.open": 0.0, "SimulationDatabase": 0.0}
    num_different = 0
    for tumor in tumors.tolist():
        begin = time.perf_counter()
        levels = group["density"][tumor]
        middle = time.perf_counter()
        density = database.cell_density(tumor)
        seconds["zarr.open"] += middle - begin
        seconds["SimulationDatabase"] += time.perf_counter() - middle
        # The rule of the attribute `quantization`: the middle of each level, (level - 1/2) / 255, and 0 for 0.
        decoded = np.where(levels > 0, (levels - np.float64(0.5)) / 255.0, 0.0).astype(np.float32)
        num_different += not np.array_equal(decoded, density)
    print(f"{number} of {database.num_tumors} tumors, {database.header.grid.describe()}")
    print(f"tumors that differ: {num_different}")
    for name, total in seconds.items():
        print(f"{name:<20}{1e3 * total / number:8.2f} ms/tumor")
    if num_different:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
