"""What images are refused, and what the others look like when a back end gets them."""

import dataclasses

import numpy as np
import pytest
from phantom_brain import GRID, phantom_labels, phantom_t1, phantom_tissue_maps, stored_orientation

from gliofield.errors import GridMismatchError, ImageError, RegistrationError
from gliofield.grid import Grid
from gliofield.registration import REGISTRATION_PRESETS
from gliofield.registration.image_pair import prepare_image_pair
from gliofield.volume import Volume

PRESET = dataclasses.replace(REGISTRATION_PRESETS["affine"], spacing_mm=4.0, lesion_margin_mm=0.0, clip_percentile=None)


def _inputs(**changes):
    maps = phantom_tissue_maps()
    brain = Volume(maps.brain, GRID)
    inputs = {
        "patient_image": phantom_t1(maps),
        "atlas_image": phantom_t1(maps),
        "patient_brain": brain,
        "atlas_brain": brain,
        "lesion": None,
        "preset": PRESET,
    }
    return inputs | changes


def test_images_are_cropped_scaled_and_keep_their_place():
    """At equal spacing the brain's voxels are the same up to one factor, at the same world positions."""
    pair = prepare_image_pair(**_inputs())
    original = phantom_t1(phantom_tissue_maps())

    voxels = np.argwhere(pair.patient.data > 0)
    places = np.rint(GRID.voxel_of(pair.patient.grid.world_of(voxels))).astype(int)
    ratio = original.data[tuple(places.T)] / pair.patient.data[tuple(voxels.T)]

    assert len(voxels) == np.count_nonzero(original.data)
    assert np.allclose(ratio, 220.0, rtol=1e-5)
    assert pair.metric_region.data.all()


def test_the_stored_orientation_does_not_change_what_a_back_end_sees():
    """An LPS patient gives bit for bit the prepared image of the RAS patient."""
    maps = phantom_tissue_maps()
    stored = stored_orientation("LPS")
    image = phantom_t1(maps).reordered_as(stored)
    brain = Volume(maps.brain, GRID).reordered_as(stored)

    pair = prepare_image_pair(**_inputs(patient_image=image, patient_brain=brain))

    expected = prepare_image_pair(**_inputs())
    assert np.array_equal(pair.patient.data, expected.patient.data)
    assert pair.patient.grid.is_same_as(expected.patient.grid)


def test_a_coarser_spacing_keeps_the_center_of_mass():
    """Resampling to 5 mm moves the brain's center by less than a tenth of a voxel."""
    pair = prepare_image_pair(**_inputs(preset=dataclasses.replace(PRESET, spacing_mm=5.0)))

    def center_mm(volume):
        weights = volume.data / volume.data.sum()
        return volume.grid.world_of([float((weights * index).sum()) for index in np.indices(volume.grid.shape)])

    assert pair.patient.grid.spacing_mm == pytest.approx((5.0, 5.0, 5.0))
    assert np.abs(center_mm(pair.patient) - center_mm(phantom_t1(phantom_tissue_maps()))).max() < 0.5


def test_clipping_maps_the_brain_to_the_unit_interval():
    """With a clip percentile a bright outlier neither passes 1 nor squeezes the rest."""
    image = phantom_t1(phantom_tissue_maps())
    bright = image.data.copy()
    bright[tuple(np.argwhere(bright > 0)[0])] = 1e5
    preset = dataclasses.replace(PRESET, clip_percentile=99.5)

    values = prepare_image_pair(**_inputs(patient_image=Volume(bright, GRID), preset=preset)).patient.data

    assert values.min() == 0.0
    assert values.max() == 1.0
    assert np.median(values[values > 0]) > 0.3


def test_negative_intensities_are_lifted_above_the_background():
    """A standardized image (mean 0) keeps its order, and no brain voxel falls below the background 0."""
    maps = phantom_tissue_maps()
    image = phantom_t1(maps)
    standardized = np.where(maps.brain, (image.data - 170.0) / 40.0, 0.0).astype(np.float32)

    values = prepare_image_pair(**_inputs(patient_image=Volume(standardized, GRID))).patient.data

    assert values.min() == 0.0
    assert np.percentile(values[values > 0], 99.0) == pytest.approx(1.0, abs=1e-3)


def test_the_lesion_and_its_margin_leave_the_metric_region():
    """An 8 mm margin takes away two more voxels on each side of the lesion."""
    lesion = Volume(phantom_labels().data > 0, GRID)
    region_of = {
        margin: prepare_image_pair(
            **_inputs(lesion=lesion, preset=dataclasses.replace(PRESET, lesion_margin_mm=margin))
        ).metric_region.data
        for margin in (0.0, 8.0)
    }
    removed = ~region_of[8.0]
    widths = [np.ptp(np.flatnonzero(mask.any(axis=(1, 2)))) for mask in (~region_of[0.0], removed)]

    assert np.count_nonzero(~region_of[0.0]) == np.count_nonzero(lesion.data)
    assert widths[1] == widths[0] + 4


def test_unusable_images_are_refused():
    """NaN, no contrast, and no brain are image errors that say what to check."""
    maps = phantom_tissue_maps()
    holed = phantom_t1(maps)
    holed.data[20, 20, 20] = np.nan
    constant = Volume(np.where(maps.brain, 7.0, 0.0).astype(np.float32), GRID)
    nothing = Volume(np.zeros(GRID.shape, dtype=bool), GRID)

    with pytest.raises(ImageError, match="patient_image: 1 brain voxels are NaN"):
        prepare_image_pair(**_inputs(patient_image=holed))
    with pytest.raises(ImageError, match="atlas_image: all brain voxels have the value 7"):
        prepare_image_pair(**_inputs(atlas_image=constant))
    with pytest.raises(ImageError, match="patient_image: its brain has 0 voxels"):
        prepare_image_pair(**_inputs(patient_brain=nothing))


def test_nan_outside_the_brain_is_ignored():
    """Skull stripping often leaves NaN outside; it neither fails nor reaches the back end."""
    image = phantom_t1(phantom_tissue_maps())
    image.data[0, 0, 0] = np.nan

    assert np.isfinite(prepare_image_pair(**_inputs(patient_image=image)).patient.data).all()


def test_a_lesion_over_the_whole_brain_is_refused():
    """Nothing would be left to align; usually the mask is inverted."""
    with pytest.raises(RegistrationError, match="lesion covers 100% of the brain"):
        prepare_image_pair(**_inputs(lesion=Volume(phantom_tissue_maps().brain, GRID)))


def test_masks_on_another_grid_are_refused():
    """Brain and lesion must lie on the grid of their image."""
    elsewhere = Volume(np.ones((5, 5, 5), dtype=bool), Grid.axis_aligned((5, 5, 5), 4.0, (0, 0, 0)))
    for name in ("lesion", "patient_brain", "atlas_brain"):
        with pytest.raises(GridMismatchError, match=f"{name} and .*_image lie on different grids"):
            prepare_image_pair(**_inputs(**{name: elsewhere}))
