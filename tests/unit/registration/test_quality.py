"""Quality measures where the answer is known, and the remarks they lead to."""

import dataclasses

import numpy as np
import pytest
from deformed_phantom import deformed_patient, layered_tissue_maps, true_transform
from phantom_brain import GRID, LESION_CENTER_MM, phantom_labels, phantom_t1

from gliofield.errors import GridMismatchError, ImageError
from gliofield.grid import Grid
from gliofield.registration import (
    QualityLimits,
    RegistrationQuality,
    Transform,
    quality_concerns,
    registration_quality,
)
from gliofield.volume import Volume

GOOD = RegistrationQuality(
    brain_overlap=0.96,
    tissue_overlap={"csf": 0.5, "gray_matter": 0.6, "white_matter": 0.6, "mean": 0.57},
    jacobian_min=0.5,
    jacobian_max=1.9,
    jacobian_p01=0.7,
    jacobian_p99=1.4,
    num_folds=0,
    affine_volume_ratio=1.0,
    core_volume_ratio=1.05,
    whole_volume_ratio=0.95,
    inverse_error_median_mm=0.02,
    inverse_error_p99_mm=0.2,
)


def _phantom_quality(transform, **changes):
    maps = layered_tissue_maps()
    labels = phantom_labels()
    inputs = {
        "patient_image": phantom_t1(maps),
        "patient_brain": Volume(maps.brain, GRID),
        "atlas_brain": Volume(maps.brain, GRID),
        "atlas_tissues": maps,
        "tumor_core": Volume(labels.data == 3, GRID),
        "whole_tumor": Volume(labels.data > 0, GRID),
    }
    return registration_quality(transform, **(inputs | changes))


def test_the_identity_on_itself_is_perfect():
    """A brain on itself: overlap 1, det J 1, no inverse error, nothing to remark."""
    quality = _phantom_quality(Transform.identity())

    assert quality.brain_overlap == 1.0
    assert quality.tissue_overlap["mean"] > 0.9
    assert (quality.jacobian_min, quality.jacobian_max, quality.num_folds) == (1.0, 1.0, 0)
    assert (quality.core_volume_ratio, quality.whole_volume_ratio) == (1.0, 1.0)
    assert quality.inverse_error_p99_mm == 0.0
    assert quality.concerns == ()


def test_the_true_transform_of_a_deformed_brain_is_good():
    """Under the map it was made with, the patient's brain and tissue fall onto the atlas."""
    image, brain, lesion = deformed_patient()

    quality = _phantom_quality(
        true_transform(), patient_image=image, patient_brain=brain, whole_tumor=lesion, tumor_core=None
    )

    assert quality.brain_overlap > 0.98
    assert quality.tissue_overlap["mean"] > 0.85
    assert quality.core_volume_ratio is None
    assert quality.concerns == ()


def test_a_wrong_shift_lowers_both_overlaps():
    """3 cm off, brain and tissue no longer fit, and the first remark is about the brain."""
    shift = np.eye(4)
    shift[0, 3] = 30.0

    quality = _phantom_quality(Transform.affine(shift))

    assert quality.brain_overlap < 0.8
    assert quality.tissue_overlap["mean"] < _phantom_quality(Transform.identity()).tissue_overlap["mean"] - 0.2
    assert quality.concerns[0].text.startswith("The patient's brain overlaps the atlas brain by a Dice of only")


def test_the_tumor_volume_ratio_is_that_of_the_map():
    """A map that contracts the tumor region by 20 % per axis changes its volume by 0.8³, and says so."""
    points = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)) - np.array(LESION_CENTER_MM)
    distance = np.linalg.norm(points, axis=-1, keepdims=True)
    fade = np.clip((60.0 - distance) / 30.0, 0.0, 1.0)
    transform = Transform.from_displacement((-0.2 * points * fade).astype(np.float32), GRID)

    quality = _phantom_quality(transform)

    assert quality.core_volume_ratio == pytest.approx(0.8**3, abs=1e-5)
    assert quality.whole_volume_ratio == pytest.approx(0.8**3, abs=1e-5)
    assert any("volume of the tumor core by a factor of 0.51" in remark.text for remark in quality.concerns)


def test_folds_are_counted_in_the_brain():
    """A field that turns a small region inside out has det J ≤ 0 there."""
    points = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1))
    near = np.linalg.norm(points, axis=-1, keepdims=True) < 18.0
    field = np.where(near, -2.0 * points, 0.0).astype(np.float32)
    folded = Transform(
        atlas_from_patient=np.eye(4), displacement_mm=field, inverse_displacement_mm=-field, displacement_grid=GRID
    )

    quality = _phantom_quality(folded)

    assert quality.num_folds > 100
    assert quality.jacobian_min < 0
    assert any("folds at" in remark.text for remark in quality.concerns)
    assert any("There and back misses" in remark.text for remark in quality.concerns)


def test_measures_without_their_input_are_none():
    """No tissue maps and no tumor: the rest is measured all the same."""
    quality = _phantom_quality(Transform.identity(), atlas_tissues=None, tumor_core=None, whole_tumor=None)

    assert quality.tissue_overlap is None
    assert quality.core_volume_ratio is None
    assert quality.whole_volume_ratio is None
    assert quality.concerns == ()


def test_an_empty_core_has_no_volume_ratio():
    """A tumor without core is legitimate; its ratio is undefined."""
    nothing = Volume(np.zeros(GRID.shape, dtype=bool), GRID)

    assert _phantom_quality(Transform.identity(), tumor_core=nothing).core_volume_ratio is None


def test_inputs_must_fit_together():
    """Masks on another grid and an empty brain are refused."""
    elsewhere = Volume(np.ones((5, 5, 5), dtype=bool), Grid.axis_aligned((5, 5, 5), 4.0, (0, 0, 0)))
    for name in ("patient_brain", "tumor_core", "whole_tumor"):
        with pytest.raises(GridMismatchError, match=f"{name} and patient_image lie on different grids"):
            _phantom_quality(Transform.identity(), **{name: elsewhere})
    with pytest.raises(ImageError, match="patient_brain is empty"):
        _phantom_quality(Transform.identity(), patient_brain=Volume(np.zeros(GRID.shape, dtype=bool), GRID))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"brain_overlap": 0.7}, "overlaps the atlas brain"),
        ({"brain_overlap": float("nan")}, "overlaps the atlas brain"),
        ({"num_folds": 3}, "folds at 3 brain voxels"),
        ({"whole_volume_ratio": 0.5}, "volume of the whole tumor by a factor of 0.50"),
        ({"core_volume_ratio": 1.8}, "volume of the tumor core by a factor of 1.80"),
        ({"affine_volume_ratio": 1.3, "whole_volume_ratio": 1.3, "core_volume_ratio": 1.3}, None),
        ({"tissue_overlap": {"mean": 0.2}}, "mean Dice of only 0.20"),
        ({"inverse_error_p99_mm": 3.5}, "There and back misses by 3.5 mm"),
        ({"jacobian_p01": 0.2}, "Local volumes change by factors of 0.20"),
        (
            {
                "affine_volume_ratio": 1.7,
                "core_volume_ratio": None,
                "whole_volume_ratio": 1.7,
                "jacobian_p01": 1.6,
                "jacobian_p99": 1.8,
            },
            "check the voxel spacing",
        ),
    ],
)
def test_each_value_out_of_its_limit_gets_one_remark(changes, expected):
    """The remark names the value; tumor and local volumes are judged beside the brain's own change."""
    remarks = quality_concerns(dataclasses.replace(GOOD, **changes), QualityLimits())

    assert len(remarks) == (0 if expected is None else 1)
    assert all(expected in remark.text for remark in remarks)
