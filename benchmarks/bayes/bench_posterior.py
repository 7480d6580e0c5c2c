"""What a posterior of method `sample` costs, on real and on virtual patients: a Markdown table.

    python benchmarks/bayes/bench_posterior.py [PATIENT ...] [--virtual 5] [--samples 500] [--workers 2] [--seed 0]
                                               [--spacing-mm 1.875] [--tmcmc-samples 0] [--tmcmc-steps 20]

PATIENT is a folder as `gliofield personalize` takes it; it is registered to the atlas first, which is not counted. A
virtual patient is a case of the evaluation (`gliofield papers bayes`) with 15 to 120 ml of whole tumor and an edema
that is not drawn at random: parameters from the paper's prior, masks by its equations. There is no PET. Seconds are
those of the fit that says where to begin, of the search for modes, and of sampling, without maps. Simulations are those
of the search and of sampling. With `--tmcmc-samples` the same masks are sampled by TMCMC of all nine parameters, too
(`TmcmcSettings.thorough`); its effective samples are those that differ, their correlation is not seen.

At the end: the exponent of the seconds per simulation in the number of voxels that a tumor fills.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gliofield.anatomy import Anatomy, Atlas, AtlasSpace, load_atlas
from gliofield.bayes import ImportanceSettings
from gliofield.imaging import Observation
from gliofield.pipeline import (
    PersonalizationSettings,
    SampleMethod,
    SampleSettings,
    find_patients,
    observe_in_atlas,
    read_case,
    register_case,
)
from gliofield.progress import ProgressEvent
from gliofield_papers.bayes.cases import VirtualCohort
from gliofield_papers.tmcmc import TmcmcSettings

WHOLE_ML = (15.0, 120.0)
LEAST_FLAIR_THRESHOLD = 0.25
Truth = Mapping[str, float]
PARTS = ("start of the posterior", "modes of the posterior", "posterior")


@dataclass
class Clock:
    """When each task of a run was first told of."""

    begins: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: ProgressEvent) -> None:
        """Note the first event of a task."""
        self.begins.setdefault(event.task, time.perf_counter())

    def seconds_of(self, *tasks: str) -> float:
        """From the first event of the first of these tasks to that of the first other task."""
        names = list(self.begins)
        first = min(names.index(task) for task in tasks if task in names)
        last = max(names.index(task) for task in tasks if task in names)
        return self.begins[names[last + 1]] - self.begins[names[first]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One posterior and its cost."""

    name: str
    sampler: str
    parts: tuple[float, ...]
    num_simulations: int
    effective: float
    pareto_shape: float
    log_evidence: float
    log_evidence_error: float
    num_voxels: float
    inside: str

    def cells(self) -> list[str]:
        """As the table shows it."""
        shape = f"{self.pareto_shape:.2f}" if np.isfinite(self.pareto_shape) else "-"
        return [
            self.name,
            self.sampler,
            *(f"{seconds:.1f}" if np.isfinite(seconds) else "-" for seconds in self.parts),
            f"{sum(s for s in self.parts if np.isfinite(s)):.1f}",
            f"{self.num_simulations:,}",
            f"{self.effective:.0f}",
            f"{1000.0 * self.effective / self.num_simulations:.0f}",
            shape,
            f"{self.log_evidence:.2f} ± {self.log_evidence_error:.2f}",
            self.inside,
        ]


def sampled(
    name: str, observation: Observation, settings: SampleSettings, truth: Mapping[str, float] | None = None
) -> Row:
    """Sample and time it."""
    clock = Clock()
    estimate = SampleMethod(settings=settings).estimate(observation, report=clock)
    posterior = estimate.posterior
    assert posterior is not None
    details = posterior.details
    is_chain = settings.sampler_name == "tmcmc"
    nan = float("nan")
    known = {} if truth is None else {key: value for key, value in posterior.intervals.items() if key in truth}
    hits = sum(each.low <= truth[key] <= each.high for key, each in known.items()) if truth else 0
    return Row(
        name=name,
        sampler=settings.sampler_name,
        parts=(nan, nan, clock.seconds_of("sample")) if is_chain else tuple(clock.seconds_of(part) for part in PARTS),
        num_simulations=details["simulations_since_last_start"]["num_simulations"],
        effective=details["effective_samples"],
        pareto_shape=details.get("pareto_shape", nan),
        log_evidence=details["log_evidence"],
        log_evidence_error=details["log_evidence_error"],
        num_voxels=float(np.count_nonzero(posterior.mean.data > 1e-4)),
        inside=f"{hits} of {len(known)}" if known else "-",
    )


def virtual_patients(anatomy: Anatomy, seed: int, number: int) -> Iterator[tuple[str, Observation, Truth]]:
    """Masks of the first virtual cases that look like patients."""
    cohort, found, case_number = VirtualCohort(anatomy=anatomy, seed=seed), 0, 0
    while found < number:
        case = cohort.case(case_number)
        core, whole = case.observation.tumor_core, case.observation.whole_tumor | case.observation.tumor_core
        seen = Observation(
            tumor_core=core, whole_tumor=whole, grid=anatomy.grid, space=AtlasSpace(anatomy=anatomy)
        )  # fmt: skip
        if case.truth["flair_threshold"] >= LEAST_FLAIR_THRESHOLD and WHOLE_ML[0] <= seen.whole_ml <= WHOLE_ML[1]:
            found += 1
            yield f"virtual {case_number}, {seen.whole_ml:.0f} ml", seen, case.truth
        case_number += 1


def real_patients(atlas: Atlas, folders: Sequence[Path], spacing_mm: float) -> Iterator[tuple[str, Observation, None]]:
    """Masks of patients, registered."""
    settings = PersonalizationSettings(deterministic=True)
    grid = atlas.simulation_grid(spacing_mm=spacing_mm)
    patients, left_out = find_patients(folders)
    for name, reason in left_out.items():
        print(f"left out: {name} ({reason})", file=sys.stderr)
    for number, files in enumerate(patients.values(), start=1):
        case = read_case(files)
        transform = register_case(case, atlas, settings).transform
        seen = observe_in_atlas(case, atlas, transform, settings, grid=grid)
        yield f"real {number}, {seen.whole_ml:.0f} ml", seen, None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patients", nargs="*", type=Path)
    parser.add_argument("--virtual", type=int, default=5)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spacing-mm", type=float, default=1.875)
    parser.add_argument("--tmcmc-samples", type=int, default=0)
    parser.add_argument("--tmcmc-steps", type=int, default=20)
    asked = parser.parse_args()

    atlas = load_atlas("sri24")
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=asked.spacing_mm))
    samplers: list[ImportanceSettings | TmcmcSettings] = [
        ImportanceSettings(seed=asked.seed, num_effective=asked.samples)
    ]
    if asked.tmcmc_samples:
        samplers.append(
            TmcmcSettings.thorough(seed=asked.seed, num_samples=asked.tmcmc_samples, num_steps=asked.tmcmc_steps)
        )
    rows = []
    print(f"{asked.spacing_mm:g} mm, {asked.workers} processes, {os.cpu_count()} cores, seed {asked.seed}.\n")
    titles = (
        "patient", "sampler", "fit [s]", "modes [s]", "sampling [s]", "all [s]", "simulations", "effective",
        "per 1,000", "k̂", "log evidence", "truth in 95 %",
    )  # fmt: skip
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for name, seen, truth in (
        *real_patients(atlas, asked.patients, asked.spacing_mm),
        *virtual_patients(anatomy, asked.seed, asked.virtual),
    ):
        for sampler in samplers:
            row = sampled(
                name, seen, SampleSettings(sampler=sampler, num_workers=asked.workers, num_densities=2), truth
            )
            rows.append(row)
            print("| " + " | ".join(row.cells()) + " |", flush=True)
    print(f"\nLoad of the machine at the end: {os.getloadavg()[0]:.1f}.")
    ours = [row for row in rows if row.sampler == "importance"]
    if len(ours) > 2:
        voxels = np.log([row.num_voxels for row in ours])
        seconds = np.log([(row.parts[1] + row.parts[2]) / row.num_simulations for row in ours])
        slope = np.polyfit(voxels, seconds, 1)[0]
        print(f"Seconds per simulation grow with the voxels of the mean density above 1e-4 to the power {slope:.2f}.")


if __name__ == "__main__":
    main()
