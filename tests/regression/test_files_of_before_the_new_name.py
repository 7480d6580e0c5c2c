"""Files written when the package was called gliomap: databases and checkpoints are read, caches made again.

Symptom: a rename that changes the names inside files makes every database and network of its users foreign.
Guard: readers know both names; an index cache, which costs seconds, is made again with a sentence.
"""

import json

import pytest

from gliofield.database import DatabaseHeader
from gliofield.errors import CheckpointError, DatabaseError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.inverse import shipped
from gliofield.retrieval.index_file import IndexFileError, read_index_file


@pytest.fixture
def attributes():
    """Attributes of a database as they were written before."""
    header = DatabaseHeader(
        atlas_name="sri24",
        atlas_hash="ab",
        grid=Grid.axis_aligned((2, 3, 4), 1.875, (0.0, 0.0, 0.0)),
        domain_rule="brain",
        anatomy_hash="cd",
        model={"name": "m", "settings": {}},
        design={"name": "d", "settings": {}},
        root_seed=3,
        snapshots_per_run=1,
        thresholds=VisibilityThresholds(),
        gliofield_version="0.1.0",
    )
    stored = header.to_attributes()
    del stored["gliofield_version"]
    return header, stored | {"format": "gliomap-simulation-database", "gliomap_version": "0.1.0"}


def test_a_database_of_before_is_read(attributes):
    """Its header is that of the same database today, so it can be grown as well."""
    header, stored = attributes
    found = DatabaseHeader.from_attributes(json.loads(json.dumps(stored)), source="old")

    assert found == header
    found.require_same_as(header, source="old")


def test_a_database_of_before_without_its_version_is_damaged(attributes):
    """The name of the key was not made up."""
    _, stored = attributes
    del stored["gliomap_version"]
    with pytest.raises(DatabaseError, match="the header is damaged"):
        DatabaseHeader.from_attributes(stored, source="old")


def test_a_checkpoint_of_before_is_read():
    """The network that comes with the package was written before."""
    from gliofield.inverse import read_inverse_header

    (path,) = (shipped.WEIGHTS_FOLDER).glob("*.safetensors")
    assert b'"gliomap"' in path.read_bytes()[:200]
    assert read_inverse_header(path).origin.atlas_name == "sri24"


def test_a_damaged_checkpoint_of_before_is_noticed(tmp_path):
    """The checksum of the header counts under either name."""
    from gliofield.inverse import read_inverse_header

    (path,) = (shipped.WEIGHTS_FOLDER).glob("*.safetensors")
    content = path.read_bytes()
    damaged = tmp_path / "net.safetensors"
    damaged.write_bytes(content.replace(b"0.1.0", b"0.1.7", 1))
    with pytest.raises(CheckpointError, match="its header fails the checksum"):
        read_inverse_header(damaged)


def test_an_index_of_before_says_why_it_is_made_again(tmp_path):
    """Not "no index file", which it is."""
    path = tmp_path / "segment"
    path.write_bytes(b"gliomapI" + b"\0" * 64)
    with pytest.raises(IndexFileError, match="it was made by gliomap, as gliofield was called"):
        read_index_file(path)
