"""Time-stepping schemes that were tried and not taken, for the table of error against cost.

Each advances the same discretization with the same step plan; only the step differs. They are written for clarity and
count evaluations of the diffusion operator, the cost that does not depend on how well a loop is tuned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth.backends import numba_kernels
from gliofield.growth.backends.numba_kernels import Layout
from gliofield.growth.backends.numba_stepper import aligned_zeros, list_active_rows, packed_faces, whole_vectors
from gliofield.growth.diffusivity import FaceCoefficients, face_coefficients
from gliofield.growth.parameters import FisherKolmogorovParameters
from gliofield.growth.seed import SEED_VARIANCE_MM2, seed_density
from gliofield.growth.super_time_stepping import super_time_step
from gliofield.growth.time_step import TimeStep, plan_steps

Field = NDArray[np.float32]


@dataclass
class Operator:
    """D_w L of one run [1/day], and how often it was applied."""

    faces: FaceCoefficients
    per_day: float
    num_evaluations: int = 0

    def __call__(self, c: Field) -> Field:
        num_x, num_y, num_z = c.shape
        row_length = whole_vectors(num_z)
        layout = Layout(num_x * num_y * row_length, num_y * row_length, row_length)
        rows, _, (first_plane, last_plane) = list_active_rows(self.faces.row_start, self.faces.row_stop, row_length)
        state = aligned_zeros((4, num_x, num_y, row_length))
        state[0, :, :, :num_z] = c
        arrays = (
            state.reshape(-1),
            packed_faces(self.faces),
            layout,
            rows,
            super_time_step(2).weights.astype(np.float32),
        )
        nothing = np.zeros(num_x * num_y, np.int32)
        # The first stage of a step leaves L c in the second box.
        numba_kernels.sweep_stages(
            first_plane, 0, last_plane, 0, *arrays, 0, 1, np.float32(1.0), np.float32(0.0), nothing, nothing
        )
        self.num_evaluations += 1
        return np.float32(self.per_day) * state[1, :, :, :num_z]


def logistic(c: Field, growth: float) -> Field:
    """Exact growth over ρ Δt = `growth`."""
    q = np.float32(math.exp(-growth))
    c = np.clip(c, 0.0, 1.0)
    return c / (q + c * (1 - q))


def rkl2(rate: Callable[[Field], Field], c: Field, duration: float, num_stages: int) -> Field:
    """One RKL2 step of dc/dt = rate(c), linear or not."""
    step = super_time_step(num_stages)
    initial = np.float32(duration) * rate(c)
    older, newer = c, c + np.float32(step.first) * initial
    for stage in step.stages:
        mu, nu, m = np.float32(stage.newer), np.float32(stage.older), np.float32(stage.operator)
        gamma = np.float32(stage.initial_rate - stage.operator)
        change = np.float32(duration) * rate(newer)
        older, newer = newer, mu * newer + nu * older + (1 - mu - nu) * c + m * change + gamma * initial
    return newer


def strang_rkl2(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """The scheme that was taken."""
    half = rate * step.duration_days / 2
    return logistic(rkl2(operator, logistic(c, half), step.duration_days, step.num_stages), half)


def lie_rkl2(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """First-order splitting: growth, then diffusion."""
    return rkl2(operator, logistic(c, rate * step.duration_days), step.duration_days, step.num_stages)


def unsplit_rkl2(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """RKL2 on growth and diffusion together; growth lowers the stability limit a little."""
    return np.clip(
        rkl2(lambda u: operator(u) + np.float32(rate) * u * (1 - u), c, step.duration_days, step.num_stages), 0, 1
    )


def strang_heun(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """Strang splitting, diffusion by as many stable Heun steps as it takes."""
    num = max(1, math.ceil(step.duration_days / euler_step))
    duration, half = np.float32(step.duration_days / num), rate * step.duration_days / 2
    c = logistic(c, half)
    for _ in range(num):
        first = operator(c)
        c = c + duration / 2 * (first + operator(c + duration * first))
    return logistic(c, half)


def strang_euler(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """Strang splitting, diffusion by as many stable Euler steps as it takes."""
    num = max(1, math.ceil(step.duration_days / euler_step))
    duration, half = np.float32(step.duration_days / num), rate * step.duration_days / 2
    c = logistic(c, half)
    for _ in range(num):
        c = c + duration * operator(c)
    return logistic(c, half)


def unsplit_euler(c: Field, operator: Operator, rate: float, step: TimeStep, euler_step: float) -> Field:
    """Forward Euler on the whole equation, as the published solver, but with its step limited by growth and age too."""
    num = max(1, math.ceil(step.duration_days / euler_step))
    duration = np.float32(step.duration_days / num)
    for _ in range(num):
        c = np.clip(c + duration * (operator(c) + np.float32(rate) * c * (1 - c)), 0, 1)
    return c


ALTERNATIVES = {
    scheme.__name__: scheme
    for scheme in (strang_rkl2, unsplit_rkl2, lie_rkl2, strang_heun, strang_euler, unsplit_euler)
}


def simulate_with(
    scheme: Callable[[Field, Operator, float, TimeStep, float], Field],
    anatomy: Anatomy,
    parameters: FisherKolmogorovParameters,
    time_days: float,
    time_step_scale: float,
) -> tuple[Field, int]:
    """Density (X, Y, Z) at `time_days` and the number of operator evaluations it took."""
    diffusivity = parameters.white_matter_diffusivity_mm2_per_day
    faces = face_coefficients(anatomy, parameters.diffusivity_ratio)
    operator = Operator(faces, diffusivity / anatomy.spacing_mm**2)
    euler_step = anatomy.spacing_mm**2 / (diffusivity * faces.max_face_sum)
    steps = plan_steps(
        [time_days],
        proliferation_rate_per_day=parameters.proliferation_rate_per_day,
        seed_age_days=SEED_VARIANCE_MM2 / (2 * diffusivity),
        euler_step_days=euler_step,
        time_step_scale=time_step_scale,
    )
    c = faces.padded(seed_density(anatomy, parameters.seed_mm))
    for step in steps:
        c = scheme(c, operator, parameters.proliferation_rate_per_day, step, euler_step)
    density = np.zeros(anatomy.grid.shape, np.float32)
    faces.unpadded_into(density, c)
    return density, operator.num_evaluations
