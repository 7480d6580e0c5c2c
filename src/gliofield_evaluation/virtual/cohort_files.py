"""The virtual cohort as files: a folder per patient, a BraTS folder per condition in it, and one list of what is there.

    COHORT/cohort.json                       design, and the finished patients in its order
    COHORT/tune-000/truth.json               every number of the patient
    COHORT/tune-000/truth_density.nii.gz
    COHORT/tune-000/recurrence_enhancing.nii.gz, recurrence_any.nii.gz    absent where there is none
    COHORT/tune-000/none/tune-000_t1.nii.gz, _t1ce, _flair, _seg          likewise one-sided/, severe/, tracts/

A patient appears by one rename when it is finished; finished ones are not made again, so a cohort that was interrupted
goes on with the same call. Patients are made by processes of one thread each and do not depend on how many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas, load_atlas
from gliofield.anatomy.segmentation import label_scheme, segmentation_from_labels
from gliofield.errors import ImageError, OutputError, ParameterError
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.nifti import read_volume, write_volume
from gliofield.output import atomic_file, atomic_folder, require_writable_place
from gliofield.pipeline.case import Case, read_case
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.virtual.brain import Resolution
from gliofield.virtual.images import IMAGE_ENDINGS
from gliofield.volume import Volume
from gliofield.worker_processes import WorkerProcesses
from gliofield_evaluation.virtual.cohort_patient import GrownPatient, grow_cohort_patient
from gliofield_evaluation.virtual.design import DESIGN_NAME, CohortPatient, cohort_design

#: The list of patients in the folder of a cohort.
COHORT_FILE = "cohort.json"
_FORMAT = 1
_TRUTH, _DENSITY = "truth.json", "truth_density.nii.gz"
_RECURRENCES = {"enhancing": "recurrence_enhancing.nii.gz", "any_visible": "recurrence_any.nii.gz"}
_ATLAS = "mni152"


@dataclass(frozen=True, kw_only=True)
class CohortCase:
    """A patient of a written cohort under one condition.

    Parameters
    ----------
    name : str
        Of the patient, such as ``tune-007``.
    split, kind, condition : str
        See `CohortPatient`.
    patient_folder : Path
        Where its truth lies.
    label_scheme : str
        Meaning of the labels of its segmentation, for `read_case`.
    """

    name: str
    split: str
    kind: str
    condition: str
    patient_folder: Path
    label_scheme: str

    @property
    def folder(self) -> Path:
        """The BraTS folder."""
        return self.patient_folder / self.condition

    def case(self) -> Case:
        """The case as methods get it; errors as `read_case`."""
        return read_case(self.folder, scheme=self.label_scheme)

    def truth(self) -> Volume:
        """True cell density, float32 on the grid of `case`."""
        return read_volume(self.patient_folder / _DENSITY)

    def core(self) -> NDArray[np.bool_]:
        """The core that margins are drawn around, (X, Y, Z); all False without one.

        It is that of the segmentation under every condition, and what is resected before the recurrence.
        """
        labels = read_volume(self.folder / f"{self.name}_seg.nii.gz")
        return segmentation_from_labels(labels, scheme=label_scheme(self.label_scheme)).tumor_core

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What ``truth.json`` holds: every number of the patient."""
        return _read_json(self.patient_folder / _TRUTH)

    @property
    def has_core(self) -> bool:
        """Whether there is a core."""
        return bool(self.facts["has_core"])

    @property
    def thresholds(self) -> VisibilityThresholds:
        """True thresholds, in the middle of the fields that they vary by."""
        found = self.facts["drawn"]
        return VisibilityThresholds(t1gd_threshold=found["t1gd_threshold"], flair_threshold=found["flair_threshold"])

    @property
    def recurrence_enhancing(self) -> Path | None:
        """Mask of the part of the recurrence that enhances; None where there is no recurrence."""
        return self._recurrence("enhancing")

    @property
    def recurrence_any(self) -> Path | None:
        """Mask of the part that FLAIR shows; None where there is no recurrence."""
        return self._recurrence("any_visible")

    def _recurrence(self, which: str) -> Path | None:
        path = self.patient_folder / _RECURRENCES[which]
        return path if self.facts["recurrence"]["reason"] == "" else None


def write_cohort(
    folder: str | os.PathLike[str],
    patients: Sequence[CohortPatient] | None = None,
    *,
    workers: int = 1,
    atlas: Atlas | None = None,
    resolution: Resolution | None = None,
    report: Reporter = ignore_progress,
) -> None:
    """Make patients of the virtual cohort; those that are there already are left as they are.

    Parameters
    ----------
    folder : path
        Of the cohort; made if need be.
    patients : sequence of CohortPatient, optional
        Default: the whole design.
    workers : int
        Processes, ≥ 1; with 1 everything happens in the calling process.
    atlas : Atlas, optional
        Brain to deform; default ``mni152``, which is fetched if need be.
    resolution : Resolution, optional
        Grids; the default is that of the cohort. Another one is another cohort.
    report : Reporter
        Told of every finished patient.

    Raises
    ------
    ParameterError
        If the number of workers is below 1.
    OutputError
        If the folder holds a cohort of another design or resolution, or cannot be written.
    NumericalError
        If a patient cannot be made.
    """
    if workers < 1:
        raise ParameterError(f"workers must be at least 1, got {workers}.")
    place, wanted = Path(folder), tuple(cohort_design() if patients is None else patients)
    require_writable_place(place / COHORT_FILE)
    head = _head(resolution or Resolution())
    _require_same_cohort(place, head)
    missing = [patient for patient in wanted if not (place / patient.name / _TRUTH).is_file()]
    report(ProgressEvent(task="virtual cohort", completed=len(wanted) - len(missing), total=len(wanted)))
    _write_list(place, head)
    for done, name in enumerate(_made(place, missing, workers, atlas, resolution or Resolution()), start=1):
        _write_list(place, head)
        completed = len(wanted) - len(missing) + done
        report(ProgressEvent(task="virtual cohort", completed=completed, total=len(wanted), message=name))


def read_cohort(folder: str | os.PathLike[str]) -> tuple[CohortCase, ...]:
    """The finished patients of a cohort under each of their conditions, in the order of the design.

    Raises
    ------
    ParameterError
        If the folder holds no cohort, or one of another format.
    """
    place = Path(folder)
    if not (place / COHORT_FILE).is_file():
        raise ParameterError(
            f"{place} holds no virtual cohort: expected a file {COHORT_FILE} in it. Make one with gliofield virtual "
            "--cohort --out FOLDER."
        )
    found = _read_json(place / COHORT_FILE)
    if found.get("format") != _FORMAT:
        raise ParameterError(
            f"{place / COHORT_FILE} has format {found.get('format')}: expected {_FORMAT}. Use the version of gliofield "
            "that wrote it, or make the cohort anew."
        )
    return tuple(
        CohortCase(
            name=entry["name"],
            split=entry["split"],
            kind=entry["kind"],
            condition=condition,
            patient_folder=place / entry["name"],
            label_scheme=entry["label_scheme"],
        )
        for entry in found["patients"]
        for condition in entry["conditions"]
    )


def _made(
    place: Path, missing: Sequence[CohortPatient], workers: int, atlas: Atlas | None, resolution: Resolution
) -> Generator[str, None, None]:
    """Names of patients as they are finished."""
    if workers == 1 or len(missing) <= 1:
        if missing:
            _prepare(place, atlas, resolution)
        for patient in missing:
            yield _make(patient)
        return
    if atlas is None:
        load_atlas(_ATLAS)  # fetched once, not by every process
    with WorkerProcesses(min(workers, len(missing)), _prepare, place, atlas, resolution) as processes:
        try:
            for future in as_completed([processes.executor.submit(_make, patient) for patient in missing]):
                yield future.result()
            processes.finish()
        except BrokenProcessPool as error:
            raise OutputError(
                f"a worker process of the cohort in {place} died: it was killed, or ran out of memory (3 GB each). "
                "What was finished is kept: run the same command again to continue."
            ) from error


# What a process that makes patients holds between them.
_worker: dict[str, tuple[Path, Atlas, Resolution]] = {}


def _prepare(place: Path, atlas: Atlas | None, resolution: Resolution) -> None:
    _worker["state"] = (place, load_atlas(_ATLAS) if atlas is None else atlas, resolution)


def _make(patient: CohortPatient) -> str:
    """Make and write one patient, in the process that was prepared for it."""
    place, atlas, resolution = _worker["state"]
    grown = grow_cohort_patient(patient, atlas, resolution=resolution)
    with atomic_folder(place / patient.name) as partial:
        _write_patient(grown, partial)
    return patient.name


def _write_patient(grown: GrownPatient, folder: Path) -> None:
    stored_as, grid = grown.resolution.stored_grid, grown.cell_density.grid
    write_volume(folder / _DENSITY, grown.cell_density, stored_as=stored_as)
    for which, name in _RECURRENCES.items():
        mask = getattr(grown.recurrence, which)
        if mask is not None:
            write_volume(folder / name, Volume(mask, grid), stored_as=stored_as)
    for condition in grown.patient.conditions:
        beginning = folder / condition / grown.patient.name
        beginning.parent.mkdir()
        for modality, image in grown.images_of(condition).items():
            write_volume(
                beginning.with_name(f"{beginning.name}_{IMAGE_ENDINGS[modality]}.nii.gz"), image, stored_as=stored_as
            )
        labels = Volume(grown.signs_of(condition).labels(), grid)
        write_volume(beginning.with_name(f"{beginning.name}_seg.nii.gz"), labels, stored_as=stored_as)
    (folder / _TRUTH).write_text(json.dumps(_facts(grown), indent=2) + "\n", encoding="utf-8")


def _facts(grown: GrownPatient) -> dict[str, Any]:
    """What ``truth.json`` says."""
    patient, signs, again = grown.patient, grown.signs, grown.recurrence
    return {
        "design": DESIGN_NAME,
        "name": patient.name,
        "split": patient.split,
        "kind": patient.kind,
        "label_scheme": patient.label_scheme,
        "drawn": asdict(grown.drawn),
        "growth_time_days": grown.drawn.growth_time_days,
        "white_matter_diffusivity_mm2_per_day": grown.drawn.white_matter_diffusivity_mm2_per_day,
        "seeds_mm": [list(seed) for seed in grown.seeds_mm],
        "num_attempts": grown.attempt + 1,
        "unusable_attempts": list(grown.unusable),
        "largest_displacement_mm": grown.displacement_mm,
        "has_core": grown.has_core,
        "core_ml": grown.volume_ml(signs.tumor_core),
        "cavity_ml": grown.volume_ml(signs.cavity),
        "whole_ml": {each: grown.volume_ml(grown.signs_of(each).whole_tumor) for each in patient.conditions},
        "cells_in_margin": grown.cells_in_margin,
        "recurrence": {
            "reason": again.reason,
            "days": again.days,
            "enhancing_ml": grown.volume_ml(again.enhancing),
            "any_ml": grown.volume_ml(again.any_visible),
        },
    }


def _head(resolution: Resolution) -> dict[str, Any]:
    """What all patients of a cohort share."""
    grids = {"image_grid": resolution.stored_grid.to_dict(), "simulation_spacing_mm": resolution.simulation_spacing_mm}
    return {"format": _FORMAT, "design": DESIGN_NAME, **grids}


def _require_same_cohort(place: Path, head: dict[str, Any]) -> None:
    path = place / COHORT_FILE
    if not path.is_file():
        return
    found = _read_json(path)
    other = [key for key in head if found.get(key) != head[key]]
    if other:
        raise OutputError(
            f"{place} holds a cohort of another {' and '.join(other)}: expected {head[other[0]]}, got "
            f"{found.get(other[0])}. Choose another folder."
        )


def _write_list(place: Path, head: dict[str, Any]) -> None:
    """List the finished patients, in the order of the design."""
    place.mkdir(parents=True, exist_ok=True)
    finished = [
        {
            "name": patient.name,
            "split": patient.split,
            "kind": patient.kind,
            "conditions": list(patient.conditions),
            "label_scheme": patient.label_scheme,
        }
        for patient in cohort_design()
        if (place / patient.name / _TRUTH).is_file()
    ]
    with atomic_file(place / COHORT_FILE, replace=True) as partial:
        partial.write_text(json.dumps({**head, "patients": finished}, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be read: {error}. Make this patient of the cohort anew.") from error
    return dict(found)
