"""Which bytes of an open database may be believed.

Every tumor has a checksum of its decoded levels in the table, and every file has one in the manifest. The first costs
about ten times what decoding does (BLAKE2b of 2 MB at 128³), the second is read once for the hundred tumors of a shard.
So the first tumor that is read of a shard is compared with its own checksum, the second has the whole file compared
with the manifest, and from then on nothing is, until the file changes. Of a file that is not that of the manifest
(damaged, or grown since the database was opened) each tumor is compared. Figures: docs/database.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from gliofield.database import layout
from gliofield.database.manifest import FileEntry, entry_of

_Signature = tuple[int, int, int, int]


class ShardChecks:
    """What is known of the shards of an open database.

    Parameters
    ----------
    folder : Path
        The database.
    entries : mapping of str to FileEntry
        Its manifest; of shards that are not in it nothing is ever known.
    """

    def __init__(self, folder: Path, entries: Mapping[str, FileEntry]) -> None:
        self._folder = folder
        self._entries = entries
        self._known: dict[int, tuple[_Signature, bool | None]] = {}

    def signature(self, shard: int) -> _Signature | None:
        """What changes whenever the file of a shard is written; None if there is no such file."""
        try:
            found = os.stat(self._folder / layout.shard_name(shard))
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def is_sound(self, shard: int, signature: _Signature | None) -> bool:
        """Whether a shard, as it was when it had this signature, is known to hold the bytes of the manifest.

        The file is read where this is asked for the second time.
        """
        entry = self._entries.get(layout.shard_name(shard))
        if entry is None or signature is None:
            return False
        known, is_sound = self._known.get(shard, (None, None))
        if known != signature:
            self._known[shard] = signature, None
            return False
        if is_sound is None:
            try:
                is_sound = entry_of(self._folder, entry.path) == entry and self.signature(shard) == signature
            except OSError:
                is_sound = False
            self._known[shard] = signature, is_sound
        return is_sound


def find_damage(folder: Path, entries: Iterable[FileEntry], pending: Mapping[str, FileEntry]) -> dict[str, str]:
    """What is wrong with the files of a database, by path: all compared with their SHA-256, but shards with their size.

    Parameters
    ----------
    folder : Path
        The database.
    entries : iterable of FileEntry
        Its manifest.
    pending : mapping of str to FileEntry
        The next manifest, while a grown database is being put in place: a file may be that of either.
    """
    damage = {}
    for entry in entries:
        expected = [entry, *([pending[entry.path]] if entry.path in pending else [])]
        description = _damage_of(folder, entry.path, expected)
        if description:
            damage[entry.path] = description
    return damage


def _damage_of(folder: Path, name: str, expected: list[FileEntry]) -> str:
    """What is wrong with a file; empty if nothing."""
    try:
        if layout.shard_of_name(name) is None:
            found = entry_of(folder, name)
            size = found.size
        else:
            found, size = None, os.stat(folder / name).st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if size not in [entry.size for entry in expected]:
        return f"has {size} bytes: expected {expected[0].size}"
    if found is not None and found not in expected:
        return "content changed: its SHA-256 is not that of the manifest"
    return ""
