"""Verification finds what was changed and whom it concerns."""

import json
import shutil

import pytest
from growing_ball import build_balls

from gliofield.database import Problem, VerificationReport, verify_database
from gliofield.errors import DatabaseError, ParameterError

SHARD = "density/c/0/0/0/0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A database of 6 balls."""
    path = tmp_path_factory.mktemp("verify") / "db"
    build_balls(path, num_tumors=6)
    return path


@pytest.fixture
def copy(built, tmp_path):
    """A copy to damage."""
    return shutil.copytree(built, tmp_path / "db")


def _flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("num_threads", [1, 3])
def test_an_intact_database_has_no_problems(built, num_threads):
    """Everything is counted and nothing found."""
    events = []
    report = verify_database(built, num_threads=num_threads, report=events.append)
    assert report == VerificationReport(num_tumors=6, num_files=15, problems=())
    assert report.is_intact
    assert report.damaged_tumors == ()
    assert (events[-1].completed, events[-1].total) == (6, 6)


def test_every_flipped_byte_is_found_in_its_file(built, copy, rng):
    """One flipped bit, anywhere in any file, is one finding that names that file."""
    names = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    for name in names:
        size = (copy / name).stat().st_size
        for position in {0, size - 1, *rng.integers(0, size, 4).tolist()}:
            _flip(copy / name, position)
            report = verify_database(copy)
            assert name in [problem.path for problem in report.problems], f"byte {position} of {name}"
            shutil.copyfile(built / name, copy / name)
    assert verify_database(copy).is_intact


def test_the_tumor_of_a_flipped_byte_is_named(copy):
    """A byte in the middle of the third chunk concerns the third tumor only."""
    from gliofield.database.sharding import ShardIndex

    offset, length = ShardIndex.read(copy / SHARD, 128).positions[2]
    _flip(copy / SHARD, int(offset + length // 2))
    report = verify_database(copy)
    assert report.damaged_tumors == (2,)
    assert report.problems == (
        Problem(path=SHARD, description="content changed: its SHA-256 is not that of the manifest", tumors=(2,)),
    )


def test_a_missing_shard_concerns_all_its_tumors(copy):
    """What cannot be read is damaged."""
    (copy / SHARD).unlink()
    report = verify_database(copy)
    assert report.damaged_tumors == (0, 1, 2, 3, 4, 5)
    assert "cannot be read: No such file" in report.problems[0].description


def test_a_truncated_shard_says_how_long_it_should_be(copy):
    """The index at its end is lost, so all tumors are."""
    content = (copy / SHARD).read_bytes()
    (copy / SHARD).write_bytes(content[:-7])
    report = verify_database(copy)
    assert report.problems[0].description == f"has {len(content) - 7} bytes: expected {len(content)}"
    assert len(report.damaged_tumors) == 6


def test_foreign_files_are_named(copy):
    """A file the manifest does not list, such as a stray shard, is a finding; an unfinished growth is not."""
    (copy / "density" / "c" / "9").mkdir()
    (copy / "density" / "c" / "9" / "stray").write_bytes(b"")
    (copy / "building").mkdir()
    (copy / "building" / "settings.json").write_text("{}")
    (problem,) = verify_database(copy).problems
    assert problem.path == "density/c/9/stray"
    assert "does not belong to the database" in problem.description


def test_tumors_that_never_matched_are_found(copy):
    """With a manifest made to fit changed tumors, the checksums still tell."""
    from gliofield.database.manifest import MANIFEST_NAME, Manifest, entry_of
    from gliofield.database.sharding import ShardIndex, join_shard

    index = ShardIndex.read(copy / SHARD, 128)
    chunks = [index.read_chunk(slot) for slot in range(6)]
    (copy / SHARD).write_bytes(join_shard([chunks[1], chunks[0], *chunks[2:]], 128))
    manifest = Manifest.read(copy / MANIFEST_NAME)
    files = tuple(entry_of(copy, entry.path) for entry in manifest.files)
    Manifest(manifest.num_tumors, files).write(copy / MANIFEST_NAME)
    (problem,) = verify_database(copy).problems
    assert problem.description == "holds tumors that do not match their checksums"
    assert problem.tumors == (0, 1)


def test_no_database_is_an_error_not_a_finding(copy, tmp_path):
    """There must be something to verify, in a format that is known, and not in the middle of being replaced."""
    with pytest.raises(DatabaseError, match="does not exist"):
        verify_database(tmp_path / "nowhere")
    (copy / "building").mkdir()
    (copy / "building" / "manifest.json").write_text("{}")
    with pytest.raises(DatabaseError, match="is being put in place by a build"):
        verify_database(copy)
    shutil.rmtree(copy / "building")
    (copy / "manifest.json").unlink()
    with pytest.raises(DatabaseError, match="has no manifest.json, so there is nothing to verify against"):
        verify_database(copy)


def test_another_format_is_an_error_not_a_finding(copy):
    """An intact database of another version is refused, not called damaged."""
    from gliofield.database.manifest import MANIFEST_NAME, Manifest, entry_of

    group = json.loads((copy / "zarr.json").read_text())
    group["attributes"]["format_version"] = 7
    (copy / "zarr.json").write_text(json.dumps(group))
    manifest = Manifest.read(copy / MANIFEST_NAME)
    files = tuple(entry_of(copy, entry.path) for entry in manifest.files)
    Manifest(manifest.num_tumors, files).write(copy / MANIFEST_NAME)
    with pytest.raises(DatabaseError, match="format version 7"):
        verify_database(copy)


def test_threads_must_be_positive(built):
    """Zero threads verify nothing."""
    with pytest.raises(ParameterError, match="num_threads must be at least 1"):
        verify_database(built, num_threads=0)
