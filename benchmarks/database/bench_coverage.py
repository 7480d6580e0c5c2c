"""Whether databases cover what patients show: volumes, whole/core ratio and place, beside real patients.

    python benchmarks/database/bench_coverage.py DATABASE [DATABASE ...] [--data DATA] [--figure F] [--centers 400]

DATA is the folder of test images; where it is absent, patients are left out and that is said. Prints

1. patients: what was measured on every one of them;
2. coverage: per quantity and database the quantiles, and how many patients lie between 5 and 95 %;

and draws the marginals beside patients and published figures into F (.png, .pdf, .svg), replacing an older one.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gliofield.anatomy import Atlas, load_atlas
from gliofield.database import SimulationDatabase
from gliofield.report import markdown_table, require_figure_name, write_figure
from gliofield_papers.databases.coverage import TumorCohort, cohort_of_database, cohort_of_patients
from gliofield_papers.databases.coverage_figure import coverage_figure, coverage_table
from gliofield_papers.databases.literature_volumes import PUBLISHED_VOLUMES, RANGES_TO_COVER
from gliofield_papers.databases.patient_volumes import PatientTumor, measure_patients


def default_data() -> Path:
    """Folder of test images: $GLIOFIELD_TEST_DATA, or shared/data beside the repository, where the tests look too."""
    override = os.environ.get("GLIOFIELD_TEST_DATA")
    return Path(override) if override else Path(__file__).resolve().parents[3] / "shared" / "data"


def cohort_names(databases: Sequence[SimulationDatabase]) -> list[str]:
    """Names of the designs; of databases of one design the names of their folders."""
    designs = [str(database.header.design["name"]) for database in databases]
    shared = {design for design, number in Counter(designs).items() if number > 1}
    return [
        database.path.name if design in shared else design for database, design in zip(databases, designs, strict=True)
    ]


def patient_table(patients: Sequence[PatientTumor], cohort: TumorCohort) -> str:
    """What was measured on every patient; places as offsets from the center of the brain."""
    offsets = iter(cohort.offset_mm)
    rows = []
    for patient in patients:
        place = ["-"] * 3 if patient.center_mm is None else [f"{value:+.0f}" for value in next(offsets)]
        volumes = [f"{value:.1f}" for value in (patient.core_ml, patient.whole_ml, patient.whole_to_core_ratio)]
        rows.append([patient.name, str(patient.num_segmentations), *volumes, *place])
    headers = ["patient", "segmentations", "core [ml]", "whole [ml]", "whole/core", "x [mm]", "y [mm]", "z [mm]"]
    return markdown_table(headers, rows)


def measured(data: Path, atlas: Atlas) -> tuple[PatientTumor, ...]:
    """Patients below a folder; none where there is no such folder."""
    if not data.is_dir():
        print(f"No patients: {data} does not exist. Name a folder with segmentations with --data.\n")
        return ()
    return measure_patients(data, atlas_grid=atlas.grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", nargs="+", type=Path, metavar="DATABASE")
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--centers", type=int, default=400, help="Tumors per database whose centers are measured.")
    arguments = parser.parse_args()
    if arguments.figure is not None:
        require_figure_name(arguments.figure)
    databases = [SimulationDatabase.open(path) for path in arguments.databases]
    atlases = {name: load_atlas(name) for name in {database.header.atlas_name for database in databases}}
    cohorts = [
        cohort_of_database(
            database, name=name, atlas=atlases[database.header.atlas_name], num_centers=arguments.centers
        )
        for database, name in zip(databases, cohort_names(databases), strict=True)
    ]
    patient_atlas = atlases.get("sri24") or load_atlas("sri24")
    patients = measured(arguments.data, patient_atlas)
    beside = cohort_of_patients(patients, atlas=patient_atlas) if patients else None
    if beside is not None:
        print(patient_table(patients, beside), end="\n\n")
    print(coverage_table(cohorts, beside))
    if arguments.figure is not None:
        figure = coverage_figure(cohorts, patients=beside, published=PUBLISHED_VOLUMES, ranges_to_cover=RANGES_TO_COVER)
        print(f"\n{write_figure(figure, arguments.figure, replace=True)}")


if __name__ == "__main__":
    main()
