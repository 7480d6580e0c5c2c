"""How the tumors of a database are drawn.

A `Design` says which tumors a database is made of: it draws the parameters of one simulation, and accepts or rejects
what came out. gliofield's own is ``clinical``, which covers what patients show; another one is a frozen dataclass with
the same members (`designs`).

Tumor i depends on the design, the root seed and i alone: attempt j of run r has a source of random numbers of its own,
`AttemptRng(root_seed, r, j)`, whoever computes it and whenever. With S snapshots per run, tumor i is snapshot i mod S
of run ⌊i/S⌋.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters, VolumeLimit, growth_parameters_of, seed_values
from gliofield.growth.parameters import DIFFUSIVITY_NAME, PUSH_NAME, RATE_NAME

# More attempts than a run ever has.
_INDEPENDENT = 1 << 30
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
_Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
_kept_weights: WeakKeyDictionary[Anatomy, dict[float, _Sums]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Sizes on the coarse grid of `screening` with which a draw is simulated; with others it is rejected.

    Parameters
    ----------
    threshold : float
        The volume is that where the cell density of the last snapshot exceeds this.
    min_volume_ml, max_volume_ml : float
        Range of the volume [ml].
    seed_share : float
        Least part of the seed's cells that the coarse grid must hold for a volume below the range to count, in [0, 1].
    """

    threshold: float
    min_volume_ml: float
    max_volume_ml: float
    seed_share: float = 0.9


@dataclass(frozen=True, kw_only=True)
class TumorDraw:
    """Parameters of one simulation and the times of its snapshots.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        What to simulate; `MassEffectParameters` where the design draws a push.
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


@runtime_checkable
class Design(Protocol):
    """Which tumors a database is made of. Dataclass fields are recorded as its settings."""

    @property
    def name(self) -> str:
        """Name on the command line and in the header."""

    @property
    def snapshots_per_run(self) -> int:
        """Tumors taken from one simulation, ≥ 1."""

    @property
    def push_pa(self) -> tuple[float, float] | None:
        """Range of the push γ [Pa] for a model with mass effect; None for one without."""

    def draw(self, rng: AttemptRng, anatomy: Anatomy) -> TumorDraw:
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


class AttemptRng(np.random.Generator):
    """Random numbers of one attempt of one run: independent ones, and a point that complements those of other runs.

    Parameters
    ----------
    root_seed : int
        Seed of the database, ≥ 0.
    run, attempt : int
        Which attempt, each ≥ 0.
    """

    def __init__(self, root_seed: int, run: int, attempt: int) -> None:
        super().__init__(np.random.PCG64(np.random.SeedSequence(root_seed, spawn_key=(run, attempt))))
        self._key = (root_seed, run, attempt)

    def independent(self) -> AttemptRng:
        """The same source with independent points, as attempts after the first have them."""
        root_seed, run, attempt = self._key
        return AttemptRng(root_seed, run, attempt + _INDEPENDENT)

    def low_discrepancy_point(self, num_dimensions: int) -> NDArray[np.float64]:
        """A point in the unit cube, (num_dimensions,) in [0, 1): those of first attempts fill it evenly.

        First attempts take point `run` of a Halton sequence (Halton, 1960), shifted at random, one shift per root seed
        (Cranley and Patterson, 1976); any point is at hand without the others. Runs that are drawn again share a region
        of the cube, which no shift of the sequence would spread, so later attempts are independent.

        Raises
        ------
        ParameterError
            If the number of dimensions is not 1 to 16.

        Examples
        --------
        >>> points = sorted(AttemptRng(0, run, 0).low_discrepancy_point(1)[0] for run in range(8))
        >>> bool(max(b - a for a, b in zip(points, points[1:])) < 0.26)  # 8 independent ones leave larger gaps
        True
        """
        if not 1 <= num_dimensions <= len(_PRIMES):
            raise ParameterError(f"num_dimensions must be 1 to {len(_PRIMES)}, got {num_dimensions}.")
        root_seed, run, attempt = self._key
        if attempt > 0:
            return self.random(num_dimensions)
        point = [_radical_inverse(run, base) for base in _PRIMES[:num_dimensions]]
        return np.asarray((_shift(root_seed, num_dimensions) + point) % 1.0)


@cache
def _shift(root_seed: int, num_dimensions: int) -> NDArray[np.float64]:
    # Keys of attempts have two words, so this stream meets none of theirs.
    seeds = np.random.SeedSequence(root_seed, spawn_key=(num_dimensions,))
    of_sequence = np.random.Generator(np.random.PCG64(seeds))
    return of_sequence.random(num_dimensions)


def _radical_inverse(number: int, base: int) -> float:
    """Digits of a number, mirrored at the point: of integers until the last division, so equal on every machine."""
    mirrored, denominator = 0, 1
    while number:
        number, digit = divmod(number, base)
        mirrored = mirrored * base + digit
        denominator *= base
    return mirrored / denominator


def growth_parameters(
    rng: AttemptRng,
    push_pa: tuple[float, float] | None,
    *,
    white_matter_diffusivity_mm2_per_day: float,
    proliferation_rate_per_day: float,
    seed_mm: tuple[float, float, float],
    diffusivity_ratio: float,
) -> FisherKolmogorovParameters:
    """Parameters of a draw, with a uniform push where the design has a range of it.

    To be called last in a draw: then tumors with and without mass effect have everything else in common.
    """
    values = {
        DIFFUSIVITY_NAME: white_matter_diffusivity_mm2_per_day,
        RATE_NAME: proliferation_rate_per_day,
        "diffusivity_ratio": diffusivity_ratio,
        **seed_values(seed_mm),
        **({} if push_pa is None else {PUSH_NAME: uniform(rng, push_pa)}),
    }
    return growth_parameters_of(values)


def seed_at(point: NDArray[np.float64], anatomy: Anatomy, gray_matter_weight: float) -> tuple[float, float, float]:
    """Position in the domain at a point of the unit cube, world [mm]; points that fill the cube evenly fill the tissue.

    Parameters
    ----------
    point : (3,) float64 array
        In [0, 1); chooses a plane x, a row y in it, a place z on the row, each by the weight of the tissue there.
    anatomy : Anatomy
        Domain and fractions.
    gray_matter_weight : float
        Density of seeds in gray over that in white matter, ≥ 0.
    """
    sums_x, sums_y, sums_z = _cumulative_weights(anatomy, gray_matter_weight)
    x, in_x = _place(sums_x, point[0])
    y, in_y = _place(sums_y[x], point[1])
    z, in_z = _place(sums_z[x, y], point[2])
    x_mm, y_mm, z_mm = anatomy.grid.world_of(np.array([x + in_x, y + in_y, z + in_z]) - 0.5)
    return float(x_mm), float(y_mm), float(z_mm)


def _place(sums: NDArray[np.float64], part: float) -> tuple[int, float]:
    """Index whose weight holds a part in [0, 1) of the sum, and how far into it the part lies."""
    target = part * sums[-1]
    # Rounding may take the target to the very end, beyond which there is no place.
    index = min(int(np.searchsorted(sums, target, side="right")), int(np.searchsorted(sums, sums[-1])))
    below = sums[index - 1] if index else 0.0
    return index, float((target - below) / (sums[index] - below))


def _cumulative_weights(anatomy: Anatomy, gray_matter_weight: float) -> _Sums:
    """Cumulative weights of seeds along x, along y in each plane, along z in each row, kept as the anatomy lives.

    Raises
    ------
    DatabaseError
        If no voxel has a weight.
    """
    kept = _kept_weights.setdefault(anatomy, {})
    if gray_matter_weight not in kept:
        weights = anatomy.white_matter.astype(np.float64) + gray_matter_weight * anatomy.gray_matter
        rows = weights.sum(axis=2)
        if not rows.any():
            raise DatabaseError("the design's seeds lie in white matter alone, of which this anatomy has none.")
        kept[gray_matter_weight] = (np.cumsum(rows.sum(axis=1)), np.cumsum(rows, axis=1), np.cumsum(weights, axis=2))
    return kept[gray_matter_weight]


def uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """One number uniform in [low, high)."""
    return bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())


def triangular(part: float, peak: tuple[float, float, float]) -> float:
    """Number below which a part in [0, 1) of a triangular distribution lies, whose peak is (low, mode, high).

    Examples
    --------
    >>> triangular(0.0, (1.0, 2.0, 5.0)), triangular(0.25, (1.0, 2.0, 5.0)), round(triangular(1.0, (1.0, 2.0, 5.0)), 9)
    (1.0, 2.0, 5.0)
    """
    low, mode, high = peak
    if part * (high - low) < mode - low:
        return low + math.sqrt(part * (high - low) * (mode - low))
    return high - math.sqrt((1.0 - part) * (high - low) * (high - mode))


def require_range(name: str, bounds: tuple[float, float], unit: str) -> None:
    """Raise `ParameterError` unless 0 < low < high, both finite."""
    if len(bounds) != 2 or not (np.all(np.isfinite(bounds)) and 0.0 < bounds[0] < bounds[1]):
        raise ParameterError(f"{name} must be (low, high) with 0 < low < high [{unit}], got {bounds}.")


def require_peak(name: str, peak: tuple[float, float, float], unit: str) -> None:
    """Raise `ParameterError` unless 0 < low ≤ mode ≤ high, low < high, all finite."""
    if len(peak) != 3 or not (np.all(np.isfinite(peak)) and 0.0 < peak[0] <= peak[1] <= peak[2] > peak[0]):
        raise ParameterError(
            f"{name} must be (low, mode, high) with 0 < low <= mode <= high and low < high [{unit}], got {peak}."
        )


def require_push(push_pa: tuple[float, float] | None) -> None:
    """Raise `ParameterError` unless the range of pushes is None or 0 ≤ low ≤ high, both finite."""
    if push_pa is not None and not (
        len(push_pa) == 2 and np.all(np.isfinite(push_pa)) and 0.0 <= push_pa[0] <= push_pa[1]
    ):
        raise ParameterError(f"push_pa must be None or (low, high) with 0 <= low <= high [Pa], got {push_pa}.")


def require_snapshots(snapshots_per_run: int) -> None:
    """Raise `ParameterError` unless the number of snapshots is at least 1."""
    if snapshots_per_run < 1:
        raise ParameterError(f"snapshots_per_run must be at least 1, got {snapshots_per_run}.")
