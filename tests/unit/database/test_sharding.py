"""Chunks and shards byte by byte; agreement with Zarr's own writer is in tests/equivalence."""

import numpy as np
import pytest

from gliofield.database.sharding import ShardIndex, decode_levels, encode_levels, join_shard
from gliofield.errors import DatabaseError


def _levels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (4, 5, 6), dtype=np.uint8)


def test_levels_survive_encoding(rng):
    """Decoding gives the very levels, whatever memory order they had."""
    levels = _levels(rng)
    for given in (levels, np.asfortranarray(levels)):
        decoded = np.empty_like(levels)
        decode_levels(encode_levels(given), decoded)
        np.testing.assert_array_equal(decoded, levels)


def test_chunks_are_found_in_their_slots(tmp_path):
    """Slots give back their chunks, and empty slots say so."""
    (tmp_path / "shard").write_bytes(join_shard([b"abc", b"", b"defg"], num_slots=4))
    index = ShardIndex.read(tmp_path / "shard", num_slots=4)
    assert [index.read_chunk(slot) for slot in range(3)] == [b"abc", b"", b"defg"]
    with pytest.raises(DatabaseError, match="holds no tumor in slot 3"):
        index.read_chunk(3)


def test_a_damaged_index_is_noticed(tmp_path):
    """Any flipped byte of index or checksum is refused when the shard is opened."""
    content = join_shard([b"abc", b"defg"], num_slots=2)
    for position in range(len(b"abcdefg"), len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        (tmp_path / "shard").write_bytes(bytes(damaged))
        with pytest.raises(DatabaseError, match="index of 2 tumors fails the checksum"):
            ShardIndex.read(tmp_path / "shard", num_slots=2)


def test_a_file_shorter_than_its_index_is_noticed(tmp_path):
    """An empty file is no shard."""
    (tmp_path / "shard").write_bytes(b"")
    with pytest.raises(DatabaseError, match="fails the checksum"):
        ShardIndex.read(tmp_path / "shard", num_slots=2)


def test_a_shard_cut_after_it_was_opened_is_noticed(tmp_path):
    """A chunk that ends beyond the file is refused, and so is a file that has gone."""
    path = tmp_path / "shard"
    path.write_bytes(join_shard([b"abc"], num_slots=1))
    index = ShardIndex.read(path, num_slots=1)
    path.write_bytes(b"ab")
    with pytest.raises(DatabaseError, match="is cut short: slot 0 ends after byte 3"):
        index.read_chunk(0)
    path.unlink()
    with pytest.raises(DatabaseError, match="cannot be read: No such file"):
        index.read_chunk(0)
    with pytest.raises(DatabaseError, match="cannot be read: No such file"):
        ShardIndex.read(path, num_slots=1)


def test_a_chunk_of_another_size_is_refused(rng):
    """Its header is believed only where it fits the grid and the bytes at hand."""
    encoded = encode_levels(_levels(rng))
    with pytest.raises(DatabaseError, match="decode to 120: expected 8"):
        decode_levels(encoded, np.empty((2, 2, 2), dtype=np.uint8))
    with pytest.raises(DatabaseError, match="a chunk of 20 bytes claims to hold"):
        decode_levels(encoded[:20], np.empty((4, 5, 6), dtype=np.uint8))


def test_a_chunk_with_broken_content_is_refused(rng):
    """Bytes that are no Zstandard frame raise our error, not the codec's."""
    levels = np.zeros((16, 16, 16), dtype=np.uint8)
    encoded = bytearray(encode_levels(levels))
    encoded[16:] = bytes(len(encoded) - 16)
    with pytest.raises(DatabaseError, match="cannot be decompressed"):
        decode_levels(bytes(encoded), levels)
