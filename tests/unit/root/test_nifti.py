import gzip

import nibabel as nib
import numpy as np
import pytest

from gliofield.errors import GridMismatchError, ImageError, OutputError
from gliofield.grid import Grid
from gliofield.nifti import read_grid, read_volume, write_volume
from gliofield.volume import Volume

SHAPE = (3, 4, 5)
GRID = Grid.axis_aligned(SHAPE, (1.0, 1.5, 2.0), (-10.0, 5.0, 2.0))
VALUES = np.arange(60, dtype=np.float32).reshape(SHAPE)


def save(path, data, affine, *, sform_code=1, qform_code=1):
    """Write with nibabel, so the reader is not tested against our own writer."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code=sform_code)
    image.set_qform(affine if qform_code else None, code=qform_code)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(("signs", "letters"), [((-1, -1, 1), "LPS"), ((1, 1, 1), "RAS"), ((-1, 1, 1), "LAS")])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_patient_in_any_orientation_is_one_volume(tmp_path, signs, letters, suffix):
    """LPS, RAS and LAS files of the same voxels give the same array and grid; the stored grid is still known."""
    last = np.array(SHAPE) - 1
    affine = GRID.world_from_voxel.copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * last[axis]
            affine[:3, axis] *= -1
    stored = np.flip(VALUES, [axis for axis in range(3) if signs[axis] < 0])
    path = save(tmp_path / f"image{suffix}", stored, affine)

    volume = read_volume(path)

    assert read_grid(path).orientation == letters
    assert volume.grid.is_same_as(GRID)
    assert np.array_equal(volume.data, VALUES)
    assert volume.data.dtype == np.float32


def test_the_affine_may_come_from_the_qform_alone(tmp_path):
    """A file without sform but with a qform is placed by it."""
    path = save(tmp_path / "image.nii.gz", VALUES, GRID.world_from_voxel, sform_code=0)

    assert read_volume(path).grid.is_same_as(GRID)


def test_trailing_axes_of_length_one_are_dropped(tmp_path):
    """A (3, 4, 5, 1) file is a 3-D image."""
    path = save(tmp_path / "image.nii.gz", VALUES[..., np.newaxis], GRID.world_from_voxel)

    assert np.array_equal(read_volume(path).data, VALUES)


def test_scaling_is_applied(tmp_path):
    """Integers with slope 0.5 and intercept 10 come back as values."""
    image = nib.Nifti1Image(VALUES.astype(np.int16), GRID.world_from_voxel)
    image.header.set_slope_inter(0.5, 10.0)
    nib.save(image, tmp_path / "image.nii.gz")
    raw = nib.load(tmp_path / "image.nii.gz")

    assert np.allclose(read_volume(tmp_path / "image.nii.gz").data, raw.get_fdata())
    assert raw.dataobj.slope == 0.5


def test_integer_types_can_be_asked_for(tmp_path):
    """Labels come back as integers when a type is given."""
    path = save(tmp_path / "labels.nii.gz", VALUES.astype(np.uint8), GRID.world_from_voxel)

    assert read_volume(path, dtype=np.uint8).data.dtype == np.uint8


def test_a_time_series_is_refused(tmp_path):
    """4-D data need a decision which volume to use."""
    path = save(tmp_path / "series.nii.gz", np.zeros((*SHAPE, 2), np.float32), GRID.world_from_voxel)

    with pytest.raises(ImageError, match=r"expected one 3-D volume, got shape \(3, 4, 5, 2\)"):
        read_volume(path)


def test_a_single_slice_is_refused(tmp_path):
    """2-D data are no volume."""
    nib.save(nib.Nifti1Image(np.zeros((3, 4), np.float32), np.eye(4)), tmp_path / "slice.nii.gz")

    with pytest.raises(ImageError, match="expected one 3-D volume"):
        read_volume(tmp_path / "slice.nii.gz")


def test_a_header_without_affine_is_refused(tmp_path):
    """With both codes 0 left and right would be a guess."""
    path = save(tmp_path / "image.nii.gz", VALUES, GRID.world_from_voxel, sform_code=0, qform_code=0)

    with pytest.raises(ImageError, match="the header has no affine"):
        read_volume(path)
    with pytest.raises(ImageError, match="the header has no affine"):
        read_grid(path)


def test_a_sheared_affine_is_refused_with_the_file_name(tmp_path):
    """A shear in the sform is named together with the file."""
    affine = GRID.world_from_voxel.copy()
    affine[0, 1] = 0.5
    path = save(tmp_path / "sheared.nii.gz", VALUES, affine, qform_code=0)

    with pytest.raises(ImageError, match=r"sheared\.nii\.gz: .*is sheared"):
        read_volume(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_refused(tmp_path, value):
    """Two bad voxels are two in the message."""
    data = VALUES.copy()
    data[0, 0, :2] = value
    path = save(tmp_path / "image.nii.gz", data, GRID.world_from_voxel)

    with pytest.raises(ImageError, match="2 voxels are NaN or infinite"):
        read_volume(path)


def test_a_missing_file_is_named(tmp_path):
    """No such file, with its path; a folder is no file either."""
    with pytest.raises(ImageError, match=r"absent\.nii\.gz: no such file"):
        read_volume(tmp_path / "absent.nii.gz")
    with pytest.raises(ImageError, match="this is a folder, expected a file"):
        read_volume(tmp_path)


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz", "image.txt"])
def test_bytes_that_are_no_image_are_refused(tmp_path, name):
    """Random bytes under any name are an ImageError, not a nibabel exception."""
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 8)

    with pytest.raises(ImageError, match="cannot be read as NIfTI"):
        read_volume(path)


def test_an_empty_file_is_refused(tmp_path):
    """Zero bytes, as an interrupted copy leaves them."""
    (tmp_path / "image.nii.gz").write_bytes(b"")

    with pytest.raises(ImageError, match="cannot be read as NIfTI"):
        read_volume(tmp_path / "image.nii.gz")


def test_a_truncated_file_is_damaged(tmp_path, rng):
    """Half of a .nii.gz: the header reads, the voxels do not."""
    noise = rng.random((20, 20, 20), dtype=np.float32)
    path = save(tmp_path / "image.nii.gz", noise, np.eye(4))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(ImageError, match=r"image\.nii\.gz: voxel data cannot be"):
        read_volume(path)


def test_a_truncated_uncompressed_file_is_damaged(tmp_path):
    """Fewer bytes than the header promises."""
    path = save(tmp_path / "image.nii", VALUES, np.eye(4))
    path.write_bytes(path.read_bytes()[:400])

    with pytest.raises(ImageError, match="voxel data cannot be"):
        read_volume(path)


def test_a_flipped_bit_in_the_stream_is_noticed(tmp_path, rng):
    """Damage inside the compressed stream is an ImageError, whichever exception zlib picks."""
    path = save(tmp_path / "image.nii.gz", rng.random((20, 20, 20), dtype=np.float32), np.eye(4))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))

    with pytest.raises(ImageError, match="voxel data cannot be"):
        read_volume(path)


def test_another_image_format_is_named(tmp_path):
    """A file nibabel knows but that is no NIfTI is refused by its type."""
    nib.save(nib.MGHImage(VALUES, np.eye(4)), tmp_path / "image.mgz")

    with pytest.raises(ImageError, match="expected a NIfTI image, got MGHImage"):
        read_volume(tmp_path / "image.mgz")


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool])
def test_what_is_written_is_read(tmp_path, dtype):
    """Values, grid and on-disk type survive; masks are stored as uint8."""
    data = (VALUES % 2).astype(dtype)
    write_volume(tmp_path / "image.nii.gz", Volume(data, GRID))

    again = read_volume(tmp_path / "image.nii.gz")
    stored = nib.load(tmp_path / "image.nii.gz")

    assert np.array_equal(again.data, data)
    assert again.grid.is_same_as(GRID)
    assert stored.get_data_dtype() == (np.uint8 if dtype is bool else dtype)
    assert int(stored.header["sform_code"]) == int(stored.header["qform_code"]) == 1
    assert stored.header.get_xyzt_units()[0] == "mm"


def test_a_result_returns_on_the_patients_own_grid(tmp_path):
    """Read LPS, write `stored_as` the file's grid: array, affine and orientation are the file's again."""
    affine = np.diag([-1.0, -1.5, 2.0, 1.0])
    path = save(tmp_path / "patient.nii.gz", VALUES, affine)

    write_volume(tmp_path / "result.nii.gz", read_volume(path), stored_as=read_grid(path))

    result = nib.load(tmp_path / "result.nii.gz")
    assert np.array_equal(result.get_fdata(), VALUES)
    assert np.allclose(result.affine, affine)


def test_a_foreign_grid_cannot_be_written_as(tmp_path):
    """`stored_as` reorders; it never moves voxels. Nothing is written."""
    with pytest.raises(GridMismatchError, match="different grids"):
        write_volume(tmp_path / "result.nii.gz", Volume(VALUES, GRID), stored_as=Grid(SHAPE, np.eye(4)))
    assert list(tmp_path.iterdir()) == []


def test_type_and_description_are_as_asked(tmp_path):
    """An on-disk type can be chosen; a long description is cut, not refused."""
    volume = Volume(VALUES, GRID)
    write_volume(tmp_path / "image.nii.gz", volume, dtype=np.float64, description="tumor-cell density " * 9)

    stored = nib.load(tmp_path / "image.nii.gz")
    assert stored.get_data_dtype() == np.float64
    assert bytes(stored.header["descrip"]).startswith(b"tumor-cell density")


def test_equal_volumes_are_equal_files(tmp_path):
    """No time of writing gets into the bytes, so results can be compared by their hash."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_volume(tmp_path / name / "image.nii", Volume(VALUES, GRID))
        write_volume(tmp_path / name / "image.nii.gz", Volume(VALUES, GRID))

    plain = [(tmp_path / name / "image.nii").read_bytes() for name in ("first", "second")]
    packed = [(tmp_path / name / "image.nii.gz").read_bytes() for name in ("first", "second")]
    assert plain[0] == plain[1]
    assert gzip.decompress(packed[0]) == plain[0]
    assert packed[0] == packed[1]


def test_writing_into_a_missing_folder_says_so(tmp_path):
    """An OutputError with the path, not a bare FileNotFoundError."""
    with pytest.raises(OutputError, match=r"image\.nii\.gz cannot be written"):
        write_volume(tmp_path / "absent" / "image.nii.gz", Volume(VALUES, GRID))


def test_an_image_in_meters_is_refused(tmp_path):
    """Positions are mm; a header that says otherwise is not read a thousand times too small."""
    image = nib.Nifti1Image(np.zeros((4, 4, 4), dtype=np.float32), np.diag([0.001, 0.001, 0.001, 1.0]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "meters.nii.gz")

    with pytest.raises(ImageError, match="in meters: expected mm"):
        read_volume(tmp_path / "meters.nii.gz")
