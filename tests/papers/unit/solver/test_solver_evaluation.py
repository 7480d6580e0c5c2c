import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from phantom_brain import phantom_atlas

from gliofield.errors import DeviceError, NumericalError, ParameterError
from gliofield.growth import MassEffect
from gliofield_papers.measuring import peak_memory_gib
from gliofield_papers.solver import backends as solver_backends
from gliofield_papers.solver import tumors as solver_tumors
from gliofield_papers.solver.accuracy import coupling_accuracy, time_step_accuracy
from gliofield_papers.solver.backends import backend_comparison
from gliofield_papers.solver.evaluation import Conditions, SolverEvaluationSettings, evaluate_solver
from gliofield_papers.solver.front_speed import front_speeds, lattice_speed_factor
from gliofield_papers.solver.scaling import GridRow, grid_exponents, grid_scaling, thread_scaling
from gliofield_papers.solver.tumors import random_tumors, tumors_of_volumes

ATLAS = phantom_atlas()


def anatomy_at(spacing_mm):
    return ATLAS.anatomy(ATLAS.simulation_grid(spacing_mm=spacing_mm))


@pytest.fixture(scope="module")
def anatomy():
    """The phantom at 5 mm."""
    return anatomy_at(5.0)


@pytest.fixture(scope="module")
def tumors(anatomy):
    """Two random tumors."""
    return random_tumors(anatomy, 2, seed=0)


@pytest.fixture(scope="module")
def pushing_tumor(anatomy):
    """A tumor of 40 ml."""
    return tumors_of_volumes(anatomy, [40.0], seed=0)[0]


@pytest.mark.parametrize(
    "wrong", [{"num_tumors": 0}, {"num_repeats": 0}, {"max_threads": 0}, {"num_mass_effect_tumors": -1}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    """Each bad number is named."""
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        SolverEvaluationSettings(**wrong)


@pytest.mark.parametrize(
    ("settings", "spacings_mm"),
    [
        (SolverEvaluationSettings(), (3.75, 2.5, 1.875, 1.25)),
        (SolverEvaluationSettings.quick(), (3.75, 2.5, 1.875)),
        (SolverEvaluationSettings(spacing_mm=6.0), (8.0, 6.0, 4.0)),
    ],
)
def test_grids_span_the_spacing_within_what_grids_allow(settings, spacings_mm):
    """The four documented spacings, without the finest one if asked, none beyond 10 mm."""
    assert settings.grid_spacings_mm == spacings_mm


def test_random_tumors_depend_on_the_seed_alone(anatomy, tumors):
    """A shorter list begins like a longer one, another seed gives other tumors, all have sizes that patients show."""
    assert random_tumors(anatomy, 1, seed=0) == tumors[:1]
    assert random_tumors(anatomy, 1, seed=1) != tumors[:1]
    assert all(3.0 <= tumor.volume_ml <= 250.0 for tumor in tumors)


def test_tumors_are_grown_to_the_volumes_asked_for(anatomy):
    """Within 10 % of 30 and 60 ml, a few voxels of an eighth of a milliliter."""
    found = tumors_of_volumes(anatomy, [30.0, 60.0], seed=3)

    assert [tumor.volume_ml for tumor in found] == pytest.approx([30.0, 60.0], rel=0.1)


def test_an_anatomy_without_place_for_the_tumors_is_refused(anatomy, monkeypatch):
    """No tumor of a million milliliters in any number of attempts."""
    monkeypatch.setattr(solver_tumors, "_MAX_DRAWS", 3)

    with pytest.raises(ParameterError, match="only 0 of 1 tumors could be drawn"):
        tumors_of_volumes(anatomy, [1e6], seed=0)


def test_time_steps_are_compared_with_the_finest(anatomy, tumors):
    """Half the step takes twice the steps and comes no less close; the reference is not compared with itself."""
    coarse, default, fine, reference = time_step_accuracy(anatomy, tumors, num_repeats=1)

    assert [row.time_step_scale for row in (coarse, default, fine, reference)] == [2.0, 1.0, 0.5, 0.125]
    assert fine.num_steps == pytest.approx(2 * default.num_steps, abs=2)
    assert 0.9 < coarse.dice_flair_min <= fine.dice_flair_min <= 1.0
    assert coarse.dice_t1gd_min <= coarse.dice_t1gd_median
    assert math.isnan(reference.dice_flair_min)
    assert all(row.seconds > 0.0 and row.ns_per_voxel_step > 0.0 for row in (coarse, default, fine, reference))


def test_coupling_steps_are_compared_with_the_finest(anatomy, pushing_tumor):
    """More steps come closer in displacement; the tissue is nowhere turned inside out."""
    one, eight, reference = coupling_accuracy(
        anatomy, [pushing_tumor], coupling_steps=(1, 8), reference_coupling_steps=16
    )

    assert 0.0 < eight.displacement_error < one.displacement_error
    assert eight.dice_flair_min >= one.dice_flair_min
    assert math.isnan(reference.displacement_error)
    assert reference.largest_displacement_mm > 1.0
    assert min(row.min_jacobian_determinant for row in (one, eight, reference)) > 0.0
    assert (one.num_failed, eight.num_failed, reference.num_failed) == (0, 0, 0)


def test_a_run_without_equilibrium_is_counted_and_left_out(anatomy, pushing_tumor, monkeypatch):
    """The failing case has a row that says so; the others keep their figures."""
    simulate = MassEffect.simulate

    def fails_with_one_step(model, *arguments, **keywords):
        if model.num_coupling_steps == 1:
            raise NumericalError("no equilibrium")
        return simulate(model, *arguments, **keywords)

    monkeypatch.setattr(MassEffect, "simulate", fails_with_one_step)
    one, two, _ = coupling_accuracy(anatomy, [pushing_tumor], coupling_steps=(1, 2), reference_coupling_steps=4)

    assert one.num_failed == 1
    assert math.isnan(one.seconds)
    assert math.isnan(one.displacement_error)
    assert two.num_failed == 0
    assert two.displacement_error > 0.0


def grid_row(num_domain_voxels, seconds, num_voxel_steps):
    return GridRow(
        model="fisher-kolmogorov",
        spacing_mm=1.0,
        num_domain_voxels=num_domain_voxels,
        front_resolution=1.0,
        volume_ml=1.0,
        seconds=seconds,
        num_voxel_steps=num_voxel_steps,
        num_solver_iterations=0,
    )


def test_exponents_are_those_of_a_power_law():
    """Seconds as voxels to the 1.5 and voxel-steps as voxels to the 1.25 leave 0.25 for the time of one."""
    (found,) = grid_exponents([grid_row(n, 1e-6 * n**1.5, round(n**1.25)) for n in (16**4, 17**4, 20**4)])

    assert found.seconds == pytest.approx(1.5)
    assert found.voxel_steps == pytest.approx(1.25, abs=1e-4)
    assert found.seconds_per_voxel_step == pytest.approx(0.25, abs=1e-4)


def test_one_grid_has_no_exponent():
    """NaN, not an error."""
    (found,) = grid_exponents([grid_row(1000, 1.0, 1000)])

    assert math.isnan(found.seconds)


def test_the_same_tumor_is_grown_on_every_grid_by_both_models(anatomy, pushing_tumor):
    """Finer grids have more voxels and voxel-steps; only mass effect needs the elasticity solver."""
    grids = [anatomy_at(7.5), anatomy]
    rows = grid_scaling(grids, pushing_tumor, {"fisher-kolmogorov": 2, "mass-effect": 1}, num_threads=1)

    assert [(row.model, row.spacing_mm) for row in rows] == [
        ("fisher-kolmogorov", 7.5),
        ("fisher-kolmogorov", 5.0),
        ("mass-effect", 7.5),
        ("mass-effect", 5.0),
    ]
    coarse, fine, _, pushed = rows
    assert coarse.num_domain_voxels < fine.num_domain_voxels
    assert coarse.num_voxel_steps < fine.num_voxel_steps
    assert fine.num_solver_iterations == 0 < pushed.num_solver_iterations
    assert fine.ns_per_voxel_step == pytest.approx(1e9 * fine.seconds / fine.num_voxel_steps)


def test_gain_is_relative_to_one_thread(anatomy, pushing_tumor):
    """A row for each number of threads, the first with a gain of 1."""
    one, two = thread_scaling({"fisher-kolmogorov": anatomy}, pushing_tumor, {"fisher-kolmogorov": 2}, max_threads=2)

    assert (one.num_threads, two.num_threads) == (1, 2)
    assert one.gain == 1.0
    assert two.gain == pytest.approx(one.seconds / two.seconds)


def no_such_software(device):
    try:
        raise ModuleNotFoundError("No module named 'triton'", name="triton")
    except ModuleNotFoundError as error:
        raise DeviceError("growing tumors on a GPU needs PyTorch and Triton") from error


def no_device(device):
    raise DeviceError(f"device {device!r} is not there")


def test_backends_agree_and_one_that_is_missing_is_said_to_be(anatomy, tumors, monkeypatch):
    """The plain reference differs by float32 rounding; a row without figures says why."""
    monkeypatch.setattr(solver_backends, "load_device", lambda device: SimpleNamespace(require_device=no_such_software))

    numba, numpy, cuda = backend_comparison(anatomy, tumors, num_repeats=1)

    assert numpy.largest_difference < 2e-5
    assert math.isnan(numba.largest_difference)
    assert numba.num_runs == 2
    assert cuda.num_runs == 0
    assert cuda.note == "not run: PyTorch or Triton is not installed"


def test_a_machine_without_device_says_so(anatomy, tumors, monkeypatch):
    """The software is there, the device is not."""
    monkeypatch.setattr(solver_backends, "load_device", lambda device: SimpleNamespace(require_device=no_device))

    cuda = backend_comparison(anatomy, tumors[:1], num_repeats=1)[-1]

    assert cuda.note == "not run: no CUDA device"


def test_a_batch_is_full_and_compared_with_numba(anatomy, tumors, monkeypatch):
    """Two tumors are repeated until the batch is full; what differs from numba is found."""

    def batch(model, anatomy, tumors, *, device, report):
        sizes.append(len(tumors))
        for one, time_days in tumors:
            solution = model.simulate(anatomy, one, time_days)
            yield replace(solution, cell_density=solution.cell_density + np.float32(0.25))

    sizes = []
    there = SimpleNamespace(require_device=lambda device: None, useful_batch=lambda model: 5)
    monkeypatch.setattr(solver_backends, "load_device", lambda device: there)
    monkeypatch.setattr(solver_backends, "simulate_many", batch)

    cuda = backend_comparison(anatomy, tumors, num_repeats=2)[-1]

    assert sizes == [2, 6, 6]
    assert cuda.num_runs == 12
    assert cuda.largest_difference == pytest.approx(0.25, abs=1e-4)
    assert cuda.seconds > 0.0


def test_a_resolved_front_has_the_exact_speed_and_a_thin_one_that_of_the_lattice():
    """Within 1 % at 2 voxels; at half a voxel 10 % too fast, which the lattice explains to 2 %."""
    resolved, thin = front_speeds((2.0, 0.5))

    assert resolved.speed_over_exact == pytest.approx(1.0, abs=0.01)
    assert thin.speed_over_exact > 1.08
    assert thin.speed_over_exact == pytest.approx(thin.lattice_over_exact, rel=0.02)


def test_the_lattice_speed_approaches_that_of_the_equation_from_above():
    """The excess is 1/24 (h/λ)² to leading order: a quarter for twice the voxels."""
    excess = [lattice_speed_factor(resolution) - 1.0 for resolution in (10.0, 20.0)]

    assert excess[0] == pytest.approx(1.0 / 2400.0, rel=0.01)
    assert excess[0] / excess[1] == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(("before", "after", "is_busy"), [(0.5, 2.2, False), (2.5, 0.5, True), (0.5, 3.0, True)])
def test_a_busy_machine_is_one_with_more_load_than_cores(before, after, is_busy):
    """Our own two threads do not count against two cores."""
    conditions = Conditions(
        atlas="phantom",
        domain_rule="brain",
        grid="",
        num_domain_voxels=1,
        domain_ml=1.0,
        architecture="x",
        num_cores=2,
        load_average_before=before,
        load_average_after=after,
        versions={},
    )

    assert conditions.is_machine_busy is is_busy
    assert f"{max(before, after):.1f} on 2 cores" in conditions.busy_warning


def test_an_evaluation_without_mass_effect_has_no_table_of_it():
    """Every other table is there, memory never falls, and progress ends complete."""
    events = []
    settings = SolverEvaluationSettings(
        spacing_mm=6.0, num_tumors=1, num_mass_effect_tumors=0, num_repeats=1, max_threads=1, with_finest_grid=False
    )

    found = evaluate_solver(ATLAS, settings, report=events.append)

    assert found.couplings == found.mass_effect_tumors == ()
    assert {row.model for row in (*found.grids, *found.threads)} == {"fisher-kolmogorov"}
    assert found.time_steps
    assert found.backends
    assert found.fronts
    peaks = [row.peak_gib for row in found.memory]
    assert 0.0 < peaks[0] <= peaks[-1] <= peak_memory_gib()
    last = {event.task: event for event in events}
    assert {"reaction-diffusion: time steps", "grids", "threads", "front speed"} <= set(last)
    assert all(event.completed == event.total for event in last.values())
