"""How the tumors of a database are drawn.

A `Design` says which tumors a database is made of: it draws the parameters of one simulation, and accepts or rejects
what came out. Two stand here by name: ``clinical`` (the default: covers what patients show) and ``papers`` (the
ranges and the size filter of the published data). A third is a frozen dataclass with the same members.

Tumor i depends on the design, the root seed and i alone: attempt j of run r has a random generator of its own,
`attempt_rng(root_seed, r, j)`, whoever computes it and whenever. With S snapshots per run, tumor i is snapshot i mod S
of run ⌊i/S⌋.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gliomap.anatomy.growth_domain import Anatomy
from gliomap.errors import DatabaseError, ParameterError
from gliomap.grid import Grid
from gliomap.growth import FisherKolmogorovParameters, VolumeLimit

_MAX_SEED_DRAWS = 10_000
_kept_bounds: WeakKeyDictionary[Anatomy, list[tuple[float, float]]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Sizes on the coarse grid of `screening` with which a draw is simulated; with others it is rejected.

    Parameters
    ----------
    threshold : float
        The volume is that where the cell density of the last snapshot exceeds this.
    min_volume_ml, max_volume_ml : float
        Range of the volume [ml].
    """

    threshold: float
    min_volume_ml: float
    max_volume_ml: float


@dataclass(frozen=True, kw_only=True)
class TumorDraw:
    """Parameters of one simulation and the times of its snapshots.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        What to simulate.
    times_days : tuple of float
        Snapshots, strictly increasing [days]; as many as the design's `snapshots_per_run`.
    filter_thresholds : tuple of float
        Densities at which the design's filter measures each snapshot, where they are part of the draw; else empty.
    volume_limit : VolumeLimit or None
        Size beyond which the design rejects the run, so the model need not finish it. A limit must belong to the last
        snapshot, whose turn is yet to come whenever a run is stopped.
    screening : Screening or None
        What a cheap run decides about before the draw is simulated.
    """

    parameters: FisherKolmogorovParameters
    times_days: tuple[float, ...]
    filter_thresholds: tuple[float, ...] = ()
    volume_limit: VolumeLimit | None = None
    screening: Screening | None = None


class Design(Protocol):
    """Which tumors a database is made of. Dataclass fields are recorded as its settings."""

    @property
    def name(self) -> str:
        """Name on the command line and in the header."""

    @property
    def snapshots_per_run(self) -> int:
        """Tumors taken from one simulation, ≥ 1."""

    def draw(self, rng: np.random.Generator, anatomy: Anatomy) -> TumorDraw:
        """Parameters, times and everything else that is random about one simulation."""

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """Whether a simulation becomes part of the database; not asked of one that exceeded its `volume_limit`.

        Parameters
        ----------
        draw : TumorDraw
            What was simulated.
        cell_density : (S, X, Y, Z) float32 array
            All snapshots; they are taken or left together.
        grid : Grid
            Their grid.
        """


def attempt_rng(root_seed: int, run: int, attempt: int) -> np.random.Generator:
    """Random generator of one attempt of one run, independent of all others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(root_seed, spawn_key=(run, attempt))))


def seed_in_domain(rng: np.random.Generator, anatomy: Anatomy) -> tuple[float, float, float]:
    """Position uniform over the domain, world [mm]: a uniform voxel and a uniform place within it."""
    voxels = np.flatnonzero(anatomy.domain)
    # From `random`, whose stream NumPy keeps, not from `integers`, which it may change.
    voxel = np.unravel_index(voxels[int(rng.random() * len(voxels))], anatomy.grid.shape)
    x_mm, y_mm, z_mm = anatomy.grid.world_of(np.array(voxel) + rng.random(3) - 0.5)
    return float(x_mm), float(y_mm), float(z_mm)


def seed_in_box(
    rng: np.random.Generator, anatomy: Anatomy, box_fractions: tuple[tuple[float, float], ...]
) -> tuple[float, float, float]:
    """Position uniform over the domain voxels inside a box, world [mm].

    Parameters
    ----------
    rng : Generator
        Source of the draw.
    anatomy : Anatomy
        Domain and grid.
    box_fractions : three (low, high) pairs
        The box along each array axis, as fractions of the bounding box of the domain (voxel faces to voxel faces).

    Raises
    ------
    DatabaseError
        If none of 10,000 positions in the box fell into the domain.
    """
    low, high = np.empty(3), np.empty(3)
    for axis, (start, stop) in enumerate(_domain_bounds(anatomy)):
        low[axis], high[axis] = (start + fraction * (stop - start) for fraction in box_fractions[axis])
    for _ in range(_MAX_SEED_DRAWS):
        position = low + (high - low) * rng.random(3)
        if anatomy.domain[tuple(np.rint(position).astype(int))]:
            x_mm, y_mm, z_mm = anatomy.grid.world_of(position)
            return float(x_mm), float(y_mm), float(z_mm)
    raise DatabaseError(
        f"none of {_MAX_SEED_DRAWS} seed positions in the design's box fell into tissue: the box (voxels "
        f"{np.round(low, 1)} to {np.round(high, 1)}) does not fit this anatomy."
    )


def _domain_bounds(anatomy: Anatomy) -> list[tuple[float, float]]:
    """Faces of the bounding box of the domain along each axis [voxels], kept as long as the anatomy lives."""
    if anatomy not in _kept_bounds:
        bounds = []
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            occupied = np.flatnonzero(anatomy.domain.any(axis=others))
            bounds.append((occupied[0] - 0.5, occupied[-1] + 0.5))
        _kept_bounds[anatomy] = bounds
    return _kept_bounds[anatomy]


def uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """One number uniform in [low, high)."""
    return bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())


def log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """One number whose logarithm is uniform."""
    return float(np.exp(uniform(rng, (float(np.log(bounds[0])), float(np.log(bounds[1]))))))


def require_range(name: str, bounds: tuple[float, float], unit: str) -> None:
    """Raise `ParameterError` unless 0 < low < high, both finite."""
    if len(bounds) != 2 or not (np.all(np.isfinite(bounds)) and 0.0 < bounds[0] < bounds[1]):
        raise ParameterError(f"{name} must be (low, high) with 0 < low < high [{unit}], got {bounds}.")


def require_snapshots(snapshots_per_run: int) -> None:
    """Raise `ParameterError` unless the number of snapshots is at least 1."""
    if snapshots_per_run < 1:
        raise ParameterError(f"snapshots_per_run must be at least 1, got {snapshots_per_run}.")
