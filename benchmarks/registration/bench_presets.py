"""What each registration preset does to four real patients, and in which time.

    python benchmarks/registration/bench_presets.py --data DATA [--presets affine fast papers] [--json FILE]

DATA is the folder of test images (`patients/` and `atlas/sri24/` inside). T1 images, whole tumor masked, seed 0. Prints
a Markdown table: brain and mean tissue overlap (Dice), folds in the brain, volume of core and whole tumor in the atlas
over that in the patient, divided by the brain's own change of volume, inverse consistency (median and 99th percentile)
and wall time of the registration. `--json FILE` writes all figures, ``-`` to stdout instead of the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gliomap.anatomy import Segmentation, TissueMaps, normalized_tissue_maps, segmentation_from_labels
from gliomap.nifti import read_volume
from gliomap.registration import REGISTRATION_PRESETS, register, registration_quality
from gliomap.volume import Volume

DEFAULT_PRESETS = ("affine", "fast", "papers")
PATIENTS = {
    name: (f"{name}/{name}_t1.nii.gz", f"{name}/{name}_seg.nii.gz")
    for name in ("BraTS2021_01476", "BraTS2021_01481", "BraTS2021_01485")
} | {"TCGA-FG-6692": ("TCGA-FG-6692/t1_bet.nii.gz", "TCGA-FG-6692/seg_simple.nii.gz")}
_COLUMNS = (
    "patient",
    "preset",
    "brain overlap",
    "tissue overlap",
    "folds",
    "core volume",
    "whole volume",
    "det J 1-99 %",
    "inverse error mm (median / p99)",
    "seconds",
)


def read_atlas(data: Path) -> tuple[Volume, TissueMaps]:
    """T1 and normalized tissue maps of SRI24."""
    folder = data / "atlas" / "sri24"
    t1 = read_volume(folder / "t1_brain.nii.gz")
    white, gray, csf = (read_volume(folder / f"p_{name}.nii.gz") for name in ("wm", "gm", "csf"))
    return t1, normalized_tissue_maps(white, gray, csf, t1.data > 0)


def read_patient(data: Path, name: str) -> tuple[Volume, Segmentation]:
    """T1 and segmentation of a patient."""
    image, labels = (data / "patients" / file for file in PATIENTS[name])
    return read_volume(image), segmentation_from_labels(read_volume(labels, dtype=np.uint8))


def measure(
    image: Volume, segmentation: Segmentation, t1: Volume, tissues: TissueMaps, preset: str, num_threads: int | None
) -> dict[str, Any]:
    """One registration and its quality."""
    brain = Volume(image.data != 0, image.grid)
    whole = Volume(segmentation.whole_tumor, segmentation.grid)
    atlas_brain = Volume(tissues.brain, tissues.grid)
    result = register(
        patient_image=image,
        atlas_image=t1,
        patient_brain=brain,
        atlas_brain=atlas_brain,
        lesion=whole,
        preset=preset,
        num_threads=num_threads,
    )
    quality = registration_quality(
        result.transform,
        patient_image=image,
        patient_brain=brain,
        atlas_brain=atlas_brain,
        atlas_tissues=tissues,
        tumor_core=Volume(segmentation.tumor_core, segmentation.grid),
        whole_tumor=whole,
    )
    return {
        "preset": preset,
        **asdict(quality),
        "seconds": dict(result.seconds),
        "versions": dict(result.versions),
        "num_threads": result.num_threads,
    }


def table_row(figures: dict[str, Any]) -> str:
    """One line of the Markdown table."""
    affine = figures["affine_volume_ratio"]

    def beside_brain(ratio: float | None) -> str:
        return "-" if ratio is None else f"{ratio / affine:.2f}"

    cells = (
        figures["patient"],
        figures["preset"],
        f"{figures['brain_overlap']:.3f}",
        f"{figures['tissue_overlap']['mean']:.3f}",
        str(figures["num_folds"]),
        beside_brain(figures["core_volume_ratio"]),
        beside_brain(figures["whole_volume_ratio"]),
        f"{figures['jacobian_p01'] / affine:.2f} - {figures['jacobian_p99'] / affine:.2f}",
        f"{figures['inverse_error_median_mm']:.2f} / {figures['inverse_error_p99_mm']:.2f}",
        f"{figures['seconds']['total']:.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=list(DEFAULT_PRESETS), choices=sorted(REGISTRATION_PRESETS))
    parser.add_argument("--patients", nargs="+", default=list(PATIENTS), choices=sorted(PATIENTS))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", default=None, metavar="FILE")
    arguments = parser.parse_args()
    t1, tissues = read_atlas(arguments.data)
    table = sys.stderr if arguments.json == "-" else sys.stdout
    print("| " + " | ".join(_COLUMNS) + " |\n|" + " --- |" * len(_COLUMNS), file=table, flush=True)
    rows = []
    for patient in arguments.patients:
        image, segmentation = read_patient(arguments.data, patient)
        for preset in arguments.presets:
            figures = {"patient": patient, **measure(image, segmentation, t1, tissues, preset, arguments.threads)}
            rows.append(figures)
            print(table_row(figures), file=table, flush=True)
    text = json.dumps(rows, indent=2) + "\n"
    if arguments.json == "-":
        sys.stdout.write(text)
    elif arguments.json:
        Path(arguments.json).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
