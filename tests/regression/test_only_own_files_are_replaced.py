"""Symptoms: ``--out SEG.nii.gz --force`` put a folder in the place of the segmentation; ``--force`` on an older result
deleted scans that lay in it, even those of the same run; a result that another process had written meanwhile was
replaced without leave; killed between two renames, neither the old nor the new result had its name; a lock followed a
link and cut the file it pointed to.

Causes: a marker proves that a result is there, not that nothing else is; the target was looked at when writing began
only; a replacement took two steps; locks were opened without a look at what they are.
Guards: every kind of folder knows its files by name (`FolderMarker`), inputs are compared, new names are taken only
where nobody has them, older folders are exchanged in one step, and locks are files of their own.
"""

import os
import shutil
import signal

import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield import output
from gliofield.anatomy import write_atlas_folder
from gliofield.database.lock import LOCK_NAME, build_lock
from gliofield.errors import OutputError
from gliofield.output import FolderMarker, atomic_file, atomic_folder, require_absent
from gliofield.registration import Transform, write_transform
from gliofield.report.result_folder import RESULT_MARKER
from gliofield_training.outputs import keep_logs_alone

KIND = FolderMarker("kind.json", files=("a.txt", "inner/*.txt"))


def old_result(folder):
    """A folder of `KIND`."""
    folder.mkdir()
    (folder / "kind.json").write_text("old")
    (folder / "inner").mkdir()
    (folder / "inner" / "b.txt").write_text("old")
    return folder


def replace_by_new(folder, **options):
    """Write a new folder of `KIND` in the place of an older one."""
    with atomic_folder(folder, replace=True, marker=KIND, **options) as partial:
        (partial / "kind.json").write_text("new")


def content_of(folder):
    """Files below a folder with what they hold."""
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def wait_for(action):
    """Do something in a forked process, which may die of it."""
    if (process := os.fork()) == 0:
        try:
            action()
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def die(*_arguments):
    """What a killed process does next."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("name", ["segmentation.nii.gz", "notes"])
def test_a_folder_never_takes_the_place_of_a_file(tmp_path, name):
    """With leave to replace, before and while writing."""
    (tmp_path / name).write_text("hours of work")
    for marker in (KIND, RESULT_MARKER):
        with pytest.raises(OutputError, match="is a file, and a folder is to be written"):
            require_absent(tmp_path / name, replace=True, marker=marker)
    with (
        pytest.raises(OutputError, match="is a file, and a folder is to be written"),
        atomic_folder(tmp_path / name, replace=True),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / name).read_text() == "hours of work"


@pytest.mark.parametrize("foreign", ["scan_t1.nii.gz", "inner/scan.nii.gz", "inner/deep/b.txt", "more/b.txt"])
def test_a_result_with_a_foreign_file_is_not_replaced(tmp_path, foreign):
    """It is named, and all is as it was."""
    folder = old_result(tmp_path / "result")
    (folder / foreign).parent.mkdir(parents=True, exist_ok=True)
    (folder / foreign).write_text("a scan")
    before = content_of(folder)

    with pytest.raises(OutputError, match=rf"not replaced: it holds what this command does not write \({foreign}\)"):
        replace_by_new(folder)
    assert content_of(folder) == before


def test_a_link_in_a_result_is_foreign(tmp_path):
    """Also one to a folder, which is not followed."""
    folder = old_result(tmp_path / "result")
    (tmp_path / "scans").mkdir()
    (folder / "scans").symlink_to(tmp_path / "scans")

    with pytest.raises(OutputError, match=r"does not write \(scans\)"):
        replace_by_new(folder)


def test_many_foreign_files_are_counted(tmp_path):
    """Three are named."""
    folder = old_result(tmp_path / "result")
    for number in range(5):
        (folder / f"scan_{number}").touch()

    with pytest.raises(OutputError, match=r"\(scan_0, scan_1, scan_2 and 2 more\)"):
        replace_by_new(folder)


def test_an_input_of_the_run_is_not_replaced(tmp_path):
    """Neither where it has the name of a file that the command writes, nor by a link, nor as the target itself."""
    folder = old_result(tmp_path / "result")
    (folder / "a.txt").write_text("an input")
    (tmp_path / "link").symlink_to(folder / "a.txt")
    before = content_of(folder)

    for given in (folder / "a.txt", tmp_path / "link"):
        with pytest.raises(OutputError, match=r"not replaced: the run reads .*, which would be lost"):
            replace_by_new(folder, inputs=[given])
    with pytest.raises(OutputError, match="not replaced: the run reads"):
        require_absent(folder / "a.txt", replace=True, inputs=[tmp_path / "link"])
    assert content_of(folder) == before

    replace_by_new(folder, inputs=[tmp_path])
    assert content_of(folder) == {"kind.json": "new"}


@pytest.mark.parametrize("is_file", [False, True])
def test_what_appears_meanwhile_stays(tmp_path, is_file):
    """Two runs with one target, or files put there while a run writes."""
    target = tmp_path / "RESULT"

    def write():
        with atomic_folder(target) as partial:
            (partial / "density.txt").write_text("mine")
            if is_file:
                target.write_text("hours of work")
            else:
                target.mkdir()
                (target / "notes.txt").write_text("hours of work")

    with pytest.raises(OutputError, match="has appeared while it was being written, and stays as it is"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["RESULT"]
    assert (target if is_file else target / "notes.txt").read_text() == "hours of work"


@pytest.mark.parametrize("has_renameat2", [True, False])
def test_a_file_that_appears_meanwhile_stays(tmp_path, monkeypatch, has_renameat2):
    """Unless the writer says that all write the same; one that was there before is replaced."""
    if not has_renameat2:
        monkeypatch.setattr("gliofield.output._rename", lambda source, target, flag: False)
    target = tmp_path / "tumor.nii.gz"

    def write(text, *, meanwhile, **options):
        with atomic_file(target, **options) as partial:
            partial.write_text(text)
            if meanwhile:
                target.write_text(meanwhile)

    with pytest.raises(OutputError, match="has appeared while it was being written"):
        write("mine", meanwhile="theirs")
    assert target.read_text() == "theirs"
    write("shared", meanwhile="theirs", replace=True)
    assert target.read_text() == "shared"
    write("newer", meanwhile="")
    assert target.read_text() == "newer"
    with pytest.raises(OutputError, match="has appeared while it was being written"):
        write("never", meanwhile="", replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tumor.nii.gz"]


def test_files_that_come_into_a_folder_that_is_being_replaced_stay(tmp_path):
    """The older folder has its name again, with them."""
    folder = old_result(tmp_path / "result")

    def write():
        with atomic_folder(folder, replace=True, marker=KIND):
            (folder / "notes.txt").write_text("hours of work")

    with pytest.raises(OutputError, match=r"does not write \(notes\.txt\)"):
        write()
    assert content_of(folder)["notes.txt"] == "hours of work"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("has_renameat2", [True, False])
@pytest.mark.parametrize("call", ["replace", "rename", "rmtree"])
def test_a_kill_while_replacing_leaves_the_old_or_the_new(tmp_path, monkeypatch, call, has_renameat2):
    """At each call, the n-th time it is made; the next command removes or brings back what is left."""
    for number in range(1, 4):
        place = tmp_path / str(number)
        place.mkdir()
        folder = old_result(place / "result")

        def replace_and_die(folder=folder, number=number):
            calls, module = [], shutil if call == "rmtree" else os
            original = getattr(module, call)

            def dying(*arguments, **options):
                calls.append(arguments)
                if len(calls) == number:
                    die()
                return original(*arguments, **options)

            setattr(module, call, dying)
            if not has_renameat2:
                output._rename = lambda source, target, flag: False
            replace_by_new(folder)

        wait_for(replace_and_die)
        if has_renameat2:
            assert (folder / "kind.json").read_text() in ("old", "new")
        with atomic_file(place / "another.txt") as partial:
            partial.touch()
        assert (folder / "kind.json").read_text() in ("old", "new")
        assert sorted(path.name for path in place.iterdir()) == ["another.txt", "result"]


def test_a_lock_is_no_link_and_no_file_of_the_user(tmp_path):
    """What a link points to, what has another name too, and what holds text are not touched."""
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("thesis")
    lock = tmp_path / LOCK_NAME

    for make in (lambda: lock.symlink_to(thesis), lambda: os.link(thesis, lock), lambda: lock.write_text("my notes")):
        make()
        with pytest.raises(OutputError, match="is no lock of gliofield but a link or something else"):  # noqa: SIM117
            with build_lock(tmp_path):
                pytest.fail("the block must not run")
        assert thesis.read_text() == "thesis"
        assert lock.read_text() in ("thesis", "my notes")
        lock.unlink()


def test_atlases_and_transforms_know_their_files(tmp_path):
    """A folder of scans inside an atlas, a note inside a transform."""
    write_atlas_folder(phantom_atlas(), tmp_path / "atlas")
    write_phantom_patient(tmp_path / "atlas" / "patient")
    with pytest.raises(OutputError, match=r"does not write \(patient/case_flair\.nii\.gz"):
        write_atlas_folder(phantom_atlas(), tmp_path / "atlas", force=True)

    write_transform(tmp_path / "transform", Transform.identity())
    write_transform(tmp_path / "transform", Transform.identity(), replace=True)
    (tmp_path / "transform" / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"does not write \(notes\.txt\)"):
        write_transform(tmp_path / "transform", Transform.identity(), replace=True)


def test_the_folder_of_a_training_keeps_what_it_did_not_write(tmp_path):
    """The end of a training removed every file but its curves."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "training_state.safetensors").touch()

    keep_logs_alone(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
