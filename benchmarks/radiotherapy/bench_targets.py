"""Model CTVs against guideline CTVs on a virtual cohort, at equal volume and at equal coverage, and their promises.

    python benchmarks/radiotherapy/bench_targets.py COHORT CACHE [--split tune] [--condition none ...] [--in-turn]

Each case is registered, asked for its priorities and its ensemble (64 members, as `assimilate --uncertainty` has them),
and gets the targets of `gliofield target` with the guideline estro-eano-2023. What they hold of the true cells outside
the core, and of the simulated recurrence, is kept in CACHE as a file for each case; the same command goes on.

Prints means over patients (a patient's conditions are averaged first) with bootstrap intervals and Wilcoxon's test,
paired with the guideline's CTV; the volume that the same share of true cells takes; and in how many cases targets hold
what they promise, with binomial (Wilson) intervals. Nothing is chosen here by the test split.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Atlas, load_atlas
from gliofield.errors import GliofieldError
from gliofield.imaging import VisibilityThresholds
from gliofield.metrics import paired_test
from gliofield.nifti import read_volume
from gliofield.pipeline import PatientSpace, PersonalizationSettings, TumorBox, observe, target_priority
from gliofield.pipeline.ensemble_posterior import UncertaintySettings, ensemble_posterior
from gliofield.progress import ignore_progress
from gliofield.radiotherapy import PlanningCase, TargetPlan, plan_targets
from gliofield.radiotherapy.plan import expected_order, needed_voxels
from gliofield.radiotherapy.targets import reach_mm
from gliofield_evaluation.scoring.registrations import Registrations
from gliofield_evaluation.virtual import CohortCase, read_cohort

SETTINGS = PersonalizationSettings(num_threads=1, deterministic=True)
SHARE, MARGIN_MM = 0.95, 15.0
GUIDELINE, AT_VOLUME, HOLDING = "CTV_ESTRO_15", "CTV_model_vol", "CTV_model_95"
INNER, OUTER, PLAIN, RAW = "CTV_95_inner", "CTV_95_outer", "15 mm, no barriers", "priority, no barriers"
Mask = NDArray[np.bool_]


def planning_of(case: CohortCase, registrations: Registrations, atlas: Atlas) -> PlanningCase:
    """Priorities and ensemble of a case, without the fit that targets make no use of."""
    patient = case.case()
    transform = registrations.of(f"{case.name}-{case.condition}", patient, atlas).transform
    scan = PatientSpace(case=patient, atlas=atlas, transform=transform, grid=patient.grid)
    seen = observe(patient, scan, VisibilityThresholds())
    outline = patient.segmentation.tumor_core if patient.segmentation.has_core else patient.segmentation.whole_tumor
    brain = np.argwhere(patient.brain)
    near = tuple(slice(low, high + 1) for low, high in zip(brain.min(axis=0), brain.max(axis=0), strict=True))
    from_core_mm = ndimage.distance_transform_edt(~outline[near], sampling=scan.grid.spacing_mm).astype(np.float32)
    found = ensemble_posterior(
        seen, TumorBox.around(seen, scan), settings=UncertaintySettings(), num_threads=1, report=ignore_progress
    )
    return PlanningCase(
        scan=scan,
        density=found.mean,
        priority=target_priority(scan, from_core_mm, VisibilityThresholds()),
        mean=found.mean,
        probability_flair=found.exceedance["flair"],
        members=found.members,
        method_name="assimilate",
    )


def measured(case: CohortCase, planning: PlanningCase) -> dict[str, Any]:
    """What the targets of a case are worth, and whether they hold what they promise."""
    start = time.perf_counter()
    plan = plan_targets(planning)
    seconds = time.perf_counter() - start
    gtv, truth = plan.targets[0], case.truth().data
    cells = np.where(planning.outside_core, truth, 0.0).astype(np.float64)
    recurrences = {
        name: read_volume(path).data > 0
        for name, path in (("enhancing", case.recurrence_enhancing), ("any", case.recurrence_any))
        if path is not None
    }
    masks = {target.name: target.mask.data for target in plan.targets[1:]} | _plain(planning, gtv.mask.data)
    one_ml = planning.grid.voxel_volume_ml
    rows = {
        name: {
            "volume_ml": float(mask.sum()) * one_ml,
            "cells": float(cells[mask].sum() / cells.sum()),
            **{
                f"recurrence_{key}": float((mask & here).sum() / here.sum())
                for key, here in recurrences.items()
                if here.any()
            },
        }
        for name, mask in masks.items()
    }
    return {
        "patient": case.name,
        "kind": case.kind,
        "condition": case.condition,
        "seconds": seconds,
        "gtv_ml": gtv.volume_ml,
        "plans": rows,
        "equal_coverage": _equal_coverage(planning, plan, cells),
        "stated": _stated(planning, plan, rows, cells),
        "barriers": _barrier_faults(plan),
    }


def _plain(planning: PlanningCase, seen: Mask) -> dict[str, Mask]:
    """A margin without barriers, and the raw priorities at its volume: what the field compares."""
    far = np.asarray(ndimage.distance_transform_edt(~seen, sampling=planning.grid.spacing_mm))
    margin = (far <= MARGIN_MM) & planning.treatable
    ranks = np.where(planning.treatable, planning.priority.data, 0.0)
    last = np.partition(ranks.ravel(), ranks.size - int(margin.sum()))[ranks.size - int(margin.sum())]
    return {PLAIN: margin, RAW: ranks >= last}


def _equal_coverage(planning: PlanningCase, plan: TargetPlan, cells: NDArray[np.float64]) -> dict[str, float]:
    """Volume that each ranking takes, with the GTV, to hold the true cells that the guideline's CTV holds [ml]."""
    gtv, guideline = plan.targets[0].mask.data, plan.named(GUIDELINE).mask.data
    reachable = np.isfinite(reach_mm(plan.targets[0], plan.barriers)) & planning.treatable & plan.barriers.region
    wanted, one_ml = float(cells[guideline].sum()), planning.grid.voxel_volume_ml
    found = {"guideline_ml": float(guideline.sum()) * one_ml}
    for name, ranking in (("priority", planning.priority.data), ("expected", planning.expected.data)):
        places = np.flatnonzero(reachable & ~gtv)
        order = places[np.argsort(-ranking.ravel()[places], kind="stable")]
        held = float(cells[gtv].sum()) + np.cumsum(cells.ravel()[order])
        count = int(np.searchsorted(held, wanted * (1.0 - 1e-9)))
        found[f"{name}_ml"] = (float(gtv.sum()) + count + 1) * one_ml if count < len(order) else math.nan
    return found


def _stated(
    planning: PlanningCase, plan: TargetPlan, rows: dict[str, dict[str, float]], cells: NDArray[np.float64]
) -> dict[str, Any]:
    """Stated shares with their intervals beside the true ones; where the truth lies among the members' volumes."""
    gtv = plan.targets[0]
    reachable = np.isfinite(reach_mm(gtv, plan.barriers)) & planning.treatable
    order = expected_order(planning, gtv, reachable)
    held = (float(cells[gtv.mask.data].sum()) + np.cumsum(cells.ravel()[order])) / cells.sum()
    true_need = float(np.searchsorted(held, SHARE) + 1) if held[-1] >= SHARE else math.inf
    members = needed_voxels(planning, gtv, reachable, SHARE)
    return {
        "share": {
            each.target: [each.share.mean, each.share.low, each.share.high, rows[each.target]["cells"]]
            for each in plan.cells
        },
        "true_volume_95_ml": true_need * planning.grid.voxel_volume_ml,
        "members_below": float(np.mean(members <= true_need)),
    }


def _barrier_faults(plan: TargetPlan) -> dict[str, int]:
    """Voxels of CTVs where none may be: all of them are to be 0."""
    seen, barriers = plan.targets[0].mask.data, plan.barriers
    masks = [target.mask.data & ~seen for target in plan.targets[1:]]
    return {
        "in_ventricles": int(sum(np.count_nonzero(mask & barriers.ventricles) for mask in masks)),
        "outside_brain": int(sum(np.count_nonzero(mask & ~barriers.brain) for mask in masks)),
        "behind_walls_unjoined": int(sum(_behind(mask | seen, plan) for mask in masks)),
    }


def _behind(mask: Mask, plan: TargetPlan) -> int:
    """Voxels in a compartment without GTV that no way inside the target joins to it."""
    from gliofield.radiotherapy import geodesic_distance_mm

    gtv, barriers = plan.targets[0].mask.data, plan.barriers
    way = geodesic_distance_mm(gtv, mask, barriers.grid.spacing_mm, compartments=barriers.compartments)
    foreign = ~np.isin(barriers.compartments, np.unique(barriers.compartments[gtv]))
    return int(np.count_nonzero(mask & foreign & (barriers.compartments > 0) & ~np.isfinite(way)))


def by_patient(found: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> list[float]:
    """A number for each patient: the mean over its conditions, NaN where it is undefined."""
    names = list(dict.fromkeys(each["patient"] for each in found))
    rows = [[value(each) for each in found if each["patient"] == name] for name in names]
    return [float(np.mean([one for one in row if not math.isnan(one)] or [math.nan])) for row in rows]


def wilson(hits: int, number: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson)."""
    if not number:
        return math.nan, math.nan
    part = hits / number
    middle, half = part + z * z / (2 * number), z * math.sqrt(part * (1 - part) / number + z * z / (4 * number**2))
    return (middle - half) / (1 + z * z / number), (middle + half) / (1 + z * z / number)


def report(found: Sequence[dict[str, Any]]) -> str:
    """The tables."""
    rng = np.random.default_rng(0)
    lines = [
        f"{len({each['patient'] for each in found})} patients, {len(found)} cases; plan_targets "
        f"{np.median([each['seconds'] for each in found]):.1f} s (median)",
        "",
        "| plan | volume [ml] | true cells outside core | minus guideline | p | recurrence, any | minus guideline |",
        "|---|---|---|---|---|---|---|",
    ]

    def number(plan: str, key: str) -> Callable[[dict[str, Any]], float]:
        return lambda each: each["plans"].get(plan, {}).get(key, math.nan)

    for plan in (GUIDELINE, AT_VOLUME, HOLDING, INNER, OUTER, PLAIN, RAW):
        row = [f"{np.nanmean(by_patient(found, number(plan, 'volume_ml'))):.1f}"]
        for key, with_p in (("cells", True), ("recurrence_any", False)):
            own, control = (by_patient(found, number(name, key)) for name in (plan, GUIDELINE))
            test = paired_test(own, control, rng=rng)
            gap = (
                "" if plan == GUIDELINE else f"{100 * test.mean:+.2f} ({100 * test.low:+.2f} to {100 * test.high:+.2f})"
            )
            row += [f"{100 * np.nanmean(own):.1f} %", gap]
            row += [("" if plan == GUIDELINE else f"{test.p_value:.2g}")] if with_p else []
        lines.append(f"| {plan} | " + " | ".join(row) + " |")
    lines += ["", f"{AT_VOLUME} minus {GUIDELINE}, true cells outside core, by kind of patient", ""]
    for kind in dict.fromkeys(each["kind"] for each in found):
        those = [each for each in found if each["kind"] == kind]
        gaps = np.subtract(*(by_patient(those, number(name, "cells")) for name in (AT_VOLUME, GUIDELINE)))
        lines.append(
            f"- {kind}: {100 * gaps.mean():+.1f} points ({len(gaps)} patients, {100 * gaps.min():+.1f} at worst)"
        )
    lines += ["", "At equal coverage of true cells: volume over that of the guideline's CTV (GTV in both)", ""]
    for name in ("priority", "expected"):
        ratio = by_patient(
            found, lambda each, n=name: each["equal_coverage"][f"{n}_ml"] / each["equal_coverage"]["guideline_ml"]
        )
        test = paired_test(ratio, [1.0] * len(ratio), rng=rng)
        lines.append(
            f"- {name}: {1 + test.mean:.3f} ({1 + test.low:.3f} to {1 + test.high:.3f}), p {test.p_value:.2g}, "
            f"{test.num_undefined} undefined"
        )
    lines += [
        "",
        "Promises (cases; Wilson's interval counts them as independent, which conditions of one patient are not)",
        "",
    ]
    for words, hits in _promises(found):
        low, high = wilson(sum(hits), len(hits))
        lines.append(f"- {words}: {sum(hits)} of {len(hits)} = {np.mean(hits):.0%} ({low:.0%} to {high:.0%})")
    beyond = sum(not math.isfinite(each["stated"]["true_volume_95_ml"] or math.inf) for each in found)
    lines.append(f"- cases in which nothing within 40 mm through tissue holds 95 % of the true cells: {beyond}")
    faults = {name: sum(each["barriers"][name] for each in found) for name in found[0]["barriers"]}
    lines += ["", f"voxels of CTVs behind barriers: {faults}"]
    return "\n".join(lines)


def _promises(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[bool]]]:
    held = {plan: [each["plans"][plan]["cells"] >= SHARE for each in found] for plan in (HOLDING, INNER, OUTER)}
    shares = [share for each in found for share in each["stated"]["share"].values()]
    below = np.array([each["stated"]["members_below"] for each in found])
    return [
        (f"{HOLDING} holds 95 % of the true cells (it is to in the mean, not in each case)", held[HOLDING]),
        (f"{OUTER} does (promised: 95 % of cases)", held[OUTER]),
        (f"{INNER} does (promised: 5 % of cases)", held[INNER]),
        ("true 95 % volume between inner and outer (promised: 90 %)", [bool(0.05 <= part <= 0.95) for part in below]),
        ("true share in its stated 95 % interval (all CTVs)", [low <= true <= high for _, low, high, true in shares]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--split", choices=("tune", "test"), default="tune")
    parser.add_argument("--condition", nargs="+", default=["none", "one-sided", "severe"])
    parser.add_argument("--in-turn", action="store_true", help="each patient under one of the conditions, in turn")
    parser.add_argument("--patients", type=int, default=None, help="only the first ones")
    chosen = parser.parse_args()
    cases = [each for each in read_cohort(chosen.cohort) if each.split == chosen.split and each.has_core]
    names = list(dict.fromkeys(each.name for each in cases))[: chosen.patients]
    cases = [each for each in cases if each.name in names and each.condition in chosen.condition]
    if chosen.in_turn:
        turn = {name: chosen.condition[place % len(chosen.condition)] for place, name in enumerate(names)}
        cases = [each for each in cases if each.condition == turn[each.name]]
    atlas, found = load_atlas("sri24"), []
    registrations = Registrations(folder=chosen.cache / "registrations", settings=SETTINGS)
    (chosen.cache / "cases").mkdir(parents=True, exist_ok=True)
    for case in cases:
        path = chosen.cache / "cases" / f"{case.name}-{case.condition}.json"
        if not path.is_file():
            try:
                path.write_text(json.dumps(measured(case, planning_of(case, registrations, atlas))), encoding="utf-8")
            except GliofieldError as error:
                print(f"{case.name}, {case.condition}: left out ({error})", flush=True)
                continue
        found.append(json.loads(path.read_text(encoding="utf-8")))
    print(report(found))


if __name__ == "__main__":
    main()
