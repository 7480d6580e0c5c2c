"""Method ``assimilate`` on the phantom: the map honors the scan, and what correction makes true is not praised."""

import dataclasses
import json

import nibabel
import numpy as np
import pytest
from phantom_brain import GRID, phantom_atlas, phantom_labels, write_phantom_patient

from gliofield.anatomy import AtlasSpace
from gliofield.assimilation import FitSettings
from gliofield.errors import ParameterError
from gliofield.imaging import Observation, make_virtual_pet
from gliofield.pipeline import (
    AssimilateMethod,
    PersonalizationSettings,
    find_case_files,
    observe,
    personalize,
    read_case,
)
from gliofield.progress import ignore_progress
from gliofield.volume import Volume

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none")
METHOD = AssimilateMethod(
    fit=FitSettings(num_starts=1, num_evaluations=20, num_refinements=20, num_stretched=20), spacing_mm=4.0
)


def personalized(folder, **patient):
    case = read_case(find_case_files(write_phantom_patient(folder / "patient", **patient)))
    return personalize(case, method=METHOD, atlas=ATLAS, settings=SETTINGS)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return personalized(tmp_path_factory.mktemp("case"))


def test_the_density_shows_both_outlines_at_every_voxel(result):
    """Strictly above and not above the thresholds, on the scan's own grid."""
    density, seen = result.density_patient.data, result.case.segmentation

    np.testing.assert_array_equal(result.thresholds.tumor_core(density), seen.tumor_core)
    np.testing.assert_array_equal(result.thresholds.whole_tumor(density), seen.whole_tumor)
    assert density[~seen.whole_tumor].max() > 0.0


def test_quality_is_judged_before_the_correction(result):
    """Agreement is that of growth alone; after correction it is 1, said to be so by construction."""
    assert result.agreement_corrected.combined == pytest.approx(2.0)
    assert 1.2 < result.agreement_patient.combined < 2.0
    grown = result.estimate.uncorrected.data
    assert result.estimate.details["dice_sum_all_foci"] > 1.2
    assert not np.array_equal(result.thresholds.whole_tumor(grown), result.case.segmentation.whole_tumor)


def test_priorities_are_ranks_on_the_scan(result):
    """The core first; no two voxels alike."""
    priority, seen = result.rankings.priority.data, result.case.segmentation

    assert len(np.unique(priority)) == priority.size
    assert priority[seen.tumor_core].min() > np.median(priority[result.case.brain])
    assert priority[result.case.brain].min() > priority[~result.case.brain].max()


def test_the_folder_holds_priorities_and_what_is_unexplained(result, tmp_path):
    """With the patient's affine; the quality says what was made true."""
    saved = result.save(tmp_path / "result")
    quality = json.loads((saved / "quality.json").read_text(encoding="utf-8"))
    reference = nibabel.load(saved / "density_patient.nii.gz")

    for name in ("target_priority", "unexplained"):
        stored = nibabel.load(saved / f"{name}_patient.nii.gz")
        np.testing.assert_array_equal(stored.affine, reference.affine)
        assert stored.get_data_dtype() == np.float32
    assert quality["dice_after_correction"]["note"] == "by construction"
    assert quality["dice_patient_space"]["combined"] < 2.0


def test_a_second_focus_has_cells_before_the_correction(tmp_path):
    """Two tumors in two halves of the brain are both grown, the second as a focus of its own."""
    first, second = phantom_labels(), phantom_labels(10.0, 17.0, (-34.0, -20.0, 10.0))
    both = Volume(np.maximum(first.data, second.data), GRID)
    result = personalized(tmp_path, labels=both)
    grown = result.estimate.uncorrected.data
    other = (second.data > 0) & result.case.segmentation.whole_tumor

    assert len(result.estimate.details["foci"]) >= 1
    assert np.mean(grown[other] > 0.2) > 0.5
    assert any(concern.name == "further-foci" for concern in result.concerns)


def test_a_tumor_without_core_is_assimilated(tmp_path):
    """FLAIR alone binds, and priorities start from the whole tumor."""
    labels = phantom_labels()
    result = personalized(tmp_path, labels=Volume(np.where(labels.data > 0, 2, 0).astype(np.uint8), GRID))

    seen = result.case.segmentation
    np.testing.assert_array_equal(result.thresholds.whole_tumor(result.density_patient.data), seen.whole_tumor)
    assert result.agreement_patient.dice_t1gd is None


def test_a_cavity_holds_no_cells_and_bounds_growth(tmp_path):
    """Neither in the map nor in what was grown; the tumor beside it is there."""
    labels = phantom_labels()
    cavity = (labels.data > 0) & (np.indices(labels.data.shape)[0] > np.argwhere(labels.data > 0)[:, 0].mean() + 2)
    data = np.where(cavity, 4, labels.data).astype(np.uint8)
    case = read_case(write_phantom_patient(tmp_path / "patient", labels=Volume(data, GRID)), scheme="brats2024-post")
    result = personalize(case, method=METHOD, atlas=ATLAS, settings=SETTINGS)

    assert case.segmentation.cavity.any()
    assert not result.density_patient.data[case.segmentation.cavity].any()
    seen = case.segmentation.whole_tumor
    np.testing.assert_array_equal(result.thresholds.whole_tumor(result.density_patient.data), seen)
    priority, cavity = result.rankings.priority.data, case.segmentation.cavity
    assert priority[cavity].max() < priority[case.brain & ~cavity].min()
    assert result.verdict != "no-concern"


def test_pet_takes_part_in_the_fit_alone(tmp_path):
    """What it explains is told; both outlines hold all the same, and with another unit the map is the same."""
    folder = write_phantom_patient(tmp_path / "patient")
    case = read_case(find_case_files(folder))
    uptake = Volume(np.where(case.segmentation.tumor_core, 1.0, 0.1).astype(np.float32), case.grid)
    found = []
    for unit in (1.0, 5.0):
        pet = make_virtual_pet(uptake, case.brain, rng=np.random.default_rng(0), unit=unit)
        with_pet = dataclasses.replace(case, images={**case.images, "pet": pet})
        found.append(personalize(with_pet, method=METHOD, atlas=ATLAS, settings=SETTINGS))

    first, other = found
    assert first.estimate.details["uses_pet"]
    assert 0.2 < first.estimate.details["pet_explained_one_seed"] < 1.0
    np.testing.assert_array_equal(
        first.thresholds.whole_tumor(first.density_patient.data), case.segmentation.whole_tumor
    )
    np.testing.assert_allclose(first.estimate.uncorrected.data, other.estimate.uncorrected.data, atol=1e-3)


def test_without_pet_nothing_is_said_to_be_explained(result):
    """The details say that there was none."""
    assert not result.estimate.details["uses_pet"]
    assert result.estimate.details["pet_explained_one_seed"] is None


def test_it_needs_a_patient():
    """An atlas has no scan to honor."""
    space = AtlasSpace(anatomy=ATLAS.anatomy(GRID))
    mask = phantom_labels().data > 0
    seen = Observation(tumor_core=mask, whole_tumor=mask, grid=GRID, space=space)
    with pytest.raises(ParameterError, match="needs the space of a patient: expected a PatientSpace, got AtlasSpace"):
        METHOD.estimate(seen, report=ignore_progress)


def test_the_spacing_is_positive():
    """By name."""
    with pytest.raises(ParameterError, match="spacing_mm must be > 0"):
        dataclasses.replace(METHOD, spacing_mm=0.0)


def test_any_density_is_corrected_as_the_fitted_one(result):
    """A constant map shows both outlines after it; the fitted density becomes the answer itself."""
    observation = observe(result.case, result.estimate.space, result.thresholds)
    constant = METHOD.correct(np.full(result.case.grid.shape, 0.01, np.float32), observation)
    again = METHOD.correct(result.estimate.uncorrected.data, observation)

    np.testing.assert_array_equal(result.thresholds.tumor_core(constant), result.case.segmentation.tumor_core)
    np.testing.assert_array_equal(result.thresholds.whole_tumor(constant), result.case.segmentation.whole_tumor)
    np.testing.assert_array_equal(again, result.estimate.cell_density.data)
