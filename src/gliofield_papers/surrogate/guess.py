"""A cheap physical guess of a tumor, which a network may correct: the radial solution at the time of travel.

A front of the Fisher-Kolmogorov equation runs at 2 √(D ρ), so it reaches a voxel along the way of least ∫ ds / √D,
which keeps to white matter and goes around CSF [1]_. With the straight distance r to the seed, the time of that way
makes a mean diffusivity of each voxel, and the guess is the solution of the equation around a seed in uniform tissue of
that diffusivity:

    τ(x) = min over ways of ∫ ds / √(D(s)/D_w),   D(x) = D_w (r/τ)²,   g(x) = u_radial(r; D(x), ρ, T).

In uniform tissue this is exact. It knows nothing of how tissue takes up and holds back cells beside the fastest way.

References
----------
.. [1] Konukoglu et al. (2010), Image guided personalization of reaction-diffusion type tumor growth models using
   modified anisotropic eikonal equations, IEEE Transactions on Medical Imaging 29(1), 77-95.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.compiled import compiled
from gliofield.growth.seed import seed_profile

# Diffusivities, relative to that of white matter, at which the radial equation is solved; the guess interpolates.
_NUM_DIFFUSIVITIES = 8
# Voxels around the seed whose way is straight.
_STRAIGHT_VOXELS = 1.8
# Thickness of the shells of the radial solution; tuned on 256 training tumors at 3.75 mm among 0.27, 0.4 and 0.53.
_SHELL_VOXELS = 0.4
#: Log-odds where there is no tumor.
NO_TUMOR = -16.0
# Neighbors that a way may go to, knight's moves among them.
_DIRECTIONS = np.array(
    [
        (x, y, z)
        for x in range(-2, 3)
        for y in range(-2, 3)
        for z in range(-2, 3)
        if np.gcd.reduce((x, y, z)) == 1 and x * x + y * y + z * z <= 6
    ],
    dtype=np.int64,
)


def guess_logits(
    tissues: NDArray[np.float32],
    offset: NDArray[np.float64],
    growth: NDArray[np.float64],
    *,
    spacing_mm: float,
    diffusivity_ratio: float,
) -> NDArray[np.float32]:
    """Log-odds log(g / (1 − g)) of the guess in a cube, one for each growth, (n, S, S, S); `NO_TUMOR` without tissue.

    Parameters
    ----------
    tissues : (3, S, S, S) float32 array
        White matter, gray matter and CSF around the voxel of the seed, which is [S/2]³.
    offset : (3,) float64 array
        From that voxel's center to the seed [voxel].
    growth : (n, 3) float64 array
        D_w [mm²/day], ρ [1/day] and T [days].
    spacing_mm : float
        Spacing of the voxels [mm].
    diffusivity_ratio : float
        D_w/D_g.
    """
    size = tissues.shape[-1]
    center = size // 2 + np.asarray(offset, dtype=np.float64)
    conductance = np.asarray(tissues[0] + tissues[1] / diffusivity_ratio, dtype=np.float64)
    way_mm = spacing_mm * travel_times(conductance, center, _DIRECTIONS, _STRAIGHT_VOXELS)
    x, y, z = (spacing_mm * (np.arange(size) - at) for at in center)
    distance_mm = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    step_mm = _SHELL_VOXELS * spacing_mm
    # To the corners of the cube and beyond, from wherever in its voxel the seed is.
    seed = seed_shells(int(np.ceil((size + 2) / _SHELL_VOXELS)), step_mm)
    # As many cells as the solver's grid gets of the seed: it samples it at few voxels, and CSF holds none of them.
    volumes = 4.0 / 3.0 * np.pi * _SHELL_VOXELS**3 * np.diff(np.arange(len(seed) + 1.0) ** 3)
    seed *= seed_profile(distance_mm)[conductance > 0.0].sum() / (seed @ volumes)
    relative = np.clip(((distance_mm + 1e-6) / (way_mm + 1e-6)) ** 2, 1.0 / diffusivity_ratio, 1.0)
    levels = np.geomspace(1.0 / diffusivity_ratio, 1.0, _NUM_DIFFUSIVITIES)
    places = np.stack(
        [np.interp(np.log(relative), np.log(levels), np.arange(len(levels))), distance_mm / step_mm - 0.5]
    )
    guesses = np.full((len(growth), size, size, size), NO_TUMOR, dtype=np.float32)
    is_reached = np.isfinite(way_mm)
    for guess, (diffusivity, rate, days) in zip(guesses, growth, strict=True):
        densities = np.clip(radial_densities(diffusivity * levels, rate, days, seed, step_mm), 1e-12, 1.0 - 1e-7)
        odds = np.log(densities) - np.log1p(-densities)
        guess[is_reached] = ndimage.map_coordinates(odds, places[:, is_reached], order=1, mode="nearest")
    return np.maximum(guesses, np.float32(NO_TUMOR))


def seed_shells(num_shells: int, step_mm: float) -> NDArray[np.float64]:
    """Mean density of the seed in shells around its center."""
    fine = np.arange(num_shells * 20) + 0.5
    weights = fine**2
    sums = (seed_profile(fine * step_mm / 20) * weights).reshape(num_shells, 20).sum(axis=1)
    return sums / weights.reshape(num_shells, 20).sum(axis=1)


@compiled
def travel_times(
    conductance: NDArray[np.float64],
    seed: NDArray[np.float64],
    directions: NDArray[np.int64],
    straight: float,
) -> NDArray[np.float64]:
    """Least ∫ ds / √conductance from a seed to each voxel [voxel]; infinite where no way leads."""
    nx, ny, nz = conductance.shape
    times = np.full(conductance.shape, np.inf)
    is_done = np.zeros(conductance.shape, dtype=np.bool_)
    slowness = np.where(conductance > 0.0, 1.0 / np.maximum(conductance, 1e-3), np.inf)
    cx, cy, cz = int(np.floor(seed[0] + 0.5)), int(np.floor(seed[1] + 0.5)), int(np.floor(seed[2] + 0.5))
    waiting = [(0.0, np.int64(0)) for _ in range(0)]
    for x in range(max(cx - 2, 0), min(cx + 3, nx)):
        for y in range(max(cy - 2, 0), min(cy + 3, ny)):
            for z in range(max(cz - 2, 0), min(cz + 3, nz)):
                away = np.sqrt((x - seed[0]) ** 2 + (y - seed[1]) ** 2 + (z - seed[2]) ** 2)
                if conductance[x, y, z] > 0.0 and away <= straight:
                    times[x, y, z] = away * (0.5 * (slowness[x, y, z] + slowness[cx, cy, cz])) ** 0.5
                    heapq.heappush(waiting, (times[x, y, z], np.int64((x * ny + y) * nz + z)))
    while len(waiting) > 0:
        time, place = heapq.heappop(waiting)
        x, y, z = place // (ny * nz), (place // nz) % ny, place % nz
        if is_done[x, y, z]:
            continue
        is_done[x, y, z] = True
        for direction in range(len(directions)):
            dx, dy, dz = directions[direction, 0], directions[direction, 1], directions[direction, 2]
            i, j, k = x + dx, y + dy, z + dz
            if not (0 <= i < nx and 0 <= j < ny and 0 <= k < nz) or is_done[i, j, k] or conductance[i, j, k] == 0.0:
                continue
            mean = 0.5 * (slowness[x, y, z] + slowness[i, j, k])
            if max(abs(dx), abs(dy), abs(dz)) == 2:
                # Between the two nearest voxels on either side of the middle, or on it.
                a, b, c = x + dx // 2, y + dy // 2, z + dz // 2
                d, e, f = i - dx // 2, j - dy // 2, k - dz // 2
                mean = 0.5 * mean + 0.25 * (slowness[a, b, c] + slowness[d, e, f])
                if mean == np.inf:
                    continue
            found = time + np.sqrt(float(dx * dx + dy * dy + dz * dz)) * mean**0.5
            if found < times[i, j, k]:
                times[i, j, k] = found
                heapq.heappush(waiting, (found, np.int64((i * ny + j) * nz + k)))
    return times


@compiled
def radial_densities(
    diffusivities: NDArray[np.float64], rate: float, days: float, seed: NDArray[np.float64], step_mm: float
) -> NDArray[np.float64]:
    """Densities in shells around a seed in uniform tissue, (diffusivities, shells)."""
    n = len(seed)
    densities = np.empty((len(diffusivities), n))
    num_steps = max(20, int(np.ceil(rate * days / 0.1)))
    dt = days / num_steps
    growth = np.exp(0.5 * rate * dt)
    factors, upper = np.empty(n), np.empty(n)
    for row in range(len(diffusivities)):
        u = seed.copy()
        number = diffusivities[row] * dt / step_mm**2
        for _ in range(num_steps):
            for i in range(n):
                u[i] = u[i] * growth / (1.0 + u[i] * (growth - 1.0))
            # Backward Euler in shells: the area of a face over the volume of a shell.
            for i in range(n):
                volume = ((i + 1.0) ** 3 - float(i) ** 3) / 3.0
                inner = number * float(i) ** 2 / volume
                outer = number * (i + 1.0) ** 2 / volume if i < n - 1 else 0.0
                below = upper[i - 1] if i > 0 else 0.0
                pivot = 1.0 + inner + outer - inner * below
                upper[i] = outer / pivot
                factors[i] = (u[i] + inner * (factors[i - 1] if i > 0 else 0.0)) / pivot
            u[n - 1] = factors[n - 1]
            for i in range(n - 2, -1, -1):
                u[i] = factors[i] + upper[i] * u[i + 1]
            for i in range(n):
                u[i] = u[i] * growth / (1.0 + u[i] * (growth - 1.0))
        densities[row] = u
    return densities
