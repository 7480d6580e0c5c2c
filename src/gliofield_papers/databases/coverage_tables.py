"""Whether databases cover what patients show, as tables and as a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gliofield.report.tables import Column, ResultTable
from gliofield_papers.databases.coverage import QuantityCoverage, TumorCohort, coverage_of
from gliofield_papers.databases.patient_volumes import PatientTumor


def coverage_report(
    cohorts: Sequence[TumorCohort], measured: Sequence[PatientTumor] = (), patients: TumorCohort | None = None
) -> str:
    """What was measured on every patient, and the quantiles of databases beside them."""
    tables = [coverage_table(cohorts, patients)]
    if patients is not None:
        tables.insert(0, patient_table(measured, patients))
    return "\n\n".join(tables)


def coverage_record(
    cohorts: Sequence[TumorCohort], measured: Sequence[PatientTumor] = (), patients: TumorCohort | None = None
) -> dict[str, Any]:
    """The same for a JSON file (`write_json`)."""
    return {
        "patients": [asdict(patient) for patient in measured],
        "coverage": [{**asdict(row), "quantity": row.quantity.key} for row in _rows_of(cohorts, patients)],
    }


def patient_table(measured: Sequence[PatientTumor], cohort: TumorCohort) -> str:
    """What was measured on every patient; places as offsets from the center of the brain."""
    offsets = iter(cohort.offset_mm)
    rows = [(patient, None if patient.center_mm is None else next(offsets)) for patient in measured]
    columns = [
        Column("patient", lambda row: row[0].name),
        Column("segmentations", lambda row: row[0].num_segmentations),
        Column("core [ml]", lambda row: row[0].core_ml, ".1f"),
        Column("whole [ml]", lambda row: row[0].whole_ml, ".1f"),
        Column("whole/core", lambda row: row[0].whole_to_core_ratio, ".1f"),
        *(
            Column(f"{name} [mm]", lambda row, axis=axis: None if row[1] is None else row[1][axis], "+.0f")
            for axis, name in enumerate("xyz")
        ),
    ]
    return ResultTable(columns=columns, rows=rows).markdown()


def coverage_table(cohorts: Sequence[TumorCohort], patients: TumorCohort | None = None) -> str:
    """Markdown table with a row per quantity and database: quantiles, and the patients within 5 to 95 %.

    Parameters
    ----------
    cohorts : sequence of TumorCohort
        One per database.
    patients : TumorCohort, optional
        Measured patients; without them the last column holds dashes.
    """
    return ResultTable(columns=_COLUMNS, rows=_rows_of(cohorts, patients)).markdown()


def _rows_of(cohorts: Sequence[TumorCohort], patients: TumorCohort | None) -> list[QuantityCoverage]:
    """All databases of one quantity after each other."""
    nobody = TumorCohort(name="", core_ml=np.empty(0), whole_ml=np.empty(0), offset_mm=np.empty((0, 3)))
    by_cohort = [coverage_of(cohort, nobody if patients is None else patients) for cohort in cohorts]
    return [row for rows in zip(*by_cohort, strict=True) for row in rows]


def _patients_inside(row: QuantityCoverage) -> str | None:
    if not row.num_patients:
        return None
    return f"{row.num_patients_inside} of {row.num_patients} ({row.share_of_patients_inside:.0%})"


_COLUMNS = (
    Column("quantity", lambda row: row.quantity.label),
    Column("database", "cohort"),
    Column("tumors", "num_values"),
    *(
        Column(f"{percent} %", lambda row, place=place: row.quantiles[place])
        for place, percent in enumerate((5, 25, 50, 75, 95))
    ),
    Column("patients inside 5-95 %", _patients_inside),
)
