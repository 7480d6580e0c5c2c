"""The log-likelihood of a patient's images as a function of rows of parameters: simulate, then compare.

`GrowthLikelihood` is what a `PosteriorTarget` takes: every row names a tumor (growth parameters, time, seed) and an
imaging model (thresholds, width, PET scale and noise), any `GrowthModel` grows the tumor in an anatomy, and
`ImagingLikelihood` compares it with the scans. Rows are independent, so they are shared among processes of one thread
each; a row's value does not depend on how many there are, or on the rows beside it. A model that says
``backend="cuda"`` grows all rows in batches on a device instead (`device_growth`), and threads of the host compare
what comes back.

A simulation that fails says nothing about the patient: its likelihood is 0 (−∞), and it is counted, with the first
reason kept. A wrong setting (a missing parameter, another grid) is an error at once.

`coarsened` is the same likelihood at half the resolution, some thirty times cheaper, for `multilevel`; `integrated`
that of growth alone, its imaging parameters integrated over their prior (`imaging_integral`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.anatomy.coarsening import coarsened_anatomy
from gliofield.bayes.coarse_likelihood import coarsened_likelihood
from gliofield.bayes.device_growth import grows_on_device
from gliofield.bayes.imaging_integral import IMAGING_NAMES, ImagingPrior, tumors_of
from gliofield.bayes.published_priors import BACKGROUND_NAME, PET_NAMES
from gliofield.bayes.row_simulation import (
    RowOutcome,
    RowSimulation,
    SimulationFailedError,
    density_of,
)
from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import (
    FisherKolmogorov,
    GrowthModel,
    MassEffect,
    VolumeLimit,
    growth_parameters_of,
)
from gliofield.growth.parameters import DIFFUSIVITY_NAME, OPTIONAL_NAMES, RATE_NAME, SEED_NAMES, TIME_NAME
from gliofield.imaging import ImagingLikelihood

_GROWTH_NAMES = (DIFFUSIVITY_NAME, RATE_NAME, *SEED_NAMES)
# Four times longer steps double the solver's own error, which a coarse grid hides.
_COARSE_TIME_STEP_SCALE = 4.0
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


class GrowthLikelihood:
    """Log-likelihood of rows of parameters by a growth model in an anatomy.

    Parameters
    ----------
    model : GrowthModel
        How tumors grow; with one thread, for rows are what is shared out. With ``backend="cuda"`` all rows of a call
        grow in batches on a device.
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
    mask_factor, pet_factor : float
        What the log-likelihoods are multiplied by, > 0; used where a coarse voxel stands for several.
    counts_failures_as_no_tumor : bool
        A failed simulation, or a tumor beyond the limit, has the likelihood of a brain without tumor instead of 0: for
        approximations that must not exclude what the model itself allows.
    growth_parameters : callable
        Makes the model's parameters of the values by name; importable where processes are used. The default serves
        `FisherKolmogorov` and `MassEffect`.
    imaging_prior : ImagingPrior or None
        If given, imaging parameters are integrated over it, and neither in the rows nor fixed.
    num_workers : int
        Processes, ≥ 1. `close`, or a ``with`` block, ends them. With a device: threads that compare.
    device : str
        CUDA device of a model with ``backend="cuda"``.

    Raises
    ------
    ParameterError
        If a parameter is missing, unknown or given twice, or a number is out of range.
    DeviceError
        When asked, if the model needs a device that is missing.
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
        mask_factor: float = 1.0,
        pet_factor: float = 1.0,
        counts_failures_as_no_tumor: bool = False,
        growth_parameters: Callable[[Mapping[str, float]], Any] = growth_parameters_of,
        imaging_prior: ImagingPrior | None = None,
        num_workers: int = 1,
        device: str = "cuda",
    ) -> None:
        likelihood.observation.grid.require_same_as(anatomy.grid, self_name="observation", other_name="anatomy")
        if not (mask_factor > 0.0 and pet_factor > 0.0):
            raise ParameterError(f"mask_factor and pet_factor must be above 0, got {mask_factor} and {pet_factor}.")
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
            mask_factor=mask_factor,
            pet_factor=pet_factor,
            counts_failures_as_no_tumor=counts_failures_as_no_tumor,
            growth_parameters=growth_parameters,
            imaging_prior=imaging_prior,
        )
        # A prior that does not fit is an error now, not in a process.
        _ = self.simulation.integral
        self.num_workers = num_workers
        self.device = device
        self.counts = SimulationCounts()
        self._is_on_device = grows_on_device(model)
        self._workers = SimulationWorkers(self.simulation, 1 if self._is_on_device else num_workers)

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood of each row [nats], (N, P) -> (N,); −∞ where the simulation failed, never NaN."""
        outcomes: list[RowOutcome] = list(
            self._outcomes_on_device(rows) if self._is_on_device else self._workers.map("outcome", list(rows))
        )
        self._count(outcomes)
        return np.array([outcome.log_likelihood for outcome in outcomes])

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

    def coarsened(self) -> GrowthLikelihood:
        """The same likelihood at half the resolution: an approximation for `multilevel`, as many processes.

        Anatomy, masks (more than half of a block), PET and region are averaged over blocks of 2 × 2 × 2 voxels; the
        log-likelihoods are multiplied by the ratio of the numbers of voxels compared. `FisherKolmogorov` takes four
        times longer steps, and stands for `MassEffect`, too; other models stay as they are. Failed simulations and
        tumors beyond the limit count as no tumor, so that nothing is excluded which the fine level allows.

        Raises
        ------
        ParameterError
            If nothing of the domain is left.
        ImageError
            If the whole tumor is smaller than a coarse voxel.
        """
        fine = self.simulation
        coarse_anatomy = coarsened_anatomy(fine.anatomy)
        if coarse_anatomy is None:
            raise ParameterError("the anatomy is too small for half the resolution: no coarse voxel is tissue.")
        likelihood = coarsened_likelihood(fine.likelihood, coarse_anatomy)
        return GrowthLikelihood(
            model=_coarse_model(fine.model),
            anatomy=coarse_anatomy,
            likelihood=likelihood,
            names=fine.names,
            fixed=fine.fixed,
            volume_limit=fine.volume_limit,
            mask_factor=fine.mask_factor * fine.likelihood.num_mask_voxels / likelihood.num_mask_voxels,
            pet_factor=fine.pet_factor * fine.likelihood.num_pet_voxels / likelihood.num_pet_voxels,
            counts_failures_as_no_tumor=True,
            growth_parameters=fine.growth_parameters,
            imaging_prior=fine.imaging_prior,
            num_workers=self.num_workers,
            device=self.device,
        )

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
            mask_factor=whole.mask_factor,
            pet_factor=whole.pet_factor,
            counts_failures_as_no_tumor=whole.counts_failures_as_no_tumor,
            growth_parameters=whole.growth_parameters,
            imaging_prior=prior,
            num_workers=self.num_workers,
            device=self.device,
        )

    def drawn_imaging(
        self, rows: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Imaging parameters of each row, drawn from their distribution given its density.

        Parameters
        ----------
        rows : (N, P) float64 array
            Growth parameters of a likelihood with an `imaging_prior`.
        rng : Generator
            For the draws.

        Returns
        -------
        imaging : (N, Q) float64 array
            In the order of the prior's names.
        log_likelihood : (N,) float64 array
            Of rows and imaging parameters together [nats].

        Raises
        ------
        ParameterError
            If imaging parameters are not integrated.
        NumericalError
            If a simulation fails.
        """
        simulation = self.simulation
        if simulation.imaging_prior is None:
            raise ParameterError("imaging parameters are columns of this likelihood: there is nothing to draw.")
        points = rng.random((len(rows), len(simulation.imaging_prior.names)))
        try:
            if self._is_on_device:
                grown = simulation.grown_on(self.device, list(rows), None)
                drawn = [simulation.imaging_of_grown(each, point) for each, point in zip(grown, points, strict=True)]
            else:
                drawn = list(self._workers.map("imaging_of", list(zip(rows, points, strict=True))))
        except SimulationFailedError as error:
            raise NumericalError(f"a tumor of the posterior cannot be simulated: {error}") from error
        self.counts = replace(self.counts, num_simulations=self.counts.num_simulations + len(rows))
        imaging, log_likelihood = zip(*drawn, strict=True)
        return np.array(imaging), np.array(log_likelihood)

    def close(self) -> None:
        """End the processes."""
        self._workers.close()

    def __enter__(self) -> GrowthLikelihood:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _outcomes_on_device(self, rows: NDArray[np.float64]) -> Iterator[RowOutcome]:
        """Threads compare what has grown while the device grows what follows."""
        simulation = self.simulation
        grown = simulation.grown_on(self.device, list(rows), simulation.volume_limit)
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


def _coarse_model(model: GrowthModel[Any]) -> GrowthModel[Any]:
    if not isinstance(model, FisherKolmogorov | MassEffect):
        return model
    backend = model.backend if grows_on_device(model) else "numba"
    return FisherKolmogorov(time_step_scale=_COARSE_TIME_STEP_SCALE, backend=backend)


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
