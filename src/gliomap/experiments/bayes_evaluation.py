"""``gliomap evaluate bayes``: calibration on virtual cases, cost of the ways to sample, MAP of real patients.

Three parts, each written as soon as it is done into one folder, so that an evaluation that was killed goes on where it
was: a file per virtual case, one of the costs, two per patient. `evaluation-settings.json` says what they belong to; a
folder of other settings is refused. More cases may be asked for later.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gliomap.anatomy import Atlas
from gliomap.bayes import TmcmcSettings
from gliomap.cores import available_cores, require_threads
from gliomap.database import SimulationDatabase
from gliomap.errors import OutputError, ParameterError
from gliomap.experiments.bayes_calibration import Calibration, calibration_of
from gliomap.experiments.bayes_cases import VirtualCohort
from gliomap.experiments.bayes_cost import CostComparison, CostSettings, WayCost, compare_costs
from gliomap.experiments.bayes_patients import PatientPosterior, sample_patients
from gliomap.experiments.bayes_sampling import RUN_NAMES, CaseRecord, CaseSampler, CaseSettings, sample_cases
from gliomap.experiments.retrieval_queries import require_atlas_of
from gliomap.growth import FisherKolmogorov
from gliomap.output import atomic_file
from gliomap.personalize import CaseFiles, PersonalizationSettings
from gliomap.personalize.sample_method import SampleSettings
from gliomap.progress import Reporter, ignore_progress

SETTINGS_FILE = "evaluation-settings.json"
_FORMAT = "gliomap-evaluate-bayes-1"
# Inputs of one part alone, and its files.
_PART_INPUTS = {"database": "cost.json", "surrogate": "patients/*.json"}


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
        Voxel spacing of the virtual cases [mm].
    time_step_scale : float
        Of the growth model there, on both sides.
    voxel_stride : int
        Every how many voxels along each axis their images are seen and compared.
    case : CaseSettings
        How they are sampled.
    sample_spacing_mm : float
        Spacing of the cost table without a database, and of the patients without a surrogate [mm].
    num_samples, num_steps : int
        Samples and steps there.
    num_paper_samples : int
        Samples of the paper's algorithm in the cost table, 2,048 there.
    num_threads : int or None
        Processes; None: all cores. Results do not depend on it.
    is_small : bool
        Whether results are to be labelled small.

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
    num_samples: int = 256
    num_steps: int = 20
    num_paper_samples: int = 2048
    num_threads: int | None = None
    is_small: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0 or self.num_cases < 1:
            raise ParameterError(f"seed must be ≥ 0 and num_cases ≥ 1, got {self.seed} and {self.num_cases}.")
        for number in (self.num_samples, self.num_paper_samples):
            TmcmcSettings.thorough(num_samples=number, num_steps=self.num_steps)  # refuses what it cannot use

    @classmethod
    def small(cls, **changes: Any) -> BayesEvaluationSettings:
        """A setting for two cores: coarse grid, every second voxel, few samples; some fields changed."""
        preset = cls(
            num_cases=40,
            spacing_mm=5.0,
            time_step_scale=8.0,
            voxel_stride=2,
            case=CaseSettings(num_samples=128, num_steps=20, num_start_draws=1000, num_densities=32),
            num_samples=64,
            num_steps=5,
            num_paper_samples=256,
            is_small=True,
        )
        return dataclasses.replace(preset, **changes)

    def identity(self) -> dict[str, Any]:
        """What results depend on: all but the number of cases and of processes."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE}


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
        Over them, by `RUN_NAMES`.
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
    architecture : str
        Of the processor.
    num_cores : int
        Cores this process may use.
    load_average : float
        Processes running or waiting in the minute before.
    """

    settings: BayesEvaluationSettings
    cases: tuple[CaseRecord, ...]
    calibration: Mapping[str, Calibration]
    num_domain_voxels: int
    num_compared_voxels: int
    cost: CostComparison | None
    patients: tuple[PatientPosterior, ...]
    left_out: Mapping[str, str]
    surrogate: str
    architecture: str
    num_cores: int
    load_average: float


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
        Of the patients; None: the default.
    with_cost : bool
        Whether to compare ways to sample.
    report : Reporter
        Told of cases, ways and patients.

    Raises
    ------
    ParameterError
        If the folder holds an evaluation of other settings, or a surrogate is given without patients.
    DatabaseError
        If the database was built in another atlas.
    OutputError
        If the folder cannot be written.
    """
    load_average = os.getloadavg()[0]
    if checkpoint is not None and not patients:
        raise ParameterError("a surrogate is compared on real patients only: give patients, or leave it out.")
    if database is not None:
        require_atlas_of(database.header, atlas)
    place = Path(folder)
    open_folder(place, _identity(settings, atlas, database, checkpoint))
    num_workers = require_threads(settings.num_threads)
    cohort = VirtualCohort(
        anatomy=atlas.anatomy(atlas.simulation_grid(spacing_mm=settings.spacing_mm)),
        model=FisherKolmogorov(time_step_scale=settings.time_step_scale),
        seed=settings.seed,
        voxel_stride=settings.voxel_stride,
    )
    sampler = CaseSampler(cohort=cohort, settings=settings.case, folder=place / "cases")
    cost = _cost(place, atlas, settings, database, num_workers, report) if with_cost else None
    sampled, left_out = _patients(place, atlas, settings, patients or {}, checkpoint, registration, num_workers, report)
    cases = sample_cases(sampler, settings.num_cases, num_workers=num_workers, report=report)
    return BayesEvaluation(
        settings=settings,
        cases=cases,
        calibration={
            name: calibration_of(
                [case.runs[name].places for case in cases],
                num_draws=settings.case.num_ranked,
                num_samples=settings.case.num_samples,
            )
            for name in RUN_NAMES
        },
        num_domain_voxels=int(cohort.anatomy.domain.sum()),
        num_compared_voxels=int(cohort.compared.sum()),
        cost=cost,
        patients=sampled,
        left_out=left_out,
        surrogate="" if checkpoint is None else os.path.basename(checkpoint),
        architecture=platform.machine(),
        num_cores=available_cores(),
        load_average=load_average,
    )


def open_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Make the folder of an evaluation, or go on in one of the same settings.

    What only one part depends on (the database, the surrogate) may change until that part is written.

    Raises
    ------
    ParameterError
        If it holds something else, or an evaluation of other settings.
    """
    path = folder / SETTINGS_FILE
    content = json.loads(json.dumps({"format": _FORMAT, **identity}))
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        for name, pattern in _PART_INPUTS.items():
            if not any(folder.glob(pattern)):
                stored[name] = content.get(name)
            elif content.get(name) is None:
                content[name] = stored.get(name)
        differing = sorted(key for key in {*stored, *content} if stored.get(key) != content.get(key))
        if differing:
            raise ParameterError(
                f"{folder} holds an evaluation of other settings ({', '.join(differing)}): repeat those to go on with "
                "it, choose another folder, or pass --force to start anew."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ParameterError(f"{folder} is not empty and holds no evaluation ({SETTINGS_FILE}). Choose another folder.")
    with _as_output_error(folder):
        for name in ("cases", "patients"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}. Choose another place.") from error


def _identity(
    settings: BayesEvaluationSettings,
    atlas: Atlas,
    database: SimulationDatabase | None,
    checkpoint: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    return {
        **settings.identity(),
        "atlas_content_hash": atlas.content_hash,
        "database": None if database is None else [str(database.path), database.num_tumors],
        "surrogate": None if checkpoint is None else os.path.abspath(checkpoint),
    }


def _cost(
    folder: Path,
    atlas: Atlas,
    settings: BayesEvaluationSettings,
    database: SimulationDatabase | None,
    num_workers: int,
    report: Reporter,
) -> CostComparison:
    path = folder / "cost.json"
    if not path.exists():
        anatomy = (
            atlas.anatomy(atlas.simulation_grid(spacing_mm=settings.sample_spacing_mm))
            if database is None
            else atlas.anatomy(database.header.grid, domain_rule=database.header.domain_rule)
        )
        asked = CostSettings(
            num_samples=settings.num_samples,
            num_steps=settings.num_steps,
            num_paper_samples=settings.num_paper_samples,
            seed=settings.seed,
            num_workers=num_workers,
        )
        found = compare_costs(anatomy, atlas_hash=atlas.content_hash, settings=asked, database=database, report=report)
        with atomic_file(path) as partial:
            # NaN stays NaN: the file is read by the lines below alone.
            partial.write_text(json.dumps(dataclasses.asdict(found), indent=1) + "\n", encoding="utf-8")
    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = ("diffusion_length_mm", "proliferation_number")
    ways = (WayCost(**{**way, **{name: tuple(way[name]) for name in pairs}}) for way in content.pop("ways"))
    return CostComparison(**content, ways=tuple(ways))


def _patients(
    folder: Path,
    atlas: Atlas,
    settings: BayesEvaluationSettings,
    patients: Mapping[str, CaseFiles],
    checkpoint: str | os.PathLike[str] | None,
    registration: PersonalizationSettings | None,
    num_workers: int,
    report: Reporter,
) -> tuple[tuple[PatientPosterior, ...], dict[str, str]]:
    if not patients:
        return (), {}
    surrogate, spacing_mm = None, settings.sample_spacing_mm
    if checkpoint is not None:
        from gliomap.surrogate import LearnedFisherKolmogorov

        surrogate = LearnedFisherKolmogorov(checkpoint=os.fspath(checkpoint))
        spacing_mm = surrogate.header.spacing_mm
    return sample_patients(
        atlas,
        patients,
        folder / "patients",
        spacing_mm=spacing_mm,
        settings=SampleSettings(
            sampler=TmcmcSettings.thorough(
                seed=settings.seed, num_samples=settings.num_samples, num_steps=settings.num_steps
            ),
            num_workers=num_workers,
        ),
        surrogate=surrogate,
        personalization=registration,
        report=report,
    )
