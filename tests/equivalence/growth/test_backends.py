"""Fast equals plain: backends, active rows, threads, several times in one run, a quarter of the step."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from growth_phantoms import dice_of, mixed_anatomy, tumor_parameters

from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, VolumeLimit, seed_density
from gliofield.growth.backends import numba_stepper
from gliofield.growth.backends.numba_stepper import NumbaStepper
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.evolution import evolve, evolve_published
from gliofield.growth.seed import SEED_VARIANCE_MM2

ANATOMY = mixed_anatomy()
SCHEMES = ("strang-rkl2", "published")


def grow(parameters, times=(90.0,), anatomy=ANATOMY, **settings):
    """Densities at all times."""
    return FisherKolmogorov(**settings).simulate(anatomy, parameters, list(times)).cell_density


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("d", "rho"), [(0.3, 0.05), (1.5, 0.004), (0.02, 0.2), (0.3, 0.0)])
def test_numba_equals_the_numpy_reference(scheme, d, rho):
    """To float32 rounding accumulated over the run: 2e-5 where the density is up to 1."""
    parameters = tumor_parameters(ANATOMY, d=d, rho=rho)

    fast, plain = (grow(parameters, scheme=scheme, backend=backend) for backend in ("numba", "numpy"))

    assert plain.any()
    np.testing.assert_allclose(fast, plain, atol=2e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("d", "rho"), [(0.3, 0.05), (1.5, 0.004), (0.02, 0.2)])
def test_the_active_rows_equal_the_full_box_bit_for_bit(scheme, d, rho):
    """Rows the tumor cannot have reached change nothing, though far fewer voxels are updated early on."""
    parameters = tumor_parameters(ANATOMY, d=d, rho=rho)
    faces = face_coefficients(ANATOMY, 10.0)
    initial = faces.padded(seed_density(ANATOMY, parameters.seed_mm))
    settings = {
        "spacing_mm": ANATOMY.spacing_mm,
        "white_matter_diffusivity_mm2_per_day": d,
        "proliferation_rate_per_day": rho,
        "times_days": [5.0, 30.0, 90.0],
    }
    results = []
    for whole_box in (False, True):
        stepper = NumbaStepper(faces, initial, whole_box=whole_box)
        if scheme == "published":
            results.append(evolve_published(stepper, faces, **settings))
        else:
            results.append(evolve(stepper, faces, initial_variance_mm2=SEED_VARIANCE_MM2, **settings))

    active, full = results
    np.testing.assert_array_equal(active.cell_density, full.cell_density)
    assert active.num_voxel_steps < full.num_voxel_steps


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_number_of_threads_changes_no_bit(scheme):
    """Threads share a step by ranges of x; every voxel is computed alike."""
    parameters = tumor_parameters(ANATOMY)
    one = grow(parameters, scheme=scheme)

    for num_threads in (2, 3, 40):
        np.testing.assert_array_equal(grow(parameters, scheme=scheme, num_threads=num_threads), one)


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_stages_computed_in_one_sweep_equal_stages_one_after_the_other(num_threads, monkeypatch):
    """How many stages share a sweep is a matter of the cache, not of the result."""
    parameters = tumor_parameters(ANATOMY, d=1.5, rho=0.01)
    results = []
    for sweep_bytes in (0, 1 << 16, 1 << 30):
        monkeypatch.setattr(numba_stepper, "_SWEEP_BYTES", sweep_bytes)
        results.append(grow(parameters, num_threads=num_threads))

    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_backends_give_a_run_up_at_the_same_step(scheme):
    """The compiled count of voxels above a threshold is that of NumPy."""
    limit = VolumeLimit(threshold=0.6, max_volume_ml=2.0)
    stopped = [
        FisherKolmogorov(scheme=scheme, backend=backend).simulate(
            ANATOMY, tumor_parameters(ANATOMY), [300.0], volume_limit=limit
        )
        for backend in ("numba", "numpy")
    ]

    assert stopped[0].stopped_at_days == stopped[1].stopped_at_days
    assert 0.0 < stopped[0].stopped_at_days < 300.0


def test_repeated_and_concurrent_runs_are_identical():
    """Same input, same bits: alone, again, and beside other runs in a thread pool."""
    tumors = [tumor_parameters(ANATOMY, d=d) for d in (0.1, 0.3, 0.9)]
    alone = [grow(tumor) for tumor in tumors]

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(grow, tumors * 2))

    for index, density in enumerate(together):
        np.testing.assert_array_equal(density, alone[index % 3])


def test_several_times_cost_the_longest_and_agree_with_single_runs():
    """Landing on more times changes a result only by the time-stepping error."""
    parameters = tumor_parameters(ANATOMY)
    model = FisherKolmogorov()

    several = model.simulate(ANATOMY, parameters, [40.0, 80.0, 120.0])
    last = model.simulate(ANATOMY, parameters, [120.0])

    assert several.num_voxel_steps < 1.2 * last.num_voxel_steps
    np.testing.assert_allclose(several.cell_density[2], last.cell_density[0], atol=0.01)
    np.testing.assert_allclose(several.cell_density[0], grow(parameters, (40.0,))[0], atol=0.01)
    assert np.all(np.diff(several.volume_ml(0.2)) > 0)


def test_the_default_step_equals_a_quarter_of_it_by_dice():
    """Random tumors above 1 ml over the published range: Dice ≥ 0.99 at both thresholds."""
    anatomy = mixed_anatomy((48, 50, 46), 2.0)
    rng = np.random.default_rng(7)
    voxels = np.argwhere(anatomy.domain)
    checked = 0
    while checked < 8:
        d, rho, time = (low * (high / low) ** rng.random() for low, high in ((0.02, 1.5), (0.002, 0.2), (50, 1500)))
        x, y, z = (float(v) for v in anatomy.grid.world_of(voxels[rng.integers(len(voxels))]))
        tumor = FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=d, proliferation_rate_per_day=rho, seed_mm=(x, y, z)
        )
        solution = FisherKolmogorov().simulate(anatomy, tumor, [time])
        if solution.volume_ml(0.6)[0] < 1.0 or solution.volume_ml(0.2)[0] > 0.9 * anatomy.volume_ml:
            continue
        fine = grow(tumor, (time,), anatomy, time_step_scale=0.25)[0]
        for threshold in (0.2, 0.6):
            assert dice_of(solution.cell_density[0], fine, threshold) >= 0.99, (d, rho, time, threshold)
        checked += 1
