"""What telling two targets apart is worth for one patient: volumes, surfaces, where they differ, expected cells.

Expected cells come from the map itself: a target that the map has chosen holds most of them by construction, so a model
CTV's gain over a margin is what the map believes, not what is known. What is known of such gains is in docs/targets.md.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of, slices_of
from gliofield.errors import ParameterError
from gliofield.metrics import dice, surface_agreement
from gliofield.pipeline import MemberDensities
from gliofield.pipeline.ensemble_posterior import expected_cells
from gliofield.radiotherapy.planning_case import PlanningCase
from gliofield.radiotherapy.targets import Target

#: Tolerance at which surfaces are compared [mm].
TOLERANCE_MM = 2.0
#: Level of the intervals of cells.
LEVEL = 0.95
# Shorter than this, a direction from the GTV is no direction [mm].
_LEAST_OFFSET_MM = 5.0


@dataclass(frozen=True, kw_only=True)
class Stated:
    """An expected number with its equal-tailed interval; the interval is None where a method states none."""

    mean: float
    low: float | None = None
    high: float | None = None
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class TargetCells:
    """Expected cells of one target.

    Parameters
    ----------
    target : str
        Its name.
    inside_ml, outside_ml : Stated
        Cells outside the core, as volumes filled with them, in the target and beyond it [ml].
    share : Stated
        Part of the cells outside the core that lies in the target.
    """

    target: str
    inside_ml: Stated
    outside_ml: Stated
    share: Stated


@dataclass(frozen=True, kw_only=True)
class LargestDifference:
    """The largest connected piece that one of two targets has alone.

    Parameters
    ----------
    only_in : str
        Name of the target that has it.
    volume_ml : float
        Its volume [ml].
    center_mm : tuple of 3 float
        Its center in the patient [mm, RAS+].
    direction : str
        Where it is from the center of the GTV, such as ``left of and above``.
    farthest_mm : float
        Its largest distance from the other target [mm].
    """

    only_in: str
    volume_ml: float
    center_mm: tuple[float, float, float]
    direction: str
    farthest_mm: float


@dataclass(frozen=True, kw_only=True)
class TargetComparison:
    """Two targets side by side.

    Parameters
    ----------
    one, other : str
        Their names.
    volume_ml, other_volume_ml, shared_ml, only_one_ml, only_other_ml : float
        Volumes: of each, of both, of each alone [ml].
    dice : float
        Overlap.
    surface_dice_2mm : float
        Part of both surfaces within 2 mm of the other one.
    surface_distance_95_mm : float
        95th percentile of the distances of the surfaces [mm].
    largest : LargestDifference or None
        Where they differ most; None where they are alike.
    """

    one: str
    other: str
    volume_ml: float
    other_volume_ml: float
    shared_ml: float
    only_one_ml: float
    only_other_ml: float
    dice: float
    surface_dice_2mm: float
    surface_distance_95_mm: float
    largest: LargestDifference | None


@dataclass(frozen=True, kw_only=True)
class Saving:
    """What a map saves at the coverage of a guideline: the smallest volume with as many of the cells it expects.

    Parameters
    ----------
    guideline : str
        Name of the guideline's CTV.
    share : float
        Part of the expected cells outside the core that it holds.
    guideline_ml, model_ml : float
        Volume of it, and of the smallest one with that share together with the GTV [ml].
    saved_ml, saved_healthy_ml : float
        The difference, and that in brain that FLAIR shows no tumor in [ml]; negative where the map needs more.
    """

    guideline: str
    share: float
    guideline_ml: float
    model_ml: float
    saved_ml: float
    saved_healthy_ml: float


def compare_targets(one: Target, other: Target, gtv: Target) -> TargetComparison:
    """Two targets of a patient side by side.

    Raises
    ------
    GridMismatchError
        If they lie on different grids.
    """
    grid = one.mask.grid
    grid.require_same_as(other.mask.grid, self_name=one.name, other_name=other.name)
    window = slices_of(box_of(one.mask.data | other.mask.data))
    a, b, one_ml = one.mask.data[window], other.mask.data[window], grid.voxel_volume_ml
    surface = surface_agreement(a, b, grid.spacing_mm, tolerance_mm=TOLERANCE_MM)
    pieces = [_largest_piece(own, away, gtv) for own, away in ((one, other), (other, one))]
    there = [piece for piece in pieces if piece is not None]
    return TargetComparison(
        one=one.name,
        other=other.name,
        volume_ml=one.volume_ml,
        other_volume_ml=other.volume_ml,
        shared_ml=float(np.count_nonzero(a & b)) * one_ml,
        only_one_ml=float(np.count_nonzero(a & ~b)) * one_ml,
        only_other_ml=float(np.count_nonzero(b & ~a)) * one_ml,
        dice=dice(a, b, if_both_empty=float("nan")),
        surface_dice_2mm=surface.surface_dice,
        surface_distance_95_mm=surface.distance_95_mm,
        largest=max(there, key=lambda piece: piece.volume_ml) if there else None,
    )


def cells_of(target: Target, planning: PlanningCase) -> TargetCells:
    """Expected cells outside the core in a target and beyond it, with intervals where an ensemble was kept."""
    inside = target.mask.data & planning.outside_core
    beyond = planning.outside_core & ~target.mask.data
    members = planning.members
    if members is None:
        cells, one_ml = planning.expected.data, planning.grid.voxel_volume_ml
        within, without = (float(cells[part].sum(dtype=np.float64)) * one_ml for part in (inside, beyond))
        total = within + without
        share = within / total if total > 0.0 else float("nan")
        return TargetCells(
            target=target.name,
            inside_ml=Stated(mean=within),
            outside_ml=Stated(mean=without),
            share=Stated(mean=share),
        )
    within_ml, without_ml = (members.cells_ml(part, planning.grid) for part in (inside, beyond))
    return TargetCells(
        target=target.name,
        inside_ml=_stated_cells(within_ml, members),
        outside_ml=_stated_cells(without_ml, members),
        share=_stated_share(within_ml, without_ml),
    )


def saving_at(guideline: Target, gtv: Target, planning: PlanningCase, reachable: NDArray[np.bool_]) -> Saving | None:
    """The smallest volume, with the GTV, that holds the expected cells that a guideline's CTV holds.

    None where no cells are expected outside the core. The volume is that of the raw map; a delivered form differs.

    Parameters
    ----------
    guideline, gtv : Target
        The CTV, and what it is around.
    planning : PlanningCase
        For the expected density.
    reachable : (X, Y, Z) bool array
        What can be chosen.

    Raises
    ------
    ParameterError
        If the guideline's CTV does not hold its GTV.
    """
    if np.any(gtv.mask.data & ~guideline.mask.data):
        raise ParameterError(f"{guideline.name} does not hold all of {gtv.name}: expected a CTV with its GTV.")
    cells = np.where(planning.outside_core, planning.expected.data, 0.0)
    total = float(cells.sum(dtype=np.float64))
    if total <= 0.0:
        return None
    held = float(cells[guideline.mask.data].sum(dtype=np.float64))
    start = float(cells[gtv.mask.data].sum(dtype=np.float64))
    places = np.flatnonzero(reachable & ~gtv.mask.data & (cells > 0.0))
    order = places[np.argsort(-cells.ravel()[places], kind="stable")]
    sums = start + np.cumsum(cells.ravel()[order].astype(np.float64))
    count = min(int(np.searchsorted(sums, held * (1.0 - 1e-9))) + 1, len(order)) if held > start else 0
    mask = gtv.mask.data.copy()
    mask.ravel()[order[:count]] = True
    one_ml, healthy = planning.grid.voxel_volume_ml, planning.treatable & ~planning.segmentation.whole_tumor
    volumes = [float(np.count_nonzero(each)) * one_ml for each in (guideline.mask.data, mask)]
    in_healthy = [float(np.count_nonzero(each & healthy)) * one_ml for each in (guideline.mask.data, mask)]
    return Saving(
        guideline=guideline.name,
        share=held / total,
        guideline_ml=volumes[0],
        model_ml=volumes[1],
        saved_ml=volumes[0] - volumes[1],
        saved_healthy_ml=in_healthy[0] - in_healthy[1],
    )


def as_json(value: Any) -> dict[str, Any]:
    """A comparison, cells or a saving, JSON-ready."""
    return dataclasses.asdict(value)


def _stated_cells(cells_ml: NDArray[np.float64], members: MemberDensities) -> Stated:
    found = expected_cells(cells_ml, log_std=members.log_std, level=LEVEL)
    return Stated(mean=found.mean, low=found.low, high=found.high, level=found.level)


def _stated_share(within_ml: NDArray[np.float64], without_ml: NDArray[np.float64]) -> Stated:
    """Part of the cells inside: mean and interval over members; the factor by which all are wrong cancels."""
    total = within_ml + without_ml
    shares = within_ml[total > 0.0] / total[total > 0.0]
    if not len(shares):
        return Stated(mean=float("nan"))
    low, high = np.quantile(shares, [0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)])
    return Stated(mean=float(within_ml.sum() / total.sum()), low=float(low), high=float(high), level=LEVEL)


def _largest_piece(own: Target, away: Target, gtv: Target) -> LargestDifference | None:
    window = slices_of(box_of(own.mask.data | away.mask.data))
    there = away.mask.data[window]
    pieces, number = ndimage.label(own.mask.data[window] & ~there)
    if not number:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    piece = pieces == int(np.argmax(sizes))
    grid = own.mask.grid
    center = grid.world_of(np.argwhere(piece).mean(axis=0) + [each.start for each in window])
    from_away_mm = np.asarray(ndimage.distance_transform_edt(~there, sampling=grid.spacing_mm))
    return LargestDifference(
        only_in=own.name,
        volume_ml=float(sizes.max()) * grid.voxel_volume_ml,
        center_mm=(float(center[0]), float(center[1]), float(center[2])),
        direction=_direction(center - grid.world_of(np.argwhere(gtv.mask.data).mean(axis=0))),
        farthest_mm=float(from_away_mm[piece].max()),
    )


def _direction(offset_mm: NDArray[np.float64]) -> str:
    """An offset in the world in words, to be followed by what it is from; its largest parts first.

    Examples
    --------
    >>> _direction(np.array([-20.0, 1.0, 12.0]))
    'left of and above'
    """
    words = (("right of", "left of"), ("in front of", "behind"), ("above", "below"))
    largest = float(np.abs(offset_mm).max())
    parts = [
        words[axis][0 if offset_mm[axis] > 0.0 else 1]
        for axis in np.argsort(-np.abs(offset_mm))
        if abs(offset_mm[axis]) >= max(_LEAST_OFFSET_MM, 0.5 * largest)
    ]
    return " and ".join(parts) if parts else "around"
