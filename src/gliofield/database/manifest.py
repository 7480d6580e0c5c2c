"""The list of files that makes a folder a complete database.

Zarr reads a missing shard as zeros without an error, so what belongs to a database is written down: every file with
its size and SHA-256, and the number of tumors. The manifest is written last, by rename; a folder without it is an
unfinished build. It carries a SHA-256 of itself, so a byte flipped in it is noticed as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gliofield.database import layout
from gliofield.errors import DatabaseError
from gliofield.file_hash import file_sha256
from gliofield.output import atomic_file

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One file: path inside the database folder, size [bytes] and SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All files of a database of `num_tumors` tumors, sorted by path."""

    num_tumors: int
    files: tuple[FileEntry, ...]

    @property
    def by_path(self) -> dict[str, FileEntry]:
        """Entries by path."""
        return {entry.path: entry for entry in self.files}

    def write(self, path: Path) -> None:
        """Write the manifest by atomic rename."""
        with atomic_file(path) as partial:
            partial.write_bytes(self._to_bytes())

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Manifest of a file.

        Raises
        ------
        DatabaseError
            If it cannot be read, any byte of it was changed, or it names a file that no database has.
        """
        try:
            content = path.read_bytes()
            stored = json.loads(content)
            files = tuple(FileEntry(str(f["path"]), int(f["size"]), str(f["sha256"])) for f in stored["files"])
            manifest = cls(int(stored["num_tumors"]), files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DatabaseError(f"{path} cannot be read ({error}). Build the database again.") from error
        if manifest._to_bytes() != content:
            raise DatabaseError(
                f"{path} is damaged: its content does not match its own checksum. Build the database again."
            )
        foreign = next((entry.path for entry in files if not layout.is_own_name(entry.path)), None)
        if foreign is not None:
            raise DatabaseError(
                f"{path} names {foreign!r}, which is no file of a database, so it was not written by gliofield. Build "
                "the database again in another folder."
            )
        return manifest

    def _to_bytes(self) -> bytes:
        content: dict[str, Any] = {
            "num_tumors": self.num_tumors,
            "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in self.files],
        }
        content["manifest_sha256"] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return (json.dumps(content, indent=1) + "\n").encode()


def entry_of(folder: Path, name: str) -> FileEntry:
    """Entry of an existing file: `name` is its path inside `folder`."""
    path = folder / name
    return FileEntry(name, path.stat().st_size, file_sha256(path))


def require_unchanged(folder: Path, entries: Iterable[FileEntry]) -> None:
    """Raise `DatabaseError` unless files of a database are those of its manifest, byte for byte.

    To be asked before anything is made of them: a damaged file must not end up under a new manifest.
    """
    for entry in entries:
        try:
            found = entry_of(folder, entry.path)
        except OSError as error:
            raise DatabaseError(f"{folder / entry.path} cannot be read: {error.strerror}.") from error
        if found != entry:
            raise DatabaseError(
                f"{folder / entry.path} is damaged: its content is not that of the manifest. Run `gliofield database "
                "verify` to see what is affected, and restore it from a copy or build it again."
            )


def files_below(folder: Path) -> Iterable[str]:
    """Paths, inside the folder, of all files below it, with forward slashes, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
