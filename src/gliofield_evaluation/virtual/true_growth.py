"""The growth a cohort's tumors really have: Fisher-Kolmogorov with a diffusivity and a rate that vary in space.

    ∂c/∂t = ∇·(f_D D ∇c) + f_ρ ρ c (1 − c),   D = D_w · white_matter + D_g · gray_matter,   no flux out of the domain

It begins with any density, so a tumor can be interrupted: a second focus is added, a cavity is cut out, or what a
resection leaves grows again. Discretized as `FisherKolmogorov` (Strang splitting, RKL2), which it equals where nothing
varies. No method of gliofield fits these fields.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth import FisherKolmogorovParameters
from gliofield.growth.diffusivity import FaceCoefficients, faces_between
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield.growth.super_time_stepping import super_time_step
from gliofield.growth.time_step import plan_steps


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueGrowth:
    """How the tumor of one virtual patient spreads and divides.

    Parameters
    ----------
    anatomy : Anatomy
        Where it grows, with the tissue as it lies.
    parameters : FisherKolmogorovParameters
        D_w, ρ, D_w / D_g and the global tensor.
    diffusivity_factor, rate_factor : (X, Y, Z) float32 array or None
        f_D and f_ρ, > 0; None: 1 everywhere.
    """

    anatomy: Anatomy
    parameters: FisherKolmogorovParameters
    diffusivity_factor: NDArray[np.float32] | None = None
    rate_factor: NDArray[np.float32] | None = None

    def without(self, closed: NDArray[np.bool_]) -> TrueGrowth:
        """The same where some voxels (X, Y, Z) hold no tissue any more: cells neither live there nor enter."""
        anatomy = self.anatomy
        is_open = ~closed
        left = dataclasses.replace(
            anatomy,
            white_matter=anatomy.white_matter * is_open,
            gray_matter=anatomy.gray_matter * is_open,
            domain=anatomy.domain & is_open,
        )
        return dataclasses.replace(self, anatomy=left)

    @cached_property
    def _faces(self) -> FaceCoefficients:
        anatomy = self.anatomy
        diffusivity = anatomy.white_matter + anatomy.gray_matter * np.float32(1.0 / self.parameters.diffusivity_ratio)
        if self.diffusivity_factor is not None:
            diffusivity = diffusivity * self.diffusivity_factor
        return faces_between(diffusivity, anatomy.domain, self.parameters.axis_stretch)

    def grown(
        self, density: NDArray[np.float32], duration_days: float, *, initial_variance_mm2: float
    ) -> NDArray[np.float32]:
        """The density a time [day] later; arguments as `states`."""
        states = self.states(density, duration_days, initial_variance_mm2=initial_variance_mm2)
        ((_, last),) = deque(states, maxlen=1)
        return last

    def states(
        self,
        density: NDArray[np.float32],
        duration_days: float,
        *,
        initial_variance_mm2: float,
        time_step_scale: float = 1.0,
    ) -> Iterator[tuple[float, NDArray[np.float32]]]:
        """Time [day] and density (X, Y, Z) after each time step.

        Parameters
        ----------
        density : (X, Y, Z) float32 array
            Where it begins; cells outside the domain are dropped.
        duration_days : float
            Until when [day], > 0.
        initial_variance_mm2 : float
            Second moment of the sharpest detail of the beginning [mm²], > 0: how small the first steps must be.
        time_step_scale : float
            Factor on every time step.
        """
        from gliofield.growth.backends.numba_stepper import NumbaStepper  # numba takes a second to import

        faces, spacing_mm = self._faces, self.anatomy.spacing_mm
        diffusivity = self.parameters.white_matter_diffusivity_mm2_per_day
        rates = self._padded_rates(faces)
        steps = plan_steps(
            [duration_days],
            proliferation_rate_per_day=float(rates.max()),
            seed_age_days=initial_variance_mm2 / (2.0 * diffusivity),
            euler_step_days=spacing_mm**2 / (diffusivity * faces.max_face_sum),
            time_step_scale=time_step_scale,
        )
        state = faces.padded(density * self.anatomy.domain)
        for step in steps:
            survival = np.exp(-rates * np.float32(step.duration_days / 2.0))
            stepper = NumbaStepper(faces, _reacted(state, survival))
            number = diffusivity * step.duration_days / spacing_mm**2
            stepper.diffuse_then_react(super_time_step(step.num_stages), number, 1.0)
            state = _reacted(stepper.cell_density(), survival)
            whole = np.zeros(self.anatomy.grid.shape, dtype=np.float32)
            faces.unpadded_into(whole, state)
            yield step.end_days, whole

    def _padded_rates(self, faces: FaceCoefficients) -> NDArray[np.float32]:
        rate = np.float32(self.parameters.proliferation_rate_per_day)
        if self.rate_factor is None:
            return np.full(faces.x.shape, rate, dtype=np.float32)
        return rate * faces.padded(self.rate_factor)


def _reacted(density: NDArray[np.float32], survival: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exact logistic growth c / (q + c (1 − q)), with what counts as no cells cleared."""
    grown = density / (survival + density * (1.0 - survival))
    grown[grown < DENSITY_FLOOR] = 0.0
    return grown
