"""Growth in the patient's own brain: the same posterior as the method finds there, brought to both worlds."""

from dataclasses import replace

import numpy as np
import pytest
from growth_likelihoods import use_small_batches
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.anatomy import AtlasSpace, SpaceRequest
from gliofield.bayes import ImportanceSettings
from gliofield.errors import DatabaseError, ParameterError
from gliofield.imaging import Observation, VisibilityThresholds, make_virtual_pet
from gliofield.pipeline import (
    PatientSpace,
    PersonalizationSettings,
    SampleMethod,
    SampleSettings,
    find_case_files,
    make_space,
    observe,
    patient_grid,
    personalize,
    read_case,
)
from gliofield.pipeline.run import _move
from gliofield.pipeline.spaces import require_fitting_atlas
from gliofield.progress import ignore_progress
from gliofield.registration import Transform
from gliofield.volume import Volume

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none", space="patient", spacing_mm=8.0)
SHIFT_MM = np.array([6.0, -4.0, 2.0])


def sampling(**changes):
    settings = {
        "sampler": ImportanceSettings(num_effective=24),
        "correlation_length_mm": 12.0,
        "num_densities": 4,
        **changes,
    }
    return SampleMethod(settings=SampleSettings(**settings))


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    with pytest.MonkeyPatch.context() as patch:
        use_small_batches(patch)
        yield


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return read_case(find_case_files(write_phantom_patient(tmp_path_factory.mktemp("case") / "patient")))


def space_of(case, transform=None):
    return PatientSpace(
        case=case, atlas=ATLAS, transform=transform or Transform.identity(), grid=patient_grid(case, 8.0)
    )


@pytest.fixture(scope="module")
def result(case):
    return personalize(case, atlas=ATLAS, method=sampling(), settings=SETTINGS)


@pytest.fixture(scope="module")
def estimate(case):
    """What the method itself finds in the patient's anatomy."""
    return sampling().estimate(observe(case, space_of(case), VisibilityThresholds()), report=ignore_progress)


def test_the_posterior_is_that_of_the_method_in_the_patients_anatomy(result, estimate):
    """The same samples, seeds named by their space, and the best sample's seed in the patient."""
    samples = result.estimate.posterior.samples
    np.testing.assert_array_equal(samples.parameters, estimate.posterior.samples.parameters)
    assert [name for name in samples.names if "seed" in name] == [f"seed_patient_{axis}_mm" for axis in "xyz"]
    assert result.seed_patient_mm == estimate.seed_mm
    assert result.settings["space"] == "patient"
    assert result.settings["spacing_mm"] == 8.0


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


def test_everything_reaches_the_atlas_by_the_transform(case):
    """A shifted atlas: the seed and its intervals shift by as much, and the density keeps its mass."""
    shift = np.eye(4)
    shift[:3, 3] = SHIFT_MM
    space = space_of(case, Transform.affine(shift))
    # What grows is the tumor of the patient at rest: only the way to the atlas is shifted.
    still = replace(sampling().estimate(observe(case, space_of(case), VisibilityThresholds()), report=ignore_progress))
    estimate = sampling().estimate(observe(case, space, VisibilityThresholds()), report=ignore_progress)
    grid = ATLAS.simulation_grid(spacing_mm=4.0, shape=(56, 64, 54))
    seen = Observation(
        tumor_core=np.zeros(grid.shape, bool),
        whole_tumor=np.ones(grid.shape, bool),
        grid=grid,
        space=AtlasSpace(anatomy=ATLAS.anatomy(grid)),
    )

    moved = _move(case, estimate, estimate, seen)

    np.testing.assert_allclose(np.subtract(moved.seed_atlas_mm, moved.seed_patient_mm), SHIFT_MM, atol=1e-9)
    intervals = estimate.posterior.intervals
    for axis, by_mm in zip("xyz", SHIFT_MM, strict=True):
        in_patient, in_atlas = intervals[f"seed_patient_{axis}_mm"], intervals[f"seed_{axis}_mm"]
        assert in_atlas.low - in_patient.low == pytest.approx(by_mm)
    volumes_ml = [each.data.sum() * each.grid.voxel_volume_ml for each in (estimate.cell_density, moved.density_atlas)]
    assert volumes_ml[1] == pytest.approx(volumes_ml[0], rel=0.02)
    assert moved.density_atlas.grid == moved.posterior_atlas["mean"].grid == grid
    assert still.space.identity != estimate.space.identity


def test_a_stage_file_of_the_atlas_is_refused(case, tmp_path):
    """Another anatomy is another posterior; a run in the patient resumes from its own file only."""
    stage_file = tmp_path / "run.npz"
    in_atlas = replace(sampling(stage_file=stage_file), grid=ATLAS.simulation_grid(spacing_mm=8.0, shape=(24, 28, 22)))
    personalize(case, atlas=ATLAS, method=in_atlas, settings=PersonalizationSettings(registration="none"))

    with pytest.raises(ParameterError, match="other images, prior, model or settings"):
        personalize(case, atlas=ATLAS, method=sampling(stage_file=stage_file), settings=SETTINGS)


def test_processes_change_nothing_in_the_patient(case, result):
    """The same samples and weights by two of them."""
    found = personalize(case, atlas=ATLAS, method=sampling(num_workers=2), settings=SETTINGS)

    ours, expected = (each.estimate.posterior.samples for each in (found, result))
    np.testing.assert_array_equal(ours.parameters, expected.parameters)
    np.testing.assert_array_equal(ours.log_weights, expected.log_weights)


def test_pet_stays_in_the_patient(case):
    """It is resampled onto the simulation's grid, not warped, and its parameters are sampled."""
    uptake = Volume(case.segmentation.tumor_core.astype(np.float32), case.grid)
    pet = make_virtual_pet(uptake, case.brain, rng=np.random.default_rng(0), unit=5.0)
    with_pet = replace(case, images={**case.images, "pet": pet})

    found = personalize(with_pet, atlas=ATLAS, method=sampling(), settings=SETTINGS)

    samples = found.estimate.posterior.samples
    assert {"pet_scale", "pet_background", "pet_noise_std"} <= set(samples.names)
    assert samples.mean["pet_background"] == pytest.approx(0.3, abs=0.05)
    assert found.estimate.details["uses_pet"]


def test_pet_is_compared_in_the_brain_and_divided_by_its_maximum_there(case):
    """Uptake of the scalp, ten times that of the tumor, and a rim that mixes with nothing are left out."""
    tumor, brain = case.segmentation.tumor_core, case.brain
    values = np.where(tumor, 4.0, 1.5)
    values[~brain] = 40.0
    space = space_of(replace(case, images={**case.images, "pet": Volume(values.astype(np.float32), case.grid)}))

    pet = observe(space.case, space, VisibilityThresholds()).pet.data

    measured = pet[pet > 0.0]
    assert measured.max() == 1.0
    assert np.isclose(measured, 1.5 / 4.0).mean() > 0.7
    assert measured.min() == pytest.approx(1.5 / 4.0)
    assert (pet[~space.anatomy.domain] == 0.0).mean() > 0.9


def test_a_cavity_is_not_compared_in_pet(case):
    """No cells live there, whatever it shows."""
    seen = case.segmentation
    cavity = np.zeros_like(seen.whole_tumor)
    cavity[tuple(np.argwhere(case.brain & ~seen.whole_tumor).T)] = True
    pet = Volume(np.where(case.brain, 2.0, 0.0).astype(np.float32), case.grid)
    resected = replace(case, images={**case.images, "pet": pet}, segmentation=replace(seen, cavity=cavity))
    space = space_of(resected)

    found = observe(resected, space, VisibilityThresholds())

    assert (found.pet.data > 0.0).sum() <= found.whole_tumor.sum()


def test_a_tumor_smaller_than_a_voxel_is_refused(case):
    """With its volume, and what to do."""
    tiny = np.zeros(case.grid.shape, bool)
    tiny[tuple(np.argwhere(case.segmentation.whole_tumor)[0])] = True
    small = replace(case, segmentation=replace(case.segmentation, whole_tumor=tiny, tumor_core=np.zeros_like(tiny)))
    coarse = replace(SETTINGS, spacing_mm=20.0)

    with pytest.raises(ParameterError, match="no tumor is left at a spacing of 20 mm: the whole tumor has 0.06 ml"):
        personalize(small, atlas=ATLAS, method=sampling(), settings=coarse)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacing_mm": 0.0}, "spacing_mm must be > 0"),
        ({"space": "atlas"}, "spacing_mm belongs to the patient's space"),
        ({"space": None}, "spacing_mm belongs to the patient's space"),
        ({"space": "scanner"}, "space must be 'atlas' or 'patient', got 'scanner'"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    """By name, before anything is read."""
    with pytest.raises(ParameterError, match=message):
        replace(SETTINGS, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "scanner"}, "space must be 'atlas' or 'patient'"),
        ({"name": "patient", "grid": ATLAS.grid}, "a grid can be asked for in the atlas only"),
        ({"spacing_mm": 2.0}, "belong to the patient's space"),
        ({"on_scan": True}, "belong to the patient's space"),
        ({"name": "patient", "on_scan": True, "spacing_mm": 2.0}, "the grid of the scan has a spacing of its own"),
        ({"name": "patient", "spacing_mm": -1.0}, "spacing_mm must be > 0"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(changes, message):
    """Each value belongs to one of the two spaces."""
    with pytest.raises(ParameterError, match=message):
        SpaceRequest(**changes)


def test_a_method_of_another_atlas_is_refused():
    """Before the registration, by both hashes."""
    with pytest.raises(DatabaseError, match="'mine' was made for another atlas"):
        require_fitting_atlas(SpaceRequest(atlas_hash="0" * 64), ATLAS, method_name="mine")


def test_the_spaces_of_a_patient_know_the_way(case):
    """Points and volumes go there and back; the atlas alone has no patient."""
    shift = np.eye(4)
    shift[:3, 3] = SHIFT_MM
    transform = Transform.affine(shift)
    in_atlas = make_space(SpaceRequest(), case=case, atlas=ATLAS, transform=transform)
    in_patient = make_space(SpaceRequest(name="patient"), case=case, atlas=ATLAS, transform=transform)

    np.testing.assert_allclose(in_atlas.points_to_patient([[1.0, 2.0, 3.0]])[0], np.array([1.0, 2.0, 3.0]) - SHIFT_MM)
    np.testing.assert_allclose(in_patient.points_to_atlas([[1.0, 2.0, 3.0]])[0], np.array([1.0, 2.0, 3.0]) + SHIFT_MM)
    assert in_patient.grid.spacing_mm == pytest.approx((1.875,) * 3)
    on_scan = make_space(SpaceRequest(name="patient", on_scan=True), case=case, atlas=ATLAS, transform=transform)
    assert on_scan.grid is case.grid
    np.testing.assert_array_equal(
        on_scan.mask_from_patient(Volume(case.segmentation.whole_tumor, case.grid)), case.segmentation.whole_tumor
    )
    with pytest.raises(ParameterError, match="an atlas alone and has no patient"):
        AtlasSpace(anatomy=in_atlas.anatomy).points_to_patient([[0.0, 0.0, 0.0]])
