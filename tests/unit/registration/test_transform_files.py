"""Transform folders: what is written, what comes back, and what is refused."""

import json

import nibabel as nib
import numpy as np
import pytest
from deformed_phantom import true_transform
from scipy.io import loadmat

from gliofield.errors import OutputError, RegistrationError
from gliofield.grid import Grid
from gliofield.registration import (
    Transform,
    read_displacement,
    read_itk_affine,
    read_transform,
    write_itk_affine,
    write_transform,
)

AFFINE = np.array([[1.1, 0.1, 0.0, 5.0], [-0.1, 0.9, 0.2, -7.0], [0.0, 0.05, 1.0, 3.0], [0, 0, 0, 1]])


def test_a_transform_comes_back_from_its_folder(tmp_path, rng):
    """Affine exactly, fields to the bit, grid to 0.001 mm."""
    transform = true_transform()
    write_transform(tmp_path / "transforms", transform)

    again = read_transform(tmp_path / "transforms")

    assert np.allclose(again.atlas_from_patient, transform.atlas_from_patient, rtol=0, atol=1e-14)
    assert np.array_equal(again.displacement_mm, transform.displacement_mm)
    assert np.array_equal(again.inverse_displacement_mm, transform.inverse_displacement_mm)
    assert again.displacement_grid.is_same_as(transform.displacement_grid)


def test_an_affine_transform_needs_no_fields(tmp_path):
    """A purely affine folder holds two files and comes back purely affine."""
    write_transform(tmp_path / "transforms", Transform.affine(AFFINE))

    assert {path.name for path in (tmp_path / "transforms").iterdir()} == {"atlas_from_patient.mat", "transform.json"}
    again = read_transform(tmp_path / "transforms")
    assert not again.has_displacement
    assert np.allclose(again.atlas_from_patient, AFFINE, rtol=0, atol=1e-14)


def test_files_are_in_the_coordinates_of_itk(tmp_path):
    """LPS flips x and y: a shift of (5, −7, 3) mm is stored as (−5, 7, 3), vectors likewise, intent 1007."""
    grid = Grid.axis_aligned((3, 3, 3), 2.0, (0, 0, 0))
    field = np.zeros((3, 3, 3, 3), dtype=np.float32)
    field[1, 1, 1] = 0.1, 0.2, 0.3
    write_transform(tmp_path / "t", Transform.from_displacement(field, grid, atlas_from_patient=AFFINE))

    write_itk_affine(tmp_path / "affine.txt", AFFINE)
    text = (tmp_path / "affine.txt").read_text()
    stored = loadmat(tmp_path / "t" / "atlas_from_patient.mat")
    image = nib.load(tmp_path / "t" / "displacement.nii.gz")

    assert text.startswith("#Insight Transform File V1.0\n")
    parameters = [float(value) for value in text.split("Parameters: ")[1].split("\n")[0].split()]
    assert parameters[9:] == pytest.approx([-5.0, 7.0, 3.0])
    assert stored["AffineTransform_double_3_3"].ravel() == pytest.approx(parameters)
    assert np.allclose(read_itk_affine(tmp_path / "affine.txt"), AFFINE, rtol=0, atol=1e-14)
    assert image.shape == (3, 3, 3, 1, 3)
    assert image.header.get_intent()[0] == "vector"
    assert np.allclose(np.asarray(image.dataobj)[1, 1, 1, 0], [-0.1, -0.2, 0.3])


def test_a_center_of_rotation_is_honored(tmp_path):
    """y = M (x − c) + c + t: a scale by 2 about the LPS center (10, 0, 0) leaves RAS (−10, 0, 0) in place."""
    path = tmp_path / "scale.txt"
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: 2 0 0 0 2 0 0 0 2 0 0 0\nFixedParameters: 10 0 0\n"
    )

    assert np.allclose(read_itk_affine(path) @ [-10.0, 0.0, 0.0, 1.0], [-10.0, 0.0, 0.0, 1.0])


def test_an_existing_folder_is_kept_unless_told(tmp_path):
    """Writing twice needs replace=True."""
    write_transform(tmp_path / "t", Transform.identity())
    with pytest.raises(OutputError, match="is not empty"):
        write_transform(tmp_path / "t", Transform.affine(AFFINE))
    assert np.array_equal(read_transform(tmp_path / "t").atlas_from_patient, np.eye(4))

    write_transform(tmp_path / "t", Transform.affine(AFFINE), replace=True)
    assert np.allclose(read_transform(tmp_path / "t").atlas_from_patient, AFFINE)


def test_foreign_and_newer_folders_are_refused(tmp_path):
    """No description, or one of another format version, is no transform folder."""
    with pytest.raises(RegistrationError, match="no transform folder"):
        read_transform(tmp_path)
    (tmp_path / "transform.json").write_text(json.dumps({"format_version": 99, "has_displacement": False}))
    with pytest.raises(RegistrationError, match="format version 99 is unknown"):
        read_transform(tmp_path)


def test_damaged_files_are_refused(tmp_path):
    """A cut field, a text that is no affine, several transforms, a mirrored affine and mixed grids name the file."""
    folder = tmp_path / "t"
    write_transform(folder, true_transform())
    whole = (folder / "displacement.nii.gz").read_bytes()
    (folder / "displacement.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RegistrationError, match=r"displacement\.nii\.gz: cannot be read"):
        read_transform(folder)

    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype=np.float32), np.eye(4)), folder / "displacement.nii.gz")
    with pytest.raises(RegistrationError, match="expected a vector image"):
        read_displacement(folder / "displacement.nii.gz")

    (folder / "atlas_from_patient.mat").write_text("hello\n")
    with pytest.raises(RegistrationError, match="cannot be read as ITK affine"):
        read_transform(folder)
    affine = tmp_path / "affine.txt"
    affine.write_text("Transform: Euler3DTransform_double_3_3\nParameters: 0 0 0 0 0 0\nFixedParameters: 0 0 0\n")
    with pytest.raises(RegistrationError, match="expected a 3-D affine transform"):
        read_itk_affine(affine)
    affine.write_text("Transform: A\nParameters: 0\nTransform: B\n")
    with pytest.raises(RegistrationError, match="several transforms"):
        read_itk_affine(affine)


def test_files_that_make_no_transform_together_are_refused(tmp_path):
    """A mirrored affine, and fields on different grids, are errors of the folder."""
    folder = tmp_path / "t"
    write_transform(folder, true_transform())
    small = Grid.axis_aligned((3, 3, 3), 2.0, (0, 0, 0))
    write_transform(tmp_path / "s", Transform.from_displacement(np.zeros((3, 3, 3, 3)), small))
    (folder / "inverse_displacement.nii.gz").write_bytes((tmp_path / "s" / "inverse_displacement.nii.gz").read_bytes())
    with pytest.raises(RegistrationError, match="do not make one transform"):
        read_transform(folder)

    write_transform(folder, Transform.identity(), replace=True)
    write_itk_affine(folder / "atlas_from_patient.mat", np.diag([-1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(RegistrationError, match="do not make one transform.*mirrors"):
        read_transform(folder)
