"""How much of the tumor that everyone sees holds cells in an answer, and where it does not.

The same for every method, on the patient's grid, and before any correction to the outlines: what a correction makes
true says nothing about an answer. A density is bought for what lies beyond the visible tumor; one that leaves out part
of it must say so first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.concern import Concern, by_harm, named_concern
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.pipeline.case import Case
from gliofield.registration import RegistrationQuality
from gliofield.volume import Volume

#: A density below this is none at all for a reader of the map.
NO_CELLS = 0.01
# Visible tumor without cells: more than this part, or this volume [ml]. *Chosen*: the best of 5,000 tumors leaves 1 to
# 8 % (0.4 to 4 ml) empty in three of the shared patients, 8 to 35 % (11 to 82 ml) in five worse ones.
_NOTABLE_SHARE, _NOTABLE_ML = 0.05, 5.0
# The largest piece of visible tumor below the threshold of FLAIR [part of the tumor]. *Chosen*: a fifth.
_NOTABLE_PIECE = 0.20
# What a focus is: larger than this [ml], or than this part of the tumor.
_FOCUS_ML, _FOCUS_SHARE = 1.0, 0.05
# A focus of which less than this is above the threshold of FLAIR is not in the answer.
_FOCUS_SHOWN = 0.10
# A larger part of the tumor than this without cells makes the map useless. *Chosen*.
_LARGE_FOCUS = 0.10
# Nearer to the middle of the brain than this, a focus is on neither side [mm].
_MIDLINE_MM = 10.0
# Cells above the threshold of FLAIR where nothing is seen, as part of the whole tumor. *Chosen*: a tumor's own volume.
_NOTABLE_BEYOND = 1.0
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Focus:
    """One connected part of the whole tumor.

    Parameters
    ----------
    volume_ml : float
        Its volume.
    center_mm : tuple of 3 float
        Its center of mass in the patient's world [mm, RAS+].
    side : {"left", "right", "middle"}
        Where it lies in the brain.
    shown : float
        Part of it above the threshold of FLAIR.
    """

    volume_ml: float
    center_mm: tuple[float, float, float]
    side: str
    shown: float


@dataclass(frozen=True, kw_only=True)
class TumorCoverage:
    """What an answer does with the visible tumor, before any correction.

    Parameters
    ----------
    below_threshold_ml, below_threshold_share : float
        Visible tumor at or below the threshold of FLAIR [ml], and as part of the whole tumor.
    largest_piece_ml : float
        Its largest connected piece [ml].
    largest_piece_mm : tuple of 3 float, or None
        Center of that piece in the patient's world [mm, RAS+].
    without_cells_ml, without_cells_share : float
        Visible tumor with a density below 0.01 [ml], and as part of the whole tumor.
    core_below_threshold_share : float or None
        Part of the core at or below the threshold of FLAIR; None without a core.
    beyond_ml : float
        Brain above the threshold of FLAIR where no tumor is visible [ml].
    foci : tuple of Focus
        Parts of the whole tumor above 1 ml or 5 %, largest first.
    volume_change : mapping of str to float or None
        Factor by which the registration changes the volume of ``tumor_core`` and ``whole_tumor`` beside the brain's.
    concerns : tuple of Concern
        Remarks on what is notable, most harmful first.
    """

    below_threshold_ml: float
    below_threshold_share: float
    largest_piece_ml: float
    largest_piece_mm: tuple[float, float, float] | None
    without_cells_ml: float
    without_cells_share: float
    core_below_threshold_share: float | None
    beyond_ml: float
    foci: tuple[Focus, ...]
    volume_change: Mapping[str, float | None]
    concerns: tuple[Concern, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without the concerns."""
        values = dataclasses.asdict(self)
        values.pop("concerns")
        return values


def measure_coverage(
    cell_density: Volume,
    case: Case,
    thresholds: VisibilityThresholds,
    quality: RegistrationQuality | None = None,
    *,
    shows_growth: bool = True,
) -> TumorCoverage:
    """What a density does with the visible tumor of a patient.

    Parameters
    ----------
    cell_density : Volume
        On the case's grid, before any correction to the outlines.
    case : Case
        The patient.
    thresholds : VisibilityThresholds
        Densities taken as visible.
    quality : RegistrationQuality, optional
        What the registration does to volumes.
    shows_growth : bool
        Whether the density claims to be what is seen; a margin does not, and may be larger than that.

    Raises
    ------
    GridMismatchError
        If the density lies on another grid than the patient.
    """
    cell_density.grid.require_same_as(case.grid, self_name="cell_density", other_name="scan")
    whole, core = case.segmentation.whole_tumor, case.segmentation.tumor_core
    shown = thresholds.whole_tumor(cell_density.data)
    below, empty = whole & ~shown, whole & (cell_density.data < NO_CELLS)
    piece_ml, piece_mm = _largest_piece(below, case.grid)
    whole_ml = case.segmentation.whole_ml
    measured = TumorCoverage(
        below_threshold_ml=_ml(below, case.grid),
        below_threshold_share=_ml(below, case.grid) / whole_ml,
        largest_piece_ml=piece_ml,
        largest_piece_mm=piece_mm,
        without_cells_ml=_ml(empty, case.grid),
        without_cells_share=_ml(empty, case.grid) / whole_ml,
        core_below_threshold_share=float((below & core).sum() / core.sum()) if case.segmentation.has_core else None,
        beyond_ml=_ml(shown & ~whole, case.grid),
        foci=_foci(case, shown),
        volume_change=_volume_change(quality),
    )
    concerns = (*_empty_tumor(measured, whole_ml), *_missed_foci(measured.foci, whole_ml))
    if shows_growth and measured.beyond_ml > _NOTABLE_BEYOND * whole_ml:
        text = (
            f"The answer would be visible in {measured.beyond_ml:.0f} ml of brain where FLAIR shows no tumor (the "
            f"tumor that is seen has {whole_ml:.0f} ml)."
        )
        concerns = (*concerns, named_concern("cells-beyond-tumor", text, measured.beyond_ml))
    return dataclasses.replace(measured, concerns=by_harm(concerns))


def _ml(mask: NDArray[np.bool_], grid: Grid) -> float:
    return float(np.count_nonzero(mask)) * grid.voxel_volume_ml


def _largest_piece(mask: NDArray[np.bool_], grid: Grid) -> tuple[float, tuple[float, float, float] | None]:
    """Volume [ml] and center [mm] of the largest connected part of a mask."""
    pieces, number = ndimage.label(mask, structure=_TOUCHING)
    if not number:
        return 0.0, None
    sizes = np.bincount(pieces.ravel())[1:]
    largest = int(np.argmax(sizes)) + 1
    return float(sizes[largest - 1]) * grid.voxel_volume_ml, _center_mm(pieces == largest, grid)


def _center_mm(mask: NDArray[np.bool_], grid: Grid) -> tuple[float, float, float]:
    x_mm, y_mm, z_mm = grid.world_of(np.argwhere(mask).mean(axis=0))
    return round(float(x_mm), 3), round(float(y_mm), 3), round(float(z_mm), 3)


def _foci(case: Case, shown: NDArray[np.bool_]) -> tuple[Focus, ...]:
    pieces, number = ndimage.label(case.segmentation.whole_tumor, structure=_TOUCHING)
    sizes = np.bincount(pieces.ravel(), minlength=number + 1)[1:] * case.grid.voxel_volume_ml
    shares = np.bincount(pieces[shown], minlength=number + 1)[1:] * case.grid.voxel_volume_ml / sizes
    middle_mm = _center_mm(case.brain, case.grid)[0]
    found = []
    for index in np.argsort(-sizes, kind="stable"):
        if sizes[index] <= _FOCUS_ML and sizes[index] <= _FOCUS_SHARE * case.segmentation.whole_ml:
            continue
        center_mm = _center_mm(pieces == index + 1, case.grid)
        away_mm = center_mm[0] - middle_mm
        side = "middle" if abs(away_mm) < _MIDLINE_MM else "right" if away_mm > 0 else "left"
        found.append(Focus(volume_ml=float(sizes[index]), center_mm=center_mm, side=side, shown=float(shares[index])))
    return tuple(found)


def _volume_change(quality: RegistrationQuality | None) -> dict[str, float | None]:
    if quality is None:
        return {"tumor_core": None, "whole_tumor": None}
    ratios = {"tumor_core": quality.core_volume_ratio, "whole_tumor": quality.whole_volume_ratio}
    return {name: None if ratio is None else ratio / quality.affine_volume_ratio for name, ratio in ratios.items()}


def _empty_tumor(found: TumorCoverage, whole_ml: float) -> tuple[Concern, ...]:
    """Visible tumor that the answer leaves without cells, or one large piece that it would not show."""
    is_empty = found.without_cells_share > _NOTABLE_SHARE or found.without_cells_ml > _NOTABLE_ML
    if not is_empty and found.largest_piece_ml <= _NOTABLE_PIECE * whole_ml:
        return ()
    text = (
        f"{found.without_cells_ml:.1f} ml of the visible tumor ({found.without_cells_share:.0%}) have no cells in the "
        f"answer, {found.below_threshold_ml:.1f} ml ({found.below_threshold_share:.0%}) lie below the threshold of "
        f"FLAIR; the largest piece has {found.largest_piece_ml:.1f} ml"
    )
    where = (
        "" if found.largest_piece_mm is None else " around ({:.0f}, {:.0f}, {:.0f}) mm".format(*found.largest_piece_mm)
    )
    return (named_concern("tumor-without-cells", f"{text}{where}.", found.without_cells_ml),)


def _missed_foci(foci: tuple[Focus, ...], whole_ml: float) -> tuple[Concern, ...]:
    """Foci that the answer does not show; a single one is the matter of the agreement."""
    if len(foci) < 2:
        return ()
    return tuple(_missed_focus(focus, len(foci), whole_ml) for focus in foci if focus.shown < _FOCUS_SHOWN)


def _missed_focus(focus: Focus, count: int, whole_ml: float) -> Concern:
    is_large = focus.volume_ml > _LARGE_FOCUS * whole_ml
    side = {"left": "on the left", "right": "on the right", "middle": "in the middle"}[focus.side]
    x_mm, y_mm, z_mm = focus.center_mm
    return named_concern(
        "focus-without-cells" if is_large else "small-focus-without-cells",
        f"The tumor has {count} foci, and the answer shows only {focus.shown:.0%} of one of {focus.volume_ml:.1f} ml "
        f"{side}, around ({x_mm:.0f}, {y_mm:.0f}, {z_mm:.0f}) mm.",
        focus.volume_ml,
    )
