"""The patients of a cohort, wherever they lie: BraTS folders, a BIDS data set, or a table.

Whatever is wrong with one of them is said of that one and stops no other: a missing image, two sessions to choose from,
the same patient twice. What cannot be found out without reading images is left to the run.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gliofield.cohort.bids_dataset import BidsChoice, BidsFiles, is_bids_dataset, read_bids_dataset
from gliofield.cohort.patient_table import TABLE_ENDINGS, read_patient_table
from gliofield.errors import GliofieldError, ParameterError
from gliofield.pipeline import CaseFiles, find_patients

#: The file by which a folder is known as the output of a cohort.
MARKER = "cohort.json"
_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class CohortPatient:
    """A patient, or what is there in place of one.

    Parameters
    ----------
    name : str
        As it was found: a folder's name, a row's, ``sub-X`` or ``sub-X_ses-Y``. Any characters.
    files : CaseFiles or None
        Its files; None where they cannot be told.
    problem : str
        Why it cannot be personalized; empty where nothing speaks against it.
    labels : str or None
        What the labels of its segmentation mean; None: told from them.
    bids : BidsFiles or None
        Subject, session and root of a patient of a BIDS data set.
    """

    name: str
    files: CaseFiles | None = None
    problem: str = ""
    labels: str | None = None
    bids: BidsFiles | None = None

    @property
    def shown(self) -> str:
        """The name on one line: what cannot be printed is written as an escape."""
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in self.name)

    @property
    def folder_name(self) -> str:
        """Name of its files and folders in the output: the name itself, if that is harmless."""
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", self.name).lstrip(".-_")[:_LONGEST_NAME]
        if plain == self.name:
            return plain
        digest = hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{plain or 'patient'}-{digest[:8]}"

    def without_places(self, text: str) -> str:
        """A message about this patient on one line, with names of files in place of their paths."""
        from gliofield.pipeline.provenance import hide_places

        for path in () if self.files is None else self.files.given.values():
            for folder in (path.parent, path.parent.parent):
                if len(folder.parts) > 1:
                    text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), folder.name)
        return " ".join(str(hide_places(text)).split())


@dataclass(frozen=True, kw_only=True)
class CohortSource:
    """How to find the patients of a cohort.

    Parameters
    ----------
    bids : BidsChoice
        Which files and sessions of a BIDS data set are meant.
    columns : mapping of str to str
        Columns of a table by what they hold (``t1c``, ``segmentation``, …), where their names do not say it.
    labels : str or None
        What the labels of all segmentations mean, unless a table says it of each.
    """

    bids: BidsChoice = field(default_factory=BidsChoice)
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None


def find_cohort(place: str | os.PathLike[str], source: CohortSource | None = None) -> tuple[CohortPatient, ...]:
    """The patients at a place, sorted by name.

    Parameters
    ----------
    place : path
        A BIDS data set, a folder of BraTS folders (or one of them), or a table (.tsv, .csv).
    source : CohortSource, optional
        What has to be told beside it.

    Raises
    ------
    ParameterError
        If there is nothing of the kind, or no patient in it, or an option has no effect there.
    """
    path, chosen = Path(place), source or CohortSource()
    if chosen.labels is not None:
        from gliofield.anatomy import label_scheme

        label_scheme(chosen.labels)
    is_table = path.is_file()
    is_bids = not is_table and is_bids_dataset(path)
    _require_effect(path, chosen, is_table=is_table, is_bids=is_bids)
    if is_table:
        found = _of_table(path, chosen)
    elif is_bids:
        found = [
            CohortPatient(name=each.name, files=each.files, problem=each.problem, bids=each)
            for each in read_bids_dataset(path, chosen.bids)
        ]
    else:
        patients, left_out = find_patients([path])
        found = [CohortPatient(name=name, files=files) for name, files in patients.items()]
        found += [
            CohortPatient(name=name, problem=reason)
            for name, reason in left_out.items()
            if not (path / name / MARKER).is_file()  # results among the patients are no patient
        ]
    labelled = [replace(each, labels=each.labels or _labels_for(each, chosen)) for each in found]
    return tuple(sorted(_refused_twice(labelled), key=lambda each: each.name))


def _labels_for(patient: CohortPatient, source: CohortSource) -> str | None:
    """The scheme of all, where there are labels."""
    has_labels = patient.files is not None and patient.files.segmentation is not None
    return source.labels if has_labels else None


def _require_effect(path: Path, source: CohortSource, *, is_table: bool, is_bids: bool) -> None:
    """Refuse what is no input at all, and options that belong to another kind of input."""
    if is_table and not path.name.lower().endswith(TABLE_ENDINGS):
        raise ParameterError(
            f"{path} is a file that is no table: expected a folder of patients, a BIDS data set, or a table whose name "
            f"ends in {' or '.join(TABLE_ENDINGS)}."
        )
    if not is_table and not path.is_dir():
        raise ParameterError(f"{path}: no such folder or table. Give a folder of patients, a BIDS data set or a table.")
    if source.bids != BidsChoice() and not is_bids:
        raise ParameterError(
            f"{path} is no BIDS data set (it has no dataset_description.json and no sub-…/anat), so sessions, "
            "participants and a BIDS filter have no effect: leave them out."
        )
    if source.columns and not is_table:
        raise ParameterError(f"{path} is no table, so names of columns have no effect: leave them out.")


def _of_table(path: Path, source: CohortSource) -> list[CohortPatient]:
    return [
        CohortPatient(name=row.name, files=row.files, problem=row.problem, labels=row.labels)
        for row in read_patient_table(path, source.columns)
    ]


def _refused_twice(found: Sequence[CohortPatient]) -> list[CohortPatient]:
    """Patients with names of their own; a name that comes again is refused wherever it stands, once."""
    counts = Counter(each.name for each in found)
    once = {each.name: each for each in found}
    return [
        each
        if counts[name] == 1
        else CohortPatient(
            name=name,
            problem=f"the name {each.shown!r} occurs {counts[name]} times: expected one row for each patient. Give "
            "each scan a name of its own.",
        )
        for name, each in once.items()
    ]


def hash_patients(patients: Sequence[CohortPatient], *, num_threads: int = 1) -> dict[str, dict[str, str]]:
    """SHA-256 of the files of each patient that can be read, by name and input; of others, why not, under ``error``."""
    from concurrent.futures import ThreadPoolExecutor

    def hashes(patient: CohortPatient) -> dict[str, str]:
        if patient.files is None or patient.problem:
            return {}
        try:
            return patient.files.hashes()
        except GliofieldError as error:
            return {"error": patient.without_places(str(error))}

    with ThreadPoolExecutor(num_threads) as executor:
        found = executor.map(hashes, patients)
        return {patient.name: each for patient, each in zip(patients, found, strict=True)}


def refuse_copies(
    patients: Sequence[CohortPatient], hashes: Mapping[str, Mapping[str, str]]
) -> tuple[CohortPatient, ...]:
    """The patients, of which those that have the very files of an earlier one, or unreadable ones, get a problem."""
    first: dict[tuple[tuple[str, str], ...], CohortPatient] = {}
    checked = []
    for patient in patients:
        found = hashes[patient.name]
        if "error" in found:
            checked.append(replace(patient, problem=found["error"]))
            continue
        earlier = first.setdefault(tuple(sorted(found.items())), patient) if found else patient
        if earlier is not patient:
            problem = f"all files are those of {earlier.shown!r}: the same patient twice. Leave one of the two out."
            patient = replace(patient, problem=problem)
        checked.append(patient)
    return tuple(checked)
