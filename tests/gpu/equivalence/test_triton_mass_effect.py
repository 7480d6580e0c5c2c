"""The Triton kernels of mass effect, and batches of tumors on them, against the processor.

As in `test_triton_backend`: what Triton's interpreter can check without a GPU (in a process of its own;
`TRITON_INTERPRET=1 pytest FILE` runs it directly), that the kernels compile for GPUs that are not there, and, marked
`gpu`, batches at 128³. The interpreter takes a tenth of a second for a launch, so brains are a dozen voxels wide.
"""

import importlib
import importlib.util
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from mass_effect_phantoms import phantom_anatomy, pushing_tumor
from triton_interpreter import assert_passes_under_the_interpreter, compiled, interpreted

from gliofield.growth import FisherKolmogorov, MassEffect, TissueElasticity, VolumeLimit
from gliofield.growth.mass_effect_evolution import CouplingSettings, MassEffectRun
from gliofield.growth.mechanics import multigrid, tissue_kernels
from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield.growth.mechanics.moving_tissue import num_transport_parts, transported
from gliofield.growth.mechanics.planes import PlaneRunner
from gliofield_gpu.mass_effect_batch import simulate_mass_effect_batch

torch = importlib.import_module("torch")
triton_mass_effect, triton_mechanics_kernels, triton_tissue_kernels = (
    importlib.import_module(f"gliofield.growth.backends.{name}")
    for name in ("triton_mass_effect", "triton_mechanics_kernels", "triton_tissue_kernels")
)

CPU = torch.device("cpu")
# A field in a few programs; where there are many launches, in one.
BLOCK, WHOLE_FIELD = 1024, 8192
ANATOMY = phantom_anatomy((9, 8, 10), 12.0)
BOX = BrainBox.around(ANATOMY.tissue_maps.brain)
SEED_MM = tuple(float(x) for x in ANATOMY.grid.world_of(np.array([3, 4, 4])))
NUM_TUMORS = 2


def notched_brain():
    """The brain of the phantom on its box, not convex: with a hole and a notch."""
    brain = BOX.padded(ANATOMY.tissue_maps.brain)
    brain[5:7, 5, 5:7] = False
    brain[6:, 5:7, 7:] = False
    return brain


def random_fields(*leading, low=-1.0, high=1.0, seed=0):
    """Random float32 arrays on the padded box."""
    return np.random.default_rng(seed).uniform(low, high, (*leading, *BOX.shape)).astype(np.float32)


def on_device(brain, values):
    """Fields of a device brain with the values of arrays (…, X', Y', Z')."""
    fields = brain.zeros(*values.shape[:-3])
    brain.in_mask(fields).copy_(torch.from_numpy(values))
    return fields


def on_host(brain, fields):
    return brain.in_mask(fields).numpy()


def launch(brain, kernel, *arguments, active=(1, 1), num_sizes=3, **settings):
    """Run a kernel with the arguments every kernel ends with."""
    flags = torch.tensor(active, dtype=torch.int32)
    brain.launch(kernel, NUM_TUMORS, *arguments, flags, brain.blocks, *brain.sizes[:num_sizes], **settings)


@pytest.fixture(scope="module")
def solvers():
    """A solver of two tumors of random stiffness, and one of the processor for each."""
    from gliofield_gpu.triton_brain import DeviceBrain
    from gliofield_gpu.triton_multigrid import BatchElasticitySolver

    mask = notched_brain()
    brain = DeviceBrain(mask, CPU, array_shape=tuple(n + 3 for n in mask.shape), block=BLOCK)
    batch = BatchElasticitySolver(brain, mask, num_levels=2, num_tumors=NUM_TUMORS)
    lame, shear = random_fields(2, NUM_TUMORS, low=10.0, high=3000.0)
    singles = []
    for own_lame, own_shear in zip(lame, shear, strict=True):
        singles.append(multigrid.ElasticitySolver(mask, num_levels=2))
        singles[-1].set_stiffness(own_lame, own_shear)
        singles[-1].prepare()
    brain.in_mask(batch.lame).copy_(torch.from_numpy(lame * mask))
    brain.in_mask(batch.shear).copy_(torch.from_numpy(shear * mask))
    batch.prepare()
    batch.prepare_coarse()
    return brain, batch, singles


@compiled
def test_all_under_the_interpreter():
    """The tests marked `interpreted` pass in a process in which Triton interprets its kernels."""
    assert_passes_under_the_interpreter(__file__)


@interpreted
def test_stiffness_is_that_of_the_processor_on_every_grid(solvers):
    """Edge moduli, diagonal, coarse stiffness and the bound of the spectrum: to the last bit."""
    _, batch, singles = solvers
    for level, *expected in zip(batch._levels, *(single._levels for single in singles), strict=True):
        brain = level.brain
        for slot, own in enumerate(expected):
            inside = own.brain
            np.testing.assert_array_equal(on_host(brain, level.lame)[slot][inside], own.lame[inside])
            np.testing.assert_array_equal(on_host(brain, level.edges)[slot], own.shear_edges)
            np.testing.assert_array_equal(on_host(brain, level.inverse_diagonal)[slot], own.inverse_diagonal)
            assert own.inverse_diagonal.any()
            largest = own._largest_eigenvalue
            assert float(level._bounds.amax(dim=1)[slot]) == largest
            np.testing.assert_array_equal(
                level.weights[0, slot].numpy(), np.float32(2.0 / (largest * (1.0 + 1.0 / 8.0)))
            )


@interpreted
def test_the_elastic_operator_is_that_of_the_processor(solvers):
    """A u, f − A u and two Chebyshev steps: to the last bit."""
    brain, batch, singles = solvers
    u, force = random_fields(2, NUM_TUMORS, 3, seed=1)
    u = np.stack([np.where(single.live, own, 0.0) for single, own in zip(singles, u, strict=True)]).astype(np.float32)
    level, active = batch._levels[0], torch.ones(NUM_TUMORS, dtype=torch.int32)
    image, missing = brain.zeros(NUM_TUMORS, 3), on_device(brain, force)

    level.apply(on_device(brain, u), image, active)
    batch.residual(on_device(brain, u), missing, missing)
    level.force.copy_(missing)
    smooth = level.smooth(level.weights, multigrid._SMOOTHED_PART, active, from_zero=True)

    for slot, single in enumerate(singles):
        expected = np.zeros_like(u[slot])
        single._levels[0].apply(u[slot], expected)
        np.testing.assert_array_equal(on_host(brain, image)[slot], expected)
        residual = single.residual(u[slot], force[slot])
        np.testing.assert_array_equal(on_host(brain, missing)[slot], residual)
        single._levels[0].force[:] = residual
        smoothed = single._levels[0].smooth(multigrid.SMOOTHING_STEPS, multigrid._SMOOTHED_PART, from_zero=True)
        np.testing.assert_array_equal(on_host(brain, smooth)[slot], smoothed)


@interpreted
def test_transfers_between_grids_are_those_of_the_processor(solvers):
    """Restriction and interpolation, to the last bit; a tumor that is not active keeps what it has."""
    brain, batch, singles = solvers
    fine, coarse = batch._levels
    residual, values = random_fields(2, NUM_TUMORS, 3, seed=2) * singles[0].live
    correction = np.random.default_rng(3).normal(size=(NUM_TUMORS, 3, *coarse.brain.mask_shape)).astype(np.float32)
    fine.change.copy_(on_device(brain, residual))
    fine.u.copy_(on_device(brain, values))
    coarse.force.fill_(7.0)

    only_second = torch.tensor([0, 1], dtype=torch.int32)
    coarse.restrict(fine, only_second)
    fine.prolong_add(coarse, on_device(coarse.brain, correction), only_second)

    single = singles[1]
    inside = single._levels[1].brain
    single._levels[1].restrict(residual[1])
    single._levels[0].u[:] = values[1]
    single._levels[0].prolong_add(correction[1])
    np.testing.assert_array_equal(on_host(coarse.brain, coarse.force)[1][:, inside], single._levels[1].force[:, inside])
    np.testing.assert_array_equal(on_host(brain, fine.u)[1], single._levels[0].u)
    assert bool((coarse.force[0] == 7.0).all())
    np.testing.assert_array_equal(on_host(brain, fine.u)[0], values[0])


@interpreted
def test_the_solver_takes_the_iterations_of_the_processor(solvers):
    """To another tolerance for each tumor, in as many iterations, to 1e-5 of the largest displacement.

    Whatever an earlier solve has left behind.
    """
    brain, batch, singles = solvers
    batch._direction.fill_(torch.nan)
    force = random_fields(NUM_TUMORS, 3, seed=4)
    u = brain.zeros(NUM_TUMORS, 3)
    sizes = [single.norm(own) for single, own in zip(singles, force, strict=True)]
    tolerances = np.array([0.5 * sizes[0], 0.05 * sizes[1]])

    report = batch.solve(on_device(brain, force), u, absolute_tolerances=torch.from_numpy(tolerances))

    for slot, single in enumerate(singles):
        expected = np.zeros_like(force[slot])
        solved = single.solve(force[slot], expected, absolute_tolerance=float(tolerances[slot]))
        assert int(report.num_iterations[slot]) == solved.num_iterations > 0
        assert float(report.residual_norm[slot]) == pytest.approx(solved.residual_norm, rel=1e-4)
        np.testing.assert_allclose(on_host(brain, u)[slot], expected, rtol=0.0, atol=1e-5 * np.abs(expected).max())
    assert report.num_iterations[0] < report.num_iterations[1]


@pytest.fixture(scope="module")
def batch():
    """Two tumors at rest on the phantom, of different push and diffusivity ratio."""
    from gliofield_gpu.triton_batch import Tile

    brain = notched_brain()
    run = single_run(pushing_tumor())
    made = triton_mass_effect.PushingBatch(
        BOX,
        brain,
        run._tissue,
        spacing_mm=ANATOMY.spacing_mm,
        elasticity=TissueElasticity(),
        force_tolerance=1e-2,
        num_slots=NUM_TUMORS,
        device=CPU,
        tile=Tile(x=16, y=16, z=16),
        block=BLOCK,
    )
    made.start([random_fields(low=0.0) * brain for _ in range(2)], [10.0, 5.0], [4000.0, 1000.0])
    return made


def single_run(parameters):
    """The run of a tumor on the processor."""
    settings = CouplingSettings(num_coupling_steps=2, force_tolerance=1e-2, time_step_scale=1.0)
    density = np.zeros(ANATOMY.grid.shape, np.float32)
    elasticity = TissueElasticity()
    maps = replace(ANATOMY.tissue_maps, brain=BOX.unpadded(notched_brain()))
    run = MassEffectRun(maps, ANATOMY.domain, density, parameters, elasticity=elasticity, settings=settings)
    assert run.box.shape == BOX.shape
    return run


@interpreted
def test_transport_is_that_of_the_processor(batch):
    """Of tissue, by increments that need one part and several, to the last bit."""
    planes = PlaneRunner(notched_brain())
    live = random_fields(NUM_TUMORS, 3, seed=5) * (np.stack([notched_brain()] * 3))
    increments = live * np.array([1.0, 6.0], np.float32).reshape(2, 1, 1, 1, 1)
    amounts = random_fields(NUM_TUMORS, 5, low=0.0, seed=6) * notched_brain()
    batch._increment.copy_(on_device(batch._brain, increments))
    batch._parts.fill_(1)
    moved = on_device(batch._brain, amounts)
    active = torch.ones(NUM_TUMORS, dtype=torch.int32)

    batch._cut_transport(active)
    batch._move(moved, active)

    for slot in range(NUM_TUMORS):
        num_parts = num_transport_parts(increments[slot], ANATOMY.spacing_mm, planes)
        assert int(batch._parts[slot]) == num_parts
        expected = transported(amounts[slot], increments[slot], ANATOMY.spacing_mm, planes, num_parts=num_parts)
        np.testing.assert_array_equal(on_host(batch._brain, moved)[slot], np.stack(expected))
    assert batch._parts[0] < batch._parts[1]


@interpreted
def test_stiffness_and_push_are_those_of_the_processor(batch):
    """λ, μ and the force on live faces from tissue and cells, above density 1 too, to the last bit."""
    run, inside = single_run(pushing_tumor()), notched_brain()
    tissue = random_fields(NUM_TUMORS, 5, low=0.0, seed=7) * inside
    density = random_fields(NUM_TUMORS, low=0.0, high=1.2, seed=8) * inside
    batch._predicted.copy_(on_device(batch._brain, tissue))
    batch._density.copy_(on_device(batch._brain, density))
    batch._displacement.zero_()
    batch._increment.zero_()

    error, size = batch._find_missing(torch.ones(NUM_TUMORS, dtype=torch.int32))

    for slot, push_pa in enumerate((4000.0, 1000.0)):
        lame, shear = TissueElasticity().lame_coefficients(tissue[slot, :3], np.minimum(density[slot], np.float32(1.0)))
        np.testing.assert_array_equal(on_host(batch._brain, batch._solver.lame)[slot][inside], lame[inside])
        np.testing.assert_array_equal(on_host(batch._brain, batch._solver.shear)[slot][inside], shear[inside])
        run._solver.set_stiffness(lame, shear)
        force = np.zeros((3, *BOX.shape), np.float32)
        run.planes.run(tissue_kernels.push_force, density[slot], np.float32(push_pa * ANATOMY.spacing_mm), force)
        expected = np.where(run._solver.live, force, 0.0)
        np.testing.assert_array_equal(on_host(batch._brain, batch._force)[slot], expected)
        norm = run._solver.norm(force)
        assert [float(error[slot]), float(size[slot])] == pytest.approx([norm, norm], rel=1e-6)


@interpreted
def test_domain_and_faces_are_those_of_the_processor(batch):
    """Where tissue is pressed in places and gone in others, and the domain fills voxels in part: to the last bit."""
    inside = notched_brain()
    tissue = random_fields(NUM_TUMORS, 5, low=0.0, seed=9) * inside
    tissue[:, :, 5, 4, 4:6] = 0.0

    batch._find_medium(on_device(batch._brain, tissue))

    for slot, ratio in enumerate((10.0, 5.0)):
        run = single_run(pushing_tumor(diffusivity_ratio=ratio))
        medium = run._medium_of(tissue[slot])
        domain, faces = on_host(batch._brain, batch._domain)[slot], on_host(batch._brain, batch._faces)[slot]
        np.testing.assert_array_equal(domain[1:-1, 1:-1, 1:-1] > 0, medium.domain)
        assert not domain[0].any()
        window = tuple(slice(part.start, part.stop + 2) for part in medium.faces.box)
        for axis, expected in enumerate((medium.faces.x, medium.faces.y, medium.faces.z)):
            np.testing.assert_array_equal(faces[axis][window], expected)
            assert np.count_nonzero(faces[axis]) == np.count_nonzero(expected) > 0


@interpreted
def test_the_smallest_determinant_is_that_of_the_processor(batch):
    """Of random displacements, one of them folded, to 1e-6."""
    u = random_fields(NUM_TUMORS, 3, seed=10) * np.array([0.5, 20.0], np.float32).reshape(2, 1, 1, 1, 1)
    batch._displacement.copy_(on_device(batch._brain, u))

    states = batch.states([0, 1])

    run = single_run(pushing_tumor())
    expected = [run.min_jacobian_determinant(own) for own in u]
    assert [state.min_jacobian_determinant for state in states] == pytest.approx(expected, rel=1e-6)
    assert expected[0] > 0.0 > expected[1]


@interpreted
def test_relaxation_lengthens_and_shortens_as_on_the_processor(batch):
    """The factors on a second correction, from the first, to 1e-5; nothing is left in the place of the correction."""
    from gliofield.growth.mass_effect_evolution import _Relaxation

    first, noise = random_fields(2, NUM_TUMORS, 3, seed=11) * notched_brain()
    second = np.array([0.4, -0.3], np.float32).reshape(2, 1, 1, 1, 1) * first + np.float32(0.01) * noise
    active, brain = torch.ones(NUM_TUMORS, dtype=torch.int32), batch._brain
    batch._last_correction.copy_(on_device(brain, first))
    batch._correction.copy_(on_device(brain, second))
    batch._increment.zero_()

    factors = batch._relaxed(torch.ones(NUM_TUMORS, dtype=torch.float64), active)
    arrays = (batch._correction, batch._increment, batch._last_correction)
    launch(brain, triton_tissue_kernels.add_correction, factors.float(), *arrays, num_sizes=1)

    for slot in range(NUM_TUMORS):
        relaxation = _Relaxation()
        relaxation.next_factor(first[slot])
        factor = relaxation.next_factor(second[slot])
        assert float(factors[slot]) == pytest.approx(float(factor), rel=1e-5)
        np.testing.assert_allclose(on_host(brain, batch._increment)[slot], factor * second[slot], rtol=1e-5, atol=1e-7)
    assert float(factors[0]) > 1.0 > float(factors[1])
    assert not batch._correction.any()
    np.testing.assert_array_equal(on_host(brain, batch._last_correction), second)


@interpreted
def test_tumors_that_come_to_no_equilibrium_drop_out(batch):
    """One whose cells are no numbers, or whose tissue would move too far; the other goes on undisturbed."""
    nothing = [slice(0, 0)] * NUM_TUMORS
    cells = np.zeros(BOX.shape, np.float32)
    broken = np.where(notched_brain(), np.float32(np.nan), cells)
    plans = [SimpleNamespace(codes=np.zeros((0, 4), np.int32), weights=np.zeros((0, 6), np.float32))] * NUM_TUMORS

    batch.start([broken, cells], [10.0, 5.0], [4000.0, 1000.0])
    not_finite = batch.couple(plans, nothing, nothing, [0.0, 0.0], [True, True])
    batch.start([cells, cells], [10.0, 5.0], [4000.0, 1000.0])
    batch._last_increment[0] = (
        1e4 * batch._brain.rows * torch.sign(torch.sin(1.5 * torch.arange(batch._brain.num_voxels)))
    )
    too_far = batch.couple(plans, nothing, nothing, [1.0, 1.0], [True, True])

    assert not_finite.tolist() == [True, False]
    assert too_far.tolist() == [True, False]
    assert not batch._displacement[1].any()


def assert_same(solution, expected, tolerance):
    """Same times and steps; displacement within a part of its maximum, densities and tissue within the tolerance."""
    assert solution.times_days == expected.times_days
    assert solution.stopped_at_days == expected.stopped_at_days
    assert solution.num_coupling_steps == expected.num_coupling_steps
    for name in ("cell_density", "white_matter", "gray_matter", "csf", "compression"):
        np.testing.assert_allclose(getattr(solution, name), getattr(expected, name), rtol=0.0, atol=tolerance)
    size = np.abs(expected.displacement_mm).max(initial=0.0)
    np.testing.assert_allclose(
        solution.displacement_mm, expected.displacement_mm, rtol=0.0, atol=tolerance * size + 1e-12
    )
    np.testing.assert_allclose(solution.min_jacobian_determinant, expected.min_jacobian_determinant, atol=tolerance)


@interpreted
def test_a_batch_equals_single_runs(monkeypatch):
    """Tumors that differ in everything, one stopped by the volume limit, one without push: to 1e-5, equal steps.

    With fewer steps on the coarsest grid than usual, on both sides, for the interpreter's sake.
    """
    monkeypatch.setattr(multigrid, "_COARSEST_STEPS", 3)
    made = triton_mass_effect.PushingBatch
    monkeypatch.setattr(triton_mass_effect, "PushingBatch", partial(made, block=WHOLE_FIELD))
    parameters = [
        pushing_tumor(seed_mm=SEED_MM, push_pa=3000.0, d=1.0, rho=0.1),
        pushing_tumor(seed_mm=SEED_MM, push_pa=0.0, d=1.0, rho=0.1),
        pushing_tumor(seed_mm=SEED_MM, push_pa=1500.0, d=2.0, rho=0.05, diffusivity_ratio=5.0),
    ]
    times = [[60.0], [40.0], [20.0, 50.0]]
    limits = [VolumeLimit(threshold=0.1, max_volume_ml=22.0), VolumeLimit(threshold=0.2, max_volume_ml=30.0), None]
    model = MassEffect(num_coupling_steps=2, time_step_scale=8.0, force_tolerance=3e-2)

    solutions = list(
        simulate_mass_effect_batch(ANATOMY, parameters, times, model=model, device="cpu", volume_limit=limits)
    )

    expected = [
        model.simulate(ANATOMY, p, t, volume_limit=limit) for p, t, limit in zip(parameters, times, limits, strict=True)
    ]
    for solution, single in zip(solutions, expected, strict=True):
        assert_same(solution, single, 1e-5)
        assert solution.num_steps == single.num_steps
        assert solution.num_solver_iterations == single.num_solver_iterations
    assert {single.stopped_at_days is None for single in expected} == {True, False}
    assert expected[2].largest_displacement_mm(-1) > 0.1


def test_memory_of_a_tumor_is_what_its_fields_take():
    """The figure the batch size follows from, within 3 % of what is allocated, guards and sums included."""
    taken = []
    zeros = torch.zeros

    def counted(*size, **settings):
        made = zeros(*size, **settings)
        taken.append(made.numel() * made.element_size())
        return made

    anatomy = phantom_anatomy((40, 44, 42), 4.0)
    box = BrainBox.around(anatomy.tissue_maps.brain)
    brain = box.padded(anatomy.tissue_maps.brain)
    sizes = []
    for num_slots in (1, 3):
        taken.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "zeros", counted)
            triton_mass_effect.PushingBatch(
                box,
                brain,
                np.zeros((5, *box.shape), np.float32),
                spacing_mm=4.0,
                elasticity=TissueElasticity(),
                force_tolerance=1e-2,
                num_slots=num_slots,
                device=CPU,
            )
        sizes.append(sum(taken))

    assert triton_mass_effect.bytes_per_tumor(box) == pytest.approx((sizes[1] - sizes[0]) / 2, rel=0.03)


@compiled
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernels_compile_for_gpus(capability, tmp_path):
    """Every kernel, to machine code without fused multiply-adds and without spilled registers."""
    import triton
    from triton.backends.compiler import GPUTarget

    integers = ("active", "blocks", "brain", "fine_brain", "rows")
    floats = ("momentum", "spacing_mm", "initial_weight", "per_mm")
    counts = ("num_amounts", "num_voxels", "plane", "pitch")
    counts += tuple(f"{grid}_{size}" for grid in ("fine", "coarse") for size in counts[1:])
    types = {"sums": "*fp64", "domain": "*i8", **dict.fromkeys(integers, "*i32")}
    types.update({**dict.fromkeys(floats, "fp32"), **dict.fromkeys(counts, "i32")})
    modules = (triton_mechanics_kernels, triton_tissue_kernels)
    kernels = {
        name: kernel for module in modules for name, kernel in vars(module).items() if hasattr(kernel, "arg_names")
    }
    public = [name for name in kernels if not name.startswith("_")]
    assert len(public) == 20

    for name in public:
        kernel = kernels[name]
        for mode in (0, 1, 2) if name == "elastic" else (None,):
            constants = {"block": 256} | ({} if mode is None else {"mode": mode})
            names = kernel.arg_names
            signature = {
                argument: "constexpr" if argument in constants else types.get(argument, "*fp32") for argument in names
            }
            source = triton.compiler.ASTSource(
                kernel,
                signature=signature,
                constexprs={(names.index(argument),): value for argument, value in constants.items()},
                attrs={
                    (index,): [["tt.divisibility", 16]]
                    for index, argument in enumerate(names)
                    if signature[argument].startswith("*") or argument.endswith("num_voxels")
                },
            )
            options = {"num_warps": 4, "enable_fp_fusion": False}
            code = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm
            assert "cubin" in code, name
            assert "fma.rn.f32" not in code["ptx"], name
            assert ".local" not in code["ptx"], name


@pytest.fixture(scope="module")
def large():
    """A brain-sized phantom at 128³, 1.875 mm."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return phantom_anatomy((128, 128, 128), 1.875)


LARGE_TUMORS = [
    {"d": 0.15, "rho": 0.04, "push_pa": 4000.0},
    {"d": 0.3, "rho": 0.03, "push_pa": 1500.0, "seed_mm": (35.0, -20.0, 20.0)},
    {"d": 0.1, "rho": 0.1, "push_pa": 2500.0, "diffusivity_ratio": 5.0},
]
LARGE_TIMES = [[150.0], [60.0, 140.0], [100.0]]
LARGE_MODEL = MassEffect(num_coupling_steps=6, num_threads=4)


@pytest.fixture(scope="module")
def large_single_runs(large):
    """The tumors on the processor."""
    pairs = zip(LARGE_TUMORS, LARGE_TIMES, strict=True)
    return [LARGE_MODEL.simulate(large, pushing_tumor(**changes), times) for changes, times in pairs]


@pytest.mark.gpu
@compiled
@pytest.mark.parametrize("max_batch", [1, 2, None])
def test_a_batch_on_the_gpu_equals_single_runs_at_128(large, large_single_runs, max_batch):
    """Three tumors: displacement to 1 % of its maximum, twice the force tolerance; densities and tissue to 1e-2."""
    parameters = [pushing_tumor(**changes) for changes in LARGE_TUMORS]

    solutions = simulate_mass_effect_batch(large, parameters, LARGE_TIMES, model=LARGE_MODEL, max_batch=max_batch)

    for solution, expected in zip(solutions, large_single_runs, strict=True):
        assert_same(solution, expected, 2.0 * LARGE_MODEL.force_tolerance)
        assert solution.largest_displacement_mm(-1) > 0.5


@pytest.mark.gpu
@compiled
def test_a_closer_balance_brings_the_gpu_closer_to_the_processor(large):
    """At a tolerance of 1e-4 the largest difference is 2e-4 of the largest displacement at most."""
    parameters = [pushing_tumor(**LARGE_TUMORS[0])]
    model = MassEffect(num_coupling_steps=3, force_tolerance=1e-4, num_threads=4)

    (solution,) = simulate_mass_effect_batch(large, parameters, LARGE_TIMES[:1], model=model)

    assert_same(solution, model.simulate(large, parameters[0], LARGE_TIMES[0]), 2e-4)


@pytest.mark.gpu
@compiled
def test_without_push_the_gpu_gives_reaction_and_diffusion(large):
    """Density within 2e-5, nothing moved."""
    parameters = [pushing_tumor(push_pa=0.0)]

    (solution,) = simulate_mass_effect_batch(large, parameters, [[100.0]])

    expected = FisherKolmogorov().simulate(large, parameters[0], [100.0])
    np.testing.assert_allclose(solution.cell_density, expected.cell_density, rtol=0.0, atol=2e-5)
    assert not solution.displacement_mm.any()
