"""Parts built apart and merged: the very files of one build, or a clear refusal."""

import errno
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from growing_ball import BallDesign, ball_anatomy, build_balls, folder_content

from gliofield.database import SimulationDatabase, merge_databases, part_of_database, verify_database
from gliofield.errors import DatabaseError, OutputError, ParameterError

SMALL = ball_anatomy(num_voxels=6)


def _part(folder, numbers, **settings):
    return build_balls(folder, first_tumor=numbers.start, num_tumors=len(numbers), anatomy=SMALL, **settings).path


def _parts(folder, num_tumors, num_parts, **settings):
    ranges = [part_of_database(num_tumors, part + 1, num_parts) for part in range(num_parts)]
    return [_part(folder / f"part-{number}", numbers, **settings) for number, numbers in enumerate(ranges)]


@pytest.mark.parametrize(("num_tumors", "num_parts"), [(300, 1), (300, 3), (256, 2), (520, 2)])
def test_merged_parts_are_the_files_of_one_build(tmp_path, num_tumors, num_parts):
    """Whatever the order in which parts are named."""
    parts = _parts(tmp_path, num_tumors, num_parts)
    random.Random(0).shuffle(parts)
    merged = merge_databases(tmp_path / "merged", parts)
    assert merged.num_tumors == num_tumors
    build_balls(tmp_path / "whole", num_tumors=num_tumors, anatomy=SMALL)
    assert folder_content(tmp_path / "merged") == folder_content(tmp_path / "whole")
    assert verify_database(tmp_path / "merged").is_intact


def test_snapshots_of_a_run_are_merged(tmp_path):
    """Shards hold whole runs, so parts do as well."""
    design = BallDesign(snapshots_per_run=3)
    size = build_balls(tmp_path / "whole", num_tumors=200, anatomy=SMALL, design=design).tumors_per_shard
    parts = [_part(tmp_path / "a", range(size), design=design), _part(tmp_path / "b", range(size, 200), design=design)]
    merge_databases(tmp_path / "merged", parts)
    assert folder_content(tmp_path / "merged") == folder_content(tmp_path / "whole")


def test_a_part_is_a_database_of_its_own(tmp_path):
    """It opens, verifies and grows; its tumor 0 is tumor `first_tumor` of the whole."""
    whole = build_balls(tmp_path / "whole", num_tumors=140, anatomy=SMALL)
    build_balls(tmp_path / "part", first_tumor=128, num_tumors=5, anatomy=SMALL)
    part = build_balls(tmp_path / "part", first_tumor=128, num_tumors=12, anatomy=SMALL)
    assert verify_database(part.path).is_intact
    np.testing.assert_array_equal(part.density_levels(3), whole.density_levels(131))
    np.testing.assert_array_equal(part.parameters, whole.parameters[128:])


def test_parts_in_the_middle_make_a_part(tmp_path):
    """Merging can go on in steps."""
    parts = _parts(tmp_path, 300, 3)
    merge_databases(tmp_path / "late", parts[1:])
    merge_databases(tmp_path / "merged", [tmp_path / "late", parts[0]])
    build_balls(tmp_path / "whole", num_tumors=300, anatomy=SMALL)
    assert folder_content(tmp_path / "merged") == folder_content(tmp_path / "whole")


def test_a_merged_database_grows(tmp_path):
    """It is a database like any other."""
    merge_databases(tmp_path / "merged", _parts(tmp_path, 200, 2))
    build_balls(tmp_path / "merged", num_tumors=210, anatomy=SMALL)
    build_balls(tmp_path / "whole", num_tumors=210, anatomy=SMALL)
    assert folder_content(tmp_path / "merged") == folder_content(tmp_path / "whole")


def test_progress_counts_shards(tmp_path):
    """From 0 to all."""
    events = []
    merge_databases(tmp_path / "merged", _parts(tmp_path, 300, 3), report=events.append)
    assert [(event.completed, event.total) for event in events] == [(n, 3) for n in range(4)]


def test_missing_tumors_are_named(tmp_path):
    """A part that was forgotten."""
    parts = _parts(tmp_path, 300, 3)
    with pytest.raises(DatabaseError, match="tumors 128 to 255 are missing"):
        merge_databases(tmp_path / "merged", [parts[0], parts[2]])
    assert not (tmp_path / "merged").exists()


def test_parts_that_overlap_are_refused(tmp_path):
    """One part named twice, or parts of different cuts."""
    parts = _parts(tmp_path, 300, 3)
    with pytest.raises(DatabaseError, match="both hold tumor 128"):
        merge_databases(tmp_path / "merged", [*parts, parts[1]])


def test_other_settings_are_refused(tmp_path):
    """Tumors of another seed are not those of one database."""
    first, second = _part(tmp_path / "a", range(128)), _part(tmp_path / "b", range(128, 140), seed=8)
    with pytest.raises(DatabaseError, match="root_seed: 8 there, 7 asked for"):
        merge_databases(tmp_path / "merged", [first, second])


def test_a_damaged_part_is_noticed(tmp_path):
    """A flipped byte in a shard never reaches the merged database, of which nothing is left."""
    parts = _parts(tmp_path, 300, 3)
    shard = parts[1] / "density/c/0/0/0/0"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DatabaseError, match="is damaged: its content is not that of the manifest"):
        merge_databases(tmp_path / "merged", parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-0", "part-1", "part-2"]


def test_damaged_tables_of_a_part_are_noticed(tmp_path):
    """They are written anew, so nothing but the part's own manifest could tell later."""
    parts = _parts(tmp_path, 300, 3)
    table = parts[1] / "parameters/c/0/0"
    content = bytearray(table.read_bytes())
    content[-1] ^= 1
    table.write_bytes(content)
    with pytest.raises(DatabaseError):
        merge_databases(tmp_path / "merged", parts)
    assert not (tmp_path / "merged").exists()


def test_a_part_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """Its folder, not that of the merged database."""
    parts = _parts(tmp_path, 300, 3)
    opened = open

    def failing(path, *arguments, **settings):
        if str(path).startswith(str(parts[2])) and "density" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *arguments, **settings)

    monkeypatch.setattr("gliofield.database.merge.open", failing, raising=False)
    with pytest.raises(DatabaseError, match="part-2.*cannot be read: Input/output error"):
        merge_databases(tmp_path / "merged", parts)


def test_every_file_is_on_the_disk_before_the_manifest(tmp_path, monkeypatch):
    """Shards, tables and their folders are flushed before the manifest is written."""
    parts, flushed = _parts(tmp_path, 300, 3), []
    sync = os.fsync

    def watching(handle):
        flushed.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watching)
    merge_databases(tmp_path / "merged", parts)
    names = {path.name if path.name == "manifest.json" else "/".join(path.parts[-5:]) for path in flushed}
    before = flushed[: next(i for i, path in enumerate(flushed) if path.name.endswith("manifest.json"))]
    written = [path for path in (tmp_path / "merged").rglob("*") if path.name != "manifest.json"]
    assert len(before) >= len(written)
    assert any("density/c/2" in "/".join(path.parts) for path in before), names


def test_an_unfinished_part_is_refused(tmp_path):
    """Only complete databases are merged."""
    parts = _parts(tmp_path, 300, 3)
    (parts[2] / "manifest.json").unlink()
    with pytest.raises(DatabaseError, match=r"has no manifest\.json"):
        merge_databases(tmp_path / "merged", parts)


def test_an_existing_database_is_not_replaced(tmp_path):
    """Whatever it holds."""
    parts = _parts(tmp_path, 300, 3)
    before = folder_content(parts[0])
    with pytest.raises(OutputError, match="exists and is not empty"):
        merge_databases(parts[0], parts)
    assert folder_content(parts[0]) == before


def test_nothing_to_merge_is_refused(tmp_path):
    """An empty list is a mistake."""
    for nothing in ([], "part-1"):
        with pytest.raises(ParameterError, match="a list of at least one database folder"):
            merge_databases(tmp_path / "merged", nothing)


def test_the_header_of_a_part_says_where_it_starts(tmp_path):
    """Any Zarr reader sees it."""
    part = _part(tmp_path / "part", range(128, 140))
    attributes = json.loads((part / "zarr.json").read_text())["attributes"]
    assert attributes["first_tumor"] == 128
    assert SimulationDatabase.open(part).header.first_tumor == 128
