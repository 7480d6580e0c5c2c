"""What the checks of the input tell: real patients as they are, and faults made from them.

    python benchmarks/pipeline/bench_input_checks.py [--data DATA] [--turns all | few] [--virtual N] [--json FILE]

DATA is the folder of test images (`patients/` inside). Each fault is made from every patient that allows it: headers
turned by 90 and 180 degrees and an identity affine (registered anew, preset `affine`), masks of the other patients,
masks flipped and transposed, labels renamed to other projects' schemes, blocks, slices and ends of the images set to
zero. Prints one table of rates, one of the values that right and wrong input lead to, by which the limits of
`gliofield.pipeline.input_checks` were chosen.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_patients import default_data, patient_files
from numpy.typing import NDArray

from gliofield.anatomy import Segmentation, detect_label_scheme, load_atlas, segmentation_from_labels
from gliofield.box import box_of
from gliofield.concern import verdict_of
from gliofield.errors import GliofieldError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.pipeline import (
    Case,
    PersonalizationSettings,
    find_case_files,
    read_case,
    register_case,
)
from gliofield.pipeline.input_checks import InputChecks, check_case, check_input
from gliofield.virtual import make_virtual_patient, write_virtual_patient
from gliofield.volume import Volume

# Names of label images by what stands for necrotic, edema, enhancing.
_SCHEMES = {
    "nnU-Net, MSD Task01": (2, 1, 3),
    "HD-GLIO": (2, 1, 2),
    "BraTS-PED": (2, 4, 1),
    "BraTS-PED, cyst": (3, 4, 1),
    "2024 after surgery, cavity for core": (4, 2, 4),
    "2024 after surgery, some rest": (4, 2, 3),
    "enhancing first": (2, 3, 1),
    "whole tumor first": (3, 1, 2),
    "one label": (1, 1, 1),
}
_FLIPS = {
    "left and right": lambda mask: mask[::-1],
    "front and back": lambda mask: mask[:, ::-1],
    "up and down": lambda mask: mask[:, :, ::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
    "transposed in plane": lambda mask: mask.transpose(1, 0, 2),
}


# Shares of the brain's box, low and high along x, y, z, that are set to zero.
_LOST = {
    "upper half": ((0.0, 1.0), (0.0, 1.0), (0.5, 1.0)),
    "lowest fifth": ((0.0, 1.0), (0.0, 1.0), (0.0, 0.2)),
    "right third": ((0.67, 1.0), (0.0, 1.0), (0.0, 1.0)),
    "slab of a tenth": ((0.0, 1.0), (0.0, 1.0), (0.4, 0.5)),
    "one slice": ((0.0, 1.0), (0.5, 0.501), (0.0, 1.0)),
    "block inside": ((0.55, 0.7), (0.4, 0.52), (0.4, 0.55)),
    "block at the surface": ((0.6, 1.0), (0.3, 0.6), (0.4, 0.7)),
}


def lost_rows(cases: dict[str, Case]) -> Iterator[dict[str, Any]]:
    """Images with zeros in a part of the brain."""
    for (name, case), (kind, shares) in itertools.product(cases.items(), _LOST.items()):
        box = box_of(case.structural_image.data != 0)
        where = tuple(
            slice(int(start + low * (stop - start)), max(1, -(-int(1000 * (start + high * (stop - start))) // 1000)))
            for (start, stop), (low, high) in zip(box, shares, strict=True)
        )
        images = {}
        for modality, image in case.images.items():
            data = image.data.copy()
            data[where] = 0
            images[modality] = Volume(data, image.grid)
        found = check_case(dataclasses.replace(case, images=images))
        kinds = [place.kind for places in found.missing_data.values() for place in places]
        told = "missing-data" in [concern.name for concern in found.concerns]
        yield {"fault": "missing data", "case": f"{name} {kind}", "told": told, "kinds": kinds}


def with_masks(case: Case, core: NDArray[np.bool_], whole: NDArray[np.bool_]) -> Case:
    """The same scan with other outlines."""
    outlines = Segmentation(
        tumor_core=np.ascontiguousarray(core), whole_tumor=np.ascontiguousarray(whole), grid=case.grid
    )
    return dataclasses.replace(case, segmentation=outlines, brain=case.brain | outlines.whole_tumor)


def turned_headers(all_turns: bool) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Names and rotations of wrong headers: 180 degrees about each axis, and 90 either way, or all 23 turns."""
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)):
        turn = np.zeros((3, 3))
        turn[range(3), order] = signs
        single = np.count_nonzero(np.diag(turn)) >= 1
        if np.linalg.det(turn) > 0 and np.trace(turn) < 2.9 and (all_turns or single):
            degrees = round(float(np.degrees(np.arccos((np.trace(turn) - 1) / 2))))
            yield f"{degrees} degrees {order} {signs}", turn


def with_header(case: Case, turn: NDArray[np.float64]) -> Case:
    """The same arrays under a header that is turned about the middle of the image, brought to RAS+ again."""
    middle = case.grid.center_mm
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turn, middle - turn @ middle
    grid = Grid(case.grid.shape, motion @ case.grid.world_from_voxel)

    def moved(data: NDArray[Any]) -> Volume:
        return Volume(data, grid).to_ras()

    core, whole = moved(case.segmentation.tumor_core), moved(case.segmentation.whole_tumor)
    return dataclasses.replace(
        case,
        images={name: moved(image.data) for name, image in case.images.items()},
        segmentation=Segmentation(tumor_core=core.data, whole_tumor=whole.data, grid=core.grid),
        brain=moved(case.brain).data,
        stored_grid=grid,
    )


def registered_checks(case: Case, atlas: Any) -> InputChecks | None:
    """Checks with the affine stage; None where the registration refuses."""
    try:
        found = register_case(case, atlas, PersonalizationSettings(registration="affine", deterministic=True))
    except GliofieldError:
        return None
    return check_input(case, atlas, found.transform)


def renamed(labels: Volume, scheme: tuple[int, int, int]) -> Volume:
    """A label image of BraTS 2021 under another scheme."""
    table = np.zeros(5, dtype=np.uint8)
    table[[1, 2, 4]] = scheme
    return Volume(table[labels.data.astype(np.intp)], labels.grid)


def scheme_row(case: Case, labels: Volume, scheme: tuple[int, int, int]) -> dict[str, Any] | None:
    """What is said of renamed labels; None where they are read as they were meant."""
    image = renamed(labels, scheme)
    try:
        detect_label_scheme({int(value) for value in np.unique(image.data)} - {0})
        outlines = segmentation_from_labels(image)
    except SegmentationError:
        return {"told": True, "asked": True}
    if np.array_equal(outlines.tumor_core, case.segmentation.tumor_core):
        return None
    found = check_case(dataclasses.replace(case, segmentation=outlines))
    return {"told": is_told(found), **found.to_json()}


def is_told(found: InputChecks | None) -> bool:
    """Whether the verdict is another than `no-concern`, or the registration refuses."""
    return found is None or verdict_of(found.concerns) != "no-concern"


def mask_rows(cases: dict[str, Case]) -> Iterator[dict[str, Any]]:
    """Foreign and flipped masks."""
    for (name, case), (other, stranger) in itertools.permutations(cases.items(), 2):
        masks = stranger.segmentation
        if masks.grid.is_same_as(case.grid):
            found = check_case(with_masks(case, masks.tumor_core, masks.whole_tumor))
            yield {"fault": "foreign mask", "case": f"{name} with {other}", "told": is_told(found), **found.to_json()}
    for (name, case), (kind, flip) in itertools.product(cases.items(), _FLIPS.items()):
        masks = case.segmentation
        if flip(masks.whole_tumor).shape == case.grid.shape:
            found = check_case(with_masks(case, flip(masks.tumor_core), flip(masks.whole_tumor)))
            yield {"fault": "flipped mask", "case": f"{name} {kind}", "told": is_told(found), **found.to_json()}


def all_rows(data: Path, *, all_turns: bool) -> Iterator[dict[str, Any]]:
    """One row per input, right ones first."""
    atlas, files = load_atlas("sri24"), patient_files(data)
    cases = {name: read_case(found) for name, found in files.items()}
    for name, case in cases.items():
        found = registered_checks(case, atlas)
        start = time.perf_counter()
        registered = found is not None and check_case(case)
        seconds = time.perf_counter() - start if registered else float("nan")
        shown = {} if found is None else found.to_json()
        yield {"fault": "none", "case": name, "told": is_told(found), "seconds": seconds, **shown}
    yield from mask_rows(cases)
    yield from lost_rows(cases)
    for (name, case), (kind, scheme) in itertools.product(cases.items(), _SCHEMES.items()):
        row = scheme_row(case, read_volume(Path(str(files[name].segmentation))).to_ras(), scheme)
        if row is not None:
            yield {"fault": "label scheme", "case": f"{name} {kind}", **row}
    for (kind, turn), (name, case) in itertools.product(turned_headers(all_turns), cases.items()):
        found = registered_checks(with_header(case, turn), atlas)
        shown = {"refused": True} if found is None else found.to_json()
        yield {"fault": "wrong header", "case": f"{name} {kind}", "told": is_told(found), **shown}


def virtual_rows(number: int) -> Iterator[dict[str, Any]]:
    """The same of virtual patients, headers turned by 180 degrees only."""
    atlas, brain = load_atlas("sri24"), load_atlas("mni152")
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(number):
            patient = make_virtual_patient(brain, rng=np.random.default_rng(seed))
            place = Path(folder) / str(seed)
            write_virtual_patient(patient, place)
            cases[f"virtual {seed}"] = read_case(find_case_files(place))
    half_turns = [(f"half turn {axis}", 2.0 * np.diag(np.eye(3)[axis]) - np.eye(3)) for axis in range(3)]
    for name, case in cases.items():
        found = registered_checks(case, atlas)
        yield {"fault": "none", "case": name, "told": is_told(found), **({} if found is None else found.to_json())}
        for kind, turn in half_turns:
            found = registered_checks(with_header(case, turn), atlas)
            shown = {} if found is None else found.to_json()
            yield {"fault": "wrong header", "case": f"{name} {kind}", "told": is_told(found), **shown}
    yield from mask_rows(cases)
    yield from lost_rows(cases)


def value_table(rows: list[dict[str, Any]]) -> str:
    """Least and largest of every value by fault."""
    names = ["flair_edge", "flair_inside", "t1gd_gap", "core_on_surface", "edema_outside"]
    turns = ["affine_overlap", "misfit_ratio", "turned_degrees"]
    lines = ["", f"| input | {' | '.join(names + turns)} |", "|---" * (1 + len(names + turns)) + "|"]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        cells = []
        for name in names + turns:
            found = [row if name in names else row.get("orientation") or {} for row in rows if row["fault"] == fault]
            values = [each[name] for each in found if each.get(name) is not None]
            cells.append(f"{min(values):.2f} to {max(values):.2f}" if values else "")
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--turns", choices=("all", "few"), default="few")
    parser.add_argument("--virtual", type=int, default=0, help="number of virtual patients")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    virtual = ({**row, "fault": f"virtual patients: {row['fault']}"} for row in virtual_rows(arguments.virtual))
    for row in itertools.chain(all_rows(arguments.data, all_turns=arguments.turns == "all"), virtual):
        rows.append(row)
        print(json.dumps(row, default=float), flush=True)
    print("\n| input | told | of |\n|---|---|---|")
    for fault in dict.fromkeys(row["fault"] for row in rows):
        told = [row["told"] for row in rows if row["fault"] == fault]
        print(f"| {fault} | {sum(told)} | {len(told)} |")
    print(value_table(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
