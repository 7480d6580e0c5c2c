"""A file of arrays that is mapped into memory and knows when it is damaged.

    8 bytes    b"gliofldI"
    8 bytes    length of the header, CRC-32C of the header; little-endian uint32 each
    header     JSON: version, what the arrays were made with, and name, type, shape, place, CRC-32C of each array
    arrays     little-endian, each at a multiple of 64 bytes

Opening reads the file once to check it, through a small buffer: what stays in memory afterwards is what searches touch.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from gliofield.errors import GliofieldError
from gliofield.output import atomic_file

FORMAT_VERSION = 1

Arrays = Mapping[str, NDArray[Any]]

_MAGIC = b"gliofldI"
_FORMER_MAGIC = b"gliomapI"
_PREFIX_BYTES = 16
_ALIGNMENT = 64
_READ_BYTES = 1 << 20


class IndexFileError(GliofieldError, RuntimeError):
    """An index file cannot be used; the message is the reason, without the path."""


def write_index_file(path: Path, settings: Mapping[str, Any], arrays: Arrays) -> None:
    """Write arrays and what they were made with, replacing an older file at once.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    entries, begin = [], 0
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    for name, values in contiguous.items():
        entries.append(
            {
                "name": name,
                "dtype": values.dtype.str,
                "shape": list(values.shape),
                "begin": begin,
                "crc32c": int(google_crc32c.value(_bytes_of(values))),
            }
        )
        begin = _aligned(begin + values.nbytes)
    header = json.dumps({"version": FORMAT_VERSION, "settings": dict(settings), "arrays": entries}).encode()
    crc = int(google_crc32c.value(header))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes that make the same index at once replace each other's files by equal ones.
    with atomic_file(path, replace=True) as partial, open(partial, "wb") as handle:
        handle.write(_MAGIC + len(header).to_bytes(4, "little") + crc.to_bytes(4, "little") + header)
        for values in contiguous.values():
            handle.write(b"\0" * (_aligned(handle.tell()) - handle.tell()))
            handle.write(_bytes_of(values))


def read_index_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Settings and memory-mapped, read-only arrays of a file whose every byte was checked.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such file.
    IndexFileError
        If it cannot be read, is damaged, cut short, or of another version.
    """
    try:
        with open(path, "rb") as handle:
            header, first = _read_header(handle)
            _check_arrays(handle, header["arrays"], first)
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        return header["settings"], {entry["name"]: _view(mapped, entry, first) for entry in header["arrays"]}
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise IndexFileError(f"it cannot be read ({error})") from error


def _read_header(handle: Any) -> tuple[dict[str, Any], int]:
    """Header, and where the arrays begin."""
    prefix = handle.read(_PREFIX_BYTES)
    if len(prefix) != _PREFIX_BYTES or prefix[:8] != _MAGIC:
        was_renamed = prefix[:8] == _FORMER_MAGIC
        raise IndexFileError(
            "it was made by gliomap, as gliofield was called" if was_renamed else "it is no index file"
        )
    length, crc = int.from_bytes(prefix[8:12], "little"), int.from_bytes(prefix[12:16], "little")
    content = handle.read(length)
    if len(content) != length or google_crc32c.value(content) != crc:
        raise IndexFileError("its header fails the checksum")
    header: dict[str, Any] = json.loads(content)
    if header["version"] != FORMAT_VERSION:
        raise IndexFileError(f"it has format version {header['version']}, this gliofield uses {FORMAT_VERSION}")
    return header, _aligned(_PREFIX_BYTES + length)


def _check_arrays(handle: Any, entries: list[dict[str, Any]], first: int) -> None:
    for entry in entries:
        handle.seek(first + entry["begin"])
        missing, crc = _num_bytes(entry), 0
        while missing and (block := handle.read(min(missing, _READ_BYTES))):
            crc = int(google_crc32c.extend(crc, block))
            missing -= len(block)
        if missing:
            raise IndexFileError(f"it is cut short: {missing} bytes of its array {entry['name']} are missing")
        if crc != entry["crc32c"]:
            raise IndexFileError(f"its array {entry['name']} fails the checksum")


def _view(mapped: mmap.mmap, entry: dict[str, Any], first: int) -> NDArray[Any]:
    dtype = np.dtype(entry["dtype"])
    count = int(np.prod(entry["shape"], dtype=np.int64))
    if count == 0:
        return np.zeros(entry["shape"], dtype=dtype)
    return np.frombuffer(mapped, dtype, count, first + entry["begin"]).reshape(entry["shape"])


def _num_bytes(entry: dict[str, Any]) -> int:
    return int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(entry["dtype"]).itemsize


def _bytes_of(values: NDArray[Any]) -> bytes:
    return values.tobytes()


def _aligned(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT
