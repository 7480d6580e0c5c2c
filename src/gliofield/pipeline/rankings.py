"""Four rankings of a patient's voxels, side by side: two margins, the density, and the priority.

A plan takes the first voxels of a ranking. At the volume of the usual target, the core with a margin of 15 mm, each of
the four gives a region of the same size, so that their difference is not one of size. What a region holds of the
cells is told by the result's own density: by that measure the density is first by construction.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Segmentation
from gliofield.assimilation import PrioritySettings, distance_mm, grow_from_outlines, rank_voxels
from gliofield.box import box_of, slices_of, widened
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.metrics import dice, highest_voxels
from gliofield.pipeline.spaces import PatientSpace
from gliofield.pipeline.tumor_box import TumorBox
from gliofield.volume import Volume

#: The usual margin around the core [mm] (ESTRO-EANO 2023).
MARGIN_MM = 15.0


@dataclass(frozen=True, kw_only=True)
class RankedRegion:
    """The first voxels of one ranking.

    Parameters
    ----------
    ranking : str
        ``core-margin``, ``whole-margin``, ``density`` or ``priority``.
    visible_tumor : float
        Part of the whole tumor inside.
    cells_outside_core : float or None
        Part of the density's cells outside the core that lie inside; None where there are none.
    dice_with_core_margin : float
        Overlap with the usual target.
    """

    ranking: str
    visible_tumor: float
    cells_outside_core: float | None
    dice_with_core_margin: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Rankings:
    """A patient's voxels in four orders.

    Parameters
    ----------
    priority : Volume
        Ranks on the scan's grid, higher ones to be treated first: strictly positive, without ties.
    margin_mm : float
        Width of the margin that the volume is taken from [mm].
    volume_ml : float or None
        Volume of every region [ml]; None without a core.
    regions : tuple of RankedRegion
        The first voxels of each; empty without a core.
    """

    priority: Volume
    margin_mm: float
    volume_ml: float | None
    regions: tuple[RankedRegion, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without the ranks."""
        return {
            "margin_mm": self.margin_mm,
            "volume_ml": self.volume_ml,
            "regions": {each.ranking: _without_name(each) for each in self.regions},
            "note": "regions of equal volume; the cells are those of this result's own density",
        }


def _without_name(region: RankedRegion) -> dict[str, Any]:
    values = dataclasses.asdict(region)
    values.pop("ranking")
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class OutlineRankings:
    """What the outlines alone say of a patient's voxels, whatever the density.

    Parameters
    ----------
    window : 3 slices
        The box of the brain: distances are needed there only, which is a fraction of the scan.
    from_core_mm, from_whole_mm : (X, Y, Z) float32 arrays
        Distances to core (without one: to the whole tumor) and whole tumor in that box [mm].
    priority : Volume
        Ranks on the scan's grid.
    """

    window: tuple[slice, slice, slice]
    from_core_mm: NDArray[np.float32]
    from_whole_mm: NDArray[np.float32]
    priority: Volume


def rank_outlines(scan: PatientSpace, thresholds: VisibilityThresholds) -> OutlineRankings:
    """The part of `rank_targets` that needs no density; arguments as there."""
    window, segmentation = slices_of(box_of(scan.case.brain)), scan.case.segmentation
    from_whole_mm = distance_mm(segmentation.whole_tumor[window], scan.grid.spacing_mm)
    from_core_mm = from_whole_mm
    if segmentation.has_core:
        from_core_mm = distance_mm(segmentation.tumor_core[window], scan.grid.spacing_mm)
    return OutlineRankings(
        window=window,
        from_core_mm=from_core_mm,
        from_whole_mm=from_whole_mm,
        priority=target_priority(scan, from_core_mm, thresholds),
    )


def rank_targets(
    density: Volume, scan: PatientSpace, thresholds: VisibilityThresholds, outlines: OutlineRankings | None = None
) -> Rankings:
    """The four rankings of a patient.

    Parameters
    ----------
    density : Volume
        Cell density on the grid of the scan.
    scan : PatientSpace
        The patient's brain on that grid.
    thresholds : VisibilityThresholds
        Densities that T1Gd and FLAIR show.
    outlines : OutlineRankings, optional
        `rank_outlines` of the same scan, if it is there already.
    """
    case, grid = scan.case, scan.grid
    found = rank_outlines(scan, thresholds) if outlines is None else outlines
    priority, window, from_core_mm = found.priority, found.window, found.from_core_mm
    if not case.segmentation.has_core:
        return Rankings(priority=priority, margin_mm=MARGIN_MM, volume_ml=None, regions=())
    core, whole = case.segmentation.tumor_core[window], case.segmentation.whole_tumor[window]
    treatable = _treatable(scan)[window]
    margin = treatable & (from_core_mm <= MARGIN_MM)
    count, cells = int(np.count_nonzero(margin)), density.data[window] * (treatable & ~core)
    scores = {"whole-margin": -found.from_whole_mm, "density": density.data[window], "priority": priority.data[window]}
    regions = {"core-margin": margin} | {
        name: highest_voxels(score, count, within=treatable, distance_mm=from_core_mm) for name, score in scores.items()
    }
    total = float(cells.sum(dtype=np.float64))
    return Rankings(
        priority=priority,
        margin_mm=MARGIN_MM,
        volume_ml=count * grid.voxel_volume_ml,
        regions=tuple(
            RankedRegion(
                ranking=name,
                visible_tumor=float(np.count_nonzero(region & whole) / np.count_nonzero(whole)),
                cells_outside_core=float(cells[region].sum(dtype=np.float64)) / total if total > 0.0 else None,
                dice_with_core_margin=dice(region, margin, if_both_empty=float("nan")),
            )
            for name, region in regions.items()
        ),
    )


def core_margin(segmentation: Segmentation, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The usual target: the core with `MARGIN_MM` within the brain; empty without a core.

    Parameters
    ----------
    segmentation : Segmentation
        Tumor masks.
    alive : (X, Y, Z) bool array
        Where it may reach.
    """
    found = np.zeros(segmentation.grid.shape, dtype=bool)
    if segmentation.has_core:
        spacing_mm = segmentation.grid.spacing_mm
        reach = int(np.ceil(MARGIN_MM / min(spacing_mm))) + 1
        window = slices_of(widened(box_of(segmentation.tumor_core), reach, found.shape))
        near = distance_mm(segmentation.tumor_core[window], spacing_mm) <= MARGIN_MM
        found[window] = near & alive[window]
    return found


def target_priority(
    scan: PatientSpace,
    core_distance_mm: NDArray[np.float32],
    thresholds: VisibilityThresholds,
    settings: PrioritySettings | None = None,
) -> Volume:
    """Ranks on the scan's grid, from the outlines alone (`assimilation.priority`): the same for every method.

    Parameters
    ----------
    scan : PatientSpace
        The patient's brain on the grid of the scan.
    core_distance_mm : (X, Y, Z) float32 array
        Distance to the core, without one to the whole tumor, in the box of the brain [mm].
    thresholds : VisibilityThresholds
        Densities that T1Gd and FLAIR show.
    settings : PrioritySettings, optional
        How outlines become priorities.
    """
    chosen = PrioritySettings() if settings is None else settings
    segmentation = scan.case.segmentation
    seen = Observation(
        tumor_core=segmentation.tumor_core,
        whole_tumor=segmentation.whole_tumor,
        grid=scan.grid,
        thresholds=thresholds,
        space=scan,
    )
    box = TumorBox.around(seen, scan)
    phase = grow_from_outlines(box.seen.tumor_core, box.seen.whole_tumor, box.anatomy, chosen)
    on_scan = box.continued_on_scan(phase, chosen.outside_per_mm)
    from_core_mm = np.zeros(scan.grid.shape, dtype=np.float32)
    from_core_mm[slices_of(box_of(scan.case.brain))] = core_distance_mm
    return Volume(rank_voxels(on_scan, from_core_mm, _treatable(scan), chosen.pull_per_mm), scan.grid)


def _treatable(scan: PatientSpace) -> NDArray[np.bool_]:
    cavity = scan.case.segmentation.cavity
    return scan.case.brain if cavity is None else scan.case.brain & ~cavity
