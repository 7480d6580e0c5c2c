"""Symptoms: of flipped bits in a shard most were read as other tumors, went into a search index under the right
checksum and stayed there after the shard had been restored; flipped bytes of the tumor table gave other growth
parameters; a damaged shard of an unfinished build was certified by its new manifest; an atlas of the cache whose files
had been exchanged was used.

Causes: checksums were stored but compared by `verify` alone.
Guards: every tumor that is read is compared with its checksum, or its file with the manifest; every other file with the
manifest when a database is opened; a finished shard with what it was then; the atlas with its known content.
"""

import json
import shutil

import numpy as np
import pytest
from growing_ball import build_balls

from gliofield.database import SimulationDatabase
from gliofield.database.staging import Staging
from gliofield.errors import DatabaseError
from gliofield.imaging import Observation
from gliofield.retrieval import BlockIndex

SHARD = "density/c/0/0/0/0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A database of 12 balls; tests that change it copy it first."""
    path = tmp_path_factory.mktemp("store") / "db"
    build_balls(path)
    return path


@pytest.fixture
def copy(built, tmp_path):
    """A copy to damage."""
    return shutil.copytree(built, tmp_path / "db")


def flip(path, position, bit):
    """Flip a bit of a file in place."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(bytes(content))


def test_no_flipped_bit_of_a_shard_is_read_as_another_tumor(copy):
    """Each is told with the tumor, or changes nothing that is read; other tumors can still be read."""
    shard = copy / SHARD
    raw = shard.read_bytes()
    true = [SimulationDatabase.open(copy).density_levels(tumor) for tumor in range(12)]
    rng, told = np.random.default_rng(0), 0
    for _ in range(200):
        flip(shard, int(rng.integers(len(raw) - 128 * 16 - 4)), int(rng.integers(8)))
        database, damaged = SimulationDatabase.open(copy), []
        for tumor in range(12):
            try:
                levels = database.density_levels(tumor)
            except DatabaseError as error:
                damaged.append(str(error))
            else:
                assert np.array_equal(levels, true[tumor])
        told += len(damaged)
        assert len(damaged) <= 1
        assert all(f"of {copy} is damaged" in message for message in damaged)
        shard.write_bytes(raw)
    assert told > 100


def test_a_shard_that_changes_under_an_open_database_is_looked_at_again(copy):
    """After it was found sound, and after it was restored."""
    database, raw = SimulationDatabase.open(copy), (copy / SHARD).read_bytes()
    true = [database.density_levels(tumor) for tumor in (3, 4, 5, 6)]
    for position in np.linspace(500, len(raw) // 2, 40):
        flip(copy / SHARD, int(position), 3)
    found = 0
    for tumor in range(12):
        try:
            database.density_levels(tumor)
        except DatabaseError:
            found += 1
    assert found > 0
    (copy / SHARD).write_bytes(raw)
    for tumor, levels in zip((3, 4, 5, 6), true, strict=True):
        np.testing.assert_array_equal(database.density_levels(tumor), levels)


def test_damage_does_not_enter_an_index(copy):
    """Making the index ends with the tumor's name; after the shard is restored it is made of the right tumors."""
    shard, raw = copy / SHARD, (copy / SHARD).read_bytes()
    database = SimulationDatabase.open(copy)
    levels = database.density_levels(5)
    position = _silent_flip(copy, shard, raw)
    query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)

    flip(shard, *position)
    with pytest.raises(DatabaseError, match=r"tumor \d+ of .* is damaged: its densities do not match their checksum"):
        BlockIndex.open(SimulationDatabase.open(copy))
    shard.write_bytes(raw)
    index = BlockIndex.open(SimulationDatabase.open(copy))

    assert index.notices == ()
    assert index.search(query, 1).hits[0].distance == 0


def _silent_flip(folder, shard, raw):
    """A bit whose flip the decompressor does not notice."""
    rng = np.random.default_rng(1)
    for _ in range(1000):
        position = int(rng.integers(len(raw) - 128 * 16 - 4)), int(rng.integers(8))
        flip(shard, *position)
        try:
            database = SimulationDatabase.open(folder)
            for tumor in range(12):
                database.density_levels(tumor)
        except DatabaseError as error:
            if "do not match their checksum" in str(error):
                return position
        finally:
            shard.write_bytes(raw)
    raise AssertionError("every flip was noticed by the decompressor")


@pytest.mark.parametrize("name", ["parameters", "volume_ml", "bounding_box", "checksum", "attempt", "rejections"])
def test_every_flipped_byte_of_the_tumor_table_is_noticed(copy, name):
    """When the database is opened, with the file's name."""
    for path in sorted(p for p in (copy / name).rglob("*") if p.is_file()):
        raw = path.read_bytes()
        for position in np.random.default_rng(0).integers(0, len(raw), 20):
            flip(path, int(position), 2)
            with pytest.raises(DatabaseError, match=rf"{name}/.* content changed: its SHA-256 is not that of the man"):
                SimulationDatabase.open(copy)
            path.write_bytes(raw)


def test_a_changed_header_is_noticed(copy):
    """Even one that is a sound header: another seed of the random numbers."""
    path = copy / "zarr.json"
    group = json.loads(path.read_text())
    group["attributes"]["root_seed"] = 7
    path.write_text(json.dumps(group))
    with pytest.raises(DatabaseError, match=r"zarr\.json (has \d+ bytes|content changed)"):
        SimulationDatabase.open(copy)


@pytest.mark.parametrize("grown", [False, True])
def test_a_damaged_shard_of_an_unfinished_build_is_made_again(tmp_path, monkeypatch, grown):
    """The finished database is that of a build without damage."""
    folder = tmp_path / "db"
    if grown:
        build_balls(folder)
    number = 200
    complete = Staging.complete

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Staging, "complete", stop)
    with pytest.raises(KeyboardInterrupt):
        build_balls(folder, num_tumors=number)
    monkeypatch.setattr(Staging, "complete", complete)
    shard = folder / "building" / "shards" / SHARD
    flip(shard, 300, 4)

    build_balls(folder, num_tumors=number)
    build_balls(tmp_path / "other", num_tumors=number)

    assert (folder / SHARD).read_bytes() == (tmp_path / "other" / SHARD).read_bytes()


def test_a_shard_that_is_damaged_during_the_last_step_ends_the_build(tmp_path, monkeypatch):
    """No manifest certifies it; the next build makes it again."""
    folder, complete = tmp_path / "db", Staging.complete

    def damage_first(self):
        flip(self.folder / "shards" / SHARD, 300, 4)
        monkeypatch.setattr(Staging, "complete", complete)
        complete(self)

    monkeypatch.setattr(Staging, "complete", damage_first)
    with pytest.raises(DatabaseError, match="was damaged after it had been finished. Run the same build again"):
        build_balls(folder)
    assert build_balls(folder).num_tumors == 12


def test_a_database_that_grows_under_its_reader_is_no_damage(copy):
    """Its old tumors are the same bytes in another file."""
    database = SimulationDatabase.open(copy)
    before = [database.density_levels(tumor) for tumor in range(12)]
    build_balls(copy, num_tumors=20)
    for tumor in range(12):
        np.testing.assert_array_equal(database.density_levels(tumor), before[tumor])
