"""Sampling in the patient's own anatomy: the same posterior as `SampleMethod` there, brought to both spaces."""

from dataclasses import replace

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.bayes import TmcmcSettings
from gliofield.errors import ParameterError
from gliofield.personalize import (
    PatientSampling,
    PersonalizationSettings,
    SampleMethod,
    SampleSettings,
    find_case_files,
    patient_sampling,
    personalize,
    read_case,
    sample_in_patient,
)
from gliofield.personalize.patient_anatomy import patient_anatomy
from gliofield.personalize.pipeline import observe_in_patient
from gliofield.progress import ignore_progress
from gliofield.registration import Transform
from gliofield.volume import Volume

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none")
SHIFT_MM = np.array([6.0, -4.0, 2.0])


def sampling(**changes):
    settings = {
        "sampler": TmcmcSettings.thorough(num_samples=24, num_steps=1),
        "num_levels": 1,
        "correlation_length_mm": 12.0,
        "num_densities": 4,
        **changes,
    }
    return PatientSampling(settings=SampleSettings(**settings), spacing_mm=8.0)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return read_case(find_case_files(write_phantom_patient(tmp_path_factory.mktemp("case") / "patient")))


@pytest.fixture(scope="module")
def result(case):
    return sample_in_patient(case, atlas=ATLAS, sampling=sampling(), settings=SETTINGS)


@pytest.fixture(scope="module")
def estimate(case):
    """What the method itself finds in the patient's anatomy."""
    anatomy = patient_anatomy(case, Transform.identity(), ATLAS, spacing_mm=8.0)
    method = SampleMethod(anatomy=anatomy, atlas_hash=ATLAS.content_hash, settings=sampling().settings)
    return method.estimate(observe_in_patient(case, anatomy.grid, SETTINGS), report=ignore_progress)


def test_the_posterior_is_that_of_the_method_in_the_patients_anatomy(result, estimate):
    """The same samples, seeds named by their space, and the best sample's seed in the patient."""
    samples = result.estimate.posterior.samples
    np.testing.assert_array_equal(samples.parameters, estimate.posterior.samples.parameters)
    assert [name for name in samples.names if "seed" in name] == [f"seed_patient_{axis}_mm" for axis in "xyz"]
    assert result.seed_patient_mm == tuple(estimate.parameters[f"seed_{axis}_mm"] for axis in "xyz")
    assert result.settings["grown_in"] == "patient"
    assert result.estimate.details["sampled_in"] == "patient"


def test_maps_come_to_the_patient_without_the_atlas(result, estimate):
    """Only resampled from the simulation's grid: at its voxels within the brain they are what the method said."""
    grid = estimate.posterior.mean.grid
    for name, volume in result.posterior_patient.items():
        assert volume.grid == result.case.grid
        voxels = np.rint(result.case.grid.voxel_of(grid.world_of(np.argwhere(estimate.cell_density.data > 0.1))))
        moved = volume.data[tuple(voxels.astype(int).T)]
        expected = estimate.posterior.maps[name].data[estimate.cell_density.data > 0.1]
        is_brain = result.case.brain[tuple(voxels.astype(int).T)]
        # Voxel centers of 8 mm lie up to half a voxel of 4 mm from those of the patient.
        assert np.abs(moved - expected)[is_brain].mean() < 0.1 * max(expected.max(), 0.1), name


def test_everything_reaches_the_atlas_by_the_transform(estimate):
    """A shifted atlas: seeds and their intervals shift by as much, and the density keeps its mass."""
    shift = np.eye(4)
    shift[:3, 3] = SHIFT_MM
    grid = ATLAS.simulation_grid(spacing_mm=4.0, shape=(56, 64, 54))

    moved = patient_sampling._brought_to_atlas(estimate, Transform.affine(shift), grid, spacing_mm=8.0)

    seeds = np.array([[each.parameters[f"seed_{axis}_mm"] for axis in "xyz"] for each in (estimate, moved)])
    np.testing.assert_allclose(seeds[1] - seeds[0], SHIFT_MM, atol=1e-9)
    intervals = moved.posterior.intervals
    for axis, by_mm in zip("xyz", SHIFT_MM, strict=True):
        in_patient, in_atlas = intervals[f"seed_patient_{axis}_mm"], intervals[f"seed_{axis}_mm"]
        assert in_atlas.low - in_patient.low == pytest.approx(by_mm)
    volumes_ml = [each.data.sum() * each.grid.voxel_volume_ml for each in (estimate.cell_density, moved.cell_density)]
    assert volumes_ml[1] == pytest.approx(volumes_ml[0], rel=0.02)
    assert moved.posterior.mean.grid == moved.cell_density.grid == grid


def test_a_stage_file_of_the_atlas_is_refused(case, tmp_path):
    """Another anatomy is another posterior; a run in the patient goes on from its own file, to the same bits."""
    stage_file = tmp_path / "run.npz"
    in_atlas = SampleMethod(
        anatomy=ATLAS.anatomy(ATLAS.simulation_grid(spacing_mm=8.0, shape=(24, 28, 22))),
        atlas_hash=ATLAS.content_hash,
        settings=sampling(stage_file=stage_file).settings,
    )
    personalize(case, atlas=ATLAS, method=in_atlas, settings=SETTINGS)

    with pytest.raises(ParameterError, match="data, prior or model"):
        sample_in_patient(case, atlas=ATLAS, sampling=sampling(stage_file=stage_file), settings=SETTINGS)


@pytest.mark.parametrize("changes", [{"num_levels": 2}, {"num_workers": 2}])
def test_levels_and_workers_run_in_the_patient(case, result, changes):
    """Two levels end on the full one; processes change nothing."""
    found = sample_in_patient(case, atlas=ATLAS, sampling=sampling(**changes), settings=SETTINGS)

    samples = found.estimate.posterior.samples
    if changes == {"num_workers": 2}:
        np.testing.assert_array_equal(samples.parameters, result.estimate.posterior.samples.parameters)
    else:
        assert found.estimate.posterior.stages[-1].fine_share == 1.0


def test_pet_stays_in_the_patient(case):
    """It is resampled onto the simulation's grid, not warped, and its parameters are sampled."""
    pet = Volume(np.where(case.segmentation.whole_tumor, 5.0, 0.0).astype(np.float32), case.grid)
    with_pet = replace(case, images={**case.images, "pet": pet})

    found = sample_in_patient(with_pet, atlas=ATLAS, sampling=sampling(), settings=SETTINGS)

    assert {"pet_scale", "pet_noise_std"} <= set(found.estimate.posterior.samples.names)
    assert found.estimate.details["uses_pet"]


def test_a_tumor_smaller_than_a_voxel_is_refused(case):
    """With its volume, and what to do."""
    tiny = np.zeros(case.grid.shape, bool)
    tiny[tuple(np.argwhere(case.segmentation.whole_tumor)[0])] = True
    small = replace(case, segmentation=replace(case.segmentation, whole_tumor=tiny, tumor_core=np.zeros_like(tiny)))
    coarse = replace(sampling(), spacing_mm=20.0)

    with pytest.raises(ParameterError, match="no tumor is left at a spacing of 20 mm: the whole tumor has 0.06 ml"):
        sample_in_patient(small, atlas=ATLAS, sampling=coarse, settings=SETTINGS)


def test_the_spacing_must_be_positive():
    """By name."""
    with pytest.raises(ParameterError, match="spacing_mm must be > 0"):
        PatientSampling(spacing_mm=0.0)
