"""How much two runs on the same patient differ, with and without `deterministic`.

    python benchmarks/pipeline/bench_repeatability.py [--data DATA] [--database DB] [--patient NAME] [--repeats 3]

Prints the Dice sums, the largest and the mean difference of the densities (mean over voxels above 0.01 in either),
and seconds of the registration.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from bench_patients import default_data, patient_files

from gliofield.anatomy import load_atlas
from gliofield.pipeline import PersonalizationSettings, QueryMethod, open_database, personalize, read_case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--database", type=Path, help="Default: the default database, built on first use.")
    parser.add_argument("--patient", default="BraTS2021_01485")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    method = QueryMethod(database=open_database(arguments.database, atlas=atlas))
    case = read_case(patient_files(arguments.data)[arguments.patient])
    print("| deterministic | Dice sums | largest difference | mean difference | registration [s] |")
    print("|---|---|---|---|---|")
    for deterministic in (True, False):
        settings = PersonalizationSettings(deterministic=deterministic)
        results = [personalize(case, atlas=atlas, method=method, settings=settings) for _ in range(arguments.repeats)]
        densities = [result.density_patient.data for result in results]
        largest, means = [], []
        for first, second in combinations(densities, 2):
            difference = np.abs(first - second)
            largest.append(float(difference.max()))
            means.append(float(difference[(first > 0.01) | (second > 0.01)].mean()))
        sums = ", ".join(f"{result.agreement_patient.combined:.4f}" for result in results)
        seconds = np.median([result.seconds["register"] for result in results])
        print(f"| {deterministic} | {sums} | {max(largest):.3g} | {np.mean(means):.3g} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
