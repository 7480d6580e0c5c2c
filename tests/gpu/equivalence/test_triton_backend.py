"""The Triton kernels against the solver on the processor.

Three kinds of tests: what Triton's interpreter can check without a GPU (in a process of its own, for the interpreter is
chosen when Triton is imported; `TRITON_INTERPRET=1 pytest FILE` runs them directly), that the kernels compile for
GPUs that are not there, and, marked `gpu`, the batch on a real device at 128³.
"""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters
from triton_interpreter import assert_passes_under_the_interpreter, compiled, interpreted

from gliofield.errors import DeviceError, ParameterError
from gliofield.growth import FisherKolmogorov, seed_density
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.volume_limit import VolumeLimit
from gliofield_gpu.batch import simulate_batch

# Where densities reach 1: float32 rounding accumulated over a run, as between the backends of the processor.
TOLERANCE = 2e-5
# Small enough for the interpreter: one tile. Tests of tiles have their own.
ANATOMY = mixed_anatomy((6, 13, 12), 4.0)
# Long steps, so that the interpreter has few of them.
STEP_SCALE = 6.0
CENTER = tuple(float(x) for x in ANATOMY.grid.world_of(np.array([3, 4, 7])))


def tumors(number):
    """Tumors that differ in everything, among them one without diffusion, one without growth, and two ratios."""
    cases = [
        ({"d": 0.3, "rho": 0.05}, [40.0]),
        ({"d": 1.2, "rho": 0.01, "diffusivity_ratio": 5.0}, [8.0, 15.0]),
        ({"d": 0.05, "rho": 0.2}, [25.0]),
        ({"d": 0.0, "rho": 0.1}, [30.0, 60.0]),
        ({"d": 0.4, "rho": 0.0}, [10.0]),
    ][:number]
    return [tumor_parameters(ANATOMY, seed_mm=CENTER, **values) for values, _ in cases], [times for _, times in cases]


def single_runs(anatomy, parameters, times, scale=1.0, **settings):
    """Solutions of the processor."""
    model = FisherKolmogorov(time_step_scale=scale)
    return [model.simulate(anatomy, p, t, **settings) for p, t in zip(parameters, times, strict=True)]


def assert_same(solutions, expected, tolerance=TOLERANCE):
    """Same times, steps and stops, densities within the tolerance."""
    assert len(solutions) == len(expected)
    for solution, single in zip(solutions, expected, strict=True):
        assert solution.times_days == single.times_days
        assert solution.num_steps == single.num_steps
        assert solution.stopped_at_days == single.stopped_at_days
        np.testing.assert_allclose(solution.cell_density, single.cell_density, rtol=0.0, atol=tolerance)


@compiled
def test_all_under_the_interpreter():
    """The tests marked `interpreted` pass in a process in which Triton interprets its kernels."""
    assert_passes_under_the_interpreter(__file__)


@interpreted
def test_a_batch_equals_single_runs():
    """In the same order of operations: equal to 1e-6 with the arithmetic of NumPy, the number of steps exactly."""
    parameters, times = tumors(5)

    solutions = list(simulate_batch(ANATOMY, parameters, times, device="cpu", max_batch=3, time_step_scale=STEP_SCALE))

    expected = single_runs(ANATOMY, parameters, times, STEP_SCALE)
    assert all(solution.cell_density.any() for solution in solutions)
    assert_same(solutions, expected, 1e-6)


@interpreted
@pytest.mark.parametrize("seed_z", [32, 37])
def test_only_the_surroundings_of_the_cells_are_updated(seed_z):
    """A box that grows with the tumor, here up and down across the border of two tiles: less than half of the field."""
    anatomy = mixed_anatomy((7, 7, 60), 4.0)
    seed_mm = tuple(float(x) for x in anatomy.grid.world_of(np.array([3, 2, seed_z])))
    parameters = [tumor_parameters(anatomy, seed_mm=seed_mm)]

    (solution,) = simulate_batch(anatomy, parameters, [[8.0]], device="cpu", time_step_scale=3.0)

    (expected,) = single_runs(anatomy, parameters, [[8.0]], 3.0)
    assert_same([solution], [expected], 0.0)
    whole = FisherKolmogorov(backend="numpy", time_step_scale=3.0).simulate(anatomy, parameters[0], [8.0])
    assert expected.num_voxel_steps <= solution.num_voxel_steps < 0.5 * whole.num_voxel_steps


@interpreted
def test_each_tumor_has_its_own_volume_limit():
    """Threshold and volume; those without a limit are complete, also in the slot of one that was stopped."""
    parameters, times = tumors(4)
    parameters, times = parameters[:1] * 2 + parameters[1:] + parameters[:1], times[:1] * 2 + times[1:] + times[:1]
    small, large = (VolumeLimit(threshold=t, max_volume_ml=v) for t, v in ((0.05, 0.3), (0.5, 1.0)))
    limits = [None, small, small, large, None, large]

    solutions = list(
        simulate_batch(
            ANATOMY, parameters, times, device="cpu", max_batch=2, time_step_scale=STEP_SCALE, volume_limit=limits
        )
    )

    model = FisherKolmogorov(time_step_scale=STEP_SCALE)
    expected = [
        model.simulate(ANATOMY, p, t, volume_limit=limit) for p, t, limit in zip(parameters, times, limits, strict=True)
    ]
    assert {solution.stopped_at_days is None for solution in expected} == {True, False}
    assert_same(solutions, expected, 1e-6)


@interpreted
def test_tumors_over_the_volume_limit_stop_at_the_same_step():
    """With the times reached until then; the one below the limit is complete."""
    limit = VolumeLimit(threshold=0.05, max_volume_ml=0.3)
    parameters, times = tumors(4)

    solutions = list(
        simulate_batch(
            ANATOMY, parameters, times, device="cpu", max_batch=2, time_step_scale=STEP_SCALE, volume_limit=limit
        )
    )

    expected = single_runs(ANATOMY, parameters, times, STEP_SCALE, volume_limit=limit)
    assert {solution.stopped_at_days is None for solution in expected} == {True, False}
    assert_same(solutions, expected, 1e-6)


@interpreted
def test_diffusion_conserves_cells_between_tiles():
    """What leaves a tile arrives in the next: their sum stays, to 2e-6. In one place of many, and there only."""
    from gliofield_gpu.stage_operations import NUM_CODES, NUM_WEIGHTS, step_operations
    from gliofield_gpu.triton_batch import Tile, TumorBatch

    faces = face_coefficients(ANATOMY, 10.0)
    initial = faces.padded(seed_density(ANATOMY, CENTER))
    num_slots, slot = 40, 37
    tile = Tile(x=4, y=4, z=16)
    batch = TumorBatch(initial.shape, num_slots=num_slots, device="cpu", tile=tile, density_floor=0.0)
    batch.set_faces(0, faces)
    batch.load(slot, initial[1:-1, 1:-1, 1:-1], (1, 1, 1))

    operations = step_operations(4, 0.3, 1.0)
    codes = np.zeros((4, num_slots, NUM_CODES), np.int32)
    weights = np.zeros((4, num_slots, NUM_WEIGHTS), np.float32)
    codes[:, slot], weights[:, slot] = operations.codes, operations.weights
    batch.launch(codes, weights)
    density = batch.density(slot).numpy().astype(np.float64)

    assert np.count_nonzero(density) > 2 * np.count_nonzero(initial)
    assert density.sum() == pytest.approx(initial.sum(dtype=np.float64), rel=2e-6)
    assert not batch.density(slot - 1).any()


@interpreted
def test_a_place_in_a_batch_keeps_nothing_of_the_tumor_before():
    """The same tumor, alone and in the place of another, is the same to the last bit."""
    parameters, times = tumors(2)
    alone = list(simulate_batch(ANATOMY, parameters[1:], times[1:], device="cpu", time_step_scale=STEP_SCALE))

    after = list(simulate_batch(ANATOMY, parameters, times, device="cpu", max_batch=1, time_step_scale=STEP_SCALE))

    np.testing.assert_array_equal(after[1].cell_density, alone[0].cell_density)


@compiled
def test_a_processor_is_refused_without_the_interpreter():
    """The kernels are for CUDA; the processor has its own solver."""
    with pytest.raises(ParameterError, match=r"device must name a CUDA device.*got 'cpu'. On a processor"):
        simulate_batch(ANATOMY, *tumors(1), device="cpu")


def test_a_name_that_is_no_device_is_refused():
    """Names are PyTorch's."""
    with pytest.raises(ParameterError, match=r"device must name a CUDA device, such as 'cuda' or 'cuda:1', got 'gpu7'"):
        simulate_batch(ANATOMY, *tumors(1), device="gpu7")


def test_a_device_that_is_not_there_is_said_so():
    """No machine has a hundred."""
    with pytest.raises(DeviceError, match="device 'cuda:99' is not there: PyTorch .* finds [0-9]+ CUDA devices"):
        simulate_batch(ANATOMY, *tumors(1), device="cuda:99")


@compiled
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernels_compile_for_gpus(capability):
    """To machine code without fused multiply-adds and without spilled registers, with 16-byte accesses."""
    import triton
    from triton.backends.compiler import GPUTarget

    from gliofield_gpu import triton_kernels as kernels

    floats, integers = "*fp32", "*i32"
    pointers = {"codes": integers, "current": integers, "found": integers, "boxes": integers, "status": "*i64"}
    counts = ("num_tumors", "last_x", "last_y", "last_z")
    aligned = {
        "state": floats,
        "faces": floats,
        "face_sets": integers,
        "weights": floats,
        **dict.fromkeys(("num_voxels", "plane", "pitch"), "i32"),
        **pointers,
    }
    others = {"floor": "fp32", "threshold": "fp32", **dict.fromkeys(("num_tiles_y", "num_tiles_z", *counts), "i32")}

    def machine_code(kernel, **constants):
        names = kernel.arg_names
        source = triton.compiler.ASTSource(
            kernel,
            signature={name: "constexpr" if name in constants else {**aligned, **others}[name] for name in names},
            constexprs={(names.index(name),): value for name, value in constants.items()},
            attrs={(names.index(name),): [["tt.divisibility", 16]] for name in names if name in aligned},
        )
        options = {"num_warps": 2, "enable_fp_fusion": False}
        return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm

    bookkeeping = machine_code(kernels.begin_operations, block=32)
    arithmetic = machine_code(kernels.advance, tile_x=8, tile_y=16, tile_z=16)

    assert "cubin" in bookkeeping
    assert "cubin" in arithmetic
    assert "fma.rn.f32" not in arithmetic["ptx"]
    assert "ld.global.v4.b32" in arithmetic["ptx"]
    assert ".local" not in arithmetic["ptx"]


@pytest.fixture(scope="module")
def brain():
    """A brain-sized phantom at 128³, 1.875 mm."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return mixed_anatomy((128, 128, 128), 1.875)


def random_tumors(anatomy, number):
    """Tumors of the published ranges, two diffusivity ratios, seeds within the phantom."""
    rng = np.random.default_rng(3)
    seeds = np.argwhere(anatomy.domain)
    parameters = [
        tumor_parameters(
            anatomy,
            d=0.02 * 75 ** rng.random(),
            rho=0.002 * 100 ** rng.random(),
            seed_mm=tuple(float(x) for x in anatomy.grid.world_of(seeds[rng.integers(len(seeds))])),
            diffusivity_ratio=10.0 if index % 2 else 7.0,
        )
        for index in range(number)
    ]
    return parameters, [[float(50 * 20 ** rng.random())] for _ in range(number)]


@pytest.mark.gpu
@compiled
@pytest.mark.parametrize("max_batch", [1, 4, None])
def test_a_batch_on_the_gpu_equals_single_runs_at_128(brain, max_batch):
    """12 random tumors of the published ranges: 2e-5 in density, equal steps."""
    parameters, times = random_tumors(brain, 12)

    solutions = list(simulate_batch(brain, parameters, times, max_batch=max_batch))

    assert_same(solutions, single_runs(brain, parameters, times))


@pytest.mark.gpu
@compiled
def test_tumors_on_the_gpu_stop_at_the_volume_limit(brain):
    """At the same steps as on the processor, within one: a voxel may lie on the threshold to the last bits."""
    parameters, times = random_tumors(brain, 12)
    limit = VolumeLimit(threshold=0.2, max_volume_ml=50.0)

    solutions = list(simulate_batch(brain, parameters, times, volume_limit=limit))

    expected = single_runs(brain, parameters, times, volume_limit=limit)
    assert {solution.stopped_at_days is None for solution in expected} == {True, False}
    for solution, single in zip(solutions, expected, strict=True):
        assert abs(solution.num_steps - single.num_steps) <= 1
