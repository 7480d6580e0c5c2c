"""What the registration of a second scan costs: scores of virtual recurrences with it, and without the need of it.

    python benchmarks/cohort/bench_follow_up.py --virtual COHORT [--number 6] [--method distance]

The second session of a virtual patient is its own scan with the outlines of its recurrence, turned and shifted under
its header by a known motion, with new noise. Scored are the same outlines once through the registration and once where
they truly lie. Printed are both coverages by the density at the volume of the margin, the volume for 95 %, and how far
the registration is from the true motion at the recurrence [mm].
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.cohort import FollowUp, score_follow_up
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import Case, personalize, read_case
from gliofield.registration import RegistrationResult, Transform, registration_preset
from gliofield.report import write_result_folder
from gliofield.volume import Volume
from gliofield_evaluation.virtual import CohortCase, read_cohort

_NOISE = 0.03


def motion(rng: np.random.Generator, center_mm: np.ndarray) -> np.ndarray:
    """A turn by up to 10 degrees about each axis and a shift by up to 10 mm, about a center, (4, 4)."""
    moved = np.eye(4)
    for axis in range(3):
        angle = np.deg2rad(rng.uniform(-10.0, 10.0))
        turn, (i, j) = np.eye(3), [k for k in range(3) if k != axis]
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        moved[:3, :3] = turn @ moved[:3, :3]
    moved[:3, 3] = center_mm - moved[:3, :3] @ center_mm + rng.uniform(-10.0, 10.0, 3)
    return moved


def write_second(case: CohortCase, folder: Path, moved: np.ndarray, rng: np.random.Generator) -> Case:
    """The second session as files, and as it was read."""
    folder.mkdir(parents=True)
    masks = {name: read_volume(getattr(case, f"recurrence_{name}")).data > 0 for name in ("enhancing", "any")}
    for path in sorted(case.folder.glob("*.nii.gz")):
        volume = read_volume(path)
        if path.name.endswith("_seg.nii.gz"):
            data = np.where(masks["enhancing"], 3, np.where(masks["any"], 2, 0)).astype(np.uint8)
        else:
            noise = rng.normal(0.0, _NOISE * float(volume.data.max()), volume.data.shape)
            data = np.where(volume.data > 0, np.maximum(volume.data + noise, 1.0), 0.0).astype(np.float32)
        grid = type(volume.grid)(volume.grid.shape, moved @ volume.grid.world_from_voxel)
        write_volume(folder / path.name, Volume(data, grid))
    return read_case(folder, scheme="brats2023")


def known(transform: Transform) -> RegistrationResult:
    """A registration that is the truth."""
    return RegistrationResult(
        transform=transform,
        preset=registration_preset("affine"),
        backend="none",
        seed=0,
        deterministic=True,
        num_threads=1,
    )


def main() -> None:
    """Score and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--virtual", type=Path, required=True)
    arguments.add_argument("--number", type=int, default=6)
    arguments.add_argument("--method", default="distance")
    chosen = arguments.parse_args()
    cases = [
        case
        for case in read_cohort(chosen.virtual)
        if case.condition == "none" and case.split == "tune" and case.has_core and case.recurrence_any is not None
    ]
    atlas, rng = load_atlas("sri24"), np.random.default_rng(0)
    print("patient    coverage (true)   V95 [ml] (true)   error at the recurrence [mm]   growth of the core [ml]")
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases[: chosen.number]:
            first = case.case()
            result = personalize(first, method=chosen.method, atlas=atlas)
            place = write_result_folder(result, Path(scratch) / case.name / "result")
            moved = motion(rng, np.asarray(first.grid.center_mm))
            second = write_second(case, Path(scratch) / case.name / "second", moved, rng)
            found = score_follow_up(first, place, second)
            there = known(Transform.affine(np.linalg.inv(moved)))
            true = score_follow_up(first, place, second, registration=there)
            print_row(case.name, found, true, second, moved)


def print_row(name: str, found: FollowUp, true: FollowUp, second: Case, moved: np.ndarray) -> None:
    """One patient."""
    voxels = np.argwhere(second.segmentation.whole_tumor)
    points = second.grid.world_of(voxels)
    where = points @ np.linalg.inv(moved)[:3, :3].T + np.linalg.inv(moved)[:3, 3]
    error_mm = np.linalg.norm(found.first_from_second.atlas_points_of(points) - where, axis=-1).max()
    held = [each.coverage["density"]["whole_tumor"] for each in (found, true)]
    volumes = [each.volume_95_ml["density"]["whole_tumor"] for each in (found, true)]
    growth = found.growth["tumor_core"]
    beyond = "beyond" if growth.is_beyond_floor else "within"
    print(
        f"{name}   {held[0]:6.1%} ({held[1]:6.1%})   {volumes[0]:6.1f} ({volumes[1]:6.1f})   {error_mm:10.2f}   "
        f"{growth.change_ml:+10.1f}, {beyond} {growth.floor_ml:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
