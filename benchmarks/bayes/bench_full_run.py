"""What a whole posterior costs with the defaults of method `sample`, on a virtual patient with PET: a Markdown table.

    python benchmarks/bayes/bench_full_run.py [--workers 2] [--samples 128] [--steps 20] [--spacing-mm 1.875] [--seed 0]
                                              [--levels 1 2] [--sample-imaging]

The patient is a virtual case of the evaluation (`gliofield papers bayes`): eleven parameters drawn from the paper's
prior, 15 to 120 ml of whole tumor, images by the paper's equations; PET is clipped to [0, 1], as a scanner's would be.
Beside it stands what a stage of the paper's algorithm takes, 2,048 samples with one step each, from the seconds of one
simulation, measured here.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np

from gliofield.anatomy import Anatomy, AtlasSpace, load_atlas
from gliofield.bayes import PosteriorSamples, TmcmcSettings, effective_number_of_distinct
from gliofield.growth import FisherKolmogorov, growth_parameters_of
from gliofield.imaging import Observation
from gliofield.pipeline import SampleMethod, SampleSettings
from gliofield.progress import ignore_progress
from gliofield.volume import Volume
from gliofield_papers.bayes.cases import VirtualCase, VirtualCohort

WHOLE_ML = (15.0, 120.0)
LEAST_FLAIR_THRESHOLD = 0.25
PAPER_SAMPLES = 2048


def virtual_patient(anatomy: Anatomy, seed: int) -> tuple[VirtualCase, Observation]:
    """The first virtual case that looks like a patient's, its PET clipped."""
    cohort = VirtualCohort(anatomy=anatomy, seed=seed)
    grid = anatomy.grid
    number = 0
    while True:
        case = cohort.case(number)
        seen = case.observation
        assert seen.pet is not None
        whole_ml = np.count_nonzero(seen.whole_tumor) * grid.voxel_volume_ml
        if case.truth["flair_threshold"] >= LEAST_FLAIR_THRESHOLD and WHOLE_ML[0] <= whole_ml <= WHOLE_ML[1]:
            return case, Observation(
                tumor_core=seen.tumor_core,
                whole_tumor=seen.whole_tumor | seen.tumor_core,
                pet=Volume(np.clip(seen.pet.data, 0.0, 1.0), grid),
                grid=grid,
                space=AtlasSpace(anatomy=anatomy),
            )
        number += 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One posterior and its cost."""

    num_levels: int
    seconds: float
    num_stages: int
    num_fine: int
    num_coarse: int
    effective: float
    num_inside: int
    samples: PosteriorSamples


def sampled(method: SampleMethod, case: VirtualCase, observation: Observation) -> Run:
    """Sample and time it."""
    begin = time.perf_counter()
    estimate = method.estimate(observation, report=ignore_progress)
    seconds = time.perf_counter() - begin
    posterior = estimate.posterior
    assert posterior is not None
    counts = posterior.details["num_likelihoods"]
    samples = posterior.samples
    intervals = samples.credible_intervals(0.95)
    return Run(
        num_levels=method.settings.num_levels,
        seconds=seconds,
        num_stages=len(posterior.stages),
        num_fine=counts["fine"],
        num_coarse=counts["coarse"],
        effective=effective_number_of_distinct(samples.tumors),
        num_inside=sum(each.low <= case.truth[name] <= each.high for name, each in intervals.items()),
        samples=samples,
    )


def seconds_per_simulation(anatomy: Anatomy, samples: PosteriorSamples, number: int = 12) -> float:
    """Median time of one full-resolution simulation of the posterior, one process."""
    model, times = FisherKolmogorov(), []
    for row in samples.parameters[:: max(1, len(samples.parameters) // number)]:
        values = dict(zip(samples.names, (float(x) for x in row), strict=True))
        begin = time.perf_counter()
        model.simulate(anatomy, growth_parameters_of(values), (values["growth_time_days"],))
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--spacing-mm", type=float, default=1.875)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--levels", type=int, nargs="+", default=[2])
    parser.add_argument("--sample-imaging", action="store_true")
    asked = parser.parse_args()

    atlas = load_atlas("sri24")
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=asked.spacing_mm))
    case, observation = virtual_patient(anatomy, asked.seed)
    runs = []
    for num_levels in asked.levels:
        settings = SampleSettings(
            sampler=TmcmcSettings.thorough(seed=asked.seed, num_samples=asked.samples, num_steps=asked.steps),
            num_levels=num_levels,
            integrates_imaging=not asked.sample_imaging,
            num_workers=asked.workers,
        )
        runs.append(sampled(SampleMethod(settings=settings), case, observation))

    load = os.getloadavg()[0]
    print(
        f"Case {case.number} of seed {asked.seed}: core {observation.core_ml:.1f} ml, whole "
        f"{observation.whole_ml:.1f} ml, PET; "
        f"{anatomy.spacing_mm:g} mm, {asked.samples} samples, {asked.steps} steps, {asked.workers} processes, "
        f"load {load:.1f} at the end.\n"
    )
    print(
        "| levels | seconds | stages | simulations full, half | effective samples | per 1,000 simulations "
        "| true parameters in 95 % |"
    )
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        total = run.num_fine + run.num_coarse
        print(
            f"| {run.num_levels} | {run.seconds:.0f} | {run.num_stages} | {run.num_fine:,}, {run.num_coarse:,} "
            f"| {run.effective:.0f} | {1000.0 * run.effective / total:.1f} | {run.num_inside} of 11 |"
        )
    one = seconds_per_simulation(anatomy, runs[0].samples)
    print(
        f"\nThe paper's algorithm: {PAPER_SAMPLES:,} simulations at full resolution per stage, {one:.3f} s each here, "
        f"so {PAPER_SAMPLES * one / asked.workers / 60.0:.1f} minutes per stage with {asked.workers} processes."
    )


if __name__ == "__main__":
    main()
