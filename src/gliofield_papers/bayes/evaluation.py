"""``gliofield papers bayes``: calibration on virtual cases, cost of the ways to sample, MAP of real patients.

Three parts, each written as soon as it is done into one folder, so that an evaluation that was killed goes on where it
was: a file per virtual case, one of the costs, two per patient. `bayes_identity` says what they belong to; a folder of
other inputs is refused. More cases and patients may be asked for later.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas
from gliofield.bayes import ImportanceSettings
from gliofield.cores import require_threads
from gliofield.database import SimulationDatabase
from gliofield.database.schema import describe_settings
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME
from gliofield.output import atomic_file, require_absent
from gliofield.pipeline import CaseFiles, PersonalizationSettings
from gliofield.pipeline.sample_method import SampleSettings
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.bayes.calibration import Calibration, calibration_of, places_of_times
from gliofield_papers.bayes.cases import VirtualCohort
from gliofield_papers.bayes.cost import CostComparison, CostSettings, WayCost, compare_costs
from gliofield_papers.bayes.identity import (
    SETTINGS_FILE,
    continued_identity,
    database_identity,
    open_folder,
    registration_identity,
    surrogate_identity,
)
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import PatientPosterior
from gliofield_papers.bayes.patients import SOLVER, SURROGATE, PatientModel, PatientSampler
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseSampler, CaseSettings, sample_cases
from gliofield_papers.queries.retrieval_queries import require_atlas_of
from gliofield_papers.tmcmc import TmcmcSettings, paper_settings

if TYPE_CHECKING:
    from gliofield_papers.surrogate import LearnedFisherKolmogorov


@dataclass(frozen=True, kw_only=True)
class BayesEvaluationSettings:
    """Size of the evaluation.

    Parameters
    ----------
    seed : int
        Root of all randomness, ≥ 0.
    num_cases : int
        Virtual cases, ≥ 1.
    spacing_mm : float
        Voxel spacing of the virtual cases [mm], > 0.
    time_step_scale : float
        Of the growth model there, on both sides, > 0.
    voxel_stride : int
        Every how many voxels along each axis their images are seen and compared, ≥ 1.
    case : CaseSettings
        How they are sampled.
    sample_spacing_mm : float
        Spacing of the cost table without a database, and of the patients without a surrogate [mm], > 0.
    num_samples : int
        Effective samples there.
    num_tmcmc_samples, num_steps : int
        Samples and steps of TMCMC in the cost table.
    num_paper_samples : int
        Samples of the paper's algorithm in the cost table, 2,048 there.
    num_threads : int or None
        Processes; None: all cores. Results do not depend on it.
    is_small : bool
        Whether results are to be labelled small.
    is_published : bool
        Whether patients are sampled as in the paper: in their own anatomy, by its algorithm, with all voxels taken for
        independent and PET without background.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    seed: int = 0
    num_cases: int = 128
    spacing_mm: float = 3.75
    time_step_scale: float = 4.0
    voxel_stride: int = 1
    case: CaseSettings = field(default_factory=CaseSettings)
    sample_spacing_mm: float = 1.875
    num_samples: int = 500
    num_tmcmc_samples: int = 256
    num_steps: int = 20
    num_paper_samples: int = 2048
    num_threads: int | None = None
    is_small: bool = False
    is_published: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0 or self.num_cases < 1:
            raise ParameterError(f"seed must be ≥ 0 and num_cases ≥ 1, got {self.seed} and {self.num_cases}.")
        if self.voxel_stride < 1:
            raise ParameterError(f"voxel_stride must be at least 1, got {self.voxel_stride}.")
        for name in ("spacing_mm", "time_step_scale", "sample_spacing_mm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ParameterError(f"{name} must be finite and above 0, got {value}.")
        ImportanceSettings(num_effective=self.num_samples)  # refuses what it cannot use
        for number in (self.num_tmcmc_samples, self.num_paper_samples):
            TmcmcSettings.thorough(num_samples=number, num_steps=self.num_steps)  # refuses what it cannot use

    @classmethod
    def small(cls, **changes: Any) -> BayesEvaluationSettings:
        """A setting for two cores: coarse grid, every second voxel, few samples; some fields changed."""
        preset = cls(
            num_cases=40,
            spacing_mm=5.0,
            time_step_scale=8.0,
            voxel_stride=2,
            case=CaseSettings(num_samples=250, num_densities=32),
            num_samples=250,
            num_tmcmc_samples=64,
            num_steps=5,
            num_paper_samples=256,
            is_small=True,
        )
        return dataclasses.replace(preset, **changes)

    def identity(self) -> dict[str, Any]:
        """What results depend on: all but the number of cases and of processes."""
        named = {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}
        if not self.is_published:
            # As in evaluations of before there was a choice.
            del named["is_published"]
        return named


_FREE = ("num_cases", "num_threads")


@dataclass(frozen=True, kw_only=True, eq=False)
class BayesEvaluation:
    """What was found.

    Parameters
    ----------
    settings : BayesEvaluationSettings
        Size of the evaluation.
    cases : tuple of CaseRecord
        Virtual cases.
    calibration : mapping of str to Calibration
        Over those that were sampled, by `RUN_NAMES`.
    time_places : (N,) float64 array
        `places_of_times` of the truths.
    num_domain_voxels, num_compared_voxels : int
        Voxels in which cells may live, and those of them that are compared, of a virtual case.
    cost : CostComparison or None
        Ways to sample; None if it was left out.
    patients : tuple of PatientPosterior
        Real patients.
    left_out : mapping of str to str
        Patients left out, and why.
    surrogate : str
        File of the surrogate; empty without.
    """

    settings: BayesEvaluationSettings
    cases: tuple[CaseRecord, ...]
    calibration: Mapping[str, Calibration]
    time_places: NDArray[np.float64]
    num_domain_voxels: int
    num_compared_voxels: int
    cost: CostComparison | None
    patients: tuple[PatientPosterior, ...]
    left_out: Mapping[str, str]
    surrogate: str


def evaluate_bayes(
    atlas: Atlas,
    folder: str | os.PathLike[str],
    settings: BayesEvaluationSettings,
    *,
    database: SimulationDatabase | None = None,
    patients: Mapping[str, CaseFiles] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    registration: PersonalizationSettings | None = None,
    with_cost: bool = True,
    replace_older: bool = False,
    report: Reporter = ignore_progress,
) -> BayesEvaluation:
    """Calibration, costs and patients, as far as they are not yet in the folder.

    Parameters
    ----------
    atlas : Atlas
        Where tumors grow.
    folder : path
        Where every part is written as soon as it is done; made if missing.
    settings : BayesEvaluationSettings
        Size of the evaluation.
    database : SimulationDatabase or None
        For the cost table, whose grid is then the database's.
    patients : mapping of str to CaseFiles or None
        Real patients by name.
    checkpoint : path or None
        Surrogate, compared with the solver on the patients; they are then sampled at its spacing.
    registration : PersonalizationSettings or None
        Preset and threads for the patients; always deterministic, by the evaluation's seed. None: the default.
    with_cost : bool
        Whether to compare ways to sample.
    replace_older : bool
        Remove an older evaluation in the folder once everything given has proved usable, instead of going on with it.
    report : Reporter
        Told of cases, ways and patients.

    Raises
    ------
    ParameterError, DatabaseError, CheckpointError
        If the folder holds an evaluation of other inputs, a surrogate is given without patients or missing for a new
        one, the database is another atlas's, or a file cannot be read.
    NumericalError
        If not one virtual case can be sampled.
    OutputError
        If the folder cannot be written, or holds something else than an older evaluation to replace.
    """
    conditions = MachineConditions.now()
    given = patients or {}
    _require_fitting(atlas, database, given, checkpoint)
    place, num_workers = Path(folder), require_threads(settings.num_threads)
    surrogate = None if checkpoint is None else _surrogate(checkpoint)
    chosen = replace(registration or PersonalizationSettings(), seed=settings.seed, deterministic=True)
    asked = _describe_inputs(settings, atlas, database, surrogate, chosen if given else None)
    cohort = _cohort(atlas, settings)
    sampler = CaseSampler(cohort=cohort, settings=settings.case, folder=place / "cases", conditions=conditions)
    compare = _prepare_comparison(atlas, settings, database, conditions, report)
    if replace_older:
        _remove_for(place, given)
    compared = continued_identity(place, asked)["surrogate"]
    patient_sampler = PatientSampler(
        atlas=atlas,
        folder=place / "patients",
        spacing_mm=settings.sample_spacing_mm if compared is None else compared["spacing_mm"],
        models=_patient_models(settings, num_workers, surrogate, compared),
        in_patient=settings.is_published,
        personalization=chosen,
        conditions=conditions,
    )
    patient_sampler.require_continuable(given)
    open_folder(place, asked)
    cost = _cost(place / "cost.json", compare) if with_cost else None
    sampled, left_out = patient_sampler.run(given, report=report)
    cases = sample_cases(sampler, settings.num_cases, num_workers=num_workers, report=report)
    name = "" if checkpoint is None else os.path.basename(checkpoint)
    return _summarize(settings, cohort, cases, cost=cost, patients=sampled, left_out=left_out, surrogate=name)


def _summarize(
    settings: BayesEvaluationSettings,
    cohort: VirtualCohort,
    cases: tuple[CaseRecord, ...],
    *,
    cost: CostComparison | None,
    patients: tuple[PatientPosterior, ...],
    left_out: Mapping[str, str],
    surrogate: str,
) -> BayesEvaluation:
    """What the parts say together: the virtual cases are calibrated here."""
    return BayesEvaluation(
        settings=settings,
        cases=cases,
        calibration={name: _calibration(name, cases, settings.case) for name in RUN_NAMES},
        time_places=_time_places(cases, cohort),
        num_domain_voxels=int(cohort.anatomy.domain.sum()),
        num_compared_voxels=int(cohort.compared.sum()),
        cost=cost,
        patients=patients,
        left_out=left_out,
        surrogate=surrogate,
    )


def _require_fitting(
    atlas: Atlas,
    database: SimulationDatabase | None,
    patients: Mapping[str, CaseFiles],
    checkpoint: str | os.PathLike[str] | None,
) -> None:
    """Refuse inputs that do not belong together, before anything is computed."""
    if checkpoint is not None and not patients:
        raise ParameterError("a surrogate is compared on real patients only: give patients, or leave it out.")
    if database is not None:
        require_atlas_of(database.header, atlas)


def _describe_inputs(
    settings: BayesEvaluationSettings,
    atlas: Atlas,
    database: SimulationDatabase | None,
    surrogate: LearnedFisherKolmogorov | None,
    personalization: PersonalizationSettings | None,
) -> dict[str, Any]:
    """What the results depend on: an evaluation of other inputs is not continued."""
    return {
        **settings.identity(),
        "atlas_content_hash": atlas.content_hash,
        "database": None if database is None else database_identity(database),
        "surrogate": None if surrogate is None else surrogate_identity(surrogate.checkpoint, surrogate.header),
        "registration": None if personalization is None else registration_identity(personalization),
    }


def _cohort(atlas: Atlas, settings: BayesEvaluationSettings) -> VirtualCohort:
    return VirtualCohort(
        anatomy=atlas.anatomy(atlas.simulation_grid(spacing_mm=settings.spacing_mm)),
        model=FisherKolmogorov(time_step_scale=settings.time_step_scale),
        seed=settings.seed,
        voxel_stride=settings.voxel_stride,
    )


def _surrogate(checkpoint: str | os.PathLike[str]) -> LearnedFisherKolmogorov:
    from gliofield_papers.surrogate import LearnedFisherKolmogorov

    return LearnedFisherKolmogorov(checkpoint=os.fspath(checkpoint))


def _remove_for(folder: Path, patients: Mapping[str, CaseFiles]) -> None:
    """Remove an older evaluation, once the new patients can be read; anything else in the folder is refused."""
    for files in patients.values():
        files.hashes()  # refuses those that cannot be read
    inputs = [path for files in patients.values() for path in files.given.values()]
    require_absent(folder, replace=True, marker=SETTINGS_FILE, inputs=inputs)
    if folder.is_dir():
        shutil.rmtree(folder)


def _prepare_comparison(
    atlas: Atlas,
    settings: BayesEvaluationSettings,
    database: SimulationDatabase | None,
    conditions: MachineConditions,
    report: Reporter,
) -> Callable[[], CostComparison]:
    """The comparison of ways to sample, ready to be made; on the database's grid where there is one."""
    if database is None:
        anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=settings.sample_spacing_mm))
    else:
        anatomy = atlas.anatomy(database.header.grid, domain_rule=database.header.domain_rule)
    how = CostSettings(
        num_samples=settings.num_samples,
        num_tmcmc_samples=settings.num_tmcmc_samples,
        num_steps=settings.num_steps,
        num_paper_samples=settings.num_paper_samples,
        seed=settings.seed,
        num_workers=require_threads(settings.num_threads),
    )
    return partial(
        compare_costs,
        anatomy,
        settings=how,
        database=database,
        conditions=conditions,
        report=report,
    )


def _cost(path: Path, make: Callable[[], CostComparison]) -> CostComparison:
    """The comparison of a file, made if it is not there."""
    if not path.exists():
        made = dataclasses.asdict(make())
        with atomic_file(path) as partial_path:
            # NaN stays NaN: the file is read by the lines below alone.
            partial_path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = ("diffusion_length_mm", "proliferation_number")
    ways = (WayCost(**{**way, **{name: tuple(way[name]) for name in pairs}}) for way in content.pop("ways"))
    conditions = MachineConditions(**content.pop("conditions"))
    return CostComparison(**content, ways=tuple(ways), conditions=conditions)


def _calibration(name: str, cases: Sequence[CaseRecord], settings: CaseSettings) -> Calibration:
    """Calibration of one run over the cases in which it was sampled."""
    places = [case.runs[name].places for case in cases if name in case.runs]
    if not places:
        raise NumericalError(
            f"none of the {len(cases)} virtual cases could be sampled {name.replace('_', ' ')}, the first because: "
            f"{cases[0].failures[name]} Take more samples."
        )
    return calibration_of(places, num_draws=settings.num_ranked, num_samples=settings.num_samples)


def _time_places(cases: Sequence[CaseRecord], cohort: VirtualCohort) -> NDArray[np.float64]:
    """Places of the true growth times of all cases that were sampled."""
    prior = cohort.prior(has_pet=False)
    names = (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME)
    places = [next(iter(case.runs.values())).places for case in cases if case.runs]
    growth = np.array([[each[name].truth for name in names] for each in places])
    return places_of_times(growth, prior.bounds[[prior.names.index(name) for name in names]])


def _patient_models(
    settings: BayesEvaluationSettings,
    num_workers: int,
    surrogate: LearnedFisherKolmogorov | None,
    identity: Mapping[str, Any] | None,
) -> dict[str, PatientModel]:
    """The solver, and the surrogate with which patients are or were compared, by its identity."""
    sampler = ImportanceSettings(seed=settings.seed, num_effective=settings.num_samples)
    sampling = SampleSettings(sampler=sampler, num_workers=num_workers)
    if settings.is_published:
        published = TmcmcSettings(seed=settings.seed, num_samples=settings.num_paper_samples)
        sampling = replace(paper_settings(), sampler=published, num_workers=num_workers)
    solver = FisherKolmogorov()
    models = {SOLVER: PatientModel(model=solver, identity=describe_settings(solver), settings=sampling)}
    if identity is not None:
        # It shares its cores by itself.
        alone = replace(sampling, num_workers=1)
        models[SURROGATE] = PatientModel(model=surrogate, identity=identity, settings=alone)
    return models
