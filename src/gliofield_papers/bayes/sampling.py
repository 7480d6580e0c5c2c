"""One virtual case sampled with and without PET, and the files in which an evaluation keeps what became of it.

A case is written as soon as it is done, whole or not at all, so that an evaluation that was killed goes on where it
was. Cases are shared among processes; none depends on how many there are.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes import BoxPrior, GrowthLikelihood, GrowthPosterior, ImportanceSettings, sample_growth
from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import NumericalError, ParameterError
from gliofield.output import atomic_file
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield_papers.bayes.calibration import PlacedTruth, placed_truths
from gliofield_papers.bayes.cases import VirtualCase, VirtualCohort
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS, density_errors
from gliofield_papers.measuring import timed

#: With and without PET, in this order.
RUN_NAMES = ("with_pet", "without_pet")
# After so many simulations a case has as many samples as it has.
_MOST_SIMULATIONS_PER_SAMPLE, _LEAST_SIMULATIONS = 10, 3000
_DENSITY_STREAM, _RANK_STREAM, _SAMPLER_STREAM = 1, 2, 3
_NUM_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class CaseSettings:
    """How each case is sampled.

    Parameters
    ----------
    num_samples : int
        Effective samples wanted.
    num_ranked : int
        Posterior draws among which the truth is ranked, ≥ 1 and at most `num_samples`.
    num_densities : int
        Samples whose mean density is compared with the true one, ≥ 2.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    num_samples: int = 500
    num_ranked: int = 31
    num_densities: int = 64

    def __post_init__(self) -> None:
        ImportanceSettings(num_effective=self.num_samples)  # refuses what it cannot use
        if not 1 <= self.num_ranked <= self.num_samples or self.num_densities < 2:
            raise ParameterError(
                f"num_ranked must lie in 1 … {self.num_samples} and num_densities be at least 2, got "
                f"{self.num_ranked} and {self.num_densities}."
            )


@dataclass(frozen=True, kw_only=True)
class DensityScore:
    """Distance of one density from the true one.

    Parameters
    ----------
    tissue : float
        Mean |u − û| over all tissue voxels of the domain.
    white_matter, gray_matter, csf : float
        Mean absolute errors over the papers' voxels (`density_errors`); NaN where there is none.
    either : float
        Mean over voxels where either density has tumor.
    dice : mapping of float to float
        Dice of the densities above 0.2, 0.4 and 0.8; NaN where neither exceeds the level.
    """

    tissue: float
    white_matter: float
    gray_matter: float
    csf: float
    either: float
    dice: Mapping[float, float]


@dataclass(frozen=True, kw_only=True)
class CaseRun:
    """One posterior of one case.

    Parameters
    ----------
    places : mapping of str to PlacedTruth
        Where the truth lies, by parameter.
    mean_density, map_density : DensityScore
        Of the posterior mean density and of the best sample's.
    log_evidence : float
        [nats].
    pareto_shape : float
        k̂ of the weights.
    num_simulations, num_failed : int
        Simulations, the search for the mode among them, and how many failed.
    effective_samples : float
        (Σw)²/Σw².
    seconds : float
        Wall time of sampling.
    """

    places: Mapping[str, PlacedTruth]
    mean_density: DensityScore
    map_density: DensityScore
    log_evidence: float
    pareto_shape: float
    num_simulations: int
    num_failed: int
    effective_samples: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """What became of one virtual case.

    Parameters
    ----------
    number : int
        Which.
    num_draws : int
        Draws of the prior until a tumor was visible.
    core_voxels, whole_voxels : int
        Voxels of its masks, of those compared.
    runs : mapping of str to CaseRun
        By `RUN_NAMES`, those that were sampled.
    failures : mapping of str to str
        Why others were not, by the same names.
    conditions : MachineConditions
        Under which the seconds were measured.
    """

    number: int
    num_draws: int
    core_voxels: int
    whole_voxels: int
    runs: Mapping[str, CaseRun]
    failures: Mapping[str, str]
    conditions: MachineConditions


def density_score(predicted: NDArray[np.float32], truth: NDArray[np.float32], anatomy: Anatomy) -> DensityScore:
    """Distance of a density (X, Y, Z) from the true one in an anatomy that knows its tissue maps."""
    errors = density_errors(predicted, truth, anatomy.tissue_fractions, levels=SURROGATE_LEVELS)
    difference = np.abs(predicted.astype(np.float64) - truth)[anatomy.domain]
    return DensityScore(
        tissue=float(difference.mean()),
        white_matter=errors.published["white_matter"],
        gray_matter=errors.published["gray_matter"],
        csf=errors.published["csf"],
        either=errors.union["all"],
        dice=errors.dice,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseSampler:
    """Samples cases of a cohort and writes what became of them; can be sent to other processes.

    Parameters
    ----------
    cohort : VirtualCohort
        Where cases come from.
    settings : CaseSettings
        How they are sampled.
    folder : Path
        Where records are written; exists.
    conditions : MachineConditions
        Those before the evaluation.
    """

    cohort: VirtualCohort
    settings: CaseSettings
    folder: Path
    conditions: MachineConditions = field(default_factory=MachineConditions.now)

    def run(self, number: int) -> CaseRecord:
        """Sample a case and write its record, with the reason where it cannot be sampled.

        Raises
        ------
        NumericalError
            If no draw of the prior shows a tumor.
        """
        case = self.cohort.case(number)
        seen = case.observation
        runs, failures = dict[str, CaseRun](), dict[str, str]()
        for name in RUN_NAMES:
            try:
                runs[name] = self._run(case, has_pet=name == RUN_NAMES[0])
            except (NumericalError, ParameterError) as error:
                failures[name] = str(error)
        record = CaseRecord(
            number=number,
            num_draws=case.num_draws,
            core_voxels=int(np.count_nonzero(seen.tumor_core)),
            whole_voxels=int(np.count_nonzero(seen.whole_tumor)),
            runs=runs,
            failures=failures,
            conditions=self.conditions.at_end(),
        )
        write_case(case_file(self.folder, number), record)
        return record

    def _run(self, case: VirtualCase, *, has_pet: bool) -> CaseRun:
        settings, seed = self.settings, self.cohort.seed
        prior = self.cohort.prior(has_pet=has_pet)
        with self.cohort.likelihood(case, has_pet=has_pet) as likelihood:
            seconds, sampled = timed(lambda: self._sampled(prior, likelihood, case.number))
            samples, run, counts = sampled.samples, sampled.run, sampled.counts
            rows = samples.resampled(
                settings.num_densities, np.random.default_rng([seed, _DENSITY_STREAM, case.number])
            )
            mean = np.stack(likelihood.densities_once(rows)).mean(axis=0, dtype=np.float64).astype(np.float32)
            best = next(likelihood.densities(samples.parameters[samples.map_index][None]))
        rng = np.random.default_rng([seed, _RANK_STREAM, case.number])
        return CaseRun(
            places=placed_truths(samples.equally_weighted(rng), case.truth, num_draws=settings.num_ranked, rng=rng),
            mean_density=density_score(mean, case.density, self.cohort.anatomy),
            map_density=density_score(best, case.density, self.cohort.anatomy),
            log_evidence=run.log_evidence,
            pareto_shape=run.pareto_shape,
            num_simulations=counts.num_simulations,
            num_failed=counts.num_failed,
            effective_samples=run.effective_samples,
            seconds=seconds,
        )

    def _sampled(self, prior: BoxPrior, likelihood: GrowthLikelihood, number: int) -> GrowthPosterior:
        seeds = np.random.default_rng([self.cohort.seed, _SAMPLER_STREAM, number])
        sampler = ImportanceSettings(
            seed=int(seeds.integers(_NUM_SEEDS)),
            num_effective=self.settings.num_samples,
            max_simulations=_MOST_SIMULATIONS_PER_SAMPLE * self.settings.num_samples + _LEAST_SIMULATIONS,
        )
        return sample_growth(likelihood, prior, sampler)


def sample_cases(
    sampler: CaseSampler, num_cases: int, *, num_workers: int = 1, report: Reporter = ignore_progress
) -> tuple[CaseRecord, ...]:
    """Records of the first cases of a cohort; those that were written before are read.

    Parameters
    ----------
    sampler : CaseSampler
        How.
    num_cases : int
        How many, ≥ 1.
    num_workers : int
        Processes, ≥ 1; the result does not depend on it.
    report : Reporter
        Told of every case.

    Raises
    ------
    ParameterError
        If a record cannot be read.
    NumericalError
        If no draw of the prior shows a tumor, or a process dies.
    """
    paths = [case_file(sampler.folder, number) for number in range(num_cases)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    done = num_cases - len(missing)
    report(ProgressEvent(task="virtual cases", completed=done, total=num_cases))
    with SimulationWorkers(sampler, num_workers) as workers:
        for _ in workers.map("run", missing):
            done += 1
            report(ProgressEvent(task="virtual cases", completed=done, total=num_cases))
    return tuple(read_case_record(path) for path in paths)


def case_file(folder: Path, number: int) -> Path:
    """Where the record of a case lies."""
    return folder / f"case-{number:04d}.json"


def write_case(path: str | os.PathLike[str], record: CaseRecord) -> None:
    """Write a record as JSON; numbers that are undefined become null."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(_without_nan(dataclasses.asdict(record)), indent=1) + "\n", encoding="utf-8")


def read_case_record(path: str | os.PathLike[str]) -> CaseRecord:
    """Read what `write_case` wrote.

    Raises
    ------
    ParameterError
        If the file is none.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        runs = {name: _run_of(run) for name, run in content.pop("runs").items()}
        conditions = MachineConditions(**content.pop("conditions"))
        return CaseRecord(**content, runs=runs, conditions=conditions)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParameterError(
            f"{os.fspath(path)} is no record of a virtual case ({error}). Remove it, and it is sampled again."
        ) from error


def _run_of(content: dict[str, Any]) -> CaseRun:
    places = {
        name: PlacedTruth(**{**place, "is_covered": tuple(place["is_covered"])})
        for name, place in content.pop("places").items()
    }
    content["pareto_shape"] = _nan_if_none(content["pareto_shape"])
    mean, best = (_score_of(content.pop(name)) for name in ("mean_density", "map_density"))
    return CaseRun(places=places, mean_density=mean, map_density=best, **content)


def _score_of(content: dict[str, Any]) -> DensityScore:
    dice = {float(level): _nan_if_none(value) for level, value in content.pop("dice").items()}
    return DensityScore(dice=dice, **{name: _nan_if_none(value) for name, value in content.items()})


def _nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
