"""How much a map moves where the patient does not: the same scan again, turned, or with outlines half a voxel away.

    python benchmarks/pipeline/bench_repeatability.py [--data DATA] [--patient NAME] [--methods assimilate query]

Each row changes one thing and compares with the first run of that patient and method, voxel by voxel:

    deterministic   the same command again, bit-identical registration (largest difference of the densities is 0)
    other seed      the registration draws other samples
    turned          header turned by 10 degrees about x and z, and moved by 30 mm; the voxels are the same
    half a voxel    both outlines half a voxel further back along x

Columns: Dice of u > 0.2, Dice of u > 0.02 outside what is visible in either run, Dice of the first voxels of the
priority at the volume of the 15 mm margin, largest difference of the densities.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_patients import default_data, patient_files
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gliofield.anatomy import Segmentation, load_atlas
from gliofield.grid import Grid
from gliofield.metrics import dice, highest_voxels
from gliofield.pipeline import Case, PersonalizationResult, PersonalizationSettings, personalize, read_case
from gliofield.volume import Volume


def turned(case: Case) -> Case:
    """The same voxels in a head that lies otherwise."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xz", [10.0, 10.0], degrees=True).as_matrix()
    center = case.grid.center_mm
    motion[:3, 3] = center - motion[:3, :3] @ center + 30.0

    def moved(grid: Grid) -> Grid:
        return Grid(grid.shape, motion @ grid.world_from_voxel)

    grid = moved(case.grid)
    return replace(
        case,
        images={name: Volume(image.data, grid) for name, image in case.images.items()},
        segmentation=replace(case.segmentation, grid=grid),
        stored_grid=moved(case.stored_grid),
    )


def half_a_voxel_away(case: Case) -> Case:
    """Outlines whose voxels along x are those with a neighbor behind: the middle moves by half a voxel."""

    def moved(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return mask & np.roll(mask, 1, 0)

    seen: Segmentation = case.segmentation
    whole = moved(seen.whole_tumor)
    return replace(case, segmentation=replace(seen, tumor_core=moved(seen.tumor_core) & whole, whole_tumor=whole))


def first_voxels(result: PersonalizationResult) -> NDArray[np.bool_]:
    rankings = result.rankings
    count = round((rankings.volume_ml or 0.0) / result.case.grid.voxel_volume_ml)
    priority = rankings.priority.data
    return highest_voxels(priority, count, within=result.case.brain, distance_mm=np.zeros_like(priority))


def compare(first: PersonalizationResult, second: PersonalizationResult) -> list[str]:
    one, other = first.density_patient.data, second.density_patient.data
    hidden = ~(first.case.segmentation.whole_tumor | second.case.segmentation.whole_tumor)
    values = [
        dice(one > 0.2, other > 0.2, if_both_empty=float("nan")),
        dice((one > 0.02) & hidden, (other > 0.02) & hidden, if_both_empty=float("nan")),
        dice(first_voxels(first), first_voxels(second), if_both_empty=float("nan")),
    ]
    return [*(f"{value:.3f}" for value in values), f"{np.abs(one - other).max():.2g}"]


def variants(case: Case) -> Iterator[tuple[str, Case, PersonalizationSettings]]:
    same = PersonalizationSettings(deterministic=True)
    yield "deterministic", case, same
    yield "other seed", case, replace(same, seed=1)
    yield "turned", turned(case), same
    yield "half a voxel", half_a_voxel_away(case), same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--patient", help="Default: all.")
    parser.add_argument("--methods", nargs="+", default=["assimilate", "query"])
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    print("| patient | method | change | u > 0.2 | hidden u > 0.02 | priority | largest difference |")
    print("|---" * 7 + "|")
    for name, files in patient_files(arguments.data).items():
        if arguments.patient not in (None, name):
            continue
        case = read_case(files)
        for method in arguments.methods:
            settings = PersonalizationSettings(deterministic=True)
            first = personalize(case, atlas=atlas, method=method, settings=settings)
            for change, changed, how in variants(case):
                second = personalize(changed, atlas=atlas, method=method, settings=how)
                print(f"| {name} | {method} | {change} | {' | '.join(compare(first, second))} |", flush=True)


if __name__ == "__main__":
    main()
