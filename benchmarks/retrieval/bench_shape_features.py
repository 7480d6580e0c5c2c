"""What the shape features of one mask cost: milliseconds by size of the tumor, on 128³ voxels.

    python benchmarks/retrieval/bench_shape_features.py [--repeats 20]

Masks are ellipsoids with a rugged outline. The second column is what finding the mask in its array takes, which a
caller who knows the bounding box saves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield_papers.indexes.shape_features import center_of_mass, shape_features

SPACING_MM = (1.0, 1.0, 1.0)


def rugged_ellipsoid(radius: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Ellipsoid of semi-axes 1.3, 1 and 0.8 radii whose outline wanders by a tenth of the radius."""
    offsets = (np.moveaxis(np.indices((128, 128, 128)), 0, -1) - 63.5) / (1.3 * radius, radius, 0.8 * radius)
    noise = ndimage.gaussian_filter(rng.standard_normal((128, 128, 128)), radius / 5)
    return np.linalg.norm(offsets, axis=-1) < 1.0 + 0.1 * noise / noise.std()


def milliseconds(work: Callable[[], object], repeats: int) -> NDArray[np.float64]:
    """Time of each repeat, after a first call that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start_s))
    return np.array(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    print(
        "| radius [voxels] | voxels | all features [ms] (min-max) | center of mass alone [ms] | inside its box [ms] |"
    )
    print("|---|---|---|---|---|")
    for radius in (5, 10, 15, 20, 30):
        mask = rugged_ellipsoid(radius, rng)
        box = tuple(slice(int(ends.min()), int(ends.max()) + 1) for ends in np.nonzero(mask))
        cut = np.ascontiguousarray(mask[box])
        times = milliseconds(lambda mask=mask: shape_features(mask, SPACING_MM), repeats)
        center = np.median(milliseconds(lambda mask=mask: center_of_mass(mask), repeats))
        inside = np.median(milliseconds(lambda cut=cut: shape_features(cut, SPACING_MM), repeats))
        spread = f"{np.median(times):.2f} ({times.min():.2f}-{times.max():.2f})"
        print(f"| {radius} | {np.count_nonzero(mask)} | {spread} | {center:.2f} | {inside:.2f} |")


if __name__ == "__main__":
    main()
