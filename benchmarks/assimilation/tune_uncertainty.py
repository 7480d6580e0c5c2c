"""How well the uncertainty of `assimilate` is calibrated on the tune patients of a virtual cohort, and its tuning.

    python benchmarks/assimilation/tune_uncertainty.py COHORT CACHE [--search] [--members 64] [--spacing-mm 2.5]

Members of each tune case are drawn once under broad priors and kept in CACHE, with the registration (one per patient:
that without false edema). Under other priors they get other weights, prior times likelihood of the rim over what they
were drawn by, so that a search over priors takes seconds. Noise from place to place is not searched for: it cannot be
weighted. Patients of the test split are never read.

Prints, for the priors that are shipped or the best found: how many of the cases' true cells outside the core lie in the
interval, its mean score beside that of the best constant relative error around the stated mean, and the reliability of
P(u > 0.2) outside the core within 30 mm of the whole tumor; by condition, and with all conditions weighted alike.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.special import expit, logit, ndtri
from scipy.stats import norm

from gliofield.anatomy import Atlas, load_atlas
from gliofield.assimilation import Ensemble, EnsembleSettings, HypothesisRanges, Rim
from gliofield.assimilation.hypotheses import front_widths, rim_log_likelihood
from gliofield.assimilation.rim import RimSurface
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.pipeline import PatientSpace, PersonalizationSettings, register_case
from gliofield.pipeline.ensemble_posterior import UncertaintySettings
from gliofield.pipeline.tumor_box import TumorBox
from gliofield.registration import Transform, read_transform, write_transform
from gliofield_evaluation.scoring.stated_uncertainty import best_relative_error, constant_interval, interval_score
from gliofield_evaluation.virtual import CohortCase, read_cohort

Values = NDArray[np.float64]
THRESHOLDS = VisibilityThresholds()
# What members are drawn by: wider than any prior that is looked for, and written out, for the cache holds its draws.
BROAD = HypothesisRanges(
    t1gd_logit_std=0.4,
    flair_logit_std=0.45,
    apparent_width_mm=2.6,
    apparent_width_log_std=0.5,
    width_over_apparent=1.25,
    width_log_std=0.35,
    edema_weight=0.5,
    dense_weight=0.2,
    excess_mm=3.5,
    excess_log_std=0.9,
    excess_tilt=1.3,
    rim_log_std=0.55,
    num_directions=3.0,
)
# What is searched for, of `HypothesisRanges`, and by how much at first.
SEARCHED = (
    "apparent_width_mm",
    "apparent_width_log_std",
    "width_over_apparent",
    "edema_weight",
    "dense_weight",
    "excess_mm",
    "excess_log_std",
    "excess_tilt",
    "rim_log_std",
    "num_directions",
)
NUM_BINS, NUM_VOXELS, REACH_MM, LEVEL = 10, 4000, 30.0, 0.95
HYPOTHESIS = ("t1gd_threshold", "flair_threshold", "rim_mm", "width_mm", "excess_mm", "excess_tilt", "is_dense")
SURFACE = ("directions", "log_thickness", "variance", "share")


def gather(case: CohortCase, transform: Transform, atlas: Atlas, number: int, spacing_mm: float) -> dict[str, Values]:
    """Members of a case under the broad priors: their hypotheses, cells, and u > 0.2 at some voxels."""
    patient = case.case()
    scan = PatientSpace(case=patient, atlas=atlas, transform=transform, grid=patient.grid)
    seen, truth = patient.segmentation, case.truth().data
    observation = Observation(
        tumor_core=seen.tumor_core, whole_tumor=seen.whole_tumor, grid=scan.grid, thresholds=THRESHOLDS, space=scan
    )
    box = TumorBox.around(observation, scan, spacing_mm=spacing_mm)
    ensemble = Ensemble(
        rim=Rim.of(seen.tumor_core, seen.whole_tumor, scan.grid, box.anatomy.domain, box.seen.grid),
        anatomy=box.seen.require_space().anatomy,
        thresholds=THRESHOLDS,
        cavity=box.cavity,
        settings=EnsembleSettings(num_members=number, ranges=BROAD),
        seed=1,
    )
    treatable = patient.brain if seen.cavity is None else patient.brain & ~seen.cavity
    outside = (treatable & ~seen.tumor_core)[box.window]
    away_mm = ndimage.distance_transform_edt(~seen.whole_tumor[box.window], sampling=scan.grid.spacing_mm)
    places = np.flatnonzero(outside & (away_mm <= REACH_MM))
    chosen = np.sort(np.random.default_rng(5).choice(places, min(NUM_VOXELS, len(places)), replace=False))
    cells, above, ml = [], [], scan.grid.voxel_volume_ml
    for member in ensemble.members():
        density = box.density_in_window(member.cell_density)
        cells.append(density.sum(where=outside, dtype=np.float64) * ml)
        above.append(density.reshape(-1)[chosen] > 0.2)
    return {
        **{name: getattr(ensemble.hypotheses, name) for name in HYPOTHESIS},
        **{f"surface_{name}": getattr(ensemble.rim.surface, name) for name in SURFACE},
        "has_core": np.array(ensemble.rim.has_core),
        "cells_ml": np.array(cells),
        "above": np.array(above),
        "truly_above": truth[box.window].reshape(-1)[chosen] > 0.2,
        "voxel_weight": np.array(len(places) / len(chosen)),
        "true_ml": np.array(truth[treatable & ~seen.tumor_core].sum(dtype=np.float64) * ml),
    }


def read_or_gather(cohort: Path, cache: Path, number: int, spacing_mm: float) -> dict[str, dict[str, Values]]:
    """Members of all tune cases, by the case's name and condition; made where the cache has none."""
    cache.mkdir(parents=True, exist_ok=True)
    atlas, found = load_atlas("sri24"), {}
    for case in read_cohort(cohort):
        if case.split != "tune":
            continue
        name = f"{case.name}-{case.condition}"
        kept = cache / f"{name}.npz"
        if not kept.exists():
            folder = cache / f"{case.name}-transform"
            if not folder.exists():
                settings = PersonalizationSettings(deterministic=True)
                write_transform(folder, register_case(case.case(), atlas, settings).transform)
            np.savez_compressed(kept, **gather(case, read_transform(folder), atlas, number, spacing_mm))
            print(f"{name}: {number} members", flush=True)
        with np.load(kept) as stored:
            found[name] = dict(stored)
    return found


def log_prior(case: dict[str, Values], ranges: HypothesisRanges) -> Values:
    """Log density of a case's members under some priors, but for what all priors share."""
    t1gd, flair = logit(case["t1gd_threshold"]), logit(case["flair_threshold"])
    top = t1gd if case["has_core"] else 0.5 * (t1gd + flair)
    apparent = np.log(case["rim_mm"] / front_widths(expit(top), expit(flair)))
    free = 1.0 - ranges.edema_weight - ranges.dense_weight
    has_excess = case["excess_mm"] > 0.0
    kind = np.where(case["is_dense"], ranges.dense_weight, np.where(has_excess, ranges.edema_weight, free))
    excess = norm.logpdf(
        np.log(np.where(has_excess, case["excess_mm"], 1.0)), np.log(ranges.excess_mm), ranges.excess_log_std
    )
    return (
        norm.logpdf(t1gd, logit(THRESHOLDS.t1gd_threshold), ranges.t1gd_logit_std)
        + norm.logpdf(flair, logit(THRESHOLDS.flair_threshold), ranges.flair_logit_std)
        + norm.logpdf(apparent, np.log(ranges.apparent_width_mm), ranges.apparent_width_log_std)
        + norm.logpdf(np.log(case["width_mm"]) - apparent, np.log(ranges.width_over_apparent), ranges.width_log_std)
        + np.log(np.maximum(kind, 1e-12))
        + np.where(has_excess, excess + norm.logpdf(case["excess_tilt"], 0.0, ranges.excess_tilt).sum(axis=1), 0.0)
    )


def member_weights(case: dict[str, Values], ranges: HypothesisRanges) -> Values:
    """Weights of a case's members under some priors; they sum to 1."""
    surface = RimSurface(**{name: case[f"surface_{name}"] for name in SURFACE})

    def log_posterior(priors: HypothesisRanges) -> Values:
        rim = rim_log_likelihood(surface, case["rim_mm"], case["excess_mm"], case["excess_tilt"], priors)
        return log_prior(case, priors) + rim

    logarithm = log_posterior(ranges) - log_posterior(BROAD)
    weights = np.exp(logarithm - logarithm.max())
    return weights / weights.sum()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stated:
    """What the ensemble states of some cases, beside the truth [ml]; and voxels by stated probability."""

    mean: Values
    low: Values
    high: Values
    truth: Values
    bins: Values
    effective: Values
    brier: float

    @property
    def scores(self) -> Values:
        return np.array([interval_score(*row) for row in zip(self.low, self.high, self.truth, strict=True)])

    @property
    def covered(self) -> float:
        return float(np.mean((self.low <= self.truth) & (self.truth <= self.high)))


def state(cases: Sequence[dict[str, Values]], ranges: HypothesisRanges, model_log_std: float) -> Stated:
    """Means, intervals and probabilities of some cases under some priors."""
    factors = np.exp(model_log_std * ndtri((np.arange(41) + 0.5) / 41))
    rows, effective, briers = [], [], []
    bins = np.zeros((3, NUM_BINS))
    for case in cases:
        weights = member_weights(case, ranges)
        spread = np.multiply.outer(case["cells_ml"], factors)
        order = np.argsort(spread, axis=None)
        cumulative = np.cumsum(np.repeat(weights, 41)[order]) / 41
        ends = np.searchsorted(cumulative, [0.5 * (1 - LEVEL), 0.5 * (1 + LEVEL)])
        low, high = spread.reshape(-1)[order][np.minimum(ends, len(order) - 1)]
        rows.append((weights @ spread.mean(axis=1), low, high, case["true_ml"]))
        probability = weights @ case["above"]
        place = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
        for row, values in enumerate((np.ones_like(probability), probability, case["truly_above"])):
            bins[row] += case["voxel_weight"] * np.bincount(place, weights=values, minlength=NUM_BINS)
        briers.append(case["voxel_weight"] * np.sum((probability - case["truly_above"]) ** 2))
        effective.append(1.0 / np.sum(weights**2))
    mean, low, high, truth = np.array(rows, dtype=float).T
    return Stated(
        mean=mean,
        low=low,
        high=high,
        truth=truth,
        bins=bins,
        effective=np.array(effective),
        brier=float(np.sum(briers)),
    )


def print_report(found: dict[str, dict[str, Values]], ranges: HypothesisRanges, model_log_std: float) -> None:
    """Calibration by condition and of all cases, as Markdown."""
    conditions = list(dict.fromkeys(name.split("-", 2)[2] for name in found))
    groups = {
        **{each: [found[n] for n in found if n.endswith(each)] for each in conditions},
        "all": list(found.values()),
    }
    print("| condition | cases | covered | score | constant error | its score | stated / true | members |")
    print("|---|---|---|---|---|---|---|---|")
    for name, cases in groups.items():
        stated = state(cases, ranges, model_log_std)
        error = best_relative_error(stated.mean.tolist(), stated.truth.tolist())
        constant = [
            interval_score(*constant_interval(m, error), t) for m, t in zip(stated.mean, stated.truth, strict=True)
        ]
        print(
            f"| {name} | {len(cases)} | {stated.covered:.2f} | {stated.scores.mean():.1f} | {error:.2f} | "
            f"{np.mean(constant):.1f} | {np.median(stated.mean / stated.truth):.2f} | "
            f"{np.median(stated.effective):.0f} |"
        )
    print(
        "\n| condition | " + " | ".join(f"{b / NUM_BINS:.1f}-{(b + 1) / NUM_BINS:.1f}" for b in range(NUM_BINS)) + " |"
    )
    print("|---" * (NUM_BINS + 1) + "|")
    for name, cases in groups.items():
        voxels, probability, true = state(cases, ranges, model_log_std).bins
        gaps = (probability - true) / np.maximum(voxels, 1.0)
        print(
            f"| {name} | "
            + " | ".join(f"{gap:+.3f} ({v / 1000:.0f} ml)" for gap, v in zip(gaps, voxels, strict=True))
            + " |"
        )


def search(
    cases: Sequence[dict[str, Values]], start: HypothesisRanges, model_log_std: float
) -> tuple[HypothesisRanges, float]:
    """Priors and model error with the best sum of interval score and Brier score, each relative to the start."""
    first = state(cases, start, model_log_std)

    def cost(x: Values) -> float:
        ranges, error = _unpacked(x, start)
        stated = state(cases, ranges, error)
        # A hundredth of the squared distance from the start keeps what the cases do not determine.
        scores = stated.scores.mean() / first.scores.mean() + stated.brier / first.brier
        return float(scores + 0.01 * np.sum((x - x0) ** 2))

    x0 = _packed(start, model_log_std)
    simplex = np.vstack([x0, x0 + 0.3 * np.eye(len(x0))])
    found = optimize.minimize(cost, x0, method="Nelder-Mead", options={"maxfev": 1500, "initial_simplex": simplex})
    return _unpacked(found.x, start)


def _coordinate(name: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """To the number that is searched for, and back: a logarithm, of a weight the logit."""
    if name.endswith("_weight"):
        return (lambda value: float(logit(value))), (lambda value: float(expit(value)))
    return (lambda value: float(np.log(value))), (lambda value: float(np.exp(value)))


def _packed(ranges: HypothesisRanges, model_log_std: float) -> Values:
    return np.array([*(_coordinate(name)[0](getattr(ranges, name)) for name in SEARCHED), np.log(model_log_std)])


def _unpacked(x: Values, start: HypothesisRanges) -> tuple[HypothesisRanges, float]:
    values = {name: _coordinate(name)[1](value) for name, value in zip(SEARCHED, x[:-1], strict=True)}
    total = values["edema_weight"] + values["dense_weight"]
    if total > 0.95:
        values |= {name: values[name] * 0.95 / total for name in ("edema_weight", "dense_weight")}
    return dataclasses.replace(start, **values), float(np.exp(x[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--spacing-mm", type=float, default=2.5)
    arguments = parser.parse_args()
    found = read_or_gather(arguments.cohort, arguments.cache, arguments.members, arguments.spacing_mm)
    ranges, error = HypothesisRanges(), UncertaintySettings().model_log_std
    if arguments.search:
        ranges, error = search(list(found.values()), ranges, error)
        for name, value in dataclasses.asdict(ranges).items():
            print(f"{name} = {value:.3g}")
        print(f"model_log_std = {error:.3g}\n")
    print_report(found, ranges, error)


if __name__ == "__main__":
    main()
