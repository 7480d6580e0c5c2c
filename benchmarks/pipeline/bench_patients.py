"""Real patients through the whole pipeline: Dice in the patient's space, per registration preset.

    python benchmarks/pipeline/bench_patients.py [--data DATA] [--database DB] [--presets affine fast papers]

DATA is the folder of test images (`patients/` inside). Prints a Markdown table; database, thresholds and space are the
same for every preset, so the columns differ by registration alone. `--json FILE` writes all figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.pipeline import (
    CaseFiles,
    PersonalizationResult,
    PersonalizationSettings,
    QueryMethod,
    find_case_files,
    open_database,
    personalize,
    read_case,
)


def default_data() -> Path:
    """Folder of test images: $GLIOFIELD_TEST_DATA, or shared/data beside the repository, where the tests look too."""
    override = os.environ.get("GLIOFIELD_TEST_DATA")
    return Path(override) if override else Path(__file__).resolve().parents[3] / "shared" / "data"


def patient_files(data: Path) -> dict[str, CaseFiles]:
    """The four real patients; TCGA-FG-6692 with the fused segmentation."""
    patients = data / "patients"
    files = {name: find_case_files(patients / name) for name in _BRATS}
    tcga = patients / "TCGA-FG-6692"
    files["TCGA-FG-6692"] = CaseFiles(
        t1=tcga / "t1_bet.nii.gz",
        t1c=tcga / "t1c_bet.nii.gz",
        t2=tcga / "t2_bet.nii.gz",
        flair=tcga / "fla_bet.nii.gz",
        segmentation=tcga / "seg_simple.nii.gz",
    )
    return files


_BRATS = ("BraTS2021_01476", "BraTS2021_01481", "BraTS2021_01485")


def row(result: PersonalizationResult) -> dict[str, Any]:
    """The figures of one run."""
    quality = result.registration_quality
    return {
        "dice_t1gd": result.agreement_patient.dice_t1gd,
        "dice_flair": result.agreement_patient.dice_flair,
        "combined_patient": result.agreement_patient.combined,
        "combined_atlas": result.agreement_atlas.combined,
        "outside_domain": result.tumor_outside_domain["whole_tumor"],
        "brain_overlap": quality.brain_overlap,
        "tissue_overlap": None if quality.tissue_overlap is None else quality.tissue_overlap["mean"],
        "folds": quality.num_folds,
        # Beside the brain's own change of volume: 1 means that the tumor changes as the brain does.
        "core_volume_change": _over(quality.core_volume_ratio, quality.affine_volume_ratio),
        "whole_volume_change": _over(quality.whole_volume_ratio, quality.affine_volume_ratio),
        "jacobian_p01": quality.jacobian_p01 / quality.affine_volume_ratio,
        "jacobian_p99": quality.jacobian_p99 / quality.affine_volume_ratio,
        "inverse_error_p99_mm": quality.inverse_error_p99_mm,
        "registration_seconds": result.registration.seconds["total"],
        "seconds": sum(result.seconds.values()),
    }


def _over(ratio: float | None, affine_ratio: float) -> float | None:
    return None if ratio is None else ratio / affine_ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--database", type=Path, help="Default: the default database, built on first use.")
    parser.add_argument("--presets", nargs="+", default=["affine", "fast", "papers"])
    parser.add_argument("--patients", nargs="+", help="Names; default: all four.")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    atlas = load_atlas("sri24")
    method = QueryMethod(database=open_database(arguments.database, atlas=atlas))
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for name, files in patient_files(arguments.data).items():
        if arguments.patients and name not in arguments.patients:
            continue
        case = read_case(files)
        for preset in arguments.presets:
            settings = PersonalizationSettings(registration=preset, deterministic=arguments.deterministic)
            rows.setdefault(name, {})[preset] = row(personalize(case, atlas=atlas, method=method, settings=settings))
            print(f"{name} {preset}: {rows[name][preset]}", file=sys.stderr, flush=True)
    print(f"Database: {method.database.num_tumors} tumors, design {method.database.header.design['name']}.\n")
    print(table(rows, arguments.presets))
    print()
    print(registration_table(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def table(rows: dict[str, dict[str, dict[str, Any]]], presets: list[str]) -> str:
    """Combined Dice in patient space (T1Gd + FLAIR) and whole-run seconds, a column per preset."""
    head = ["patient", *(f"{preset} (T1Gd + FLAIR = sum; s)" for preset in presets)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, by_preset in rows.items():
        cells = []
        for preset in presets:
            figures = by_preset[preset]
            core = "–" if figures["dice_t1gd"] is None else f"{figures['dice_t1gd']:.2f}"
            cells.append(
                f"{core} + {figures['dice_flair']:.2f} = {figures['combined_patient']:.2f}; {figures['seconds']:.0f}"
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    means = [np.mean([by_preset[preset]["combined_patient"] for by_preset in rows.values()]) for preset in presets]
    atlas_means = [np.mean([by_preset[preset]["combined_atlas"] for by_preset in rows.values()]) for preset in presets]
    lines.append("| mean, patient space | " + " | ".join(f"{value:.3f}" for value in means) + " |")
    lines.append("| mean, atlas space | " + " | ".join(f"{value:.3f}" for value in atlas_means) + " |")
    return "\n".join(lines)


def registration_table(rows: dict[str, dict[str, dict[str, Any]]]) -> str:
    """What every preset does to brain and tumor of every patient, a row each."""
    head = ["patient", "preset", "brain overlap", "tissue overlap", "folds", "core volume", "whole volume"]
    head += ["det J 1-99 %", "inverse error p99 [mm]", "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, by_preset in rows.items():
        for preset, f in by_preset.items():
            core = "–" if f["core_volume_change"] is None else f"{f['core_volume_change']:.2f}"
            lines.append(
                f"| {name} | {preset} | {f['brain_overlap']:.3f} | {f['tissue_overlap']:.3f} | {f['folds']} | {core} | "
                f"{f['whole_volume_change']:.2f} | {f['jacobian_p01']:.2f} - {f['jacobian_p99']:.2f} | "
                f"{f['inverse_error_p99_mm']:.2f} | {f['registration_seconds']:.0f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
