"""Symptoms: of two first uses at once the second failed ("is being built by process …"); a cached atlas whose white
matter and CSF had been exchanged was used; one that could not be looked at ended in a traceback.

Causes: a lock that is held was an error everywhere; the cache was believed.
Guards: what is made once in the cache is waited for, and what is read from there is compared with its known content.
"""

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy, build_balls, folder_content
from one_brain_atlas import atlas_of
from phantom_brain import phantom_atlas
from typer.testing import CliRunner

from gliofield.anatomy import atlas_sources as sources
from gliofield.anatomy import load_atlas, write_atlas_folder
from gliofield.anatomy.atlas import read_atlas_folder
from gliofield.cache import WAITING_TASK_NAME, cache_folder, make_once
from gliofield.cli import app
from gliofield.database import build_database
from gliofield.database.lock import build_lock
from gliofield.errors import AtlasError, DatabaseError, OutputError, RegistrationError
from gliofield.pipeline import default_database, open_database, setup_everything
from gliofield.retrieval import BlockIndex
from gliofield.retrieval.named_indexes import open_index
from gliofield.testing import PHANTOM_GRID


def build_and_wait(path, report, *, num_tumors=12):
    """A build that waits for others."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=BallDesign(),
        atlas=atlas_of(ball_anatomy(), name="cube"),
        model=GrowingBall(),
        seed=7,
        wait=True,
        report=report,
    )


def test_builds_that_start_together_wait_for_each_other(tmp_path):
    """All end with the database; those that waited have said for whom."""
    events = []
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: build_and_wait(tmp_path / "db", events.append), range(4)))
    assert [database.num_tumors for database in found] == [12] * 4
    build_balls(tmp_path / "other")
    assert folder_content(tmp_path / "db") == folder_content(tmp_path / "other")


def test_waiting_is_said_and_ends_with_the_lock(tmp_path):
    """Without leave to wait it is an error."""
    folder, events = tmp_path / "db", []
    folder.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with build_lock(folder):
            waiting = pool.submit(build_and_wait, folder, events.append)
            while not events:
                time.sleep(0.01)
            assert not waiting.done()
            with pytest.raises(DatabaseError, match=r"is being built by process \d+ on"):
                build_balls(folder)
        assert waiting.result().num_tumors == 12
    said = [event.message for event in events if event.task == WAITING_TASK_NAME]
    assert f"process {os.getpid()} on " in said[0]
    assert "it builds db" in said[0]


def test_indexes_that_are_made_together_are_one(tmp_path):
    """Every process has its answer from the cache, without a notice."""
    database = build_balls(tmp_path / "db")
    with ThreadPoolExecutor(4) as pool:
        indexes = list(pool.map(lambda _: BlockIndex.open(database), range(8)))
    assert all(index.notices == () for index in indexes)


def fake_fetch(monkeypatch, *, seconds=0.0, atlas=None):
    """Fetching writes the phantom, which is what the default atlas is to be; count how often."""
    made = phantom_atlas() if atlas is None else atlas
    fetched = []

    def fetch(folder, download, report):
        fetched.append(folder)
        time.sleep(seconds)
        write_atlas_folder(made, folder, force=True)

    monkeypatch.setattr(sources, "_fetch_sri24", fetch)
    return fetched


@pytest.fixture
def known_content(monkeypatch, tmp_path):
    """The phantom is what the default atlas is to be."""
    write_atlas_folder(phantom_atlas(), tmp_path / "known")
    content = sources._content_of(read_atlas_folder(tmp_path / "known"))
    monkeypatch.setattr(sources, "_SRI24_CONTENT", content)


def test_an_atlas_is_fetched_once(monkeypatch, known_content):
    """By whoever comes first."""
    fetched = fake_fetch(monkeypatch, seconds=0.3)
    with ThreadPoolExecutor(4) as pool:
        atlases = list(pool.map(lambda _: load_atlas("sri24"), range(4)))
    assert len({atlas.content_hash for atlas in atlases}) == 1
    assert len(fetched) == 1


@pytest.mark.parametrize("damage", ["exchanged", "t1", "mask", "json", "missing"])
def test_a_damaged_cached_atlas_is_fetched_again(monkeypatch, known_content, damage):
    """White matter and CSF exchanged, another T1 image or brain, no description, a file that is gone."""
    fetched, events = fake_fetch(monkeypatch), []
    true = load_atlas("sri24")
    folder = fetched[0]
    if damage == "exchanged":
        (folder / "white_matter.nii.gz").rename(folder / "x.nii.gz")
        (folder / "csf.nii.gz").rename(folder / "white_matter.nii.gz")
        (folder / "x.nii.gz").rename(folder / "csf.nii.gz")
    elif damage in ("t1", "mask"):
        name = "t1.nii.gz" if damage == "t1" else "brain_mask.nii.gz"
        shutil.copy(folder / "gray_matter.nii.gz", folder / name)
    elif damage == "json":
        (folder / "atlas.json").write_text("[" * 100_000)
    else:
        (folder / "csf.nii.gz").unlink()

    again = load_atlas("sri24", report=events.append)

    assert len(fetched) == 2
    assert sources._content_of(again) == sources._content_of(true)
    assert events[0].task == "fetch atlas sri24 again"


def test_an_atlas_that_stays_damaged_is_an_error(monkeypatch):
    """Fetching gives another content than the known one, or fails."""
    fake_fetch(monkeypatch)
    with pytest.raises(AtlasError, match="its content is not that of sri24, also after it was fetched again"):
        load_atlas("sri24")

    def fail(folder, download, report):
        raise AtlasError("the network is down.")

    monkeypatch.setattr(sources, "_fetch_sri24", fail)
    with pytest.raises(
        AtlasError, match="its content is not that of sri24. It was to be fetched again, but the network"
    ):
        load_atlas("sri24")


def test_a_cache_that_cannot_be_looked_at_is_said(monkeypatch):
    """No traceback."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    with pytest.raises(AtlasError, match="cannot be looked at: Permission denied"):
        load_atlas("sri24")
    with pytest.raises(AtlasError, match="cannot be looked at: Permission denied"):
        read_atlas_folder("mine")


def test_a_cache_that_cannot_be_written_is_said(tmp_path):
    """A file in its place; nothing is left."""
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written: .* name another cache folder by GLIOFIELD_CACHE_DIR"):
        with make_once(tmp_path / "cache" / "atlases" / "mine", report=lambda event: None):
            pytest.fail("the block must not run")


def test_only_one_at_a_time_makes_a_folder_of_the_cache(tmp_path):
    """And no lock is left; nor are parents that were made for one, if nobody else needed them."""
    inside, most = [], []

    def make(_):
        with make_once(tmp_path / "a" / "b" / "thing", report=lambda event: None):
            inside.append(threading.get_ident())
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(8)))
    assert max(most) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    make(0)
    with make_once(tmp_path / "c" / "thing", report=lambda event: None):
        pass
    assert not (tmp_path / "c").exists()


def test_a_setup_leaves_nothing_to_fetch_or_build(monkeypatch, known_content):
    """Afterwards neither the atlas nor a tumor nor an index is made again."""
    monkeypatch.setattr(sources.Atlas, "simulation_grid", lambda atlas: PHANTOM_GRID)
    fetched = fake_fetch(monkeypatch)
    made = setup_everything(num_tumors=3, num_workers=1)
    assert made.folder == cache_folder()
    assert made.num_tumors == 3
    assert set(made.bytes_of) == {"atlases", "databases", "indexes"}
    assert made.bytes_of["databases"] == sum(
        p.stat().st_size for p in cache_folder("databases").rglob("*") if p.is_file()
    )

    def never(*_arguments, **_options):
        raise AssertionError("built again")

    monkeypatch.setattr("gliofield.pipeline.default_database.build_database", never)
    again = open_database()
    events = []
    open_index("exact", again, thresholds=again.header.thresholds, report=events.append)
    assert again.num_tumors == 3
    assert (len(fetched), events) == (1, [])


@pytest.mark.parametrize("number", ["none", "2"])
def test_the_command_shows_where_everything_lies(monkeypatch, known_content, number):
    """With sizes; the second time nothing is made, and a dry run does nothing."""
    monkeypatch.setattr(sources.Atlas, "simulation_grid", lambda atlas: PHANTOM_GRID)
    fetched = fake_fetch(monkeypatch)
    monkeypatch.setattr("gliofield.pipeline.first_use.personalize", lambda *given, **settings: None)

    def run(*more):
        arguments = ["setup", "--database", number, "--threads", "1", *more]
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    planned = run("--dry-run")
    assert "atlas sri24: would be fetched" in planned.stdout
    assert not cache_folder().exists()

    shown = run()
    assert shown.stdout.startswith(f"ready: everything is in {cache_folder()}\n  atlases ")
    assert ("default database of 2 tumors" if number == "2" else "no database: method query") in shown.stdout
    again = json.loads(run("--json").stdout)
    assert again["folder"] == str(cache_folder())
    assert again["num_tumors"] == (2 if number == "2" else None)
    assert len(fetched) == 1
    assert "atlas sri24: ready" in run("--dry-run").stdout


@pytest.mark.parametrize("number", ["many", "0", "-1", "1e3", "9" * 30, ""])
def test_a_number_of_tumors_that_is_none_is_refused(number):
    """Before anything is fetched."""
    result = CliRunner().invoke(app, ["setup", "--database", number])
    assert result.exit_code == 2
    assert "--database must be a number of tumors such as 5000, or none" in result.stderr
    assert not cache_folder().exists()


def test_an_installation_that_does_not_work_is_told_by_the_setup(monkeypatch, known_content):
    """The rehearsal runs the default method."""
    fake_fetch(monkeypatch)

    def fail(*_arguments, **_options):
        raise RegistrationError("the registration ended.")

    monkeypatch.setattr("gliofield.pipeline.run.register", fail)
    with pytest.raises(RegistrationError, match="the registration ended"):
        setup_everything(num_tumors=None, num_workers=1)


def test_a_larger_database_that_another_process_has_built_is_used(monkeypatch, known_content, tmp_path):
    """The one that was waited for."""
    monkeypatch.setattr(sources.Atlas, "simulation_grid", lambda atlas: PHANTOM_GRID)
    fake_fetch(monkeypatch)
    build = default_database.build_database

    def larger(path, num_tumors, **given):
        build(path, num_tumors + 2, **given)
        return build(path, num_tumors, **given)

    monkeypatch.setattr(default_database, "build_database", larger)
    assert open_database(num_tumors=2, num_workers=1).num_tumors == 4
