"""What the rule of the simulation domain costs: volume, the part of real tumors inside, and the Dice it allows.

    python benchmarks/anatomy/bench_domain_rules.py [--data DATA] [--scratch FOLDER] [--number 2000] [--preset affine]

Registers each of the four real patients once, then builds one database per rule (same design and seed) in FOLDER and
searches it. Prints a Markdown table. The best Dice of one database is the maximum of a sample and scatters; its
expectation over random halves of the database, and the spread over them, say what a difference is worth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import DOMAIN_RULES, Atlas, load_atlas
from gliofield.cache import cache_folder
from gliofield.cores import available_cores
from gliofield.database import DEFAULT_DESIGN, LocalWorkers, build_database, named_design
from gliofield.growth import FisherKolmogorov
from gliofield.imaging.observation import Observation
from gliofield.pipeline import Case, PersonalizationSettings, observe_in_atlas, read_case, register_case
from gliofield.retrieval import ExhaustiveIndex

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
from bench_patients import default_data, patient_files

# Ranks beyond this have a probability below 1e-12 to be the best of a random half.
_NUM_RANKS = 40


def observe(case: Case, atlas: Atlas, preset: str) -> Observation:
    """Masks of a patient on the atlas's simulation grid."""
    settings = PersonalizationSettings(registration=preset)
    return observe_in_atlas(case, atlas, register_case(case, atlas, settings).transform, settings)


def best_of_random_half(dice_sums: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and variance of the best Dice sum over random halves, from the sums of the nearest tumors, best first.

    The tumor of rank r (from 0) is the best one of a random half with probability 2^-(r+1).
    """
    weights = 0.5 ** np.arange(1, len(dice_sums) + 1)
    weights /= weights.sum()
    mean = float(weights @ dice_sums)
    return mean, float(weights @ (dice_sums - mean) ** 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--scratch", type=Path, default=cache_folder("benchmarks", "domain-rules"))
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--preset", default="affine")
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    cases = {name: read_case(files) for name, files in patient_files(arguments.data).items()}
    observations = {name: observe(case, atlas, arguments.preset) for name, case in cases.items()}
    print(f"{arguments.number} tumors per rule, design {DEFAULT_DESIGN}, registration {arguments.preset}\n")
    names = list(observations)
    patients = " | ".join(f"{name}: inside, Dice sum" for name in names)
    print(f"| rule | domain [l] | {patients} | mean inside | mean Dice | of random halves |")
    print("|---" * (len(names) + 5) + "|")
    for rule in DOMAIN_RULES:
        anatomy = atlas.anatomy(domain_rule=rule)
        database = build_database(
            arguments.scratch / f"{rule}-{arguments.number}",
            num_tumors=arguments.number,
            design=named_design(DEFAULT_DESIGN),
            atlas=atlas,
            domain_rule=rule,
            model=FisherKolmogorov(),
            workers=LocalWorkers(available_cores()),
        )
        inside, best, halves = [], [], []
        for observation in observations.values():
            inside.append(float(anatomy.domain[observation.whole_tumor].mean()))
            hits = ExhaustiveIndex(database).search(observation, _NUM_RANKS)
            dice_sums = np.array([(hit.dice_t1gd or 0.0) + hit.dice_flair for hit in hits])
            best.append(dice_sums[0])
            halves.append(best_of_random_half(dice_sums))
        cells = [f"{part:.0%}, {value:.2f}" for part, value in zip(inside, best, strict=True)]
        mean_of_halves = np.mean([mean for mean, _ in halves])
        spread = np.sqrt(np.sum([variance for _, variance in halves])) / len(halves)
        print(
            f"| {rule} | {anatomy.volume_ml / 1000:.2f} | {' | '.join(cells)} | {np.mean(inside):.0%} | "
            f"{np.mean(best):.3f} | {mean_of_halves:.3f} ± {spread:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
