"""Symptoms: units that NIfTI does not know ended in a traceback; values beyond the range of float32 became infinite
after they had been checked; two affines that mirror each other, or a qform without voxel sizes, were read without a
word; folders and links to nothing were "no such file", a sound file with bytes behind it "damaged", compressed files
under a plain name "unknown"; 26 MB took 5.7 GB before they were refused.

Causes: checks before the cast, trust in nibabel's repairs, and one message for all that could not be read.
Guards: the header as it lies in the file is looked at before anything is unpacked, values after the cast.
"""

import gzip
import os
import struct
import warnings

import nibabel as nib
import numpy as np
import pytest
from phantom_brain import write_phantom_patient
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.errors import ImageError, ParameterError
from gliofield.nifti import MAX_VOXELS, read_grid, read_volume

SHAPE = (12, 11, 10)
VALUES = np.random.default_rng(0).random(SHAPE).astype(np.float32)


def saved(path, data=VALUES, affine=None, **codes):
    """A NIfTI file."""
    image = nib.Nifti1Image(data, np.eye(4) if affine is None else affine)
    for name, (matrix, code) in codes.items():
        getattr(image, f"set_{name}")(matrix, code)
    nib.save(image, path)
    return path


def patched(path, position, layout, *values):
    """The same file with other bytes in its header."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, position, *values)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("unit", [4, 5, 6, 7])
def test_units_that_do_not_exist(tmp_path, unit):
    """A message, for the header alone too."""
    path = patched(saved(tmp_path / "a.nii"), 123, "B", unit)
    for read in (read_volume, read_grid):
        with pytest.raises(ImageError, match="in a unit that NIfTI does not know"):
            read(path)


def test_values_beyond_the_range_of_the_cast(tmp_path):
    """Large doubles, and integers with a slope that makes them large."""
    large = np.zeros(SHAPE)
    large[4, 4, 4] = 1e300
    with pytest.raises(ImageError, match="1 voxels are NaN or infinite, as float32"):
        read_volume(saved(tmp_path / "large.nii", large))
    assert read_volume(saved(tmp_path / "large.nii", large), dtype=np.float64).data.max() == 1e300

    path = patched(saved(tmp_path / "scaled.nii", np.full(SHAPE, 100, np.int16)), 112, "<f", 1e38)
    with pytest.raises(ImageError, match="1320 voxels are NaN or infinite, as float32"):
        read_volume(path)


@pytest.mark.parametrize("kind", ["mirrored", "turned", "shifted"])
def test_affines_that_disagree(tmp_path, kind):
    """Refused with the largest distance and both orientations."""
    sform = np.diag([-1.0, -1.0, 1.0, 1.0])
    qform = sform.copy()
    if kind == "mirrored":
        qform[0, 0] = 1.0
    elif kind == "turned":
        qform[:2, :2] = [[0.0, -1.0], [-1.0, 0.0]]
    else:
        qform[2, 3] = 1.5
    path = saved(tmp_path / "a.nii.gz", sform=(sform, 1), qform=(qform, 1))
    with pytest.raises(ImageError, match=r"two affines that disagree by up to [\d.]+ mm \(sform LPS, qform "):
        read_volume(path)


def test_affines_that_agree_but_for_less_than_a_voxel(tmp_path):
    """Rounding and half a voxel are read, by the sform; so is one affine alone."""
    near = np.eye(4)
    near[0, 3] = 0.5
    for codes in ({"sform": (np.eye(4), 1), "qform": (near, 1)}, {"sform": (np.eye(4), 2), "qform": (None, 0)}):
        assert read_volume(saved(tmp_path / "a.nii", **codes)).grid.world_from_voxel[0, 3] == 0.0


@pytest.mark.parametrize("sizes", [(0.0, 0.0, 0.0), (2.0, 0.0, 2.0), (2.0, -2.0, 2.0), (2.0, float("nan"), 2.0)])
def test_a_qform_without_voxel_sizes(tmp_path, sizes):
    """Refused where there is nothing else; with a sform they are not needed."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    alone = patched(saved(tmp_path / "a.nii", sform=(None, 0), qform=(affine, 1)), 80, "<3f", *sizes)
    both = patched(saved(tmp_path / "b.nii", sform=(affine, 1), qform=(affine, 1)), 80, "<3f", *sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageError, match="so the size of the image is unknown|must be a finite 4 x 4 affine"):
            read_volume(alone)
        assert read_volume(both).grid.spacing_mm == (2.0, 2.0, 2.0)


def test_each_thing_that_is_no_image_is_called_what_it_is(tmp_path):
    """A folder, a link to nothing, bytes behind the stream, a wrong ending in both directions."""
    (tmp_path / "case_t1.nii").mkdir()
    os.symlink("../.git/annex/objects/xy/content.nii.gz", tmp_path / "annexed.nii.gz")
    whole = saved(tmp_path / "good.nii.gz").read_bytes()
    (tmp_path / "tail.nii.gz").write_bytes(whole + b"trailing bytes of a transfer")
    (tmp_path / "packed.nii").write_bytes(whole)
    (tmp_path / "unpacked.nii.gz").write_bytes(gzip.decompress(whole))
    (tmp_path / "padded.nii.gz").write_bytes(whole + bytes(100))
    (tmp_path / "twice.nii.gz").write_bytes(whole + gzip.compress(b"more"))
    (tmp_path / "cut.nii.gz").write_bytes(whole[:-20])
    damaged = bytearray(whole)
    damaged[-6] ^= 1
    (tmp_path / "crc.nii.gz").write_bytes(bytes(damaged))

    for name, words in {
        "case_t1.nii": "this is a folder, expected a file",
        "annexed.nii.gz": r"this is a link to .*content\.nii\.gz, which is not there",
        "tail.nii.gz": "bytes after the end of the compressed stream",
        "packed.nii": "is gzip-compressed, which its name does not say",
        "unpacked.nii.gz": "is not compressed although its name ends in .gz",
        "cut.nii.gz": "The file is damaged",
        "crc.nii.gz": "The file is damaged",
    }.items():
        with pytest.raises(ImageError, match=words):
            read_volume(tmp_path / name)
    for name in ("padded.nii.gz", "twice.nii.gz"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).data, VALUES)


def test_a_file_that_cannot_be_opened_is_said_so(tmp_path, monkeypatch):
    """The reason of the system."""
    path = saved(tmp_path / "a.nii")

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match=r"cannot be read as NIfTI \(Permission denied\)"):
        read_volume(path)


@pytest.mark.parametrize("is_compressed", [True, False])
def test_more_voxels_than_the_limit_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, is_compressed):
    """By the header, with the option that raises the limit."""
    header = bytearray(saved(tmp_path / "a.nii").read_bytes()[:352])
    struct.pack_into("<4h", header, 40, 3, 1024, 1024, 1024)
    path = tmp_path / ("bomb.nii.gz" if is_compressed else "bomb.nii")
    path.write_bytes(gzip.compress(bytes(header)) if is_compressed else bytes(header))

    for read in (read_volume, read_grid):
        with pytest.raises(
            ImageError, match=r"1024 x 1024 x 1024 voxels, .* --max-voxels .* environment variable GLIOFIELD_MAX_VOXELS"
        ):
            read(path)
    assert MAX_VOXELS >= 512**3

    monkeypatch.setenv("GLIOFIELD_MAX_VOXELS", str(1024**3))
    with pytest.raises(ImageError, match="voxel data cannot be read"):
        read_volume(path)
    monkeypatch.setenv("GLIOFIELD_MAX_VOXELS", "100")
    with pytest.raises(ImageError, match="12 x 11 x 10 voxels"):
        read_volume(saved(tmp_path / "a.nii"))


@pytest.mark.parametrize("value", ["many", "-5", "0", "1e9", "9" * 5000, "²"])
def test_a_limit_that_is_no_number_is_said(tmp_path, monkeypatch, value):
    """It was left aside without a word."""
    monkeypatch.setenv("GLIOFIELD_MAX_VOXELS", value)
    with pytest.raises(ParameterError, match="GLIOFIELD_MAX_VOXELS must be a number of voxels such as 134217728"):
        read_volume(saved(tmp_path / "a.nii"))


def test_commands_that_read_images_take_the_limit(tmp_path, monkeypatch):
    """For themselves alone; the environment is as it was afterwards."""
    folder = write_phantom_patient(tmp_path / "patient")
    for before in (None, "88001"):
        monkeypatch.delenv("GLIOFIELD_MAX_VOXELS", raising=False)
        if before is not None:
            monkeypatch.setenv("GLIOFIELD_MAX_VOXELS", before)
        for limit, code in (("87999", 1), ("88000", 0)):
            arguments = ["personalize", str(folder), "--dry-run", "--method", "margin", "--max-voxels", limit]
            result = CliRunner().invoke(app, arguments, catch_exceptions=False)
            assert result.exit_code == code, result.stderr
            assert ("44 x 50 x 40 voxels, 8.8e+04 in all: expected at most" in result.stderr) == (code == 1)
            assert os.environ.get("GLIOFIELD_MAX_VOXELS") == before


def test_much_behind_the_last_voxel_is_refused_before_all_of_it_is_unpacked(tmp_path):
    """Zeros that take minutes to unpack; a padded image is read."""
    content = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(content + bytes(20 << 20)))
    (tmp_path / "padded.nii.gz").write_bytes(gzip.compress(content + bytes(1000)))
    with pytest.raises(ImageError, match="more than 1 MB follow the last voxel"):
        read_volume(tmp_path / "bomb.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "padded.nii.gz").data, VALUES)


def test_voxels_that_begin_far_behind_the_header(tmp_path):
    """The way to them would have to be unpacked first."""
    path = patched(saved(tmp_path / "a.nii"), 108, "<f", 4e9)
    with pytest.raises(ImageError, match="voxels begin at byte 4000000000"):
        read_volume(path)


def test_too_little_memory_is_no_damage(tmp_path, monkeypatch):
    """It is called what it is."""
    path = saved(tmp_path / "a.nii.gz")

    def fail(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr("numpy.asanyarray", fail)
    with pytest.raises(ImageError, match="there is not enough memory to read the voxels"):
        read_volume(path)
