"""The log-likelihood of a patient's images as a function of rows of parameters: simulate, then compare.

`GrowthLikelihood` is what a `PosteriorTarget` takes: every row names a tumor (growth parameters, time, seed) and an
imaging model (thresholds, width, PET scale and noise), any `GrowthModel` grows the tumor in an anatomy, and
`ImagingLikelihood` compares it with the scans. Rows are independent, so they are shared among processes of one thread
each; a row's value does not depend on how many there are, or on the rows beside it. On a
`device` all rows grow in batches instead (`device_growth`), and threads of the host compare what comes back.

A simulation that fails says nothing about the patient: its likelihood is 0 (−∞), and it is counted, with the first
reason kept. A wrong setting (a missing parameter, another grid) is an error at once.

`integrated` is the likelihood of growth alone, its imaging parameters integrated over their prior (`imaging_integral`);
`with_imaging` gives a draw of these beside each value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.imaging_integral import IMAGING_NAMES, ImagingPrior, tumors_of
from gliofield.bayes.published_priors import BACKGROUND_NAME, PET_NAMES
from gliofield.bayes.row_simulation import (
    RowAndPoints,
    RowOutcome,
    RowSimulation,
    SimulationFailedError,
    density_of,
)
from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import (
    GrowthModel,
    VolumeLimit,
    growth_parameters_of,
)
from gliofield.growth.many import PROCESSOR
from gliofield.growth.parameters import DIFFUSIVITY_NAME, OPTIONAL_NAMES, RATE_NAME, SEED_NAMES, TIME_NAME
from gliofield.imaging import ImagingLikelihood

_GROWTH_NAMES = (DIFFUSIVITY_NAME, RATE_NAME, *SEED_NAMES)
# Densities waiting to be compared, per thread: each lies on the whole grid.
_WAITING_PER_THREAD = 2


@dataclass(frozen=True, kw_only=True)
class SimulationCounts:
    """What became of the rows.

    Parameters
    ----------
    num_simulations : int
        Rows asked for.
    num_failed : int
        Those whose simulation failed or gave no density.
    num_too_large : int
        Those that outgrew the volume limit.
    first_failure : str
        What the first failed one said; empty without.
    """

    num_simulations: int = 0
    num_failed: int = 0
    num_too_large: int = 0
    first_failure: str = ""

    def require_some(self, error: NumericalError) -> None:
        """Raise an error that says so if every simulation failed, and so is the reason of another error.

        Raises
        ------
        NumericalError
            If there was one, and none succeeded.
        """
        if 0 < self.num_failed == self.num_simulations:
            raise NumericalError(f"every simulation failed, the first: {self.first_failure}") from error


class GrowthLikelihood:
    """Log-likelihood of rows of parameters by a growth model in an anatomy.

    Parameters
    ----------
    model : GrowthModel
        How tumors grow; with one thread, for rows are what is shared out. On a `device` all rows of a call grow in
        batches.
    anatomy : Anatomy
        Where, on the grid of the observation.
    likelihood : ImagingLikelihood
        What densities are compared with.
    names : sequence of str
        Columns of the rows: those of a prior.
    fixed : mapping of str to float
        Parameters that are not in the rows, such as ``diffusivity_ratio`` or a threshold.
    volume_limit : VolumeLimit or None
        Tumors that outgrow it have likelihood 0: part of what is believed beforehand, and saves the longest runs.
    growth_parameters : callable
        Makes the model's parameters of the values by name; importable where processes are used. The default serves
        `FisherKolmogorov` and `MassEffect`.
    imaging_prior : ImagingPrior or None
        If given, imaging parameters are integrated over it, and neither in the rows nor fixed.
    num_workers : int
        Processes, ≥ 1. `close`, or a ``with`` block, ends them. With a device: threads that compare.
    device : str
        Where tumors grow: ``cpu``, or a device of `simulate_many` such as ``cuda``.

    Raises
    ------
    ParameterError
        If a parameter is missing, unknown or given twice, or a number is out of range.
    DeviceError
        When asked, if the device is missing.
    GridMismatchError
        If anatomy and observation lie on different grids.
    """

    def __init__(
        self,
        *,
        model: GrowthModel[Any],
        anatomy: Anatomy,
        likelihood: ImagingLikelihood,
        names: Sequence[str],
        fixed: Mapping[str, float] | None = None,
        volume_limit: VolumeLimit | None = None,
        growth_parameters: Callable[[Mapping[str, float]], Any] = growth_parameters_of,
        imaging_prior: ImagingPrior | None = None,
        num_workers: int = 1,
        device: str = PROCESSOR,
    ) -> None:
        likelihood.observation.grid.require_same_as(anatomy.grid, self_name="observation", other_name="anatomy")
        fixed_values = {} if fixed is None else dict(fixed)
        _require_names(
            names,
            fixed_values,
            has_imaging=imaging_prior is None,
            has_pet=likelihood.observation.pet is not None,
            knows_growth_names=growth_parameters is growth_parameters_of,
        )
        self.simulation = RowSimulation(
            model=model,
            anatomy=anatomy,
            likelihood=likelihood,
            names=tuple(names),
            fixed=fixed_values,
            volume_limit=volume_limit,
            growth_parameters=growth_parameters,
            imaging_prior=imaging_prior,
        )
        # A prior that does not fit is an error now, not in a process.
        _ = self.simulation.integral
        self.num_workers = num_workers
        self.device = device
        self.counts = SimulationCounts()
        self._is_on_device = device != PROCESSOR
        self._workers = SimulationWorkers(self.simulation, 1 if self._is_on_device else num_workers)

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood of each row [nats], (N, P) -> (N,); −∞ where the simulation failed, never NaN."""
        return np.array([outcome.log_likelihood for outcome in self._outcomes([(row, None) for row in rows])])

    def densities(self, rows: NDArray[np.float64]) -> Iterator[NDArray[np.float32]]:
        """Density (X, Y, Z) of each row, in order, without regard to the volume limit.

        Raises
        ------
        NumericalError
            If a simulation fails.
        """
        shape = self.simulation.anatomy.grid.shape
        try:
            if self._is_on_device:
                for grown in self.simulation.grown_on(self.device, list(rows), None):
                    whole = density_of(grown, None)
                    assert whole is not None
                    yield whole.astype(np.float32, copy=False)
                return
            for values, start in self._workers.map("density_in_box", list(rows)):
                density = np.zeros(shape, dtype=np.float32)
                density[tuple(slice(a, a + n) for a, n in zip(start, values.shape, strict=True))] = values
                yield density
        except SimulationFailedError as error:
            raise NumericalError(f"a tumor of the posterior cannot be simulated: {error}") from error

    def densities_once(self, rows: NDArray[np.float64]) -> list[NDArray[np.float32]]:
        """Density (X, Y, Z) of each row; rows that differ in imaging parameters alone share it.

        Raises
        ------
        NumericalError
            If a simulation fails.
        """
        tumors = [bytes(tumor) for tumor in tumors_of(rows, self.simulation.names)]
        row_of = {tumor: row for row, tumor in enumerate(tumors)}
        densities = dict(zip(row_of, self.densities(rows[list(row_of.values())]), strict=True))
        return [densities[tumor] for tumor in tumors]

    def integrated(self, prior: ImagingPrior) -> GrowthLikelihood:
        """The same likelihood of growth alone: imaging parameters are no columns any more, but integrated over a prior.

        Raises
        ------
        ParameterError
            If imaging parameters are fixed, or the prior does not fit the images.
        """
        whole = self.simulation
        fixed = [name for name in prior.names if name in whole.fixed]
        if fixed:
            raise ParameterError(f"{', '.join(fixed)} cannot be fixed and integrated: leave one of the two.")
        return GrowthLikelihood(
            model=whole.model,
            anatomy=whole.anatomy,
            likelihood=whole.likelihood,
            names=[name for name in whole.names if name not in prior.names],
            fixed=whole.fixed,
            volume_limit=whole.volume_limit,
            growth_parameters=whole.growth_parameters,
            imaging_prior=prior,
            num_workers=self.num_workers,
            device=self.device,
        )

    def with_imaging(
        self, rows: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As calling it, with imaging parameters of each row drawn from their distribution given its density.

        Parameters
        ----------
        rows : (N, P) float64 array
            Growth parameters of a likelihood with an `imaging_prior`.
        rng : Generator
            For the draws.

        Returns
        -------
        log_likelihood : (N,) float64 array
            Of growth alone [nats]; −∞ where the simulation failed.
        imaging : (N, Q + 1) float64 array
            Imaging parameters in the order of the prior's names, and the log-likelihood of growth and them together;
            NaN where the simulation failed.

        Raises
        ------
        ParameterError
            If imaging parameters are not integrated.
        """
        prior = self.simulation.imaging_prior
        if prior is None:
            raise ParameterError("imaging parameters are columns of this likelihood: there is nothing to draw.")
        outcomes = self._outcomes(list(zip(rows, rng.random((len(rows), len(prior.names))), strict=True)))
        failed = np.full(len(prior.names) + 1, np.nan)
        imaging = [failed if outcome.imaging is None else outcome.imaging for outcome in outcomes]
        return (
            np.array([outcome.log_likelihood for outcome in outcomes]),
            np.array(imaging).reshape(len(rows), len(failed)),
        )

    def close(self) -> None:
        """End the processes."""
        self._workers.close()

    def __enter__(self) -> GrowthLikelihood:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _outcomes(self, rows: Sequence[RowAndPoints]) -> list[RowOutcome]:
        outcomes: list[RowOutcome] = list(
            self._outcomes_on_device(rows) if self._is_on_device else self._workers.map("outcome", rows)
        )
        self._count(outcomes)
        return outcomes

    def _outcomes_on_device(self, rows: Sequence[RowAndPoints]) -> Iterator[RowOutcome]:
        """Threads compare what has grown while the device grows what follows."""
        simulation = self.simulation
        grown = simulation.grown_on(self.device, [row for row, _ in rows], simulation.volume_limit)
        waiting: deque[Future[RowOutcome]] = deque()
        with ThreadPoolExecutor(self.num_workers, thread_name_prefix="gliofield") as threads:
            for row, each in zip(rows, grown, strict=True):
                waiting.append(threads.submit(simulation.outcome_of, row, each))
                while len(waiting) > _WAITING_PER_THREAD * self.num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _count(self, outcomes: Sequence[RowOutcome]) -> None:
        failures = [outcome.failure for outcome in outcomes if outcome.failure]
        before = self.counts
        self.counts = SimulationCounts(
            num_simulations=before.num_simulations + len(outcomes),
            num_failed=before.num_failed + len(failures),
            num_too_large=before.num_too_large + sum(outcome.is_too_large for outcome in outcomes),
            first_failure=before.first_failure or (failures[0] if failures else ""),
        )


def _require_names(
    names: Sequence[str], fixed: Mapping[str, float], *, has_imaging: bool, has_pet: bool, knows_growth_names: bool
) -> None:
    """Raise `ParameterError` unless rows and fixed values hold what model and likelihood need, once."""
    growth = _GROWTH_NAMES if knows_growth_names else ()
    imaging = (*IMAGING_NAMES, *(PET_NAMES if has_pet else ())) if has_imaging else ()
    background = (BACKGROUND_NAME,) if has_pet and has_imaging else ()
    needed = (*growth, TIME_NAME, *imaging)
    given = [*names, *fixed]
    missing = [name for name in needed if name not in given]
    twice = sorted({name for name in given if given.count(name) > 1})
    known = (*needed, *background, *OPTIONAL_NAMES)
    unknown = [name for name in given if name not in known] if knows_growth_names else []
    for what, found in (("misses", missing), ("has twice", twice), ("has no use for", unknown)):
        if found:
            raise ParameterError(
                f"the likelihood {what} {', '.join(found)}: expected {', '.join(needed)} once each, among the columns "
                "or the fixed values."
            )
