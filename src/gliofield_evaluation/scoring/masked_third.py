"""The masked third: what a ranking finds of a part of the tumor that it was not shown, on scans without follow-up.

A half-space that holds a third of the visible tumor is hidden (`HiddenThird`). Everything is fitted to the visible two
thirds, in the patient's own brain, and the hidden part of the brain is ranked, at the volume of the tumor that is
hidden there: the share of it that is found is the coverage. Directions are those of an icosahedron. Beside it stands
how well growth explains both outlines with nothing hidden, before any correction.

What it cannot tell: whether a map is right where no scan shows tumor.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gliofield_evaluation
from gliofield.anatomy import Anatomy, Atlas
from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import GliofieldError, ParameterError, unknown_name
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.pipeline import AssimilateMethod, CaseFiles, PatientSpace, PersonalizationSettings, observe, read_case
from gliofield.pipeline.spaces import tumor_grid
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.scoring.finished import FinishedWork, source_digest
from gliofield.scoring.hidden_third import REACH_MM, SPACING_MM, HiddenThird, directions
from gliofield.scoring.third_rankings import coverage_of
from gliofield_evaluation.scoring.registrations import Registrations
from gliofield_evaluation.scoring.third_rankings import CONTROLS, RANKINGS

_NUM_DIRECTIONS = 12
#: What a score depends on, beside inputs and settings: of the product, and here.
_SOURCE = (
    *("", "anatomy", "assimilation", "growth", "imaging", "metrics", "pipeline"),
    *("scoring/hidden_third.py", "scoring/third_rankings.py"),
)
_OWN_SOURCE = ("scoring/masked_third.py", "scoring/third_rankings.py")
_TASK, _PREPARING = "score sectors", "explain patients"


@dataclass(frozen=True, kw_only=True)
class MaskedThirdSettings:
    """What is scored.

    Parameters
    ----------
    num_sectors : int
        Directions of each patient, 1 to 12.
    rankings : tuple of str
        Names of `RANKINGS`; the controls are scored in any case.
    registration : str
        Name of a registration preset.

    Raises
    ------
    ParameterError
        If the number is out of range or a name unknown.
    """

    num_sectors: int = _NUM_DIRECTIONS
    rankings: tuple[str, ...] = tuple(RANKINGS)
    registration: str = PersonalizationSettings.registration

    def __post_init__(self) -> None:
        if not 1 <= self.num_sectors <= _NUM_DIRECTIONS:
            raise ParameterError(f"num_sectors must lie between 1 and {_NUM_DIRECTIONS}, got {self.num_sectors}.")
        for name in self.rankings:
            if name not in RANKINGS:
                raise ParameterError(unknown_name("ranking", name, RANKINGS))

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the rankings that are scored, in the order of `RANKINGS`."""
        return tuple(name for name in RANKINGS if name in (*CONTROLS, *self.rankings))


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How growth explains both outlines of a patient with nothing hidden, before any correction.

    Parameters
    ----------
    dice_sum : float
        Of T1Gd and FLAIR, or of FLAIR alone where there is no core, with all foci.
    num_foci : int
        Foci, the first included.
    axis_stretch : tuple of 3 float
        The fitted tensor.
    seconds : float
        Time of one core [s].
    """

    dice_sum: float
    num_foci: int
    axis_stretch: tuple[float, float, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class MaskedThirdEvaluation:
    """What was found.

    Parameters
    ----------
    settings : MaskedThirdSettings
        What was scored.
    coverage : mapping of str to tuple of mappings of str to float
        By patient: for each sector the share of the hidden tumor that each ranking finds. NaN where nothing is hidden,
        or the ranking could not be made.
    explained : mapping of str to Explanation
        By patient.
    left_out : mapping of str to str
        Patients that could not be scored, and why.
    """

    settings: MaskedThirdSettings
    coverage: Mapping[str, Sequence[Mapping[str, float]]]
    explained: Mapping[str, Explanation]
    left_out: Mapping[str, str]


def evaluate_masked_third(
    patients: Mapping[str, CaseFiles],
    folder: str | os.PathLike[str],
    settings: MaskedThirdSettings | None = None,
    *,
    atlas: Atlas,
    num_workers: int = 1,
    report: Reporter = ignore_progress,
) -> MaskedThirdEvaluation:
    """Score rankings of hidden thirds; what the folder holds already is not computed again.

    Parameters
    ----------
    patients : mapping of str to CaseFiles
        Files by name.
    folder : path
        Where registrations and finished sectors are kept; made if missing.
    settings : MaskedThirdSettings, optional
        Sectors and rankings.
    atlas : Atlas
        Whose tissue is moved to the patients.
    num_workers : int
        Processes.
    report : Reporter
        Told of every patient and sector.

    Raises
    ------
    ParameterError
        If not one patient can be scored.
    OutputError
        If the folder cannot be written.
    """
    chosen, place = MaskedThirdSettings() if settings is None else settings, Path(folder)
    scorer = SectorScorer(patients=dict(patients), settings=chosen, atlas=atlas, folder=place)
    explained, left_out = dict[str, Explanation](), dict[str, str]()
    report(ProgressEvent(task=_PREPARING, completed=0, total=len(patients)))
    with SimulationWorkers(scorer, min(num_workers, max(len(patients), 1))) as workers:
        for done, (name, found) in enumerate(zip(patients, workers.map("explain", list(patients)), strict=True), 1):
            (left_out if isinstance(found, str) else explained)[name] = found
            report(ProgressEvent(task=_PREPARING, completed=done, total=len(patients), message=name))
    if not explained:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in left_out.items())
        raise ParameterError(f"not one patient can be scored: expected a readable folder each.{reasons}")
    jobs = [(name, sector) for name in explained for sector in range(chosen.num_sectors)]
    coverage: dict[str, list[Mapping[str, float]]] = {name: [] for name in explained}
    report(ProgressEvent(task=_TASK, completed=0, total=len(jobs)))
    with SimulationWorkers(scorer, num_workers) as workers:
        for done, ((name, sector), shares) in enumerate(zip(jobs, workers.map("score", jobs), strict=True), 1):
            coverage[name].append(shares)
            message = f"{name}, sector {sector + 1}"
            report(ProgressEvent(task=_TASK, completed=done, total=len(jobs), message=message))
    return MaskedThirdEvaluation(settings=chosen, coverage=coverage, explained=explained, left_out=left_out)


@dataclass(frozen=True, kw_only=True, eq=False)
class SectorScorer:
    """Scores sectors of patients, in whichever process; keeps what is finished.

    Parameters
    ----------
    patients : mapping of str to CaseFiles
        Files by name.
    settings : MaskedThirdSettings
        Rankings and registration.
    atlas : Atlas
        Whose tissue is moved to the patients.
    folder : Path
        Of the evaluation.
    """

    patients: Mapping[str, CaseFiles]
    settings: MaskedThirdSettings
    atlas: Atlas
    folder: Path

    def explain(self, name: str) -> Explanation | str:
        """How growth explains a patient's outlines with nothing hidden; or why the patient cannot be used."""
        try:
            identity = self._identity(name)
            stored = self._finished.read(name, identity)
            if stored is None:
                stored = dataclasses.asdict(self._explained(name))
                self._finished.write(name, identity, stored)
            return Explanation(**{**stored, "axis_stretch": tuple(stored["axis_stretch"])})
        except GliofieldError as error:
            return str(error)

    def score(self, job: tuple[str, int]) -> dict[str, float]:
        """Coverage of every ranking in one sector of a patient."""
        name, sector = job
        identity = {**self._identity(name), "rankings": self.settings.scored}
        stored = self._finished.read(f"{name}-{sector + 1:02d}", identity)
        if stored is None:
            seen, anatomy = self._prepared(name)
            third = HiddenThird(seen=seen, anatomy=anatomy, direction=directions()[sector])
            stored = {ranking: coverage_of(RANKINGS[ranking], third) for ranking in self.settings.scored}
            self._finished.write(f"{name}-{sector + 1:02d}", identity, stored)
        return {ranking: math.nan if share is None else share for ranking, share in stored.items()}

    @cached_property
    def _finished(self) -> FinishedWork:
        return FinishedWork(folder=self.folder / "sectors")

    @cached_property
    def _registrations(self) -> Registrations:
        settings = PersonalizationSettings(registration=self.settings.registration, deterministic=True)
        return Registrations(folder=self.folder / "registrations", settings=settings)

    @cached_property
    def _last(self) -> dict[str, tuple[Observation, Anatomy]]:
        """The patient that was prepared last: sectors of one come after each other."""
        return {}

    def _identity(self, name: str) -> dict[str, Any]:
        return {
            "files": self.patients[name].hashes(),
            "registration": self._registrations.identity(self.atlas),
            "source": [source_digest(*_SOURCE), source_digest(*_OWN_SOURCE, package=gliofield_evaluation)],
        }

    def _prepared(self, name: str) -> tuple[Observation, Anatomy]:
        """A patient's masks and tissue on the grid of the simulations."""
        if name not in self._last:
            self._last.clear()
            scan = self._scan(name)
            grid = tumor_grid(scan, scan.case.segmentation.whole_tumor, spacing_mm=SPACING_MM, reach_mm=REACH_MM)
            space = scan.on_grid(grid)
            self._last[name] = observe(scan.case, space, VisibilityThresholds()), space.anatomy
        return self._last[name]

    def _scan(self, name: str) -> PatientSpace:
        case = read_case(self.patients[name])
        transform = self._registrations.of(name, case, self.atlas).transform
        return PatientSpace(case=case, atlas=self.atlas, transform=transform, grid=case.grid)

    def _explained(self, name: str) -> Explanation:
        scan = self._scan(name)
        seen = observe(scan.case, scan, VisibilityThresholds())
        begin = time.process_time()
        _, fit, foci = AssimilateMethod().fit_growth(seen)
        return Explanation(
            dice_sum=foci.dice_sum,
            num_foci=1 + len(foci.foci),
            axis_stretch=fit.parameters.axis_stretch,
            seconds=time.process_time() - begin,
        )
