"""The manifest notices every change of itself."""

import hashlib

import pytest

from gliofield.database.manifest import FileEntry, Manifest, entry_of
from gliofield.errors import DatabaseError

MANIFEST = Manifest(3, (FileEntry("attempt/c/0", 5, "00"), FileEntry("zarr.json", 7, "ff")))


def test_a_manifest_survives_its_file(tmp_path):
    """Read gives what was written."""
    MANIFEST.write(tmp_path / "manifest.json")
    assert Manifest.read(tmp_path / "manifest.json") == MANIFEST


def test_every_flipped_byte_is_noticed(tmp_path):
    """Including those in numbers, white space and the checksum itself."""
    path = tmp_path / "manifest.json"
    MANIFEST.write(path)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(bytes(damaged))
        with pytest.raises(DatabaseError, match=r"manifest\.json (cannot be read|is damaged)"):
            Manifest.read(path)


def test_entries_hold_size_and_sha256(tmp_path):
    """The digest is the standard one, over the whole file."""
    content = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(content)
    assert entry_of(tmp_path, "f") == FileEntry("f", len(content), hashlib.sha256(content).hexdigest())
