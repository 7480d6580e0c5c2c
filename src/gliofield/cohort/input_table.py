"""What a cohort's inputs are, before anything is computed: a row for each patient, fit or not."""

from __future__ import annotations

from collections.abc import Sequence

from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.cohort.patients import CohortPatient, hash_patients, refuse_copies
from gliofield.cohort.table import Row
from gliofield.concern import verdict_of
from gliofield.errors import GliofieldError
from gliofield.pipeline import check_case, read_case
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

_TASK = "check inputs"


class InputChecker:
    """Reads and checks one patient after the other."""

    def row(self, patient: CohortPatient) -> Row:
        """What a patient is; status ``ready``, or ``failed`` with the reason."""
        begin: dict[str, str | int | float | None] = {"patient": patient.shown}
        if patient.problem or patient.files is None:
            return {**begin, "status": "failed", "kind": "input", "reason": patient.without_places(patient.problem)}
        try:
            case = read_case(patient.files, scheme=patient.labels)
            checks = check_case(case)
        except GliofieldError as error:
            reason = patient.without_places(str(error))
            return {**begin, "status": "failed", "kind": type(error).__name__, "reason": reason}
        return {
            **begin,
            "status": "ready",
            "verdict": verdict_of(checks.concerns),
            "num_concerns": sum(each.level != "note" for each in checks.concerns),
            "concerns": ",".join(each.name for each in checks.concerns),
            "label_scheme": checks.label_scheme,
            "core_ml": case.segmentation.core_ml,
            "whole_ml": case.segmentation.whole_ml,
            "cavity_ml": checks.cavity_ml,
            "images": ",".join(sorted(case.images)),
            "flair_edge": checks.flair_edge,
            "t1gd_gap": checks.t1gd_gap,
        }


def check_inputs(
    patients: Sequence[CohortPatient], *, num_workers: int = 1, report: Reporter = ignore_progress
) -> tuple[Row, ...]:
    """Rows of all patients: what was read of each, or why it cannot be used.

    Parameters
    ----------
    patients : sequence of CohortPatient
        As `find_cohort` gives them.
    num_workers : int
        Processes.
    report : Reporter
        Told of every patient.

    Raises
    ------
    NumericalError
        If a process died.
    """
    checked = refuse_copies(patients, hash_patients(patients, num_threads=num_workers))
    rows: list[Row] = []
    with SimulationWorkers(InputChecker(), max(1, min(num_workers, len(checked)))) as workers:
        for done, row in enumerate(workers.map("row", checked), start=1):
            rows.append(row)
            message = str(row["patient"])
            report(ProgressEvent(task=_TASK, completed=done, total=len(checked), message=message))
    return tuple(rows)
