"""What the rule of the simulation domain costs: volume, the part of real tumors inside, and the Dice it allows.

    python benchmarks/anatomy/bench_domain_rules.py --data DATA --scratch FOLDER [--number 2000] [--preset affine]

Registers each of the four real patients once, then builds one database per rule (same design and seed) in FOLDER and
searches it. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from gliomap.anatomy import DOMAIN_RULES, Atlas, load_atlas
from gliomap.cores import available_cores
from gliomap.database import DEFAULT_DESIGN, build_database, named_design
from gliomap.growth import FisherKolmogorov
from gliomap.personalize import (
    AtlasObservation,
    Case,
    PersonalizationSettings,
    observe_in_atlas,
    read_case,
)
from gliomap.registration import register
from gliomap.retrieval import ExhaustiveIndex, Query
from gliomap.volume import Volume

sys.path.insert(0, str(Path(__file__).parent.parent / "personalize"))
from bench_patients import patient_files


def observe(case: Case, atlas: Atlas, preset: str) -> AtlasObservation:
    """Masks of a patient on the atlas's simulation grid."""
    settings = PersonalizationSettings(registration=preset)
    registration = register(
        patient_image=case.structural_image,
        atlas_image=atlas.t1,
        patient_brain=Volume(case.brain, case.grid),
        lesion=Volume(case.segmentation.whole_tumor, case.grid),
        preset=preset,
    )
    return observe_in_atlas(case, registration.transform, atlas.simulation_grid(), settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--preset", default="affine")
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    cases = {name: read_case(files) for name, files in patient_files(arguments.data).items()}
    observations = {name: observe(case, atlas, arguments.preset) for name, case in cases.items()}
    print(f"{arguments.number} tumors per rule, design {DEFAULT_DESIGN}, registration {arguments.preset}\n")
    names = list(observations)
    print(
        "| rule | domain [l] | " + " | ".join(f"{n}: inside, Dice sum" for n in names) + " | mean inside | mean Dice |"
    )
    print("|---" * (len(names) + 4) + "|")
    for rule in DOMAIN_RULES:
        anatomy = atlas.anatomy(domain_rule=rule)
        database = build_database(
            arguments.scratch / f"{rule}-{arguments.number}",
            num_tumors=arguments.number,
            design=named_design(DEFAULT_DESIGN),
            anatomy=anatomy,
            atlas_name=atlas.name,
            atlas_hash=atlas.content_hash,
            model=FisherKolmogorov(),
            num_workers=available_cores(),
        )
        inside, dice_sums = [], []
        for observation in observations.values():
            segmentation = observation.segmentation
            inside.append(float(anatomy.domain[segmentation.whole_tumor].mean()))
            hit = ExhaustiveIndex(database).search(Query.from_segmentation(segmentation), 1).hits[0]
            dice_sums.append((hit.dice_t1gd or 0.0) + hit.dice_flair)
        cells = [f"{part:.0%}, {value:.2f}" for part, value in zip(inside, dice_sums, strict=True)]
        print(
            f"| {rule} | {anatomy.volume_ml / 1000:.2f} | {' | '.join(cells)} | {np.mean(inside):.0%} | "
            f"{np.mean(dice_sums):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
