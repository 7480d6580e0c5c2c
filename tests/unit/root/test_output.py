import errno
import os

import pytest

from gliofield.errors import OutputError
from gliofield.output import atomic_file, atomic_folder, require_absent

is_root = hasattr(os, "geteuid") and os.geteuid() == 0


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def raise_no_space(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_appears_when_the_block_ends(tmp_path):
    """Not before, and nothing else stays."""
    target = tmp_path / "result.txt"
    with atomic_file(target) as partial:
        partial.write_text("done")
        assert not target.exists()

    assert target.read_text() == "done"
    assert names_in(tmp_path) == ["result.txt"]


def test_the_temporary_name_keeps_all_suffixes(tmp_path):
    """Writers that choose a format by name see .nii.gz."""
    with atomic_file(tmp_path / "density.nii.gz") as partial:
        assert partial.name.endswith(".nii.gz")
        partial.write_bytes(b"x")


def test_a_file_is_replaced_whole(tmp_path):
    """The old content stands until the new one is complete."""
    target = tmp_path / "result.txt"
    target.write_text("old")
    with atomic_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"

    assert target.read_text() == "new"


def test_an_exception_leaves_no_file(tmp_path):
    """The exception passes through unchanged; the old file still stands."""
    target = tmp_path / "result.txt"
    target.write_text("old")

    def write_and_fail():
        with atomic_file(target) as partial:
            partial.write_text("half")
            raise KeyError("cause")

    with pytest.raises(KeyError, match="cause"):
        write_and_fail()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["result.txt"]


def test_a_full_disk_while_writing_is_an_output_error(tmp_path):
    """ENOSPC inside the block: the reason is named, the cause chained, nothing left behind."""
    target = tmp_path / "result.txt"

    def write_and_run_out():
        with atomic_file(target) as partial:
            partial.write_text("half")
            raise_no_space()

    with pytest.raises(OutputError, match="cannot be written: No space left on device") as caught:
        write_and_run_out()
    assert isinstance(caught.value.__cause__, OSError)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_at_the_end_is_an_output_error(tmp_path, monkeypatch, call):
    """Flushing and renaming can fail as well; the old file survives."""
    target = tmp_path / "result.txt"
    target.write_text("old")
    monkeypatch.setattr(os, call, raise_no_space)

    def write():
        with atomic_file(target) as partial:
            partial.write_text("new")

    with pytest.raises(OutputError, match="No space left on device"):
        write()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["result.txt"]


def test_a_missing_parent_of_a_file_is_an_output_error(tmp_path):
    """Files do not make folders; the message names the target."""

    def write():
        with atomic_file(tmp_path / "absent" / "result.txt") as partial:
            partial.write_text("x")

    with pytest.raises(OutputError, match=r"result\.txt cannot be written: No such file"):
        write()


@pytest.mark.skipif(is_root, reason="root may write everywhere")
def test_a_read_only_folder_is_an_output_error(tmp_path):
    """No permission is reported like any other reason."""
    tmp_path.chmod(0o500)

    def write():
        with atomic_file(tmp_path / "result.txt") as partial:
            partial.write_text("x")

    try:
        with pytest.raises(OutputError, match="Permission denied"):
            write()
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_appears_when_the_block_ends(tmp_path):
    """With everything in it; missing parents are made."""
    target = tmp_path / "deep" / "result"
    with atomic_folder(target) as partial:
        (partial / "a.txt").write_text("a")
        assert not target.exists()

    assert names_in(target) == ["a.txt"]
    assert names_in(target.parent) == ["result"]


def test_an_empty_existing_folder_may_be_filled(tmp_path):
    """A folder made beforehand, as `mkdir` users do, is no obstacle."""
    target = tmp_path / "result"
    target.mkdir()
    with atomic_folder(target) as partial:
        (partial / "a.txt").write_text("a")

    assert names_in(target) == ["a.txt"]
    assert names_in(tmp_path) == ["result"]


def test_an_existing_folder_is_not_touched_without_leave(tmp_path):
    """The error comes before any work and names the option that allows it."""
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")

    with pytest.raises(OutputError, match=r"exists and is not empty.*replace=True"), atomic_folder(target):
        pytest.fail("the block must not run")
    assert names_in(target) == ["old.txt"]


def test_an_existing_file_under_the_name_is_not_touched_without_leave(tmp_path):
    """A file in the place of the folder is an error too."""
    (tmp_path / "result").write_text("old")

    with pytest.raises(OutputError, match=r"exists\. Choose another name"), atomic_folder(tmp_path / "result"):
        pytest.fail("the block must not run")


def test_with_leave_the_old_result_is_replaced_whole(tmp_path):
    """None of the old files remains."""
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")

    with atomic_folder(target, replace=True) as partial:
        (partial / "new.txt").write_text("new")

    assert names_in(target) == ["new.txt"]
    assert names_in(tmp_path) == ["result"]


def test_an_exception_keeps_the_old_folder(tmp_path):
    """Replacing happens only after the new folder is complete."""
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")

    def write_and_fail():
        with atomic_folder(target, replace=True) as partial:
            (partial / "new.txt").write_text("half")
            raise RuntimeError("cause")

    with pytest.raises(RuntimeError, match="cause"):
        write_and_fail()
    assert names_in(target) == ["old.txt"]
    assert names_in(tmp_path) == ["result"]


def test_a_swap_that_fails_half_way_brings_the_old_folder_back(tmp_path, monkeypatch):
    """Where folders cannot be exchanged and the second of two renames fails, the old one stands under its name."""
    target = tmp_path / "result"
    target.mkdir()
    (target / "old.txt").write_text("old")
    rename, calls = os.replace, []

    def fail_at_second(source, destination):
        calls.append(destination)
        if len(calls) == 2:
            raise_no_space()
        rename(source, destination)

    monkeypatch.setattr(os, "replace", fail_at_second)
    monkeypatch.setattr("gliofield.output._rename", lambda source, target, flag: False)

    def write():
        with atomic_folder(target, replace=True) as partial:
            (partial / "new.txt").write_text("new")

    with pytest.raises(OutputError, match="No space left on device"):
        write()
    assert names_in(target) == ["old.txt"]
    assert names_in(tmp_path) == ["result"]


def test_a_full_disk_while_filling_a_folder_leaves_nothing(tmp_path):
    """ENOSPC inside the block is an OutputError and the partial folder is gone."""

    def write_and_run_out():
        with atomic_folder(tmp_path / "result") as partial:
            (partial / "half.txt").write_text("half")
            raise_no_space()

    with pytest.raises(OutputError, match="No space left on device"):
        write_and_run_out()
    assert names_in(tmp_path) == []


def test_only_a_folder_of_the_same_kind_is_replaced(tmp_path):
    """With leave to replace, a folder that lacks the marker is somebody's data and stays; one that has it goes."""
    target = tmp_path / "patient"
    target.mkdir()
    (target / "scan.nii.gz").write_bytes(b"x")

    with pytest.raises(OutputError, match=r"is not replaced: .*holds no result\.json"):
        require_absent(target, replace=True, marker="result.json")
    (target / "result.json").write_text("{}")
    with atomic_folder(target, replace=True, marker="result.json") as partial:
        (partial / "result.json").write_text("{}")

    assert names_in(target) == ["result.json"]


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    """Neither itself nor a folder above it: the shell would stand in a folder that is gone."""
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")

    for path in (".", "..", tmp_path):
        with pytest.raises(OutputError, match="is the current folder, or holds it"):
            require_absent(path, replace=True)


def test_a_place_below_a_file_is_refused_before_any_work(tmp_path):
    """`file/result` cannot be made; the file is named."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(OutputError, match="file is not a folder. Choose another place"):
        require_absent(tmp_path / "file" / "deep" / "result", replace=False)


def test_a_read_only_place_is_refused_before_any_work(tmp_path, monkeypatch):
    """The folder that cannot be written into is named."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)

    with pytest.raises(OutputError, match="is read-only. Choose another place"):
        require_absent(tmp_path / "deep" / "result", replace=False)


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_a_link_is_followed(tmp_path, make):
    """What it points to is written, the link stays a link."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "result"
    link.symlink_to(tmp_path / "disk" / "target")

    with make(link) as partial:
        file = partial if make is atomic_file else partial / "a.txt"
        file.write_text("a")

    assert link.is_symlink()
    assert names_in(tmp_path / "disk") == ["target"]


def test_parents_made_for_a_failed_folder_are_removed(tmp_path):
    """Only those it made: what was there before stays."""
    (tmp_path / "kept").mkdir()

    def write_and_fail():
        with atomic_folder(tmp_path / "kept" / "new" / "deep" / "result"):
            raise KeyError("cause")

    with pytest.raises(KeyError, match="cause"):
        write_and_fail()
    assert names_in(tmp_path / "kept") == []


def test_a_file_inside_a_folder_in_the_making_is_named_by_its_final_place(tmp_path):
    """Users see `result/a.txt`, not the temporary name of the folder."""

    def write_and_run_out():
        with atomic_folder(tmp_path / "result") as folder, atomic_file(folder / "a.txt"):
            raise_no_space()

    with pytest.raises(OutputError, match=r"result/a\.txt cannot be written: No space left on device") as caught:
        write_and_run_out()
    assert "partial" not in str(caught.value)


def test_files_of_one_output_do_not_sweep_each_other_away(tmp_path):
    """A writer that is atomic itself, inside the block of another: the next file takes nothing for a leftover."""
    with atomic_file(tmp_path / "a.txt") as first:
        with atomic_file(first) as inner:
            inner.write_text("a")
        with atomic_file(tmp_path / "b.txt") as second:
            second.write_text("b")
        assert names_in(tmp_path) == sorted(["b.txt", first.name])

    assert [(tmp_path / name).read_text() for name in names_in(tmp_path)] == ["a", "b"]


def test_absence_is_required_only_without_leave(tmp_path):
    """`replace=True` and empty or missing targets pass in silence."""
    (tmp_path / "file").write_text("x")

    require_absent(tmp_path / "missing", replace=False)
    require_absent(tmp_path / "file", replace=True)
    with pytest.raises(OutputError, match=r"file exists\. Choose another name, or pass replace=True"):
        require_absent(tmp_path / "file", replace=False)
