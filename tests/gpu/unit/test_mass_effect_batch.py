"""Batches of tumors with mass effect: order, memory, errors, without a device and without PyTorch."""

import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy
from mass_effect_phantoms import phantom_anatomy, pushing_tumor

from gliofield.errors import DeviceError, NumericalError, ParameterError
from gliofield.growth import MassEffect, TissueElasticity, mass_effect_evolution
from gliofield.growth.coupling_plan import coupling_plan
from gliofield.growth.mass_effect_evolution import CouplingSettings, MassEffectRun
from gliofield.growth.volume_limit import VolumeLimit
from gliofield_gpu import mass_effect_batch
from gliofield_gpu.mass_effect_batch import simulate_mass_effect_batch

ANATOMY = phantom_anatomy((9, 8, 10), 12.0)
SEED_MM = tuple(float(x) for x in ANATOMY.grid.world_of(np.array([3, 4, 4])))


class FakeBatch:
    """A batch that computes nothing but a density of push_pa / 10000, for as many tumors as `capacity`."""

    capacity = 4
    fails_at = None
    determinant = 0.9
    num_voxels_above = 0
    # Slots of the batch, for every time it was filled.
    sizes: list[int] = []

    def __init__(self, box, brain, tissue, *, num_slots, **settings):
        if num_slots > self.capacity:
            raise MemoryError
        self.num_slots, self._box, self._tissue = num_slots, box, tissue
        iterations = np.full(num_slots, 7)
        self.num_solver_iterations = SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: iterations))

    def start(self, densities, diffusivity_ratios, push_pa):
        self._push_pa = push_pa
        self.sizes.append(self.num_slots)

    def num_cells_without_push(self, operations):
        return [np.linspace(1.0, 3.0, 1 + len(one.step_ends_days)) for one in operations]

    def couple(self, operations, first, second, stretches, participates):
        return np.array([push_pa == self.fails_at for push_pa in self._push_pa])

    def states(self, slots):
        zeros = np.zeros(self._box.shape, np.float32)
        return [
            SimpleNamespace(
                cell_density=zeros + np.float32(self._push_pa[slot] * 1e-4),
                tissue=self._tissue,
                displacement_mm=np.stack([zeros] * 3),
                min_jacobian_determinant=self.determinant,
            )
            for slot in slots
        ]

    def num_above(self, thresholds):
        return np.where(np.isinf(thresholds), 0, self.num_voxels_above)

    def num_steps_and_updates(self):
        return np.ones((self.num_slots, 2), np.int64)


@pytest.fixture
def fake_batch(monkeypatch):
    """`FakeBatch` in the place of the batch, on a device that is always there."""
    device = SimpleNamespace(
        require_device=lambda name: name, free_bytes=lambda name: 1 << 30, OutOfMemoryError=MemoryError
    )
    module = SimpleNamespace(PushingBatch=FakeBatch, bytes_per_tumor=lambda box: 1 << 20, bytes_per_batch=lambda box: 0)
    monkeypatch.setattr(FakeBatch, "sizes", [])
    monkeypatch.setattr(mass_effect_batch, "load_backend", lambda: device)
    monkeypatch.setitem(sys.modules, "gliofield_gpu.triton_mass_effect", module)
    return FakeBatch


def seeded(*pushes):
    return [pushing_tumor(seed_mm=SEED_MM, push_pa=push_pa) for push_pa in pushes], [[30.0]] * len(pushes)


def test_a_batch_that_does_not_fit_is_halved(fake_batch, monkeypatch):
    """Until it does, which is reported; the solutions come in order."""
    monkeypatch.setattr(fake_batch, "capacity", 1)
    events = []

    solutions = list(simulate_mass_effect_batch(ANATOMY, *seeded(100.0, 200.0, 300.0, 400.0), report=events.append))

    largest = [float(solution.cell_density.max()) for solution in solutions]
    assert largest == pytest.approx([0.01, 0.02, 0.03, 0.04])
    messages = [event.message for event in events if event.message]
    assert [re.search(r"with (\d+) tumors", message)[1] for message in messages] == ["2", "1"]
    assert events[-1].completed == events[-1].total == 4


def test_a_device_too_small_for_one_tumor_is_said_so(fake_batch, monkeypatch):
    """With what one takes and what is free."""
    monkeypatch.setattr(fake_batch, "capacity", 0)

    with pytest.raises(DeviceError, match="too little free memory for a single tumor with mass effect .* GiB"):
        list(simulate_mass_effect_batch(ANATOMY, *seeded(100.0, 200.0)))


def test_a_tumor_without_equilibrium_is_named_at_its_turn(fake_batch, monkeypatch):
    """Those before it are handed out."""
    monkeypatch.setattr(fake_batch, "fails_at", 200.0)
    solutions = simulate_mass_effect_batch(ANATOMY, *seeded(100.0, 200.0))

    assert next(solutions).times_days == (30.0,)
    with pytest.raises(NumericalError, match=r"parameters\[1\]: no equilibrium .* push_pa = 200"):
        next(solutions)


def test_an_outcome_is_a_solution_or_the_reason_why_there_is_none(fake_batch, monkeypatch):
    """One tumor that fails costs no other."""
    monkeypatch.setattr(fake_batch, "fails_at", 200.0)
    first, second, third = mass_effect_batch.mass_effect_outcomes(ANATOMY, *seeded(100.0, 200.0, 300.0))

    assert first.times_days == third.times_days == (30.0,)
    assert isinstance(second, NumericalError)


def test_each_tumor_may_have_a_limit_of_its_own(fake_batch, monkeypatch):
    """Of two that are too large, the one without a limit is complete."""
    monkeypatch.setattr(fake_batch, "num_voxels_above", 1000)
    parameters, _ = seeded(100.0, 200.0)
    limits = [None, VolumeLimit(threshold=0.5, max_volume_ml=10.0)]

    solutions = simulate_mass_effect_batch(ANATOMY, parameters, [[1.0, 300.0]] * 2, volume_limit=limits)

    assert [solution.stopped_at_days for solution in solutions] == [None, 1.0]


def test_a_single_tumor_is_not_grown_on_the_device():
    """A device is no backend of the model."""
    with pytest.raises(ParameterError, match="backend of mass effect 'cuda' is unknown"):
        MassEffect(backend="cuda")


def test_folded_tissue_is_refused(fake_batch, monkeypatch):
    """With the tumor and the day."""
    monkeypatch.setattr(fake_batch, "determinant", -0.1)

    with pytest.raises(NumericalError, match=r"parameters\[0\]: tissue is turned inside out at day 30"):
        list(simulate_mass_effect_batch(ANATOMY, *seeded(100.0)))


def test_a_seed_outside_the_tissue_is_named(fake_batch):
    """With the number of its tumor in the list."""
    parameters, times = seeded(100.0, 200.0)
    outside = replace(parameters[1], seed_mm=tuple(float(x) for x in ANATOMY.grid.world_of(np.zeros(3))))

    with pytest.raises(ParameterError, match=r"parameters\[1\]: seed_mm .* lies outside the tissue"):
        list(simulate_mass_effect_batch(ANATOMY, [parameters[0], outside], times))


@pytest.mark.parametrize(
    ("anatomy", "parameters", "times", "settings", "message"),
    [
        (mixed_anatomy((8, 8, 8), 4.0), *seeded(100.0), {}, "expected an Anatomy with tissue_maps"),
        (ANATOMY, seeded(100.0)[0], [], {}, "one sequence for each of the 1 parameters, got 0"),
        (ANATOMY, seeded(100.0)[0], [[3.0, 2.0]], {}, r"times_days\[0\] must be finite, strictly increasing"),
        (ANATOMY, ["tumor"], [[3.0]], {}, r"parameters\[0\] must be MassEffectParameters, got str"),
        (ANATOMY, *seeded(100.0), {"max_batch": 0}, "max_batch must lie between 1 and 65535, got 0"),
    ],
)
def test_bad_input_is_refused(anatomy, parameters, times, settings, message):
    """Before anything is computed."""
    with pytest.raises(ParameterError, match=message):
        simulate_mass_effect_batch(anatomy, parameters, times, **settings)


def test_a_tumor_over_the_volume_limit_stops_after_a_coupling_step(fake_batch, monkeypatch):
    """Not after the step of the seed, which takes no time; of its times those reached until then are handed out."""
    monkeypatch.setattr(fake_batch, "num_voxels_above", 1000)
    parameters, _ = seeded(100.0)
    limit = VolumeLimit(threshold=0.5, max_volume_ml=10.0)

    (solution,) = simulate_mass_effect_batch(ANATOMY, parameters, [[1.0, 300.0]], volume_limit=limit)

    assert solution.times_days == (1.0,)
    assert solution.stopped_at_days == 1.0
    assert solution.num_coupling_steps == 2
    assert solution.num_solver_iterations == 7


def test_the_batch_is_as_large_as_memory_allows(fake_batch, monkeypatch):
    """Of a gigabyte, of which a share stays free, with 400 MiB for each tumor: two at once."""
    module = sys.modules["gliofield_gpu.triton_mass_effect"]
    monkeypatch.setattr(module, "bytes_per_tumor", lambda box: 400 << 20)

    solutions = list(simulate_mass_effect_batch(ANATOMY, *seeded(100.0, 200.0, 300.0)))

    assert len(solutions) == 3
    assert fake_batch.sizes == [2, 2]


def test_coupling_steps_are_those_of_the_processor():
    """From the radii of a run without push; a tumor that does not grow is divided by time."""
    density = np.zeros(ANATOMY.grid.shape, np.float32)
    density[3:5, 3:5, 4:6] = np.where(ANATOMY.domain, np.float32(0.5), np.float32(0.0))[3:5, 3:5, 4:6]
    settings = CouplingSettings(num_coupling_steps=2, force_tolerance=1e-2, time_step_scale=1.0)
    run = MassEffectRun(
        ANATOMY.tissue_maps,
        ANATOMY.domain,
        density,
        pushing_tumor(),
        elasticity=TissueElasticity(),
        settings=settings,
    )
    steps = [step for segment in run._segments([100.0]) for step in segment]
    stepper = run._stepper(run._density[1:-1, 1:-1, 1:-1], run._medium)
    radii = [np.cbrt(stepper.cell_density().sum(dtype=np.float64))]
    radii += [np.cbrt(stepper.cell_density().sum(dtype=np.float64)) for _ in run._steps(stepper, steps)]
    ends = [step.end_days for step in steps]

    plan = coupling_plan([30.0, 100.0], ends, np.array(radii), num_coupling_steps=2)

    expected = run._coupling_plan([30.0, 100.0])
    assert [(step.end_days, step.growth) for step in plan] == [(step.end_days, step.growth) for step in expected]
    assert {30.0, 100.0} < {step.end_days for step in plan}
    even = coupling_plan([100.0], ends, np.ones(len(radii)), num_coupling_steps=4)
    assert [step.end_days for step in even] == pytest.approx([25.0, 50.0, 75.0, 100.0])
    assert mass_effect_evolution.stretch_between is mass_effect_batch.stretch_between
