"""The design of the published data: their parameter ranges, seed box and size filter.

D_w, ρ and T uniform over ranges, the seed uniform over a box, and a filter on size (Ezhov et al. 2023,
"Learn-Morph-Infer", section 3; the filter was recovered from the released data, which neither paper nor code state).
It makes large tumors with sharp edges: half of the cores exceed 100 ml. Use it to compare with the papers; for
patients use ``clinical``. An entry point of the group ``gliofield.designs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.box import box_of
from gliofield.database.design import (
    AttemptRng,
    Screening,
    TumorDraw,
    growth_parameters,
    require_push,
    require_range,
    require_snapshots,
    uniform,
)
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import VolumeLimit

# The published box is [0.15, 0.7] × [0.2, 0.8] × [0.15, 0.7] of a 229 mm cube with x from right to left. On the
# published domain (326,274 nodes) the tissue's bounding box runs from node 13 to 94, 14 to 117 and 3 to 91 of 128,
# half a node more on either side; these are the box's places within it, x turned to run from left to right.
_SEED_BOX_FRACTIONS = ((0.0598, 0.9183), (0.1163, 0.8548), (0.1876, 0.9787))
_MAX_SEED_DRAWS = 10_000
_kept_bounds: WeakKeyDictionary[Anatomy, list[tuple[float, float]]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class PapersDesign:
    """Tumors as in the published database.

    Parameters
    ----------
    white_matter_diffusivity_mm2_per_day, proliferation_rate_per_day, growth_time_days : (low, high)
        Ranges of the uniform draws [mm²/day], [1/day], [days].
    diffusivity_ratio : float
        D_w/D_g.
    filter_threshold : (low, high)
        A tumor is measured as the volume of u > U(low, high).
    filter_volume_ml : (low, high)
        It is kept when that volume lies in this range [ml].
    screening_factors : (low, high) or None
        A draw is rejected without a full simulation if in its `screening` it has less than low times the smallest or
        more than high times the largest `filter_volume_ml`; low ≤ 1 ≤ high. None rejects none that way.
    screening_seed_share : float
        A draw that is too small in its `screening` is rejected only if so much of its seed is left on that coarse grid,
        in [0, 1].
    seed_box_fractions : three (low, high) pairs
        Seed box as fractions of the domain's bounding box, along R, A, S.
    push_pa : (low, high) or None
        Range of the uniform push γ of a model with mass effect [Pa]; None for one without.
    snapshots_per_run : int
        Tumors taken from one simulation, at independent times.

    Raises
    ------
    ParameterError
        If a range is empty or not positive, the factors do not enclose 1, or the share is none.
    """

    white_matter_diffusivity_mm2_per_day: tuple[float, float] = (0.02, 1.5)
    proliferation_rate_per_day: tuple[float, float] = (0.002, 0.2)
    growth_time_days: tuple[float, float] = (50.0, 1500.0)
    diffusivity_ratio: float = 10.0
    filter_threshold: tuple[float, float] = (0.6, 0.8)
    filter_volume_ml: tuple[float, float] = (8.7, 412.0)
    screening_factors: tuple[float, float] | None = (0.3, 1.8)
    screening_seed_share: float = 0.9
    seed_box_fractions: tuple[tuple[float, float], ...] = _SEED_BOX_FRACTIONS
    push_pa: tuple[float, float] | None = None
    snapshots_per_run: int = 1

    def __post_init__(self) -> None:
        require_range("white_matter_diffusivity_mm2_per_day", self.white_matter_diffusivity_mm2_per_day, "mm²/day")
        require_range("proliferation_rate_per_day", self.proliferation_rate_per_day, "1/day")
        require_range("growth_time_days", self.growth_time_days, "days")
        require_range("filter_threshold", self.filter_threshold, "cell density")
        require_range("filter_volume_ml", self.filter_volume_ml, "ml")
        require_push(self.push_pa)
        require_snapshots(self.snapshots_per_run)
        if self.screening_factors is not None and not self.screening_factors[0] <= 1.0 <= self.screening_factors[1]:
            raise ParameterError(
                f"screening_factors must be (low, high), low <= 1 <= high, got {self.screening_factors}."
            )
        if not 0.0 <= self.screening_seed_share <= 1.0:
            raise ParameterError(f"screening_seed_share must lie in [0, 1], got {self.screening_seed_share}.")
        box = np.array(self.seed_box_fractions)
        if box.shape != (3, 2) or not np.all((box >= 0.0) & (box <= 1.0)) or not np.all(box[:, 0] < box[:, 1]):
            raise ParameterError(
                f"seed_box_fractions must be three (low, high) pairs with 0 <= low < high <= 1, got {box.tolist()}."
            )

    @property
    def name(self) -> str:
        """``papers``."""
        return "papers"

    def draw(self, rng: AttemptRng, anatomy: Anatomy) -> TumorDraw:
        """Parameters, sorted times, a filter threshold for each of them and, last, the push.

        The seed is drawn until it falls into tissue.
        """
        diffusivity = uniform(rng, self.white_matter_diffusivity_mm2_per_day)
        proliferation_rate = uniform(rng, self.proliferation_rate_per_day)
        times_days = sorted(uniform(rng, self.growth_time_days) for _ in range(self.snapshots_per_run))
        seed_mm = seed_in_box(rng, anatomy, self.seed_box_fractions)
        thresholds = tuple(uniform(rng, self.filter_threshold) for _ in range(self.snapshots_per_run))
        return TumorDraw(
            parameters=growth_parameters(
                rng,
                self.push_pa,
                white_matter_diffusivity_mm2_per_day=diffusivity,
                proliferation_rate_per_day=proliferation_rate,
                seed_mm=seed_mm,
                diffusivity_ratio=self.diffusivity_ratio,
            ),
            times_days=tuple(times_days),
            filter_thresholds=thresholds,
            volume_limit=VolumeLimit(threshold=thresholds[-1], max_volume_ml=self.filter_volume_ml[1]),
            screening=self._screening(thresholds[-1]),
        )

    def _screening(self, threshold: float) -> Screening | None:
        if self.screening_factors is None:
            return None
        (low, high), (low_ml, high_ml) = self.screening_factors, self.filter_volume_ml
        return Screening(
            threshold=threshold,
            min_volume_ml=low * low_ml,
            max_volume_ml=high * high_ml,
            seed_share=self.screening_seed_share,
        )

    def accepts(self, draw: TumorDraw, cell_density: NDArray[np.float32], grid: Grid) -> bool:
        """Whether the volume above its threshold of every snapshot lies in `filter_volume_ml`."""
        low, high = self.filter_volume_ml
        for snapshot, threshold in zip(cell_density, draw.filter_thresholds, strict=True):
            volume_ml = np.count_nonzero(snapshot > np.float32(threshold)) * grid.voxel_volume_ml
            if not low <= volume_ml <= high:
                return False
        return True


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
        _kept_bounds[anatomy] = [(start - 0.5, stop - 0.5) for start, stop in box_of(anatomy.domain)]
    return _kept_bounds[anatomy]
