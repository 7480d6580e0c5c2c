"""Queue, order, refills, limits and errors of a batch, with plain NumPy in the place of the device."""

import importlib.util
import itertools
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from growth_phantoms import center_of, mixed_anatomy, tumor_parameters

from gliofield.errors import DeviceError, ParameterError
from gliofield.growth import FisherKolmogorov, seed_density
from gliofield.growth.backends.numpy_reference import net_inflow
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.volume_limit import VolumeLimit
from gliofield_gpu import batch as batch_module
from gliofield_gpu.batch import simulate_batch
from gliofield_gpu.stage_operations import ENDS_STEP, KIND, NEWER_INCREMENT, NUM_STAGES, OperationKind
from gliofield_gpu.triton_loading import load_backend

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)


class PlainBatch:
    """What `TumorBatch` does, on whole fields, one tumor after the other."""

    def __init__(self, box_shape, *, num_slots, num_face_sets, device, log):
        self.num_slots, self.num_face_sets = num_slots, num_face_sets
        self._shape, self._log = box_shape, log
        self._faces, self._state = {}, {}
        self._status = np.zeros((num_slots, 4), np.int64)
        self._face_sets = np.zeros(num_slots, int)

    def set_faces(self, index, faces):
        self._log.append(("set_faces", index))
        self._faces[index] = faces

    def load(self, slot, cells, corner, *, face_set, max_num_voxels):
        self._log.append(("load", slot))
        fields = np.zeros((4, *self._shape), np.float32)
        window = tuple(slice(c, c + n) for c, n in zip(corner, cells.shape, strict=True))
        fields[(0, *window)] = cells
        self._state[slot], self._face_sets[slot] = fields, face_set
        self._status[slot] = 0, 0, 0, max_num_voxels

    def launch(self, codes, weights, landings):
        copies = []
        for launch, (code_rows, weight_rows) in enumerate(zip(codes, weights, strict=True)):
            for slot, (code, weight) in enumerate(zip(code_rows, weight_rows, strict=True)):
                if code[KIND] != OperationKind.IDLE and self._status[slot, 0] <= self._status[slot, 3]:
                    self._do(slot, code, weight)
            copies += [self._state[slot][0].copy() for at, slot in landings if at == launch]
        self._log.append(("launch", len(codes)))
        return copies

    def transfer(self, copies):
        arrived = (copies, self._status.copy())
        return SimpleNamespace(wait=lambda: arrived)

    def _do(self, slot, code, weight):
        density, rate, *increments = self._state[slot]
        faces = self._faces[self._face_sets[slot]]
        newer, older = increments[code[NEWER_INCREMENT]], increments[1 - code[NEWER_INCREMENT]]
        if code[KIND] == OperationKind.FIRST:
            rate[...] = net_inflow(density, faces)
            newer[...] = weight[2] * rate
            self._status[slot, 2] += code[NUM_STAGES] * density.size
        elif code[KIND] != OperationKind.REACT:
            older[...] = weight[0] * newer + weight[1] * older + weight[2] * net_inflow(newer, faces) + weight[3] * rate
        if code[KIND] == OperationKind.LAST:
            density += older
        if code[KIND] in (OperationKind.LAST, OperationKind.REACT):
            grown = density / (weight[4] + density * (1 - weight[4]))
            density[...] = np.where(grown >= 1e-12, np.minimum(grown, 1), 0)
        if code[ENDS_STEP]:
            self._status[slot, 1] += 1
            self._status[slot, 0] = np.count_nonzero(density > weight[5])


@dataclass(frozen=True, kw_only=True)
class PlainLayout:
    """Sizes of a device with easy numbers: a tumor takes 100 bytes, the coefficients of a ratio 10."""

    box_shape: tuple[int, int, int]
    tile: object
    bytes_per_tumor: int = 100
    bytes_per_face_set: int = 10


class PlainOutOfMemoryError(RuntimeError):
    """In the place of PyTorch's."""


@pytest.fixture
def device(monkeypatch):
    """A device without GPU: `log` tells what it was asked for, `most_slots` fit into it, `free` is what it says."""
    state = SimpleNamespace(log=[], most_slots=1000, free=1 << 30)

    def make(box_shape, *, num_slots, **settings):
        state.log.append(("make", num_slots))
        if num_slots > state.most_slots:
            raise PlainOutOfMemoryError
        return PlainBatch(box_shape, num_slots=num_slots, log=state.log, **settings)

    backend = SimpleNamespace(
        TumorBatch=make,
        FieldLayout=PlainLayout,
        Tile=lambda: None,
        OutOfMemoryError=PlainOutOfMemoryError,
        require_device=lambda name: None,
        free_bytes=lambda name: state.free,
    )
    monkeypatch.setattr(batch_module, "load_backend", lambda: backend)
    return state


def tumors(number):
    """Tumors that differ in everything, ratios of 3 kinds among them, and their times."""
    diffusivities, rates = itertools.cycle([0.3, 1.2, 0.05, 0.0, 0.4]), itertools.cycle([0.05, 0.01, 0.1, 0.0])
    parameters = [
        tumor_parameters(ANATOMY, d=d, rho=rho, diffusivity_ratio=10.0 / (1 + index % 3))
        for index, d, rho in zip(range(number), diffusivities, rates, strict=False)
    ]
    return parameters, [[20.0 + 7 * index] if index % 2 else [5.0, 15.0 + 10 * index] for index in range(number)]


def one_by_one(parameters, times, **settings):
    """Solutions of the processor."""
    model = FisherKolmogorov(time_step_scale=2.0)
    return [model.simulate(ANATOMY, p, t, **settings) for p, t in zip(parameters, times, strict=True)]


@pytest.mark.parametrize("max_batch", [1, 3, None])
def test_solutions_come_in_order_and_equal_single_runs(device, max_batch):
    """Whatever is finished first; with fewer slots than tumors, places are taken by the next ones."""
    parameters, times = tumors(8)

    solutions = list(simulate_batch(ANATOMY, parameters, times, max_batch=max_batch, time_step_scale=2.0))

    assert len(solutions) == 8
    for solution, expected in zip(solutions, one_by_one(parameters, times), strict=True):
        assert solution.times_days == expected.times_days
        assert solution.num_steps == expected.num_steps
        assert solution.front_resolution == expected.front_resolution
        np.testing.assert_allclose(solution.cell_density, expected.cell_density, atol=2e-5)
    assert [what for what, _ in device.log].count("load") == 8


def test_a_finished_tumor_makes_room_before_the_others_are_finished(device):
    """A short run beside a long one: its place is loaded again while the long one still grows."""
    parameters = [tumor_parameters(ANATOMY)] * 4

    list(simulate_batch(ANATOMY, parameters, [[400.0], [2.0], [2.0], [2.0]], max_batch=2))

    places = [slot for what, slot in device.log if what == "load"]
    assert places == [0, 1, 1, 1]


def test_tumors_are_begun_only_so_far_ahead_of_the_oldest_unfinished_one(device):
    """Results wait for their turn, so their number is bounded: by 4 tumors per place."""
    parameters = [tumor_parameters(ANATOMY)] * 12
    finished = []

    solutions = simulate_batch(
        ANATOMY,
        parameters,
        [[2000.0], *([2.0] for _ in range(11))],
        max_batch=2,
        report=lambda event: finished.append(event.completed),
    )
    next(solutions)

    assert len(finished) == 8
    assert len(list(solutions)) == 11


def test_nothing_grows_before_the_first_solution_is_asked_for(device):
    """The iterator is lazy."""
    solutions = simulate_batch(ANATOMY, *tumors(2))
    assert all(what == "make" for what, _ in device.log)

    next(solutions)
    assert ("load", 0) in device.log


def test_many_requested_times_are_spread_over_several_stretches(device):
    """More times than there are places: each density is that of its time."""
    times = [float(t) for t in range(1, 30)]
    parameters = [tumor_parameters(ANATOMY)]

    (solution,) = simulate_batch(ANATOMY, parameters, [times], time_step_scale=2.0)

    (expected,) = one_by_one(parameters, [times])
    np.testing.assert_allclose(solution.cell_density, expected.cell_density, atol=2e-5)
    assert max(number for what, number in device.log if what == "launch") < 10


def test_coefficients_of_a_ratio_are_loaded_once_while_they_are_in_use(device):
    """Six tumors of two ratios in two places."""
    parameters = [tumor_parameters(ANATOMY, diffusivity_ratio=10.0 + index % 2) for index in range(6)]

    list(simulate_batch(ANATOMY, parameters, [[3.0]] * 6, max_batch=2))

    assert [what for what, _ in device.log].count("set_faces") == 2


@pytest.mark.parametrize("max_batch", [1, 3])
def test_each_tumor_may_have_a_limit_of_its_own(device, max_batch):
    """One tumor four times: stopped early, stopped later by another threshold, and complete without a limit."""
    parameters, times = [tumor_parameters(ANATOMY, d=0.3, rho=0.1)] * 4, [[10.0, 300.0]] * 4
    early, later = VolumeLimit(threshold=0.1, max_volume_ml=8.0), VolumeLimit(threshold=0.6, max_volume_ml=20.0)
    limits = [early, None, later, None]

    solutions = list(
        simulate_batch(ANATOMY, parameters, times, max_batch=max_batch, time_step_scale=2.0, volume_limit=limits)
    )

    expected = [one_by_one(parameters[:1], times[:1], volume_limit=limit)[0] for limit in limits]
    stops = [solution.stopped_at_days for solution in solutions]
    assert stops == [one.stopped_at_days for one in expected]
    assert stops[0] < stops[2]
    assert stops[1] is stops[3] is None


def test_limits_are_one_for_each_tumor(device):
    """Another number of them is refused."""
    with pytest.raises(ParameterError, match="one for each of the 2 parameters, got 1"):
        simulate_batch(ANATOMY, *tumors(2), volume_limit=[None])


@pytest.mark.parametrize("max_batch", [1, 3])
def test_a_tumor_over_the_limit_stops_as_in_a_single_run(device, max_batch):
    """At the same step, with the times reached until then; tumors below the limit are complete."""
    limit = VolumeLimit(threshold=0.1, max_volume_ml=8.0)
    parameters = [tumor_parameters(ANATOMY, d=d, rho=rho) for d, rho in ((0.3, 0.1), (0.1, 0.02), (0.5, 0.2), (0, 0.2))]
    times = [[10.0, 300.0], [50.0], [5.0, 10.0, 90.0], [80.0]]

    solutions = list(
        simulate_batch(ANATOMY, parameters, times, max_batch=max_batch, time_step_scale=2.0, volume_limit=limit)
    )

    assert {solution.stopped_at_days is None for solution in solutions} == {True, False}
    for solution, expected in zip(solutions, one_by_one(parameters, times, volume_limit=limit), strict=True):
        assert solution.stopped_at_days == expected.stopped_at_days
        assert solution.times_days == expected.times_days
        assert solution.num_steps == expected.num_steps
        np.testing.assert_allclose(solution.cell_density, expected.cell_density, atol=2e-5)


def test_a_batch_that_does_not_fit_is_halved_and_said_so(device):
    """8 tumors at once, then 4, then 2; all are grown."""
    device.most_slots = 3
    notes = []

    solutions = list(simulate_batch(ANATOMY, *tumors(8), max_batch=8, report=lambda event: notes.append(event.message)))

    assert len(solutions) == 8
    assert [number for what, number in device.log if what == "make"] == [8, 4, 2]
    assert [note for note in notes if note] == [
        "out of memory on 'cuda': going on with 4 tumors at once",
        "out of memory on 'cuda': going on with 2 tumors at once",
    ]


def test_without_room_for_one_tumor_the_error_says_what_was_needed(device):
    """What was needed, what was free, and what to do."""
    device.most_slots, device.free = 0, 3 << 29

    with pytest.raises(DeviceError, match=r"too little free memory.* expected 1\.02e-07 GiB, got 1\.5 GiB\. End other"):
        simulate_batch(ANATOMY, *tumors(2), max_batch=1)


def test_the_batch_follows_the_free_memory(device):
    """90 % of 1000 bytes hold the coefficients of three ratios and 8 tumors of 100 bytes."""
    device.free = 1000

    list(simulate_batch(ANATOMY, *tumors(10)))

    assert ("make", 8) in device.log


def test_every_finished_tumor_is_reported(device):
    """Completed counts up to the number of tumors."""
    events = []

    list(simulate_batch(ANATOMY, *tumors(3), report=events.append))

    assert [(event.task, event.completed, event.total) for event in events] == [("growth", n, 3) for n in (1, 2, 3)]


def test_no_tumors_give_no_solutions(device):
    """An empty list is no error."""
    assert list(simulate_batch(ANATOMY, [], [])) == []


@pytest.mark.parametrize("times", [[], [0.0], [5.0, 5.0], [math.nan], [1.0, math.inf]])
def test_times_are_checked_and_the_tumor_is_named(device, times):
    """Before anything grows."""
    with pytest.raises(ParameterError, match=r"times_days\[1\] must be finite, strictly increasing and > 0"):
        simulate_batch(ANATOMY, [tumor_parameters(ANATOMY)] * 2, [[10.0], times])


def test_each_tumor_needs_its_times(device):
    """As many sequences of times as parameters."""
    with pytest.raises(ParameterError, match="one sequence for each of the 2 parameters, got 1"):
        simulate_batch(ANATOMY, [tumor_parameters(ANATOMY)] * 2, [[10.0]])


@pytest.mark.parametrize("max_batch", [0, -1, 70_000])
def test_a_batch_holds_at_least_one_tumor(device, max_batch):
    """And no more than a launch can number."""
    with pytest.raises(ParameterError, match=f"max_batch must lie between 1 and 65535, got {max_batch}"):
        simulate_batch(ANATOMY, *tumors(1), max_batch=max_batch)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_the_time_step_scale_is_checked(device, scale):
    """> 0 and at most 8."""
    with pytest.raises(ParameterError, match="time_step_scale must be > 0 and at most 8"):
        simulate_batch(ANATOMY, *tumors(1), time_step_scale=scale)


def test_a_seed_outside_the_tissue_names_the_tumor(device):
    """Which of thousands is wrong is part of the message."""
    parameters = [tumor_parameters(ANATOMY), tumor_parameters(ANATOMY, seed_mm=(0.0, 0.0, 0.0))]

    with pytest.raises(ParameterError, match=r"parameters\[1\]: seed_mm .* lies outside the tissue"):
        list(simulate_batch(ANATOMY, parameters, [[10.0]] * 2))


@pytest.mark.parametrize("seed_voxel", [None, (1, 7, 6), (5.4, 1.2, 6.6)])
def test_the_seed_of_a_batch_is_that_of_a_single_run(seed_voxel):
    """In the middle and at the edge of the domain: in its place it is the seed, to the last bit."""
    seed_mm = center_of(ANATOMY) if seed_voxel is None else tuple(ANATOMY.grid.world_of(np.array(seed_voxel)))
    faces = face_coefficients(ANATOMY, 10.0)

    cells, corner = batch_module._seed_in_box(ANATOMY, faces, seed_mm)

    placed = np.zeros_like(faces.x)
    placed[tuple(slice(c, c + n) for c, n in zip(corner, cells.shape, strict=True))] = cells
    np.testing.assert_array_equal(placed, faces.padded(seed_density(ANATOMY, seed_mm)))


@pytest.mark.parametrize("name", ["torch", "triton"])
def test_missing_software_is_said_with_what_to_install(monkeypatch, name):
    """The extra that brings it, instead of an import error."""
    if name == "triton" and importlib.util.find_spec("torch") is None:
        pytest.skip("without PyTorch, Triton is not looked for")
    for module in [m for m in sys.modules if m.startswith("gliofield.growth.backends.triton")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("gliofield_gpu.triton_batch", raising=False)
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(DeviceError, match=f"{name} is not installed. Install gliofield with its extra 'learn'"):
        load_backend()


def test_the_benchmark_says_in_one_line_that_there_is_no_gpu():
    """And ends well."""
    script = Path(__file__).resolve().parents[3] / "benchmarks" / "growth" / "bench_gpu.py"
    command = [sys.executable, str(script), "--device", "cuda:99"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.startswith("nothing measured: ")
    assert len(done.stdout.splitlines()) == 1
