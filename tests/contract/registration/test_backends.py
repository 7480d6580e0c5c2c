"""What every registration back end must do, on a small brain with a known deformation."""

import os

import numpy as np
import pytest
from deformed_phantom import AFFINE_PRESET, DEFORMABLE_PRESET, deformed_patient, layered_tissue_maps, true_transform
from phantom_brain import GRID, phantom_t1, stored_orientation

from gliofield.progress import ProgressEvent
from gliofield.registration import REGISTRATION_BACKENDS, register
from gliofield.volume import Volume


def _register(backend, *, stored_as=None, **settings):
    image, brain, lesion = (
        volume if stored_as is None else volume.reordered_as(stored_as) for volume in deformed_patient()
    )
    return register(
        patient_image=image,
        atlas_image=phantom_t1(layered_tissue_maps()),
        patient_brain=brain,
        lesion=lesion,
        backend=backend,
        **{"preset": DEFORMABLE_PRESET, "deterministic": True, **settings},
    )


@pytest.fixture(scope="module", params=sorted(REGISTRATION_BACKENDS))
def backend(request):
    """Every registered back end by name."""
    return request.param


@pytest.fixture(scope="module")
def first(backend):
    """One deterministic, deformable registration and the events it reported."""
    events: list[ProgressEvent] = []
    before = dict(os.environ), np.random.get_state()[1].tolist()
    result = _register(backend, report=events.append)
    after = dict(os.environ), np.random.get_state()[1].tolist()
    return result, events, before == after


def test_a_known_deformation_is_found(first):
    """At tissue borders the map misses the truth by less than 3 mm in the median, with registration voxels of 8 mm."""
    result, _, _ = first
    maps = layered_tissue_maps()
    edges = maps.brain & (np.abs(np.gradient(maps.gray_matter)).sum(axis=0) > 0)
    atlas_mm = GRID.world_of(np.argwhere(edges)[::20])
    patient_mm = true_transform().patient_points_of(atlas_mm)

    error_mm = np.linalg.norm(result.transform.atlas_points_of(patient_mm) - atlas_mm, axis=-1)
    unaligned_mm = np.linalg.norm(patient_mm - atlas_mm, axis=-1)

    assert np.median(error_mm) < 3.0, (np.median(error_mm), np.median(unaligned_mm))
    assert np.median(unaligned_mm) > 5.0


def test_the_result_inverts_and_does_not_fold(first):
    """There and back within 1 mm at 99 % of the brain, det J > 0."""
    transform = first[0].transform
    points = GRID.world_of(np.argwhere(deformed_patient()[1].data)[::50])
    back = transform.patient_points_of(transform.atlas_points_of(points))

    assert transform.has_displacement
    assert np.percentile(np.linalg.norm(back - points, axis=-1), 99) < 1.0
    assert transform.jacobian_determinant(GRID).data.min() > 0


def test_equal_seeds_give_equal_bits_whatever_the_stored_orientation(backend, first):
    """A second deterministic run, from the same patient stored as LPS, gives the same transform bit for bit."""
    again = _register(backend, stored_as=stored_orientation("LPS")).transform
    transform = first[0].transform

    assert np.array_equal(again.atlas_from_patient, transform.atlas_from_patient)
    assert np.array_equal(again.displacement_mm, transform.displacement_mm)
    assert np.array_equal(again.inverse_displacement_mm, transform.inverse_displacement_mm)


def test_progress_starts_at_zero_and_ends_complete(first):
    """The reporter hears the stages in order."""
    events = first[1]

    assert events[0].completed == 0
    assert events[-1].completed == events[-1].total > 0
    assert [event.completed for event in events] == sorted(event.completed for event in events)


def test_nothing_of_the_caller_is_changed(first):
    """Environment and NumPy's global generator are as before."""
    assert first[2]


def test_an_affine_preset_gives_an_affine_map(backend):
    """Without a deformable stage there is no field, and several threads may be used."""
    result = _register(backend, preset=AFFINE_PRESET, deterministic=False, num_threads=2)

    assert not result.transform.has_displacement
    assert result.transform.affine_volume_ratio == pytest.approx(1.05**2, abs=0.06)
    brain = Volume(layered_tissue_maps().brain, GRID)
    moved = result.transform.mask_to_atlas(deformed_patient()[1], GRID).data
    assert 2 * np.count_nonzero(moved & brain.data) / (moved.sum() + brain.data.sum()) > 0.95
