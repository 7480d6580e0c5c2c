"""Symptoms: after an error a hidden partial file, an empty parent folder, or some of several files stayed; or a
traceback came instead of a message.

Causes: removing a partial file raised where its folder was none; nibabel and matplotlib wrote under another name than
the one given when they did not like its ending; parents made for a folder were not removed; a link was renamed instead
of what it points to; files of one command were written one by one.
"""

import errno
import json

import nibabel as nib
import numpy as np
import pytest
from phantom_brain import LESION_CENTER_MM, write_phantom_atlas
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.errors import OutputError, ParameterError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.output import atomic_file, atomic_folder, require_absent
from gliofield.volume import Volume

VOLUME = Volume(np.zeros((3, 3, 3), dtype=np.float32), Grid.axis_aligned((3, 3, 3), 1.0, (0, 0, 0)))


@pytest.fixture(scope="module")
def atlas_folder(tmp_path_factory):
    """The phantom as an atlas folder."""
    return write_phantom_atlas(tmp_path_factory.mktemp("atlas") / "phantom")


def _simulate(atlas_folder, out, *more):
    seed = ["--seed-mm", *map(str, LESION_CENTER_MM)]
    rates = ["--diffusivity", "0.2", "--proliferation", "0.04", "--spacing-mm", "4"]
    arguments = ["simulate", *seed, *rates, "--atlas", str(atlas_folder), "--out", str(out), *map(str, more)]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_file_in_the_place_of_a_folder_is_an_output_error(tmp_path):
    """Neither the writing nor the cleaning up raises anything else."""
    (tmp_path / "notes.txt").write_text("x")

    def write():
        with atomic_file(tmp_path / "notes.txt" / "result.txt") as partial:
            partial.write_text("x")

    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        write()


@pytest.mark.parametrize("name", ["density", "density.txt", "density.gz"])
def test_a_name_that_is_no_nifti_name_is_refused(tmp_path, name):
    """The ending decides the format; nothing is written under a name nobody asked for."""
    with pytest.raises(ParameterError, match=r"expected it to end in \.nii or \.nii\.gz"):
        write_volume(tmp_path / name, VOLUME)
    assert list(tmp_path.iterdir()) == []


def test_parents_made_for_a_folder_are_removed_after_an_error(tmp_path):
    """Those that were there before stay, and so does one that has been used meanwhile."""
    (tmp_path / "old").mkdir()

    def write_and_fail(target, *, neighbor=None):
        with atomic_folder(target):
            if neighbor is not None:
                neighbor.write_text("x")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="Nothing was left behind"):
        write_and_fail(tmp_path / "old" / "a" / "b" / "result")
    assert list((tmp_path / "old").iterdir()) == []
    with pytest.raises(OutputError, match="Nothing was left behind"):
        write_and_fail(tmp_path / "a" / "b" / "result", neighbor=tmp_path / "a" / "note.txt")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["note.txt"]


def test_errors_name_the_files_of_a_folder_as_they_would_have_been(tmp_path):
    """Not by the temporary name of the folder."""

    def write_and_fail():
        with atomic_folder(tmp_path / "result") as folder, atomic_file(folder / "a.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"result/a\.txt cannot be written") as caught:
        write_and_fail()
    assert ".partial-" not in str(caught.value)


def test_a_linked_folder_is_replaced_where_it_lies(tmp_path):
    """The link stays a link, and no retired link is left beside it."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "old.txt").write_text("old")
    (tmp_path / "link").symlink_to(real)

    with atomic_folder(tmp_path / "link", replace=True) as partial:
        (partial / "new.txt").write_text("new")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in real.iterdir()] == ["new.txt"]


@pytest.mark.parametrize("name", [".", ".."])
def test_the_current_folder_cannot_be_the_result(tmp_path, monkeypatch, name):
    """Replacing it would leave the shell in a deleted folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(OutputError, match="is the current folder, or holds it"):
        require_absent(name, replace=True)


def test_a_place_that_cannot_be_written_is_found_out_before_the_work(tmp_path, monkeypatch):
    """A file in the place of a parent, or a read-only one, is an error at once."""
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(OutputError, match=r"notes\.txt is not a folder"):
        require_absent(tmp_path / "notes.txt" / "deep" / "result", replace=False)

    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="is read-only"):
        require_absent(tmp_path / "result", replace=False)


@pytest.mark.parametrize(
    ("out", "more", "message"),
    [
        ("tumor", [], "end in .nii or .nii.gz"),
        ("tumor.txt", [], "end in .nii or .nii.gz"),
        ("tumor.nii.gz", ["--figure", "sheet.xyz"], "must end in .png"),
        ("tumor.nii.gz", ["--figure", "sheet"], "must end in .png"),
    ],
)
def test_simulate_refuses_names_it_cannot_write(atlas_folder, tmp_path, out, more, message):
    """Before the simulation, with exit code 2."""
    result = _simulate(atlas_folder, tmp_path / out, "--time", 100, *more)

    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_simulate_writes_all_of_its_files_or_none(atlas_folder, tmp_path, monkeypatch):
    """The disk fills up with the second snapshot: the first is not left behind."""
    save, calls = nib.save, []

    def save_one(image, path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(image, path)

    monkeypatch.setattr(nib, "save", save_one)

    result = _simulate(atlas_folder, tmp_path / "tumor.nii.gz", "--time", 100, "--time", 200)

    assert result.exit_code == 1
    assert "tumor-t0200.0d.nii.gz cannot be written: No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_snapshots_of_nearly_the_same_time_have_files_of_their_own(atlas_folder, tmp_path):
    """100 and 100.01 days were one file, the second time in place of the first."""
    result = _simulate(atlas_folder, tmp_path / "v1.5.nii", "--time", 100, "--time", 100.01, "--json")

    assert [row["time_days"] for row in json.loads(result.stdout)["snapshots"]] == [100, 100.01]
    assert {path.name for path in tmp_path.iterdir()} == {"v1.5-t0100.0d.nii", "v1.5-t100.01d.nii"}
