"""Scores one case of a virtual cohort after the other, in whichever process; what is finished is read, not made again.

A case is a patient under one condition. It is registered once (`Registrations`); each method is asked once, by the
pipeline's own `personalize`, and everything it is scored by is kept as one JSON file (`FinishedWork`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import gliofield_evaluation
from gliofield.anatomy import Atlas
from gliofield.errors import GliofieldError
from gliofield.file_hash import file_sha256
from gliofield.imaging import InverseMethod
from gliofield.nifti import read_volume
from gliofield.pipeline import (
    Case,
    MethodOptions,
    PatientSpace,
    PersonalizationResult,
    PersonalizationSettings,
    observe,
    personalize,
    prepare_method,
)
from gliofield.registration import RegistrationResult
from gliofield.report.json_files import plain_json
from gliofield.scoring.case_rankings import DENSITY, Ranked, control_rankings, method_rankings
from gliofield.scoring.finished import FinishedWork, source_digest
from gliofield.scoring.volume_scores import KnownTumor, VolumeScores, score_ranking
from gliofield_evaluation.scoring.registered_controls import registered_controls
from gliofield_evaluation.scoring.registrations import Registrations
from gliofield_evaluation.scoring.stated_uncertainty import ReliabilityBins, reliability_bins

if TYPE_CHECKING:
    from gliofield_evaluation.virtual import CohortCase

#: Name of the work that is no method's.
CONTROLS = "controls"
#: What scores depend on, beside inputs and settings: of the product, and here.
_SOURCE = (
    *("", "anatomy", "assimilation", "bayes", "database", "growth", "imaging", "inverse", "metrics", "pipeline"),
    *("registration", "retrieval", "scoring/case_rankings.py", "scoring/volume_scores.py"),
)
_OWN_SOURCE = ("scoring/case_scorer.py", "scoring/registered_controls.py", "scoring/stated_uncertainty.py")
# Densities up to this are none, where densities are compared.
_LEAST_DENSITY = 0.01


@dataclass(frozen=True, kw_only=True)
class StatedCells:
    """What a method with a posterior says of the cells outside the core [ml]: mean and 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MethodScores:
    """What was found out about one method in one case.

    Parameters
    ----------
    rankings : mapping of str to mapping of str to float
        By ranking: the fields of `VolumeScores`, ``density_error``, ``cells_ml`` and, of the density, ``dice_sum``
        before correction (not without a core); NaN where undefined.
    facts : mapping of str to float
        Of the case: ``target_ml`` (K), ``cells_outside_core_ml``, ``has_core``; of the controls only.
    stated : StatedCells or None
        Where the method states it.
    reliability : ReliabilityBins or None
        Likewise.
    seconds : float
        Wall time of the method, without the registration [s].
    error : str
        Why the method has no answer, or a control is missing; empty otherwise.
    """

    rankings: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    stated: StatedCells | None = None
    reliability: ReliabilityBins | None = None
    seconds: float = 0.0
    error: str = ""

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> MethodScores:
        """Read back; None is NaN."""
        bins = stored["reliability"]
        return cls(
            rankings={name: _numbers(scores) for name, scores in stored["rankings"].items()},
            facts=_numbers(stored["facts"]),
            stated=None if stored["stated"] is None else StatedCells(**stored["stated"]),
            reliability=None if bins is None else ReliabilityBins(**{name: tuple(row) for name, row in bins.items()}),
            seconds=stored["seconds"],
            error=stored["error"],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseScorer:
    """What scores cases.

    Parameters
    ----------
    cases : tuple of CohortCase
        Patients under their conditions.
    methods : mapping of str to MethodOptions
        By name.
    identities : mapping of str to mapping
        By the same names: what an answer depends on beside the options, such as the content of a database.
    atlas : Atlas
        The atlas of all methods.
    settings : PersonalizationSettings
        Registration and thresholds.
    folder : Path
        Of the evaluation.
    """

    cases: tuple[CohortCase, ...]
    methods: Mapping[str, MethodOptions]
    identities: Mapping[str, Mapping[str, Any]]
    atlas: Atlas
    settings: PersonalizationSettings
    folder: Path

    def score(self, index: int) -> dict[str, MethodScores]:
        """Scores of the controls and of each method in one case."""
        opened = _OpenedCase(cohort_case=self.cases[index], scorer=self)
        return {name: opened.scores(name) for name in (CONTROLS, *self.methods)}

    @cached_property
    def finished(self) -> FinishedWork:
        """Where scores are kept."""
        return FinishedWork(folder=self.folder / "scores")

    @cached_property
    def registrations(self) -> Registrations:
        """Where registrations are kept."""
        return Registrations(folder=self.folder / "registrations", settings=self.settings)

    @cached_property
    def _ready(self) -> dict[str, InverseMethod]:
        return {}

    def method(self, name: str) -> InverseMethod:
        """A method, prepared when it is first asked for."""
        if name not in self._ready:
            self._ready[name] = prepare_method(self.methods[name], atlas=self.atlas, settings=self.settings)
        return self._ready[name]

    def identity(self, name: str, files: Mapping[str, str]) -> dict[str, Any]:
        """What the scores of a method in a case depend on."""
        options = {} if name == CONTROLS else dataclasses.asdict(self.methods[name])
        return {
            "files": files,
            "method": name,
            "options": {key: str(value) if isinstance(value, Path) else value for key, value in options.items()},
            "method_inputs": self.identities.get(name, {}),
            "thresholds": dataclasses.asdict(self.settings.thresholds),
            "registration": self.registrations.identity(self.atlas),
            "source": [source_digest(*_SOURCE), source_digest(*_OWN_SOURCE, package=gliofield_evaluation)],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class _OpenedCase:
    """One case; images, truth and registration are read when something has to be made."""

    cohort_case: CohortCase
    scorer: CaseScorer

    def scores(self, name: str) -> MethodScores:
        """Kept ones, or new ones."""
        identity = self.scorer.identity(name, self._hashes)
        place = f"{name}/{self.cohort_case.name}-{self.cohort_case.condition}"
        stored = self.scorer.finished.read(place, identity)
        if stored is None:
            stored = dataclasses.asdict(self._controls() if name == CONTROLS else self._asked(name))
            self.scorer.finished.write(place, identity, stored)
        return MethodScores.from_stored(plain_json(stored))

    def _controls(self) -> MethodScores:
        tumor, error = self._tumor, ""
        rankings = control_rankings(tumor)
        try:
            rankings |= self._registered_controls()
        except GliofieldError as failure:
            error = str(failure)
        facts = {
            "has_core": float(tumor.has_core),
            "target_ml": tumor.num_target_voxels * tumor.grid.voxel_volume_ml,
            "cells_outside_core_ml": tumor.cells_outside_core_ml,
            **{f"recurrence_{name}_voxels": float(mask.sum()) for name, mask in tumor.recurrences.items()},
        }
        return MethodScores(rankings=self._scored(rankings), facts=facts, error=error)

    def _registered_controls(self) -> dict[str, Ranked]:
        case, atlas, transform = self._case, self.scorer.atlas, self._registration.transform
        scan = PatientSpace(case=case, atlas=atlas, transform=transform, grid=case.grid)
        observation = observe(case, scan, self.scorer.settings.thresholds)
        return registered_controls(self._tumor, observation, scan)

    def _asked(self, name: str) -> MethodScores:
        method = self.scorer.method(name)
        try:
            result = personalize(
                self._case,
                method=method,
                atlas=self.scorer.atlas,
                settings=self.scorer.settings,
                registration=self._registration,
            )
        except GliofieldError as error:
            return MethodScores(rankings={}, error=str(error))
        rankings = self._scored(method_rankings(result))
        if self._tumor.has_core:
            rankings[DENSITY]["dice_sum"] = result.agreement_patient.combined
        probability = result.posterior_patient.get("probability_flair")
        return MethodScores(
            rankings=rankings,
            stated=_stated_cells(result),
            reliability=None if probability is None else reliability_bins(probability.data, self._tumor),
            seconds=sum(result.seconds.values()),
        )

    def _scored(self, rankings: Mapping[str, Ranked]) -> dict[str, dict[str, float]]:
        tumor = self._tumor
        found = {}
        for name, ranked in rankings.items():
            scores = VolumeScores() if ranked.values is None else score_ranking(ranked.values, tumor)
            density = ranked.cell_density
            found[name] = {
                **dataclasses.asdict(scores),
                "density_error": math.nan if density is None else density_error(density, tumor),
                "cells_ml": math.nan if density is None else tumor.cells_ml(density),
                "dice_sum": math.nan,
            }
        return found

    @cached_property
    def _hashes(self) -> dict[str, str]:
        """Of every file of the case, by name."""
        given = self.cohort_case
        files = [*sorted(given.folder.glob("*.nii*")), *sorted(given.patient_folder.glob("*.nii*"))]
        return {path.name: file_sha256(path) for path in files}

    @cached_property
    def _case(self) -> Case:
        return self.cohort_case.case()

    @cached_property
    def _registration(self) -> RegistrationResult:
        name = f"{self.cohort_case.name}-{self.cohort_case.condition}"
        return self.scorer.registrations.of(name, self._case, self.scorer.atlas)

    @cached_property
    def _tumor(self) -> KnownTumor:
        case, given = self._case, self.cohort_case
        truth = given.truth()
        truth.grid.require_same_as(case.grid, self_name="truth", other_name="scan")
        cavity = case.segmentation.cavity
        recurrences = {}
        for name, path in (("enhancing", given.recurrence_enhancing), ("any", given.recurrence_any)):
            mask = np.zeros(case.grid.shape, bool) if path is None else read_volume(path).data > 0
            recurrences[name] = np.asarray(mask, dtype=np.bool_)
        return KnownTumor(
            cell_density=truth.data.astype(np.float32),
            tumor_core=case.segmentation.tumor_core,
            whole_tumor=case.segmentation.whole_tumor,
            treatable=case.brain if cavity is None else case.brain & ~cavity,
            grid=case.grid,
            recurrences=recurrences,
        )


def density_error(cell_density: NDArray[np.float32], tumor: KnownTumor) -> float:
    """Mean |u − truth| outside the core where either exceeds 0.01, in what can be treated; NaN if neither does."""
    either = (cell_density > _LEAST_DENSITY) | (tumor.cell_density > _LEAST_DENSITY)
    compared = either & tumor.treatable & ~tumor.tumor_core
    if not compared.any():
        return math.nan
    return float(np.abs(cell_density[compared] - tumor.cell_density[compared]).mean(dtype=np.float64))


def _stated_cells(result: PersonalizationResult) -> StatedCells | None:
    found = result.estimate.details.get("cells_outside_core_ml")
    if not isinstance(found, Mapping):
        return None
    return StatedCells(mean=float(found["mean"]), low=float(found["low"]), high=float(found["high"]))


def _numbers(stored: Mapping[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in stored.items()}
