"""Runs, attempts, waves and errors of a build on a CUDA device, with the processor in the place of the device."""

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy, folder_content
from growth_phantoms import mixed_anatomy
from one_brain_atlas import atlas_of

from gliofield.database import LocalWorkers, build_database
from gliofield.database.design import AttemptRng
from gliofield.errors import DatabaseError, DeviceError, NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, MassEffect, VolumeLimit
from gliofield_gpu import cuda, cuda_worker
from gliofield_gpu.cuda_worker import CudaWorker, device_outcomes
from gliofield_papers.queries.papers_design import PapersDesign

ON_DEVICE = FisherKolmogorov()
NUM_TUMORS = 30


def build(path, *, workers, model=ON_DEVICE, design=None, anatomy=None, num_tumors=NUM_TUMORS):
    """Database in a small anatomy."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=design or BallDesign(),
        atlas=atlas_of(anatomy or ball_anatomy()),
        model=model,
        workers=workers,
    )


def tumors_of(path):
    """Content of all files but those that name the model."""
    return {name: text for name, text in folder_content(path).items() if name not in ("zarr.json", "manifest.json")}


@pytest.fixture
def device(monkeypatch):
    """A device that grows each draw by a model of the processor, and notes the sizes of the waves."""
    state = SimpleNamespace(model=GrowingBall(), waves=[], outcome=lambda draw, solution: solution)

    def grown(simulator, draws, worker):
        state.waves.append(len(draws))
        for draw in draws:
            solution = state.model.simulate(
                simulator.anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit
            )
            yield state.outcome(draw, solution)

    monkeypatch.setattr(cuda_worker, "device_outcomes", grown)
    monkeypatch.setattr(cuda_worker, "require_device", lambda name: None)
    return state


@pytest.mark.parametrize("snapshots_per_run", [1, 3])
@pytest.mark.parametrize(("max_batch", "num_threads"), [(None, 1), (1, 2), (2, 3)])
def test_tumors_are_those_of_the_processor(tmp_path, device, max_batch, num_threads, snapshots_per_run):
    """With the same rejections, whatever the size of the waves and the number of threads."""
    design = BallDesign(snapshots_per_run=snapshots_per_run)
    build(tmp_path / "cuda", workers=CudaWorker(max_batch=max_batch, num_threads=num_threads), design=design)
    build(tmp_path / "local", workers=LocalWorkers(1), model=GrowingBall(), design=design)

    assert tumors_of(tmp_path / "cuda") == tumors_of(tmp_path / "local")
    assert len(device.waves) > 1


def test_screening_and_limits_are_those_of_the_design(tmp_path, device):
    """Draws that fail their cheap run never reach the device; those that do bring their own limit."""
    device.model = FisherKolmogorov()
    design = PapersDesign(filter_volume_ml=(2.0, 80.0), seed_box_fractions=((0.1, 0.9),) * 3)
    anatomy = mixed_anatomy((28, 30, 26), 2.5)
    database = build(tmp_path / "cuda", workers=CudaWorker(), design=design, anatomy=anatomy, num_tumors=6)
    build(
        tmp_path / "local",
        workers=LocalWorkers(1),
        model=FisherKolmogorov(),
        design=design,
        anatomy=anatomy,
        num_tumors=6,
    )

    assert tumors_of(tmp_path / "cuda") == tumors_of(tmp_path / "local")
    screened_out, *others = database.table.rejections.sum(axis=0)
    assert screened_out > 0
    assert sum(device.waves) == 6 + sum(others)


def test_a_draw_without_solution_is_drawn_again(tmp_path, device):
    """And counted as such: the tumors are those of a filter that rejects the same draws."""
    device.outcome = lambda draw, s: NumericalError("no equilibrium") if draw.filter_thresholds[0] < 0.3 else s
    solvable = build(tmp_path / "cuda", workers=CudaWorker(), design=BallDesign(rejected_share=0.0))
    filtered = build(tmp_path / "local", workers=LocalWorkers(1), model=GrowingBall(), design=BallDesign())

    np.testing.assert_array_equal(solvable.table.checksum, filtered.table.checksum)
    np.testing.assert_array_equal(solvable.table.rejections[:, 3], filtered.table.rejections[:, 2])
    assert not solvable.table.rejections[:, :3].any()


def test_what_waits_in_memory_is_bounded(tmp_path, device):
    """Where one run of every batch is rejected again and again, few others are begun; waves are never larger."""
    design, anatomy = BallDesign(rejected_share=0.0), ball_anatomy()
    stubborn = {
        design.draw(AttemptRng(0, run, attempt), anatomy).parameters.seed_mm
        for run in range(0, 120, 8)
        for attempt in range(20)
    }
    accepted = []

    def outcome(draw, solution):
        if draw.parameters.seed_mm in stubborn:
            return NumericalError("again")
        accepted.append(len(device.waves))
        return solution

    device.outcome = outcome
    build(tmp_path / "db", workers=CudaWorker(max_batch=1), design=design, anatomy=anatomy, num_tumors=120)

    assert len(device.waves) > 20
    assert max(device.waves) <= 16
    assert sum(wave <= 20 for wave in accepted) <= 2 * 16


def test_a_build_that_failed_is_continued(tmp_path, device):
    """What was finished is not grown again, and the files are those of one go."""
    build(tmp_path / "whole", workers=CudaWorker(), num_tumors=60)
    in_one_go, device.waves[:] = sum(device.waves), []
    left = iter(range(60))

    def fail_late(draw, solution):
        next(left)
        return solution

    device.outcome = fail_late
    with pytest.raises(DatabaseError, match=r"tumors \d+ to \d+ could not be made: (StopIteration|RuntimeError)"):
        build(tmp_path / "db", workers=CudaWorker(max_batch=1, num_threads=1), num_tumors=60)
    device.outcome, device.waves[:] = lambda draw, solution: solution, []
    build(tmp_path / "db", workers=CudaWorker(), num_tumors=60)

    assert sum(device.waves) < in_one_go
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "whole")


def test_a_design_that_accepts_nothing_is_named(tmp_path, device, monkeypatch):
    """As on the processor, with the tumors it concerns."""
    monkeypatch.setattr(cuda_worker, "MAX_ATTEMPTS", 5)

    with pytest.raises(DatabaseError, match=r"tumors \d+ to \d+ could not be made: the design 'balls' accepted none"):
        build(tmp_path / "db", workers=CudaWorker(), design=BallDesign(rejected_share=1.1))


def test_a_density_that_is_none_is_named(tmp_path, device):
    """The threads of the host pass their errors on."""
    device.outcome = lambda draw, solution: dataclasses.replace(solution, cell_density=solution.cell_density + 1)

    with pytest.raises(DatabaseError, match=r"tumors 0 to 7 could not be made: .* cannot be stored"):
        build(tmp_path / "db", workers=CudaWorker(), num_tumors=8)


def test_a_device_that_is_too_small_says_so_itself(tmp_path, device):
    """Not as a failure of some tumor."""

    def too_small(draw, solution):
        raise DeviceError("too little free memory")

    device.outcome = too_small
    with pytest.raises(DeviceError, match="^too little free memory$"):
        build(tmp_path / "db", workers=CudaWorker())


def test_without_pytorch_nothing_is_simulated(tmp_path, monkeypatch):
    """The error says what to install."""
    monkeypatch.delitem(sys.modules, "gliofield_gpu.triton_batch", raising=False)
    monkeypatch.delattr("gliofield_gpu.triton_batch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(DeviceError, match="needs PyTorch and Triton"):
        build(tmp_path / "db", workers=CudaWorker())
    assert not any((tmp_path / "db" / "building" / "parts").iterdir())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (GrowingBall(), "does not grow on a CUDA device: expected FisherKolmogorov or MassEffect"),
        (FisherKolmogorov(scheme="published"), "'published' runs on the CPU only"),
    ],
)
def test_a_model_without_kernels_is_refused(tmp_path, device, model, message):
    """Before anything is drawn."""
    with pytest.raises(ParameterError, match=message):
        build(tmp_path / "db", workers=CudaWorker(), model=model)


@pytest.mark.parametrize("settings", [{"max_batch": 0}, {"num_threads": 0}])
def test_numbers_out_of_range_are_refused(settings):
    """Before there is anything to do."""
    with pytest.raises(ParameterError, match=f"{next(iter(settings))} must"):
        CudaWorker(**settings)


def test_processor_and_device_do_not_continue_each_other(tmp_path, device):
    """Their tumors differ by rounding, so a database is of one or of the other."""
    device.model = FisherKolmogorov()
    processor = {"workers": LocalWorkers(1), "model": FisherKolmogorov()}
    build(tmp_path / "cpu", **processor, num_tumors=2)
    build(tmp_path / "cuda", workers=CudaWorker(), num_tumors=2)

    with pytest.raises(DatabaseError, match=r'(?s)"backend": "numba".* there, .*"backend": "cuda".* asked for'):
        build(tmp_path / "cpu", workers=CudaWorker(), num_tumors=3)
    with pytest.raises(DatabaseError, match=r'(?s)"backend": "cuda".* there, .*"backend": "numba".* asked for'):
        build(tmp_path / "cuda", **processor, num_tumors=3)


@pytest.mark.parametrize(
    ("module", "function", "model"),
    [
        (cuda.batch, "simulate_batch", FisherKolmogorov(time_step_scale=2.0)),
        (cuda.mass_effect_batch, "mass_effect_outcomes", MassEffect(num_coupling_steps=3)),
    ],
)
def test_the_device_gets_each_draw_with_its_own_limit(monkeypatch, module, function, model):
    """And the settings of model and worker."""
    asked = {}
    monkeypatch.setattr(module, function, lambda anatomy, *tumors, **settings: asked.update(settings, tumors=tumors))
    limits = [None, VolumeLimit(threshold=0.6, max_volume_ml=3.0)]
    draws = [SimpleNamespace(parameters=n, times_days=(n,), volume_limit=limit) for n, limit in enumerate(limits)]

    device_outcomes(SimpleNamespace(anatomy=None, model=model), draws, CudaWorker("cuda:1", max_batch=7))

    assert asked["tumors"] == ([0, 1], [(0,), (1,)])
    assert asked["volume_limit"] == limits
    assert (asked["device"], asked["max_batch"]) == ("cuda:1", 7)
    assert asked.get("time_step_scale", 2.0) == 2.0
    assert asked.get("model", model) == model
