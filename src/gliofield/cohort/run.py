"""A method for all patients of a cohort: what is done is kept, what fails says why, the rest is computed.

    OUT/cohort.json          settings of the last run
    OUT/cohort.tsv           a row for every patient
    OUT/cohort.html          the same to look at
    OUT/patients/NAME/       result folders, as `personalize` writes them
    OUT/records/NAME.json    what is finished, and of which inputs, settings and version
    OUT/logs/NAME.log        what was said while a patient was worked on

Any number of runs may share one output, one after the other or at once: each patient is worked on by one of them, and
each run ends when all of its patients are finished, whoever finished them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from gliofield import __version__
from gliofield.anatomy import DEFAULT_ATLAS, Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.cohort.numbers import result_numbers
from gliofield.cohort.page import PAGE, write_page
from gliofield.cohort.patients import MARKER, CohortPatient, hash_patients, refuse_copies
from gliofield.cohort.table import TABLE, Row, write_table
from gliofield.cohort.work import CLAIMS, RECORDS, RESULTS, BusyError, CohortWork, Outcome, PatientJob, busy
from gliofield.cohort.workforce import ClusterWorkers, LocalProcesses, OwnProcess
from gliofield.cores import available_cores, require_threads
from gliofield.dask_tasks import DaskCluster
from gliofield.errors import OutputError, ParameterError
from gliofield.file_lock import file_lock
from gliofield.leftovers import is_temporary, scratch_folder, sweep_leftovers
from gliofield.output import atomic_file, require_writable_place
from gliofield.pipeline import MethodOptions, PersonalizationSettings, options_named
from gliofield.pipeline.method_options import DEFAULT_METHOD
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.report.json_files import write_json
from gliofield.scoring.method_inputs import method_inputs

_TASK = "patients"
_POLL_S = 1.0
_FORMAT = 1
NOTICE = "For research use only; not a medical device."


@dataclass(frozen=True, kw_only=True)
class CohortRun:
    """How a cohort is worked on, beside its patients and method.

    Parameters
    ----------
    workers : int, DaskCluster or None
        Processes of this machine; with 1 the calling process. None: one for each core.
    part : tuple of (int, int)
        K of P: every P-th patient, the K-th of them first, for jobs that share a cohort.
    retry_failed : bool
        Work again on patients that failed before with the same inputs and settings.
    tables_only : bool
        Compute nothing; write table and page of what is there.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    workers: int | DaskCluster | None = None
    part: tuple[int, int] = (1, 1)
    retry_failed: bool = False
    tables_only: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.workers, int) and self.workers < 1:
            raise ParameterError(f"workers must be at least 1, got {self.workers}.")
        number, parts = self.part
        if not 1 <= number <= parts:
            raise ParameterError(f"part must be K of P with 1 <= K <= P, got {number} of {parts}.")


@dataclass(frozen=True, kw_only=True)
class CohortResult:
    """What became of a cohort.

    Parameters
    ----------
    folder : Path
        Where everything lies.
    rows : tuple of mapping
        The rows of the table.
    num_computed : int
        Patients that this run worked on.
    outcomes : mapping of str to Outcome
        By name, of all that are finished.
    """

    folder: Path
    rows: tuple[Row, ...]
    num_computed: int = 0
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """Patients of a status: ``done``, ``failed`` or ``missing``."""
        return sum(row["status"] == status for row in self.rows)


def run_cohort(
    patients: Sequence[CohortPatient],
    out: str | os.PathLike[str],
    *,
    method: str | MethodOptions = DEFAULT_METHOD,
    atlas: str = DEFAULT_ATLAS,
    settings: PersonalizationSettings | None = None,
    run: CohortRun | None = None,
    report: Reporter = ignore_progress,
) -> CohortResult:
    """Personalize all patients, and write table and page.

    Parameters
    ----------
    patients : sequence of CohortPatient
        All of them (`find_cohort`), also where a part is to be worked on.
    out : path
        Folder of the cohort: a new one, or one of an earlier run, which is continued.
    method : str or MethodOptions
        How tumors are found.
    atlas : str
        Name or folder of the atlas.
    settings : PersonalizationSettings, optional
        Registration, thresholds, space. Threads: of each worker; None shares the cores out among them.
    run : CohortRun, optional
        Workers, part, repetition.
    report : Reporter
        Told of every patient.

    Raises
    ------
    ParameterError
        If there is no patient, or an option of the method is for one patient alone.
    OutputError
        If the folder holds something else, or cannot be written.
    AtlasError, DatabaseError, CheckpointError
        If atlas or method cannot be made ready.
    ClusterError
        If the workers of a cluster are lost.
    """
    if not patients:
        raise ParameterError("there is no patient: expected at least one.")
    place, how = Path(out).absolute(), run or CohortRun()
    _require_cohort_folder(place)
    num_workers = _num_workers(how, len(patients))
    loaded = resolve_atlas(atlas, report=report)
    work = _work(place, method, atlas, loaded, settings, num_workers, report)
    hashes = hash_patients(patients, num_threads=available_cores())
    checked = refuse_copies(patients, hashes)
    identities = {each.name: work.identity(each, hashes[each.name]) for each in checked}
    _write_marker(work, num_patients=len(checked))
    number, parts = how.part
    mine = [] if how.tables_only else [each for each in checked[number - 1 :: parts] if not each.problem]
    num_computed = 0
    try:
        for _ in _worked_on(work, loaded, mine, identities, how, num_workers, report):
            num_computed += 1
    finally:
        _sweep(place)
    return _write_results(work, checked, identities, num_computed)


def _work(
    place: Path,
    method: str | MethodOptions,
    atlas: str,
    loaded: Atlas,
    settings: PersonalizationSettings | None,
    num_workers: int,
    report: Reporter,
) -> CohortWork:
    chosen = settings or PersonalizationSettings()
    if chosen.num_threads is None:
        chosen = replace(chosen, num_threads=max(1, available_cores() // num_workers))
    options = options_named(method) if isinstance(method, str) else method
    if getattr(options, "stage_file", None) is not None:
        raise ParameterError("stage_file is that of one patient, and a cohort has many: leave it out.")
    prepared = replace(chosen, num_threads=require_threads(None if settings is None else settings.num_threads))
    return CohortWork(
        out=place,
        method=options,
        settings=chosen,
        atlas=str(Path(atlas).absolute()) if Path(atlas).is_dir() else atlas,
        atlas_hash=loaded.content_hash,
        method_inputs=method_inputs(options, loaded, prepared, report),
    )


def _num_workers(how: CohortRun, num_patients: int) -> int:
    """Workers on this machine; each of a cluster's has a core."""
    if isinstance(how.workers, DaskCluster):
        return available_cores()
    return min(how.workers or available_cores(), max(1, num_patients))


def _worked_on(
    work: CohortWork,
    atlas: Atlas,
    patients: Sequence[CohortPatient],
    identities: Mapping[str, Mapping[str, object]],
    how: CohortRun,
    num_workers: int,
    report: Reporter,
) -> Iterator[Outcome]:
    """Outcomes that this run has found, until no patient is left that nobody has finished."""
    jobs = []
    for patient in patients:
        known = work.outcome(patient, identities[patient.name])
        if known is None or (how.retry_failed and known.status == "failed"):
            jobs.append(PatientJob(patient=patient, identity=identities[patient.name], known=known))
    done = len(patients) - len(jobs)
    report(ProgressEvent(task=_TASK, completed=done, total=len(patients), message=f"{done} finished before"))
    if not jobs:
        return
    with _workforce(work, atlas, how, min(num_workers, len(jobs))) as workforce:
        while jobs:
            elsewhere = []
            for job, answer in workforce.finished(jobs):
                if answer is None:
                    elsewhere.append(job)
                    continue
                outcome, is_new = answer
                done += 1
                message = f"{job.patient.shown} {outcome.status}"
                report(ProgressEvent(task=_TASK, completed=done, total=len(patients), message=message))
                if is_new:
                    yield outcome
            jobs = _still_open(work, elsewhere)
            done += len(elsewhere) - len(jobs)
            if jobs:
                message = f"{len(jobs)} in the hands of another run"
                report(ProgressEvent(task=_TASK, completed=done, total=len(patients), message=message))
                time.sleep(_POLL_S)


def _still_open(work: CohortWork, jobs: Sequence[PatientJob]) -> list[PatientJob]:
    """Of jobs that another run has, those that it has not finished."""
    found = ((job, work.outcome(job.patient, job.identity)) for job in jobs)
    return [job for job, outcome in found if outcome is None or outcome == job.known]


def _workforce(
    work: CohortWork, atlas: Atlas, how: CohortRun, num_workers: int
) -> AbstractContextManager[OwnProcess | LocalProcesses | ClusterWorkers]:
    if isinstance(how.workers, DaskCluster):
        return ClusterWorkers(work, how.workers)
    return OwnProcess(work, atlas) if num_workers == 1 else LocalProcesses(work, num_workers)


def _require_cohort_folder(place: Path) -> None:
    """Refuse a folder with content of somebody else."""
    require_writable_place(place / MARKER)
    entries = [each.name for each in place.iterdir() if not is_temporary(each.name)] if place.is_dir() else []
    if entries and MARKER not in entries and set(entries) - {CLAIMS, RECORDS, RESULTS}:
        raise OutputError(
            f"{place} exists and holds no cohort (no {MARKER}), but other things, such as {sorted(entries)[0]}. Choose "
            "a new folder, or that of an earlier run."
        )


def _write_marker(work: CohortWork, *, num_patients: int) -> None:
    """What was asked for last; the folder is known by it."""
    content = {
        "format": _FORMAT,
        "gliofield": __version__,
        "num_patients": num_patients,
        **{name: value for name, value in work.identity(CohortPatient(name=""), {}).items() if name in _SHOWN},
        "notice": NOTICE,
    }
    work.out.mkdir(parents=True, exist_ok=True)
    with atomic_file(work.out / MARKER, replace=True) as partial:
        write_json(partial, content)


_SHOWN = ("method", "options", "method_inputs", "settings", "atlas", "source")


def _sweep(place: Path) -> None:
    """Remove what workers that were ended have left under temporary names, and the folder of claims."""
    for folder in (place, place / RESULTS, place / RECORDS):
        sweep_leftovers(folder)
    for claim in (place / CLAIMS).glob("*.lock"):
        with suppress(BusyError, OSError), file_lock(claim, busy):
            pass  # taken and given back, it is gone
    with suppress(OSError):
        (place / CLAIMS).rmdir()
    with suppress(OSError), scratch_folder():
        pass  # making one removes those of processes that are gone, with the images in them


def _write_results(
    work: CohortWork, patients: Sequence[CohortPatient], identities: Mapping[str, Mapping[str, object]], computed: int
) -> CohortResult:
    """Table and page of what is there now; one process at a time, so that the last one knows most."""
    with file_lock(work.out / ".tables.lock", lambda holder: None):
        outcomes: dict[str, Outcome] = {}
        rows = []
        for patient in patients:
            outcome = None if patient.problem else work.outcome(patient, identities[patient.name])
            if outcome is not None:
                outcomes[patient.name] = outcome
            rows.append(row_of(patient, outcome, work.result_folder(patient)))
        write_table(work.out / TABLE, rows)
        write_page(work.out / PAGE, rows, work.out)
    return CohortResult(folder=work.out, rows=tuple(rows), num_computed=computed, outcomes=outcomes)


def row_of(patient: CohortPatient, outcome: Outcome | None, folder: Path) -> Row:
    """The row of a patient: its numbers if it is done, why not if it has failed."""
    row: dict[str, str | int | float | None] = {"patient": patient.shown}
    if patient.problem:
        return {**row, "status": "failed", "kind": "input", "reason": patient.without_places(patient.problem)}
    if outcome is None:
        return {**row, "status": "missing"}
    row |= {"status": outcome.status, "seconds": outcome.seconds, "peak_memory_mb": outcome.peak_memory_mb}
    if outcome.status == "failed":
        return {**row, "kind": outcome.kind, "reason": outcome.reason}
    return {**row, "folder": f"{RESULTS}/{patient.folder_name}", **result_numbers(folder)}
