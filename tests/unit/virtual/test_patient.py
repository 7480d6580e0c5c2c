import json

import numpy as np
import pytest
from phantom_brain import GRID, phantom_atlas

from gliofield.errors import NumericalError, OutputError, ParameterError
from gliofield.imaging import VisibilityThresholds
from gliofield.pipeline import find_case_files, read_case
from gliofield.virtual import Resolution, VirtualTumor, make_virtual_patient, write_virtual_patient
from gliofield.virtual import patient as patient_module


@pytest.fixture(scope="module")
def patient():
    """One virtual patient in the phantom brain."""
    return make_virtual_patient(phantom_atlas(), rng=np.random.default_rng(3))


def test_the_segmentation_follows_from_density_and_thresholds(patient):
    """Labels 1 and 3 are exactly where the density exceeds 0.6, all labels where it exceeds 0.2."""
    density, labels = patient.cell_density.data, patient.labels.data

    assert np.array_equal(np.isin(labels, (1, 3)), density > 0.6)
    assert np.array_equal(labels > 0, density > 0.2)


def test_truth_and_images_are_zero_outside_the_brain(patient):
    """Images are skull-stripped as BraTS images are, and no cell lives outside."""
    assert not patient.cell_density.data[~patient.brain].any()
    for image in patient.images.values():
        assert np.array_equal(image.data != 0, patient.brain)


def test_the_seed_lies_in_the_tumor(patient):
    """The truth's seed, in the patient's world, is inside the whole tumor."""
    voxel = np.rint(patient.cell_density.grid.voxel_of(patient.parameters.seed_mm)).astype(int)

    assert patient.cell_density.data[tuple(voxel)] > 0.2


@pytest.fixture
def _coarse_images(monkeypatch):
    """Images of 4 mm voxels: tests that say nothing of files need no 9 million."""
    monkeypatch.setattr(patient_module, "Resolution", lambda: Resolution(stored_grid=GRID))


@pytest.mark.usefixtures("_coarse_images")
def test_the_same_generator_gives_the_same_patient():
    """Deformation, seed and noise come from the generator alone; another one gives others."""
    one, again, other = (make_virtual_patient(phantom_atlas(), rng=np.random.default_rng(seed)) for seed in (3, 3, 4))

    for same, is_same in ((again, True), (other, False)):
        assert np.array_equal(same.cell_density.data, one.cell_density.data) == is_same
        assert np.array_equal(same.images["flair"].data, one.images["flair"].data) == is_same


def test_the_files_read_back_as_a_case_with_its_truth_beside_it(patient, tmp_path):
    """A BraTS folder in LPS with the reference density and its parameters."""
    write_virtual_patient(patient, tmp_path / "virtual")

    case = read_case(find_case_files(tmp_path / "virtual"))
    truth = json.loads((tmp_path / "virtual" / "truth.json").read_text())

    assert case.stored_grid.orientation == "LPS"
    assert case.stored_grid.shape == (240, 240, 155)
    assert set(case.images) == {"t1", "t1c", "flair"}
    assert np.array_equal(case.segmentation.tumor_core, patient.cell_density.data > 0.6)
    assert truth["seed_mm"] == list(patient.parameters.seed_mm)
    with pytest.raises(OutputError, match="not empty"):
        write_virtual_patient(patient, tmp_path / "virtual")


@pytest.mark.usefixtures("_coarse_images")
def test_a_tumor_too_small_to_see_is_refused():
    """A virtual patient without a visible tumor would be no patient."""
    tiny = VirtualTumor(diffusion_length_mm=2.0, proliferation_number=0.3, thresholds=VisibilityThresholds())

    with pytest.raises(NumericalError, match="too small to be seen"):
        make_virtual_patient(phantom_atlas(), rng=np.random.default_rng(0), tumor=tiny)


def test_a_negative_deformation_is_refused():
    """The deformation is a standard deviation."""
    with pytest.raises(ParameterError, match="deformation_mm must be ≥ 0"):
        make_virtual_patient(phantom_atlas(), rng=np.random.default_rng(0), deformation_mm=-1.0)


@pytest.mark.usefixtures("_coarse_images")
def test_a_deformation_that_folds_is_refused():
    """No brain is turned inside out."""
    with pytest.raises(NumericalError, match="folds space"):
        make_virtual_patient(phantom_atlas(), rng=np.random.default_rng(0), deformation_mm=60.0)
