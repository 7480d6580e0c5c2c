"""Methods beside each other on the real patients, with one registration each: agreement before correction and cost.

    python benchmarks/pipeline/bench_methods.py [--data DATA] [--methods query assimilate] [--repeats 3]

Prints a Markdown table: Dice of T1Gd and FLAIR on the scan's grid, before a correction to the outlines; verdict; median
wall seconds after the registration, methods taking turns; and whether the density is the same, bit by bit, with one
and with two threads. Below it stands the largest memory of the process, all methods together.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from bench_patients import default_data, patient_files

from gliofield.anatomy import Atlas, load_atlas
from gliofield.pipeline import (
    Case,
    PersonalizationResult,
    PersonalizationSettings,
    personalize,
    prepare_method,
    read_case,
    register_case,
)
from gliofield.pipeline.method_options import options_named
from gliofield.registration import RegistrationResult


def timed(
    case: Case, method: str, threads: int, atlas: Atlas, registration: RegistrationResult
) -> tuple[PersonalizationResult, float]:
    settings = PersonalizationSettings(deterministic=True, num_threads=threads)
    ready = prepare_method(options_named(method), atlas=atlas, settings=settings)
    begin = time.perf_counter()
    result = personalize(case, atlas=atlas, method=ready, settings=settings, registration=registration)
    return result, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--methods", nargs="+", default=["query", "assimilate"])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    sums: dict[str, list[float]] = {method: [] for method in arguments.methods}
    seconds: dict[str, list[float]] = {method: [] for method in arguments.methods}
    print("| patient | method | Dice T1Gd | Dice FLAIR | sum | verdict | seconds | threads change nothing |")
    print("|---" * 8 + "|")
    for name, files in patient_files(arguments.data).items():
        case = read_case(files)
        registration = register_case(case, atlas, PersonalizationSettings(deterministic=True))
        runs: dict[str, list[tuple[PersonalizationResult, float]]] = {method: [] for method in arguments.methods}
        for turn in range(arguments.repeats):
            for method in arguments.methods:
                runs[method].append(timed(case, method, 1 + turn % 2, atlas, registration))
        for method, found in runs.items():
            result, agreement = found[0][0], found[0][0].agreement_patient
            alike = all(
                np.array_equal(result.density_patient.data, other.density_patient.data) for other, _ in found[1:]
            )
            sums[method].append(agreement.combined)
            seconds[method].append(float(np.median([spent for _, spent in found])))
            core = "–" if agreement.dice_t1gd is None else f"{agreement.dice_t1gd:.2f}"
            print(
                f"| {name} | {method} | {core} | {agreement.dice_flair:.2f} | {agreement.combined:.2f} | "
                f"{result.verdict} | {seconds[method][-1]:.1f} | {'yes' if alike else 'no'} |",
                flush=True,
            )
    for method in arguments.methods:
        error = np.std(sums[method], ddof=1) / np.sqrt(len(sums[method]))
        print(
            f"| mean | {method} | | | {np.mean(sums[method]):.3f} ± {error:.3f} | | {np.mean(seconds[method]):.1f} | |"
        )
    print(f"\nLargest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB.")


if __name__ == "__main__":
    main()
