"""Symptoms: a build deleted a folder called ``building`` that the user had in the target; the pending manifest of a
folder from elsewhere wrote outside of the database; killed while it removed its build folder, a build left the rest of
it for ever.

Causes: any folder that held one of three names counted as a build; paths of a manifest were joined without a look; a
build that had nothing to do looked at nothing.
Guards: a build folder is one in which every name is a build's, manifests name files of databases alone, links are not
followed, and the build folder loses its name before it is removed.
"""

import os
import shutil
import signal
from dataclasses import replace

import pytest
from growing_ball import build_balls, folder_content

from gliofield.database import SimulationDatabase
from gliofield.database.manifest import FileEntry, Manifest, entry_of
from gliofield.errors import DatabaseError


def test_a_folder_called_building_is_not_a_build(tmp_path):
    """With text, with a folder, as a link, as a file: all stays, and the name is said."""
    for number, make in enumerate(
        (
            lambda place: (place / "building").mkdir() or (place / "building" / "plans.txt").write_text("precious"),
            lambda place: (
                (place / "building" / "parts" / "floor").mkdir(parents=True)
                or (place / "building" / "parts" / "floor" / "1-2.npz").write_text("precious")
            ),
            lambda place: (place / "building").symlink_to(tmp_path),
            lambda place: (place / "building").write_text("precious"),
        )
    ):
        place = tmp_path / f"project {number}"
        place.mkdir()
        make(place)
        before = folder_content(place)
        with pytest.raises(
            DatabaseError, match=r"(which no build has written|is a link or a file and no build)\. Move"
        ):
            build_balls(place)
        assert folder_content(place) == before


@pytest.mark.parametrize("name", ["readme.txt", "density", "zarr.json"])
def test_a_new_database_does_not_lie_among_other_files(tmp_path, name):
    """Beside an empty folder called building too."""
    (tmp_path / "building").mkdir()
    (tmp_path / name).write_text("mine")
    with pytest.raises(DatabaseError, match="is not empty and holds no simulation database"):
        build_balls(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_notes_beside_a_database_stay_when_it_grows(tmp_path):
    """They are no reason to refuse: nothing of the build has their name."""
    build_balls(tmp_path / "db")
    (tmp_path / "db" / "readme.txt").write_text("mine")
    assert build_balls(tmp_path / "db", num_tumors=14).num_tumors == 14
    assert (tmp_path / "db" / "readme.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "path", ["../victim.txt", "/victim.txt", "density/../../victim.txt", "victim.txt", "zarr.json/x"]
)
def test_a_manifest_names_files_of_a_database_alone(tmp_path, path):
    """Others are refused when it is read, so nothing is written anywhere."""
    for name in ("shards", "tables"):
        (tmp_path / "db" / "building" / name).mkdir(parents=True)
    (tmp_path / "victim.txt").write_text("victim")
    (tmp_path / "evil").write_text("evil!!")
    entry = replace(entry_of(tmp_path, "evil"), path=path)
    Manifest(1, (entry,)).write(tmp_path / "db" / "building" / "manifest.json")
    with pytest.raises(DatabaseError, match="which is no file of a database, so it was not written by gliofield"):
        build_balls(tmp_path / "db")
    assert (tmp_path / "victim.txt").read_text() == "victim"


def test_a_build_does_not_follow_links_out_of_its_folder(tmp_path):
    """The table of a folder from elsewhere is a link to a folder of the user."""
    (tmp_path / "user" / "c").mkdir(parents=True)
    (tmp_path / "user" / "c" / "0").write_text("mine")
    tables = tmp_path / "db" / "building" / "tables" / "attempt" / "c"
    tables.mkdir(parents=True)
    (tables / "0").write_text("evil")
    (tmp_path / "db" / "attempt").symlink_to(tmp_path / "user")
    found = entry_of(tables, "0")
    entry = FileEntry("attempt/c/0", found.size, found.sha256)
    Manifest(1, (entry,)).write(tmp_path / "db" / "building" / "manifest.json")
    with pytest.raises(DatabaseError, match="is a link, which a build does not follow"):
        build_balls(tmp_path / "db")
    assert (tmp_path / "user" / "c" / "0").read_text() == "mine"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_kill_while_the_build_folder_is_removed_leaves_nothing_for_long(tmp_path, number):
    """The next build has nothing to do but to sweep; the database is that of one without a kill."""
    build_balls(tmp_path / "other")
    if (process := os.fork()) == 0:
        calls, rmdir = [], os.rmdir

        def dying(*arguments, **options):
            calls.append(arguments)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            rmdir(*arguments, **options)

        os.rmdir = dying
        try:
            build_balls(tmp_path / "db")
        finally:
            os._exit(0)
    os.waitpid(process, 0)

    build_balls(tmp_path / "db")

    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "other")
    assert not (tmp_path / "db" / "building").exists()


def test_what_an_earlier_version_has_left_of_a_finished_build_is_removed(tmp_path):
    """A build folder with parts of a build that the database already holds; one of more tumors stays."""
    build_balls(tmp_path / "db")
    rest = tmp_path / "db" / "building"
    (rest / "rows").mkdir(parents=True)
    (rest / "rows" / "0.npz").write_text("rest")

    build_balls(tmp_path / "db")
    assert not rest.exists()

    partial = rest / "tables" / "volume_ml" / "c" / "0" / f"0.{'ab' * 16}.partial"
    partial.parent.mkdir(parents=True)
    partial.touch()
    (rest / "tables" / f"zarr.{'ab' * 16}.partial").touch()
    build_balls(tmp_path / "db")
    assert not rest.exists()

    rest.mkdir()
    (rest / "settings.json").write_text('{"header": {}, "first": 12, "num_tumors": 50}')
    build_balls(tmp_path / "db")
    assert rest.exists()
    shutil.rmtree(rest)
    assert SimulationDatabase.open(tmp_path / "db").num_tumors == 12


@pytest.mark.parametrize(
    "settings",
    ["[" * 100_000, "[]", "5", '{"header": 5, "first": 0, "num_tumors": 12}', '{"header": {}, "first": "a"}'],
)
def test_settings_of_another_structure_are_those_of_no_build(tmp_path, settings):
    """The build begins anew."""
    (tmp_path / "db" / "building").mkdir(parents=True)
    (tmp_path / "db" / "building" / "settings.json").write_text(settings)
    assert build_balls(tmp_path / "db").num_tumors == 12
