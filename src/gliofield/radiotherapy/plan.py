"""All targets of one patient, and how they compare: what ``gliofield target`` writes.

GTV               what is seen                                           `gross_tumor`
CTV_ESTRO_15, …   the guideline's margin, along ways through tissue      `guideline_target`
CTV_model_vol     the first of the priority map, at the guideline's volume
CTV_model_95      the fewest voxels that hold 95 % of the expected cells outside the core
CTV_95_inner, CTV_95_outer   how sure that is: the volumes, along the same ranking, that hold 95 % of the cells of
                  the lowest and highest part of the ensemble's members; where a method has a posterior without
                  members, P(density > FLAIR's threshold) at both ends of the level
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.radiotherapy.barriers import Barriers, patient_barriers
from gliofield.radiotherapy.comparison import (
    Saving,
    TargetCells,
    TargetComparison,
    as_json,
    cells_of,
    compare_targets,
    saving_at,
)
from gliofield.radiotherapy.planning_case import PlanningCase
from gliofield.radiotherapy.targets import (
    DEFAULT_GUIDELINE,
    GUIDELINES,
    Guideline,
    Target,
    Trims,
    delivered,
    first_voxels,
    gross_tumor,
    guideline_target,
    reach_mm,
    settle_walls,
    volume_holding,
)
from gliofield.volume import Volume

#: Folder of the masks inside a result folder.
MASKS_FOLDER = "targets"
NOTICE = "For research use only; not a medical device."
# Volumes along a ranking at which members are asked for their cells.
_NUM_VOLUMES = 40
_TASK = "targets"


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """How targets are made.

    Parameters
    ----------
    guideline : Guideline
        The margin that the model is compared with.
    trims : Trims
        How far CTVs go on behind barriers.
    share : float
        Part of the expected cells outside the core that a model CTV is to hold, in (0, 1).
    level : float
        Confidence of the band around it, in (0, 1).

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    guideline: Guideline = GUIDELINES[DEFAULT_GUIDELINE]
    trims: Trims = field(default_factory=Trims)
    share: float = 0.95
    level: float = 0.9

    def __post_init__(self) -> None:
        for name in ("share", "level"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ParameterError(f"{name} must lie in (0, 1), got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetPlan:
    """The targets of a patient.

    Parameters
    ----------
    targets : tuple of Target
        GTV first, then the guideline's CTV, then the model's.
    comparisons : tuple of TargetComparison
        Each model CTV against the guideline's.
    cells : tuple of TargetCells
        Expected cells of each CTV.
    saving : Saving or None
        What the map saves at the guideline's expected coverage.
    barriers : Barriers
        As they lie in the patient.
    notes : tuple of str
        What a reader has to know.
    settings : TargetSettings
        How they were made.
    """

    targets: tuple[Target, ...]
    comparisons: tuple[TargetComparison, ...]
    cells: tuple[TargetCells, ...]
    saving: Saving | None
    barriers: Barriers
    notes: tuple[str, ...]
    settings: TargetSettings

    def __repr__(self) -> str:
        """The summary, so that printing a plan tells what it is."""
        return self.summary()

    def named(self, name: str) -> Target:
        """The target of a name.

        Raises
        ------
        ParameterError
            If there is none.
        """
        for target in self.targets:
            if target.name == name:
                return target
        raise ParameterError(f"there is no target {name!r}: expected one of {[each.name for each in self.targets]}.")

    def to_json(self) -> dict[str, Any]:
        """Content of ``targets.json``."""
        return {
            "targets": [
                {
                    "name": target.name,
                    "file": f"{MASKS_FOLDER}/{target.name}.nii.gz",
                    "kind": target.kind,
                    "description": target.description,
                    "volume_ml": target.volume_ml,
                    **target.details,
                }
                for target in self.targets
            ],
            "expected_cells": [as_json(each) for each in self.cells],
            "comparisons": [as_json(each) for each in self.comparisons],
            "saving": None if self.saving is None else as_json(self.saving),
            "notes": list(self.notes),
            "settings": {
                "guideline": self.settings.guideline.name,
                "source": self.settings.guideline.source,
                "trims_mm": vars(self.settings.trims),
                "share": self.settings.share,
                "level": self.settings.level,
            },
            "notice": NOTICE,
        }

    def summary(self) -> str:
        """A few lines: volumes, expected cells, what differs."""
        cells = {each.target: each for each in self.cells}
        lines = ["targets"]
        for target in self.targets:
            held = f"  {_share_in_words(cells[target.name])}" if target.name in cells else ""
            lines.append(f"  {target.name:<16} {target.volume_ml:7.1f} ml{held}")
        for each in self.comparisons:
            where = (
                ""
                if each.largest is None
                else (
                    f"; the largest part, {each.largest.volume_ml:.1f} ml of {each.largest.only_in}, "
                    f"lies {each.largest.direction} the GTV"
                )
            )
            lines.append(
                f"  {each.one} and {each.other}: Dice {each.dice:.2f}, surface Dice at 2 mm "
                f"{each.surface_dice_2mm:.2f}{where}"
            )
        if self.saving is not None:
            lines.append(
                f"  at the expected coverage of {self.saving.guideline} ({self.saving.share:.1%}) the map needs "
                f"{self.saving.model_ml:.1f} ml instead of {self.saving.guideline_ml:.1f} ml, "
                f"{self.saving.saved_healthy_ml:.1f} ml less outside the visible tumor, by its own expectation"
            )
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes), NOTICE])


def plan_targets(
    planning: PlanningCase, settings: TargetSettings | None = None, *, report: Reporter = ignore_progress
) -> TargetPlan:
    """All targets of a patient, and how they compare.

    Parameters
    ----------
    planning : PlanningCase
        The patient and the maps.
    settings : TargetSettings, optional
        Guideline, trims, share, level.
    report : Reporter
        Told of every step.

    Raises
    ------
    SegmentationError
        If there is nothing to make a GTV of.
    """
    chosen, seen = TargetSettings() if settings is None else settings, planning.segmentation
    report(ProgressEvent(task=_TASK, completed=0, total=4))
    gtv = gross_tumor(seen, chosen.guideline.around)
    visible = seen.whole_tumor if seen.cavity is None else seen.whole_tumor | seen.cavity
    barriers = settle_walls(patient_barriers(planning.scan, report=report), visible)
    report(ProgressEvent(task=_TASK, completed=1, total=4))
    guideline = guideline_target(gtv, barriers, chosen.guideline, trims=chosen.trims)
    reachable = np.isfinite(reach_mm(gtv, barriers)) & planning.treatable
    report(ProgressEvent(task=_TASK, completed=2, total=4))
    models = [_at_volume(planning, gtv, guideline, barriers, reachable)]
    held, notes = _holding_share(planning, gtv, barriers, reachable, chosen.share)
    if held is not None:
        models += [held, *_band(planning, gtv, barriers, reachable, chosen)]
    report(ProgressEvent(task=_TASK, completed=3, total=4))
    plan = TargetPlan(
        targets=(gtv, guideline, *models),
        comparisons=tuple(compare_targets(model, guideline, gtv) for model in models),
        cells=tuple(cells_of(target, planning) for target in (guideline, *models)),
        saving=saving_at(guideline, gtv, planning, reachable),
        barriers=barriers,
        notes=(*notes, *_notes(planning)),
        settings=chosen,
    )
    report(ProgressEvent(task=_TASK, completed=4, total=4))
    return plan


def _model_target(
    name: str, description: str, raw: NDArray[np.bool_], form: NDArray[np.bool_], barriers: Barriers, **more: Any
) -> Target:
    """A model CTV with what its delivered form cost."""
    one_ml = barriers.grid.voxel_volume_ml
    return Target(
        name=name,
        kind="CTV",
        mask=Volume(form, barriers.grid),
        description=description,
        details={
            **more,
            "raw_ml": float(np.count_nonzero(raw)) * one_ml,
            "added_for_delivery_ml": float(np.count_nonzero(form & ~raw)) * one_ml,
            "left_out_for_delivery_ml": float(np.count_nonzero(raw & ~form)) * one_ml,
        },
    )


def _at_volume(
    planning: PlanningCase, gtv: Target, guideline: Target, barriers: Barriers, reachable: NDArray[np.bool_]
) -> Target:
    raw, form = first_voxels(planning.priority.data, guideline.volume_ml, gtv, barriers, reachable)
    words = f"GTV and the highest target priorities, at the volume of {guideline.name}."
    return _model_target("CTV_model_vol", words, raw, form, barriers)


def _holding_share(
    planning: PlanningCase, gtv: Target, barriers: Barriers, reachable: NDArray[np.bool_], share: float
) -> tuple[Target | None, list[str]]:
    """The smallest volume that holds a share of the expected cells, and what is to be said of it."""
    expected, percent = planning.expected.data, f"{100.0 * share:g}"
    raw, held = volume_holding(expected, share, planning.outside_core, reachable)
    if not raw.any():
        return None, [f"No cells are expected outside the core: there is no target that holds {percent} % of them."]
    notes = []
    if held < share:
        notes.append(
            f"What a way through tissue leads to holds {held:.1%} of the expected cells only: CTV_model_{percent} "
            f"holds no {percent} %."
        )
    raw |= gtv.mask.data
    form = delivered(raw, gtv, barriers)
    source = "ensemble or posterior mean" if planning.mean is not None else "density"
    words = f"GTV and the fewest voxels that hold {percent} % of the cells expected outside the core ({source})."
    return _model_target(f"CTV_model_{percent}"[:16], words, raw, form, barriers, share_of_raw=held), notes


def _band(
    planning: PlanningCase, gtv: Target, barriers: Barriers, reachable: NDArray[np.bool_], settings: TargetSettings
) -> list[Target]:
    """Inner and outer target of stated confidence; none where a method says nothing of its uncertainty."""
    tail = 0.5 * (1.0 - settings.level)
    percent = f"{100.0 * settings.share:g}"
    if planning.members is not None:
        needed = needed_voxels(planning, gtv, reachable, settings.share)
        order = expected_order(planning, gtv, reachable)
        found = []
        for name, part in (("inner", tail), ("outer", 1.0 - tail)):
            count = int(np.ceil(np.quantile(needed, part)))
            raw = gtv.mask.data.copy()
            raw.ravel()[order[:count]] = True
            words = (
                f"GTV and the first voxels of the expected density that hold {percent} % of the cells outside the core "
                f"with a probability of {part:.0%}, by the ensemble."
            )
            form = delivered(raw, gtv, barriers)
            found.append(
                _model_target(f"CTV_{percent}_{name}"[:16], words, raw, form, barriers, probability=round(part, 6))
            )
        return found
    if planning.probability_flair is None:
        return []
    found = []
    for name, part in (("inner", 1.0 - tail), ("outer", tail)):
        raw = (planning.probability_flair.data >= part) & reachable | gtv.mask.data
        words = f"GTV and where P(density > {planning.flair_threshold:g}) is at least {part:.0%}, by the posterior."
        form = delivered(raw, gtv, barriers)
        found.append(_model_target(f"CTV_P_{name}", words, raw, form, barriers, probability=round(part, 6)))
    return found


def expected_order(planning: PlanningCase, gtv: Target, reachable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Places outside the GTV in the order of the expected density, of equal ones in that of the priority."""
    places = np.flatnonzero(reachable & ~gtv.mask.data)
    density, priority = planning.expected.data.ravel()[places], planning.priority.data.ravel()[places]
    return places[np.lexsort((-priority, -density))]


def needed_voxels(
    planning: PlanningCase, gtv: Target, reachable: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """How many of the first voxels each member of the ensemble needs to have a share of its cells inside, (N,).

    Members are asked at 40 volumes, and what lies between is interpolated. One that cannot get there needs them all.
    """
    members = planning.members
    if members is None:
        raise ParameterError("the method kept no ensemble: expected one. Use method assimilate with --uncertainty.")
    order = expected_order(planning, gtv, reachable)
    total = members.cells_ml(planning.outside_core, planning.grid)
    counts = np.unique(np.rint(len(order) * np.linspace(0.0, 1.0, _NUM_VOLUMES) ** 2).astype(int))
    mask = gtv.mask.data.copy()
    shares, before = [], 0
    held = members.cells_ml(mask & planning.outside_core, planning.grid)
    for count in counts:
        shell = np.zeros_like(mask)
        shell.ravel()[order[before:count]] = True
        held = held + members.cells_ml(shell & planning.outside_core, planning.grid)
        shares.append(held / np.maximum(total, np.finfo(float).tiny))
        before = count
    table = np.array(shares)
    return np.array(
        [
            float(np.interp(share, np.maximum.accumulate(column), counts)) if column[-1] >= share else float(len(order))
            for column in table.T
        ]
    )


def _notes(planning: PlanningCase) -> list[str]:
    notes = [
        "Falx and tentorium come from the atlas through the registration, and nobody has checked them in this patient: "
        "look at them in targets.png.",
        "Expected cells are those of the method's own map: it holds most of them in its own targets by construction.",
    ]
    if planning.mean is None:
        notes.append(
            "The method states no uncertainty, so nothing here has an interval: method assimilate with --uncertainty "
            "states one."
        )
    return notes


def _share_in_words(cells: TargetCells) -> str:
    share = cells.share
    if share.low is None or share.high is None:
        return f"{share.mean:.1%} of the cells expected outside the core"
    return (
        f"{share.mean:.1%} of the cells expected outside the core ({share.level:.0%}: {share.low:.1%} to "
        f"{share.high:.1%})"
    )
