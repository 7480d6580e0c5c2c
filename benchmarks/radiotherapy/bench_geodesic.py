"""Distances through tissue: error against shapes whose answer is known, and seconds for a margin of 15 mm at 1 mm.

    python benchmarks/radiotherapy/bench_geodesic.py

A ball in the open, and a room with a wall that has a window of 10 × 10 mm; where scikit-fmm is installed (it is not a
dependency) its fast marching, first and second order, stands beside. Walls are one voxel thick here, which fast
marching can hold; walls between compartments, as falx and tentorium are, it cannot.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from gliofield.radiotherapy import geodesic_distance_mm

MARGIN_MM, REPEATS = 15.0, 7
Mask = NDArray[np.bool_]
Distance = Callable[[Mask, Mask], NDArray[np.floating]]


def ball_in_the_open(radius_mm: float) -> tuple[Mask, Mask, NDArray[np.floating]]:
    """Source, region and exact distance between voxel centers."""
    half = int(radius_mm + MARGIN_MM) + 3
    source = (np.indices((2 * half + 1,) * 3) - half).astype(float)
    mask = (source**2).sum(axis=0) <= radius_mm**2
    return mask, np.ones_like(mask), np.asarray(ndimage.distance_transform_edt(~mask))


def room_with_a_window() -> tuple[Mask, Mask, list[tuple[tuple[int, int, int], float]]]:
    """A source behind a wall, and exact ways to some voxels on the other side."""
    region = np.ones((60, 60, 60), bool)
    region[30] = False
    region[30, 25:35, 25:35] = True
    source = np.zeros_like(region)
    source[20, 10, 30] = True
    rng = np.random.default_rng(0)
    targets = [(int(x), int(y), int(z)) for x, y, z in rng.integers((32, 1, 1), (59, 59, 59), size=(60, 3))]
    return source, region, [(target, _string(target)) for target in targets]


def _string(target: tuple[int, int, int]) -> float:
    """Length of the taut string from the source through the window, whose edges are half a voxel beyond its voxels."""

    def length(window: NDArray[np.float64]) -> float:
        near, far = np.array([29.5, *window[:2]]), np.array([30.5, *window[2:]])
        start, end = np.array([20.0, 10.0, 30.0]), np.array(target, dtype=float)
        return float(np.linalg.norm(near - start) + np.linalg.norm(far - near) + np.linalg.norm(end - far))

    found = optimize.minimize(length, [25.0, 30.0, 25.0, 30.0], bounds=[(24.5, 34.5)] * 4)
    return float(found.fun)


def any_angle(source: Mask, region: Mask) -> NDArray[np.floating]:
    return geodesic_distance_mm(source, region, (1.0, 1.0, 1.0))


def fast_marching(order: int) -> Distance | None:
    """Fast marching of scikit-fmm from the surface of the voxels; None where it is not installed."""
    try:
        skfmm = importlib.import_module("skfmm")
    except ImportError:
        return None

    def distance(source: Mask, region: Mask) -> NDArray[np.floating]:
        level = np.where(source, -0.5, 0.5)
        found = skfmm.distance(np.ma.MaskedArray(level, ~(region | source)), dx=1.0, order=order)
        # Its zero is the surface, half a voxel from the centers.
        return np.where(source, 0.0, np.ma.filled(found, np.inf) + 0.5)

    return distance


def seconds(distance: Distance, source: Mask, region: Mask) -> tuple[float, float]:
    """Median and spread of the wall time."""
    distance(source, region)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        distance(source, region)
        times.append(time.perf_counter() - start)
    return float(np.median(times)), float(np.max(times) - np.min(times))


def main() -> None:
    ways = {
        "any-angle search": any_angle,
        "fast marching, order 1": fast_marching(1),
        "fast marching, order 2": fast_marching(2),
    }
    columns = (
        "way",
        "ball 10 mm: largest error [mm]",
        "ball 20 mm, 15 mm margin [s]",
        "window: mean, largest error [mm]",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|")
    small, large, room = ball_in_the_open(10.0), ball_in_the_open(20.0), room_with_a_window()
    for name, distance in ways.items():
        if distance is None:
            print(f"| {name} | scikit-fmm is not installed | | |")
            continue
        near = small[2] <= MARGIN_MM
        error = float(np.abs(distance(small[0], small[1]) - small[2])[near].max())
        if name == "any-angle search":
            timed = seconds(lambda a, b: geodesic_distance_mm(a, b, (1.0, 1.0, 1.0), largest_mm=MARGIN_MM), *large[:2])
        else:
            timed = seconds(distance, *large[:2])
        behind = distance(room[0], room[1])
        gaps = np.array([behind[target] - exact for target, exact in room[2]])
        print(
            f"| {name} | {error:.2f} | {timed[0]:.2f} ± {timed[1]:.2f} | {np.abs(gaps).mean():.2f}, "
            f"{np.abs(gaps).max():.2f} |"
        )


if __name__ == "__main__":
    main()
