import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.evolution import evolve
from gliofield.growth.seed import SEED_VARIANCE_MM2
from gliofield.growth.super_time_stepping import super_time_step
from gliofield.growth.time_step import plan_steps
from gliofield.growth.volume_limit import VoxelLimit
from gliofield_gpu.stage_operations import (
    ENDS_STEP,
    INITIAL_RATE,
    KIND,
    NEWER,
    NEWER_INCREMENT,
    NUM_STAGES,
    OLDER,
    OPERATOR,
    SURVIVAL,
    OperationKind,
    growth_operation,
    step_operations,
    write_out,
)

ANATOMY = mixed_anatomy((8, 9, 10), 4.0)
FACES = face_coefficients(ANATOMY, 10.0)


class RecordingStepper:
    """`Stepper` that computes nothing and writes down what it is asked for, a row of weights per operation."""

    num_voxel_steps = 0
    num_active_voxels = 10**6

    def __init__(self):
        self.rows = []
        self.landings = []

    def react(self, survival):
        self.rows.append([OperationKind.REACT, 0.0, 0.0, 0.0, 0.0, survival, np.inf])

    def diffuse_then_react(self, step, diffusion_number, survival):
        self.rows.append([OperationKind.FIRST, 0.0, 0.0, step.first * diffusion_number, 0.0, 1.0, np.inf])
        for stage in step.stages:
            changes = (stage.operator * diffusion_number, stage.initial_rate * diffusion_number)
            self.rows.append([OperationKind.MIDDLE, stage.newer, stage.older, *changes, 1.0, np.inf])
        self.rows[-1] = [OperationKind.LAST, *self.rows[-1][1:5], survival, np.inf]

    def count_above(self, threshold):
        self.rows[-1][-1] = threshold
        return 0

    def cell_density(self):
        self.landings.append(len(self.rows) - 1)
        return np.zeros_like(FACES.x)


@pytest.mark.parametrize(("d", "rho"), [(0.3, 0.05), (1.5, 0.004), (0.0, 0.1), (0.3, 0.0)])
@pytest.mark.parametrize("times", [[90.0], [5.0, 6.0, 90.0]])
def test_the_rows_are_what_evolve_asks_a_stepper_for(d, rho, times):
    """Same operations in the same order, the same float32 coefficients bit for bit, landings at the same places."""
    parameters = tumor_parameters(ANATOMY, d=d, rho=rho)
    recorder = RecordingStepper()
    evolution = evolve(
        recorder,
        FACES,
        spacing_mm=ANATOMY.spacing_mm,
        white_matter_diffusivity_mm2_per_day=d,
        proliferation_rate_per_day=rho,
        initial_variance_mm2=SEED_VARIANCE_MM2,
        times_days=times,
        limit=VoxelLimit(threshold=0.2, max_num_voxels=10),
    )

    operations = write_out(
        planned(parameters, times),
        diffusion_number_per_day=d / ANATOMY.spacing_mm**2,
        proliferation_rate_per_day=rho,
        threshold=0.2,
    )

    expected = np.array(recorder.rows)
    np.testing.assert_array_equal(operations.codes[:, KIND], expected[:, 0].astype(int))
    np.testing.assert_array_equal(operations.weights, expected[:, 1:].astype(np.float32))
    assert list(operations.landings) == recorder.landings
    assert len(operations.step_ends_days) == operations.codes[:, ENDS_STEP].sum() == evolution.num_steps


def planned(parameters, times):
    """The steps of a run, as `evolve` plans them."""
    d = parameters.white_matter_diffusivity_mm2_per_day
    return plan_steps(
        times,
        proliferation_rate_per_day=parameters.proliferation_rate_per_day,
        seed_age_days=SEED_VARIANCE_MM2 / (2 * d) if d else np.inf,
        euler_step_days=ANATOMY.spacing_mm**2 / (d * FACES.max_face_sum) if d else np.inf,
        time_step_scale=1.0,
    )


@pytest.mark.parametrize("num_stages", [2, 3, 4, 7])
def test_the_increment_fields_take_turns(num_stages):
    """Each stage writes the field the next one reads as the newer; the first writes field 0."""
    codes = step_operations(num_stages, 0.2, 0.9).codes

    assert list(codes[:, NEWER_INCREMENT]) == [0, *(index % 2 for index in range(num_stages - 1))]
    assert list(codes[:, NUM_STAGES]) == [num_stages] * num_stages
    assert list(codes[:, ENDS_STEP]) == [0] * (num_stages - 1) + [1]


def test_a_step_of_two_stages_written_out():
    """First and last stage with the coefficients of RKL2 times the diffusion number, growth in the last."""
    step = super_time_step(2)

    operations = step_operations(2, 0.2, 0.9)

    assert list(operations.codes[:, KIND]) == [OperationKind.FIRST, OperationKind.LAST]
    assert operations.weights[0, OPERATOR] == np.float32(step.first * 0.2)
    assert operations.weights[1, [NEWER, OLDER]] == pytest.approx([1.5, 0.0])
    assert operations.weights[1, INITIAL_RATE] == np.float32(step.stages[0].initial_rate * 0.2)
    assert list(operations.weights[:, SURVIVAL]) == [1.0, np.float32(0.9)]


def test_growth_alone_is_one_operation_that_ends_no_step():
    """The half step of growth a run begins with."""
    operations = growth_operation(0.5)

    assert len(operations) == 1
    assert list(operations.codes[0]) == [OperationKind.REACT, 0, 0, 0]
    assert operations.weights[0, SURVIVAL] == 0.5


def test_growth_without_end_keeps_the_survival_above_zero_in_float32():
    """e^{−1000} is 0, by which an empty voxel would be divided."""
    survival = write_out(
        planned(tumor_parameters(ANATOMY, d=0.0, rho=10.0), [200.0]),
        diffusion_number_per_day=0.0,
        proliferation_rate_per_day=10.0,
    ).weights[:, SURVIVAL]

    assert np.all(survival > 0.0)
