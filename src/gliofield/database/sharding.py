"""Shards of the density array, written and read byte by byte.

A shard is the Zarr v3 ``sharding_indexed`` layout: the encoded chunks (one tumor each) one after the other, then an
index of (offset, length) per slot as little-endian uint64, then the CRC-32C of the index. A slot without a tumor
holds 2⁶⁴ − 1 twice. Zarr's own writer needs the whole shard decoded in memory (268 MB at 128³) and rewrites it for
every tumor added; here encoded chunks are joined as they are, so a shard costs its own size. A test holds both
writers equal, byte for byte.

Chunks are Blosc-compressed with Zstandard, without shuffle (useless on single bytes), as one block, so the bytes do
not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import google_crc32c
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from gliofield.errors import DatabaseError

COMPRESSOR_NAME: Literal["zstd"] = "zstd"
COMPRESSION_LEVEL = 5

_NO_TUMOR = np.uint64(2**64 - 1)
_CRC_BYTES = 4


def encode_levels(levels: NDArray[np.uint8]) -> bytes:
    """Compressed chunk of one tumor's levels (X, Y, Z)."""
    contiguous = np.ascontiguousarray(levels)
    return bytes(
        blosc.compress(contiguous, COMPRESSOR_NAME.encode(), COMPRESSION_LEVEL, blosc.NOSHUFFLE, contiguous.nbytes)
    )


def decode_levels(encoded: bytes, levels: NDArray[np.uint8]) -> None:
    """Decompress one tumor's chunk into `levels`, a C-contiguous (X, Y, Z) array.

    Raises
    ------
    DatabaseError
        If the chunk does not decode to the array's size.
    """
    # Blosc 1 header: decoded size in bytes 4-7, encoded size in bytes 12-15. Checked first, since the decompressor
    # believes them.
    num_decoded, num_encoded = int.from_bytes(encoded[4:8], "little"), int.from_bytes(encoded[12:16], "little")
    if num_encoded != len(encoded) or num_decoded != levels.nbytes:
        raise DatabaseError(
            f"a chunk of {len(encoded)} bytes claims to hold {num_encoded} that decode to {num_decoded}: expected "
            f"{levels.nbytes}."
        )
    try:
        blosc.decompress(encoded, levels)
    except (RuntimeError, ValueError) as error:
        raise DatabaseError(f"a chunk of {len(encoded)} bytes cannot be decompressed ({error}).") from error


def join_shard(chunks: Sequence[bytes], num_slots: int) -> bytes:
    """Content of a shard file whose first slots hold `chunks` and whose others are empty."""
    lengths = np.array([len(chunk) for chunk in chunks], dtype=np.uint64)
    index = np.full((num_slots, 2), _NO_TUMOR, dtype="<u8")
    index[: len(chunks), 0] = np.cumsum(lengths) - lengths
    index[: len(chunks), 1] = lengths
    encoded_index = index.tobytes()
    crc = int(google_crc32c.value(encoded_index)).to_bytes(_CRC_BYTES, "little")
    return b"".join([*chunks, encoded_index, crc])


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Where the chunks of one shard file lie.

    Parameters
    ----------
    path : Path
        The file.
    positions : (num_slots, 2) uint64 array
        Offset and length of each slot's chunk [bytes].
    """

    path: Path
    positions: NDArray[np.uint64]

    @classmethod
    def read(cls, path: Path, num_slots: int) -> ShardIndex:
        """Index of a shard file.

        Raises
        ------
        DatabaseError
            If the file cannot be read, is shorter than its index, or the index fails its checksum.
        """
        num_bytes = num_slots * 16 + _CRC_BYTES
        try:
            with open(path, "rb") as handle:
                size = handle.seek(0, 2)
                handle.seek(max(0, size - num_bytes))
                tail = handle.read(num_bytes)
        except OSError as error:
            raise DatabaseError(f"{path} cannot be read: {error.strerror}. {_ADVICE}") from error
        crc = int.from_bytes(tail[-_CRC_BYTES:], "little")
        if len(tail) != num_bytes or google_crc32c.value(tail[:-_CRC_BYTES]) != crc:
            raise DatabaseError(f"{path} is damaged: its index of {num_slots} tumors fails the checksum. {_ADVICE}")
        return cls(path, np.frombuffer(tail[:-_CRC_BYTES], dtype="<u8").reshape(num_slots, 2))

    def read_chunk(self, slot: int) -> bytes:
        """Encoded chunk of one slot.

        Raises
        ------
        DatabaseError
            If the slot is empty, or the file ends before the chunk does.
        """
        offset, length = (int(value) for value in self.positions[slot])
        if length == int(_NO_TUMOR):
            raise DatabaseError(f"{self.path} holds no tumor in slot {slot}. {_ADVICE}")
        try:
            with open(self.path, "rb") as handle:
                handle.seek(offset)
                chunk = handle.read(length)
        except OSError as error:
            raise DatabaseError(f"{self.path} cannot be read: {error.strerror}. {_ADVICE}") from error
        if len(chunk) != length:
            raise DatabaseError(f"{self.path} is cut short: slot {slot} ends after byte {offset + length}. {_ADVICE}")
        return chunk


_ADVICE = "Run `gliofield database verify` to see which tumors are affected."
