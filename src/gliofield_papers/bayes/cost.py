"""What the ways to a posterior cost, and whether they agree, on one case: sampled in three ways, and from a database.

All ways see the same two masks under the same prior and weight of voxels; so their log evidences compare. A database
posterior has none: its likelihoods are tempered further, and its prior is that of what a scan determines. There is no
PET: that of a virtual case is negative where its noise exceeds the uptake, and methods made for scanners refuse it.

The masks are those of a virtual case, drawn from the likelihood: not too small, not too large, and with a FLAIR
threshold at which healthy tissue is not drawn as tumor. FLAIR includes T1Gd, as in a segmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy, AtlasSpace
from gliofield.bayes import DatabasePosteriorSettings, IdentifiableTumors, ImportanceSettings
from gliofield.database import SimulationDatabase
from gliofield.errors import NumericalError, ParameterError
from gliofield.imaging import Estimate, Observation
from gliofield.pipeline import QueryMethod, QueryWithPosterior
from gliofield.pipeline.density_posterior import DensityPosterior
from gliofield.pipeline.sample_method import SampleMethod, SampleSettings
from gliofield.progress import Reporter, ignore_progress
from gliofield_papers.bayes.cases import VirtualCohort
from gliofield_papers.bayes.measuring import MachineConditions, require_failure_of_data, timed_sampling
from gliofield_papers.measuring import RunCounter
from gliofield_papers.tmcmc import TmcmcSettings

#: The way others are compared with.
REFERENCE_WAY = "importance sampling"
PAPER_WAY = "the paper's algorithm"
_LEAST_FLAIR_THRESHOLD = 0.25
_WHOLE_ML = (15.0, 120.0)
_MOST_CASES = 1000


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """Size of the comparison.

    Parameters
    ----------
    num_samples : int
        Effective samples of importance sampling.
    num_tmcmc_samples, num_steps : int
        Of TMCMC of all parameters by `TmcmcSettings.thorough`.
    num_paper_samples : int
        Of the paper's algorithm, 2,048 there.
    seed : int
        Of case and samplers, ≥ 0.
    num_workers : int
        Processes, ≥ 1.
    """

    num_samples: int = 500
    num_tmcmc_samples: int = 128
    num_steps: int = 20
    num_paper_samples: int = 2048
    seed: int = 0
    num_workers: int = 1


@dataclass(frozen=True, kw_only=True)
class WayCost:
    """One way to the posterior of the case.

    Parameters
    ----------
    way : str
        Its name.
    settings : str
        Samples and steps, or tumors read, in words.
    log_evidence : float
        [nats]; NaN where it has no meaning beside the others.
    diffusion_length_mm, proliferation_number : (float, float)
        Mean and standard deviation of μ1 = √(D_w T) [mm] and of μ2 = √(ρ T).
    mean_distance : float
        Mean |difference| of the mean density from that of `REFERENCE_WAY`, over voxels where either is above 1e-4.
    truth_distance : float
        The same from the true density.
    num_simulations : int
        Of the sampler and of the search for its start, without those for maps and of the fit to the outlines.
    effective_samples : float
        By weights; samples of a chain less duplicates, whose correlation is not seen; the effective number of tumors of
        a database.
    seconds : float
        Wall time of sampling, without maps and checks; of a database, that of reading and weighing its tumors.
    refusal : str
        Why there is no posterior; empty if there is one.
    """

    way: str
    settings: str
    log_evidence: float
    diffusion_length_mm: tuple[float, float]
    proliferation_number: tuple[float, float]
    mean_distance: float
    truth_distance: float
    num_simulations: int
    effective_samples: float
    seconds: float
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class CostComparison:
    """All ways on one case.

    Parameters
    ----------
    truth : mapping of str to float
        Parameters of the case, μ1 and μ2 among them.
    core_ml, whole_ml : float
        Volumes of its masks [ml].
    spacing_mm : float
        Spacing of the grid [mm].
    ways : tuple of WayCost
        In the order in which they were run.
    conditions : MachineConditions
        Under which the seconds were measured.
    """

    truth: Mapping[str, float]
    core_ml: float
    whole_ml: float
    spacing_mm: float
    ways: tuple[WayCost, ...]
    conditions: MachineConditions


def compare_costs(
    anatomy: Anatomy,
    *,
    settings: CostSettings,
    database: SimulationDatabase | None = None,
    conditions: MachineConditions | None = None,
    report: Reporter = ignore_progress,
) -> CostComparison:
    """Run all ways on one virtual case; one that fails has a refusal.

    Parameters
    ----------
    anatomy : Anatomy
        Where tumors grow; that of the database, if there is one.
    settings : CostSettings
        Samples and steps.
    database : SimulationDatabase or None
        For its own posterior.
    conditions : MachineConditions or None
        Those before the evaluation; None: those of now.
    report : Reporter
        Told of every way.

    Raises
    ------
    NumericalError
        If no case is found.
    """
    begin = MachineConditions.now() if conditions is None else conditions
    truth, density, observation = _case(VirtualCohort(anatomy=anatomy, seed=settings.seed))
    ways = _ways(settings, database)
    counter = RunCounter("ways to a posterior", len(ways), report)
    found = [_Found.of(counter, method, name, text, observation) for name, (text, method) in ways.items()]
    reference = next(each.mean for each in found if each.way == REFERENCE_WAY)
    return CostComparison(
        truth=truth,
        core_ml=observation.core_ml,
        whole_ml=observation.whole_ml,
        spacing_mm=anatomy.spacing_mm,
        ways=tuple(_cost(each, reference, density) for each in found),
        conditions=begin.at_end(),
    )


def mean_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Mean |difference| of two densities over voxels where either is above 1e-4; NaN if there is none."""
    either = (one > 1e-4) | (other > 1e-4)
    if not either.any():
        return float("nan")
    return float(np.abs(one[either].astype(np.float64) - other[either]).mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What one way came back with, or why with nothing."""

    way: str
    settings: str
    seconds: float = float("nan")
    estimate: Estimate | None = None
    refusal: str = ""

    @classmethod
    def of(
        cls,
        counter: RunCounter,
        method: SampleMethod | QueryWithPosterior,
        way: str,
        text: str,
        observation: Observation,
    ) -> _Found:
        try:
            _, (seconds, estimate) = counter.timed(partial(timed_sampling, method, observation))
        except (NumericalError, ParameterError) as error:
            require_failure_of_data(error)
            return cls(way=way, settings=text, refusal=str(error))
        refusal = "" if estimate.posterior is not None else "; ".join(concern.text for concern in estimate.concerns)
        return cls(way=way, settings=text, seconds=seconds, estimate=estimate, refusal=refusal)

    @property
    def posterior(self) -> DensityPosterior | None:
        found = None if self.estimate is None else self.estimate.posterior
        return found if isinstance(found, DensityPosterior) else None

    @property
    def mean(self) -> NDArray[np.floating] | None:
        return None if self.posterior is None else self.posterior.mean.data


def _case(cohort: VirtualCohort) -> tuple[dict[str, float], NDArray[np.float32], Observation]:
    """Truth, density and masks of the first case that looks like a patient's."""
    low_ml, high_ml = _WHOLE_ML
    for number in range(_MOST_CASES):
        case = cohort.case(number)
        core, whole = case.observation.tumor_core, case.observation.whole_tumor
        observation = Observation(
            tumor_core=core,
            whole_tumor=whole | core,
            grid=cohort.anatomy.grid,
            space=AtlasSpace(anatomy=cohort.anatomy),
        )
        if case.truth["flair_threshold"] >= _LEAST_FLAIR_THRESHOLD and low_ml <= observation.whole_ml <= high_ml:
            return _with_derived(case.truth), case.density, observation
    raise NumericalError(f"none of {_MOST_CASES} virtual cases has {low_ml:g}-{high_ml:g} ml of whole tumor.")


def _with_derived(truth: Mapping[str, float]) -> dict[str, float]:
    tumor = IdentifiableTumors.of_parameters(np.array([list(truth.values())]), tuple(truth))
    return {
        **truth,
        "diffusion_length_mm": float(tumor.diffusion_length_mm[0]),
        "proliferation_number": float(tumor.proliferation_number[0]),
    }


def _ways(
    settings: CostSettings, database: SimulationDatabase | None
) -> dict[str, tuple[str, SampleMethod | QueryWithPosterior]]:
    """Settings in words and the method, by way."""

    def method(sampler: ImportanceSettings | TmcmcSettings) -> SampleMethod:
        return SampleMethod(settings=SampleSettings(sampler=sampler, num_workers=settings.num_workers))

    seed, number, steps = settings.seed, settings.num_tmcmc_samples, settings.num_steps
    ways: dict[str, tuple[str, SampleMethod | QueryWithPosterior]] = {
        REFERENCE_WAY: (
            f"{settings.num_samples} effective samples",
            method(ImportanceSettings(seed=seed, num_effective=settings.num_samples)),
        ),
        "TMCMC of all parameters": (
            f"{number} samples, {steps} steps",
            method(TmcmcSettings.thorough(seed=seed, num_samples=number, num_steps=steps)),
        ),
        PAPER_WAY: (
            f"{settings.num_paper_samples} samples, 1 step",
            method(TmcmcSettings(seed=seed, num_samples=settings.num_paper_samples)),
        ),
    }
    if database is not None:
        posterior = DatabasePosteriorSettings(tempering_exponent=None, num_threads=settings.num_workers)
        query = QueryMethod(database=database, num_threads=settings.num_workers)
        ways["posterior of the database"] = (
            f"{posterior.num_tumors} of {database.num_tumors} tumors",
            QueryWithPosterior(query=query, settings=posterior),
        )
    return ways


def _cost(found: _Found, reference: NDArray[np.floating] | None, truth: NDArray[np.float32]) -> WayCost:
    posterior, nan = found.posterior, float("nan")
    if posterior is None or found.mean is None:
        return WayCost(
            way=found.way,
            settings=found.settings,
            log_evidence=nan,
            diffusion_length_mm=(nan, nan),
            proliferation_number=(nan, nan),
            mean_distance=nan,
            truth_distance=nan,
            num_simulations=0,
            effective_samples=nan,
            seconds=found.seconds,
            refusal=found.refusal,
        )
    details: Mapping[str, Any] = posterior.details
    samples = posterior.samples
    moments = _moments(samples.parameters, tuple(samples.names), samples.weights)
    return WayCost(
        way=found.way,
        settings=found.settings,
        log_evidence=float(details.get("log_evidence", nan)),
        diffusion_length_mm=moments[0],
        proliferation_number=moments[1],
        mean_distance=nan if reference is None else mean_distance(found.mean, reference),
        truth_distance=mean_distance(found.mean, truth),
        num_simulations=details.get("simulations_since_last_start", {}).get("num_simulations", 0),
        effective_samples=float(details.get("effective_tumors", details.get("effective_samples", nan))),
        seconds=found.seconds,
    )


def _moments(
    parameters: NDArray[np.float64], names: tuple[str, ...], weights: NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Weighted mean and standard deviation of μ1 and μ2."""
    if "diffusion_length_mm" in names:
        columns = [parameters[:, names.index(name)] for name in ("diffusion_length_mm", "proliferation_number")]
    else:
        tumors = IdentifiableTumors.of_parameters(parameters, names)
        columns = [tumors.diffusion_length_mm, tumors.proliferation_number]
    means = [float(weights @ column) for column in columns]
    stds = [float(np.sqrt(weights @ (column - mean) ** 2)) for column, mean in zip(columns, means, strict=True)]
    return (means[0], stds[0]), (means[1], stds[1])
