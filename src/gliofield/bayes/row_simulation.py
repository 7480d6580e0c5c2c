"""One row of parameters: a tumor grows, and is compared with the scans; what processes share out.

A `RowSimulation` holds everything that a row needs: model, anatomy, likelihood, fixed values. A row's value depends on
nothing else. A simulation that fails, or outgrows the volume limit, is an outcome, not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.device_growth import grown_on_device
from gliofield.bayes.imaging_integral import IMAGING_NAMES, ImagingIntegral, ImagingPrior
from gliofield.bayes.published_priors import BACKGROUND_NAME, PET_NAMES
from gliofield.box import box_of, slices_of
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import GrowthModel, Solution, VolumeLimit, growth_parameters_of
from gliofield.growth.parameters import TIME_NAME
from gliofield.imaging import ImagingLikelihood, ImagingParameters


def imaging_parameters_of(values: Mapping[str, float]) -> ImagingParameters:
    """Imaging parameters by name; those of PET where they are given, no background where it is not."""
    return ImagingParameters(
        **{name: values[name] for name in IMAGING_NAMES},
        **{name: values[name] for name in (*PET_NAMES, BACKGROUND_NAME) if name in values},
    )


@dataclass(frozen=True, kw_only=True)
class RowOutcome:
    """Value of one row [nats], imaging parameters drawn and the value with them, and what went wrong."""

    log_likelihood: float
    imaging: NDArray[np.float64] | None = None
    failure: str = ""
    is_too_large: bool = False


#: What has become of a row's tumor: densities, or why there are none.
Grown = Solution | NumericalError | ParameterError
#: A row, and uniform random numbers from which its imaging parameters are drawn; None: they are not.
RowAndPoints = tuple[NDArray[np.float64], NDArray[np.float64] | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSimulation:
    """Everything a process needs to compute one row; its methods take a row of parameters, (P,).

    The fields are those of `GrowthLikelihood`.
    """

    model: GrowthModel[Any]
    anatomy: Anatomy
    likelihood: ImagingLikelihood
    names: tuple[str, ...]
    fixed: Mapping[str, float] = field(default_factory=dict)
    volume_limit: VolumeLimit | None = None
    growth_parameters: Callable[[Mapping[str, float]], Any] = growth_parameters_of
    imaging_prior: ImagingPrior | None = None

    def values_of(self, row: NDArray[np.float64]) -> dict[str, float]:
        """Parameters of a row by name, those that are fixed among them."""
        return {**self.fixed, **dict(zip(self.names, (float(x) for x in row), strict=True))}

    def outcome(self, row_and_points: RowAndPoints) -> RowOutcome:
        """Log-likelihood of one row."""
        return self.outcome_of(row_and_points, self._grown(row_and_points[0], self.volume_limit))

    def outcome_of(self, row_and_points: RowAndPoints, grown: Grown) -> RowOutcome:
        """Log-likelihood of one row whose tumor has grown, or not."""
        row, points = row_and_points
        try:
            density = density_of(grown, self.volume_limit)
            if density is None:
                return RowOutcome(log_likelihood=-np.inf, is_too_large=True)
            if self.integral is None:
                return RowOutcome(log_likelihood=self._log_likelihood(density, self.values_of(row)))
            if points is None:
                return RowOutcome(log_likelihood=self.integral.log_evidence(density))
            names = self.integral.prior.names
            value, drawn = self.integral.drawn(density, dict(zip(names, (float(x) for x in points), strict=True)))
            imaging = [*(drawn[name] for name in names), self._log_likelihood(density, drawn)]
            return RowOutcome(log_likelihood=value, imaging=np.array(imaging))
        except (NumericalError, SimulationFailedError) as error:
            return RowOutcome(log_likelihood=-np.inf, failure=str(error))

    def density_in_box(self, row: NDArray[np.float64]) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
        """Density of one row where there is any, and the voxel at which that box begins."""
        density = density_of(self._grown(row, None), None)
        assert density is not None
        box = slices_of(box_of(density > 0.0))
        x, y, z = (part.start for part in box)
        return np.ascontiguousarray(density[box]), (x, y, z)

    def grown_on(self, device: str, rows: Sequence[NDArray[np.float64]], limit: VolumeLimit | None) -> Iterator[Grown]:
        """What has become of each row's tumor on a device, in order and lazily."""
        values = [self.values_of(row) for row in rows]
        tumors = [(self.growth_parameters(each), each[TIME_NAME]) for each in values]
        return grown_on_device(self.model, self.anatomy, tumors, device=device, volume_limit=limit)

    def _grown(self, row: NDArray[np.float64], limit: VolumeLimit | None) -> Grown:
        values = self.values_of(row)
        parameters = self.growth_parameters(values)
        try:
            return self.model.simulate(self.anatomy, parameters, (values[TIME_NAME],), volume_limit=limit)
        except (ParameterError, NumericalError) as error:
            # Names were checked before. What is left: a seed off the tissue, a run far too long, or a tumor that the
            # prior allows and a learned model was not trained on.
            return error

    def _log_likelihood(self, density: NDArray[np.floating], values: Mapping[str, float]) -> float:
        terms = self.likelihood.log_likelihood(density, imaging_parameters_of(values))
        return (terms.t1gd or 0.0) + (terms.flair or 0.0) + (terms.pet or 0.0)

    @cached_property
    def integral(self) -> ImagingIntegral | None:
        """Integral over the imaging parameters; None where they are sampled."""
        if self.imaging_prior is None:
            return None
        return ImagingIntegral(likelihood=self.likelihood, prior=self.imaging_prior)


class SimulationFailedError(Exception):
    """A simulation that gave no density, for a reason that lies in its parameters."""


def density_of(grown: Grown, limit: VolumeLimit | None) -> NDArray[np.floating] | None:
    """Density (X, Y, Z) at the growth time; None if it is larger than the limit."""
    if not isinstance(grown, Solution):
        raise SimulationFailedError(str(grown)) from grown
    if grown.stopped_at_days is not None:
        return None
    density = grown.cell_density[-1]
    if not np.isfinite(density.sum()):
        raise SimulationFailedError("the density is not finite")
    if limit is not None and grown.volume_ml(limit.threshold)[-1] > limit.max_volume_ml:
        return None
    return density
