"""One patient of a cohort, from files to a finished folder: what workers do, wherever they are.

A patient is claimed by a lock that ends with its process, so two runs on one output never work on the same one. The
result folder appears whole (`write_result_folder`); after it the record, by which later runs know that these inputs,
settings and this version are done. A patient that fails leaves a record with the reason. What is no matter of one
patient, such as an atlas that is not there, is raised.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from gliofield import __version__
from gliofield.anatomy import Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.cohort.patients import CohortPatient
from gliofield.errors import AtlasError, GliofieldError
from gliofield.file_lock import file_lock
from gliofield.imaging import InverseMethod
from gliofield.pipeline import MethodOptions, PersonalizationSettings, personalize, prepare_method, read_case
from gliofield.progress import Reporter, StageClock
from gliofield.progress_lines import ProgressLines
from gliofield.report import write_result_folder
from gliofield.scoring.finished import FinishedWork, source_digest

RESULTS, RECORDS, LOGS, CLAIMS = "patients", "records", "logs", ".claims"
# What results depend on, beside inputs and settings.
_SOURCE = (
    *("", "anatomy", "assimilation", "bayes", "database", "growth", "imaging", "inverse", "metrics", "pipeline"),
    *("registration", "report/result_folder.py", "retrieval"),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a patient.

    Parameters
    ----------
    status : {"done", "failed"}
        Whether there is a result.
    reason, kind : str
        Why there is none, and the class of the error; empty otherwise.
    seconds : float
        Wall time [s].
    peak_memory_mb : float or None
        Largest resident memory of the process while it was at this patient [MB]; None where that cannot be measured.
    """

    status: str
    reason: str = ""
    kind: str = ""
    seconds: float = 0.0
    peak_memory_mb: float | None = None

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Outcome:
        """Read back from a record."""
        return cls(**{each.name: stored[each.name] for each in dataclasses.fields(cls)})


@dataclass(frozen=True, kw_only=True)
class PatientJob:
    """A patient to work on.

    Parameters
    ----------
    patient : CohortPatient
        Whose files can be told.
    identity : mapping
        What its result depends on.
    known : Outcome or None
        A failure that is to be repeated; any other record made meanwhile counts.
    """

    patient: CohortPatient
    identity: Mapping[str, Any]
    known: Outcome | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortWork:
    """What all patients of a cohort have in common; sent to workers.

    Parameters
    ----------
    out : Path
        Folder of the cohort; workers write into it.
    method : MethodOptions
        How tumors are found.
    settings : PersonalizationSettings
        Registration, thresholds, space; `num_threads` is that of one worker.
    atlas : str
        Name or folder of the atlas.
    atlas_hash : str
        Its content.
    method_inputs : mapping
        What answers depend on beside options, such as the content of a database.
    """

    out: Path
    method: MethodOptions
    settings: PersonalizationSettings
    atlas: str
    atlas_hash: str
    method_inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def records(self) -> FinishedWork:
        """What is finished."""
        return FinishedWork(folder=self.out / RECORDS)

    def result_folder(self, patient: CohortPatient) -> Path:
        """Where the result of a patient lies."""
        return self.out / RESULTS / patient.folder_name

    def identity(self, patient: CohortPatient, files: Mapping[str, str]) -> dict[str, Any]:
        """What the result of a patient depends on: hashes of its files, settings, version."""
        settings = dataclasses.asdict(self.settings)
        settings.pop("num_threads")
        options = dataclasses.asdict(self.method)
        return {
            "patient": patient.shown,
            "files": dict(files),
            "labels": patient.labels,
            "method": self.method.name,
            "options": {name: value.name if isinstance(value, Path) else value for name, value in options.items()},
            "method_inputs": dict(self.method_inputs),
            "settings": settings,
            "atlas": self.atlas_hash,
            "source": source_digest(*_SOURCE),
        }

    def outcome(self, patient: CohortPatient, identity: Mapping[str, Any]) -> Outcome | None:
        """What is recorded of this very work; None if it has to be done, or its result is gone."""
        stored = self.records.read(patient.folder_name, identity)
        if stored is None:
            return None
        found = Outcome.from_stored(stored)
        is_there = (self.result_folder(patient) / "provenance.json").is_file()
        return found if found.status == "failed" or is_there else None

    def record(self, job: PatientJob, outcome: Outcome) -> Outcome:
        """Keep an outcome."""
        self.records.write(job.patient.folder_name, job.identity, dataclasses.asdict(outcome))
        return outcome


#: An outcome and whether it is new; None: another process works on the patient.
Answer = tuple[Outcome, bool] | None


class BusyError(GliofieldError):
    """Another process works on the patient."""


class PatientWorker:
    """Works on one patient after the other; atlas and method are made ready once.

    Parameters
    ----------
    work : CohortWork
        What to do with them.
    """

    def __init__(self, work: CohortWork) -> None:
        self.work = work

    @cached_property
    def atlas(self) -> Atlas:
        """The atlas, which must be the one the cohort was started with."""
        found = resolve_atlas(self.work.atlas)
        if found.content_hash != self.work.atlas_hash:
            raise AtlasError(
                f"the atlas {self.work.atlas} of a worker is another one than that of the run: expected content hash "
                f"{self.work.atlas_hash[:12]}…, got {found.content_hash[:12]}…. Give all workers the same atlas folder "
                "or cache."
            )
        return found

    @cached_property
    def method(self) -> InverseMethod:
        """The method with its database or networks."""
        return prepare_method(self.work.method, atlas=self.atlas, settings=self.work.settings)

    def run(self, job: PatientJob) -> Answer:
        """The outcome of a patient, which is recorded, and whether it was found out now; None where others are at it.

        Raises
        ------
        GliofieldError
            If no patient could be done: atlas or method are not there, or the output cannot be written.
        """
        try:
            with self._claim(f"{job.patient.folder_name}.lock"):
                found = self.work.outcome(job.patient, job.identity)
                if found is not None and found != job.known:
                    return found, False
                return self._done(job), True
        except BusyError:
            return None

    def _claim(self, name: str) -> contextlib.ExitStack:
        """A lock that is held; its folder is made again where a run that ended swept it away in between."""
        claims = self.work.out / CLAIMS
        with contextlib.ExitStack() as held:
            while True:
                claims.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    held.enter_context(file_lock(claims / name, busy))
                    return held.pop_all()

    def _done(self, job: PatientJob) -> Outcome:
        atlas, method = self.atlas, self.method
        begin = time.perf_counter()
        gc.collect()  # images of the patient before hang in circles of references
        forget_peak_memory()
        with patient_log(self.work.out / LOGS / f"{job.patient.folder_name}.log", job.patient) as write:
            write(f"gliofield {__version__}, method {self.work.method.name}, atlas {atlas.name}")
            reason, kind = "", ""
            try:
                self._personalize(job.patient, atlas, method, ProgressLines(write))
            except GliofieldError as error:
                reason, kind = job.patient.without_places(str(error)), type(error).__name__
            except Exception as error:  # a fault of ours, or of a plug-in, is no reason to stop the others
                reason = job.patient.without_places(f"unexpected {type(error).__name__}: {error} (see its log)")
                kind = type(error).__name__
                for line in traceback.format_exc().splitlines():
                    write(line)
            write(f"failed: {reason}" if reason else "done")
        outcome = Outcome(
            status="failed" if reason else "done",
            reason=reason,
            kind=kind,
            seconds=round(time.perf_counter() - begin, 3),
            peak_memory_mb=peak_memory_mb(),
        )
        return self.work.record(job, outcome)

    def _personalize(self, patient: CohortPatient, atlas: Atlas, method: InverseMethod, report: Reporter) -> None:
        files = patient.files
        if files is None:
            raise ValueError(f"{patient.shown} has no files")
        clock = StageClock(report)
        with clock.stage("read"):
            case = read_case(files, scheme=patient.labels, num_threads=self.work.settings.num_threads)
        result = personalize(case, method=method, atlas=atlas, settings=self.work.settings, report=report)
        result = dataclasses.replace(result, seconds={**result.seconds, **clock.seconds})
        with clock.stage("write"):
            write_result_folder(
                result,
                self.work.result_folder(patient),
                name=patient.shown,
                force=True,
                inputs=files.given.values(),
                num_threads=self.work.settings.num_threads,
            )


def busy(holder: str) -> BusyError:
    """What a claim that another process holds means."""
    return BusyError(f"{holder} works on it.")


@contextlib.contextmanager
def patient_log(path: Path, patient: CohortPatient) -> Iterator[Callable[[str], None]]:
    """A writer of lines with the time (UTC) to the log of a patient, which is appended to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:

        def write(line: str) -> None:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {patient.without_places(line)}\n")
            file.flush()

        yield write


def forget_peak_memory() -> None:
    """Let the peak of resident memory begin anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb() -> float | None:
    """Peak of the resident memory of this process since it was forgotten, where that can be, else ever [MB]."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
        return round(int(line.split()[1]) / 1024.0, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 1)
