"""The unfinished build inside a database folder, and how it becomes the database.

    building/settings.json           header, tumors already there, tumors wanted
    building/anatomy.npz             for the worker processes
    building/parts/A-B.npz           tumors A … B − 1 of a shard that is not finished
    building/rows/k.npz              table of shard k, written after the shard itself: the shard is finished
    building/shards/density/c/k/…    finished shards, as they will lie in the database
    building/tables/…                everything else of the new database
    building/manifest.json           the new manifest; from here on the build is decided and only renames are left

Every file appears by rename, so whatever a killed process leaves is either complete or ignored. Renaming into place
goes shards first, then tables, then Zarr metadata, then the manifest: at every moment a reader sees either the old
database or the new one, and the old tumors of a grown shard are the same bytes in both.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from gliofield.database import layout
from gliofield.database.manifest import MANIFEST_NAME, Manifest, entry_of, files_below
from gliofield.database.schema import ARRAY_NAMES, DatabaseHeader
from gliofield.database.sharding import join_shard
from gliofield.database.simulate import EncodedTumors
from gliofield.database.store import BUILDING_NAME, SimulationDatabase
from gliofield.database.tumor_table import TABLE_NAMES, TumorTable, joined
from gliofield.errors import DatabaseError
from gliofield.leftovers import claim_partial, is_temporary
from gliofield.output import atomic_file, flush_names, flush_to_disk

_SETTINGS_NAME = "settings.json"
# What Zarr writes before it renames; a killed process leaves it.
_ZARR_PARTIAL = re.compile(rf"({'|'.join(ARRAY_NAMES)}|c|[0-9]+|/)*[^/]+\.[0-9a-f]{{32}}\.partial")
ANATOMY_NAME = "anatomy.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Staging:
    """An unfinished build.

    Parameters
    ----------
    database_folder : Path
        The database's folder; the build lies in ``building`` inside it.
    header : DatabaseHeader
        What is built.
    existing : SimulationDatabase or None
        The database that is grown; its tumors are kept.
    num_tumors : int
        Tumors wanted in the end.
    """

    database_folder: Path
    header: DatabaseHeader
    existing: SimulationDatabase | None
    num_tumors: int

    @property
    def folder(self) -> Path:
        """The folder of the unfinished build."""
        return self.database_folder / BUILDING_NAME

    @property
    def first_tumor(self) -> int:
        """First tumor that is not yet in the database."""
        return 0 if self.existing is None else self.existing.num_tumors

    def begin_or_resume(self) -> None:
        """Make the folder, or take up the build it holds.

        Raises
        ------
        DatabaseError
            If it holds results of a build with other settings.
        """
        wanted = {"header": self.header.to_attributes(), "first": self.first_tumor, "num_tumors": self.num_tumors}
        found = _read_settings(self.folder)
        if found == wanted:
            return
        if found is not None and found["num_tumors"] < self.num_tumors and found | wanted == wanted:
            self._enlarge(found["num_tumors"], wanted)
            return
        if found is not None and found["num_tumors"] > self.first_tumor and self._has_results():
            source = f"the unfinished build in {self.database_folder}"
            advice = f"Finish it with its own settings, or delete {self.folder} to start over."
            stored = DatabaseHeader.from_attributes(found["header"], source=source)
            try:
                stored.require_same_as(self.header, source=source)
            except DatabaseError as error:
                raise DatabaseError(f"{error} {advice}") from error
            raise DatabaseError(
                f"{source} is for {found['num_tumors']} tumors, {self.num_tumors} were asked for. {advice} "
                "A finished database can be grown."
            )
        remove_build(self.database_folder)
        for name in ("parts", "rows", "shards"):
            (self.folder / name).mkdir(parents=True)
        with atomic_file(self.folder / _SETTINGS_NAME) as partial:
            partial.write_text(json.dumps(wanted), encoding="utf-8")

    def _enlarge(self, num_tumors: int, wanted: dict[str, Any]) -> None:
        """Take up a build of fewer tumors: all it has is kept, but a last shard that was not to be full."""
        shard, rest = divmod(num_tumors, layout.tumors_per_shard(self.header.snapshots_per_run))
        if rest:
            (self.folder / "rows" / f"{shard}.npz").unlink(missing_ok=True)
        with atomic_file(self.folder / _SETTINGS_NAME) as partial:
            partial.write_text(json.dumps(wanted), encoding="utf-8")

    def shards(self) -> range:
        """Shards this build writes."""
        size = layout.tumors_per_shard(self.header.snapshots_per_run)
        return range(self.first_tumor // size, (self.num_tumors - 1) // size + 1)

    def batches(self, shard: int) -> list[tuple[int, int]]:
        """Units of work (start, stop) of a shard, in order."""
        per_shard = layout.tumors_per_shard(self.header.snapshots_per_run)
        per_batch = layout.tumors_per_batch(self.header.snapshots_per_run)
        start = max(self.first_tumor, shard * per_shard)
        stop = min(self.num_tumors, (shard + 1) * per_shard)
        edges = [start, *range((start // per_batch + 1) * per_batch, stop, per_batch), stop]
        return list(zip(edges[:-1], edges[1:], strict=True))

    def missing_batches(self, shard: int) -> list[tuple[int, int]]:
        """Units of work of a shard whose result is not there yet, or cannot be read."""
        if self.is_finished(shard):
            return []
        return [batch for batch in self.batches(shard) if not _is_readable(part_path(self.folder, *batch))]

    def is_finished(self, shard: int) -> bool:
        """Whether a shard has been assembled, and is still what it was then."""
        path = self._rows_path(shard)
        if not _is_readable(path):
            return False
        try:
            return entry_of(self.folder / "shards", layout.shard_name(shard)).sha256 == _read_rows(path).shard_sha256
        except (OSError, KeyError):
            return False

    def _rows_path(self, shard: int) -> Path:
        return self.folder / "rows" / f"{shard}.npz"

    def finish_shard(self, shard: int) -> None:
        """Assemble a shard from its parts, all of which must be there, and drop them."""
        batches = self.batches(shard)
        tumors = [read_part(part_path(self.folder, *batch)) for batch in batches]
        tumors = self._existing_tumors(shard) + tumors
        chunks = [chunk for encoded in tumors for chunk in encoded.chunks]
        content = join_shard(chunks, layout.tumors_per_shard(self.header.snapshots_per_run))
        path = self.folder / "shards" / layout.shard_name(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as partial:
            partial.write_bytes(content)
        with atomic_file(self._rows_path(shard)) as partial:
            _save(
                partial,
                shard_sha256=np.array(hashlib.sha256(content).hexdigest()),
                parameter_names=np.array(tumors[-1].parameter_names),
                **joined([encoded.table for encoded in tumors]).arrays(),
            )
        for batch in batches:
            part_path(self.folder, *batch).unlink(missing_ok=True)

    def complete(self) -> None:
        """Write tables and manifest from the finished shards; only `put_in_place` is left.

        Raises
        ------
        DatabaseError
            If a shard is not what it was when it was finished.
        """
        tables: list[TumorTable] = []
        entries = {}
        if self.existing is not None:
            size = self.existing.tumors_per_shard
            tables.append(self.existing.table.rows(0, self.shards().start * size))
            entries.update(Manifest.read(self.database_folder / MANIFEST_NAME).by_path)
        names: tuple[str, ...] = ()
        # By name, not by listing: a killed build leaves temporary files beside its shards.
        for shard in self.shards():
            rows, name = _read_rows(self._rows_path(shard)), layout.shard_name(shard)
            entries[name] = entry_of(self.folder / "shards", name)
            if entries[name].sha256 != rows.shard_sha256:
                raise DatabaseError(
                    f"{self.folder / 'shards' / name} was damaged after it had been finished. Run the same build "
                    "again: its tumors are simulated anew."
                )
            tables.append(rows.table)
            names = rows.parameter_names
        target = self.folder / "tables"
        shutil.rmtree(target, ignore_errors=True)
        layout.write_tables(target, self.header, names, joined(tables))
        flush_to_disk(target)
        entries.update({name: entry_of(target, name) for name in files_below(target)})
        files = tuple(entries[name] for name in sorted(entries))
        Manifest(self.num_tumors, files).write(self.folder / MANIFEST_NAME)

    def _existing_tumors(self, shard: int) -> list[EncodedTumors]:
        """Tumors of a shard that are in the database already."""
        if self.existing is None:
            return []
        start, stop = shard * self.existing.tumors_per_shard, self.existing.num_tumors
        if start >= stop:
            return []
        chunks = tuple(self.existing.encoded_levels(index) for index in range(start, stop))
        names = self.existing.parameter_names
        return [
            EncodedTumors(
                start=start, chunks=chunks, table=self.existing.table.rows(start, stop), parameter_names=names
            )
        ]

    def _has_results(self) -> bool:
        return any(any((self.folder / name).glob("[0-9]*.npz")) for name in ("parts", "rows"))


def put_in_place(database_folder: Path) -> None:
    """Turn a build whose manifest is written into the database; nothing happens where there is none.

    Safe to repeat after a crash at any point.

    Raises
    ------
    DatabaseError
        If a file of the new manifest is neither in the build nor in the database.
    """
    building = database_folder / BUILDING_NAME
    pending = building / MANIFEST_NAME
    if not pending.is_file():
        return
    require_own_build(building)
    manifest = Manifest.read(pending)
    changed: set[Path] = set()
    for entry in sorted(manifest.files, key=lambda entry: _placing_order(entry.path)):
        target = database_folder / entry.path
        _require_no_link(database_folder, target)
        for source in (building / "shards" / entry.path, building / "tables" / entry.path):
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
                changed.update(parent for parent in target.parents if parent.is_relative_to(database_folder))
        if not target.is_file() or target.stat().st_size != entry.size:
            raise DatabaseError(
                f"{entry.path} of the build in {database_folder} is missing or damaged, so it cannot be finished. "
                f"Delete {building} and build again."
            )
    # The manifest must not reach the disk before what it lists.
    for folder in sorted(changed):
        flush_names(folder)
    os.replace(pending, database_folder / MANIFEST_NAME)
    flush_names(database_folder)
    remove_build(database_folder)


def remove_build(database_folder: Path) -> None:
    """Remove the build folder, if there is one; it loses its name first, so that nobody meets the half of it.

    Raises
    ------
    DatabaseError
        If it holds anything that no build has written.
    """
    building = database_folder / BUILDING_NAME
    if building.is_dir():
        require_own_build(building)
        with claim_partial(building, is_folder=True) as retired:
            os.rename(building, retired)


def remove_finished_build(database_folder: Path, num_tumors: int) -> None:
    """Remove what a process that was killed while removing its build has left; a build of more tumors stays."""
    building = database_folder / BUILDING_NAME
    found = _read_settings(building)
    if building.is_dir() and (found is None or found["num_tumors"] <= num_tumors):
        remove_build(database_folder)


def require_own_build(building: Path) -> None:
    """Raise `DatabaseError` unless a build has written everything in a folder of this name."""
    if building.is_symlink() or not building.is_dir():
        raise DatabaseError(f"{building} is a link or a file and no build. Move it away, or choose another folder.")
    for place, folders, files in os.walk(building):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in files + links:
            path = Path(place, name).relative_to(building).as_posix()
            if name in links or not _is_name_of_build(path):
                raise DatabaseError(
                    f"{building} holds {path}, which no build has written. Move it away, or choose another folder for "
                    "the database."
                )


def _is_name_of_build(path: str) -> bool:
    """Whether a path inside the build folder is that of one of its files (module docstring)."""
    place, _, name = path.partition("/")
    if is_temporary(path.rpartition("/")[2]) or path in (_SETTINGS_NAME, ANATOMY_NAME, MANIFEST_NAME):
        return True
    if place in ("shards", "tables"):
        return layout.is_own_name(name) or (place == "tables" and _ZARR_PARTIAL.fullmatch(name) is not None)
    return place in ("parts", "rows") and re.fullmatch(r"[0-9]+(-[0-9]+)?\.npz", name) is not None


def _require_no_link(database_folder: Path, target: Path) -> None:
    """Raise `DatabaseError` where a file would be written outside of the folder."""
    parents = [parent for parent in target.parents if parent.is_relative_to(database_folder)]
    link = next((path for path in parents if path != database_folder and path.is_symlink()), None)
    if link is not None:
        raise DatabaseError(f"{link} is a link, which a build does not follow. Move it away, or choose another folder.")


def part_path(building: Path, start: int, stop: int) -> Path:
    """File of one unit of work."""
    return building / "parts" / f"{start}-{stop}.npz"


def write_part(building: Path, tumors: EncodedTumors) -> None:
    """Keep one unit of work."""
    with atomic_file(part_path(building, tumors.start, tumors.start + len(tumors.chunks))) as partial:
        _save(
            partial,
            start=np.array(tumors.start),
            content=np.frombuffer(b"".join(tumors.chunks), dtype=np.uint8),
            lengths=np.array([len(chunk) for chunk in tumors.chunks]),
            parameter_names=np.array(tumors.parameter_names),
            **tumors.table.arrays(),
        )


def read_part(path: Path) -> EncodedTumors:
    """One unit of work as `write_part` kept it."""
    with _opened(path) as stored:
        content = stored["content"].tobytes()
        edges = np.concatenate([[0], np.cumsum(stored["lengths"])])
        return EncodedTumors(
            start=int(stored["start"]),
            chunks=tuple(content[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)),
            table=_table_of(stored),
            parameter_names=tuple(str(name) for name in stored["parameter_names"]),
        )


class _Rows(NamedTuple):
    """What is kept of a finished shard."""

    table: TumorTable
    parameter_names: tuple[str, ...]
    shard_sha256: str


def _read_rows(path: Path) -> _Rows:
    with _opened(path) as stored:
        names = tuple(str(name) for name in stored["parameter_names"])
        return _Rows(_table_of(stored), names, str(stored["shard_sha256"]))


def _save(path: Path, **arrays: NDArray[Any]) -> None:
    np.savez(path, **cast(dict[str, Any], arrays))


def _table_of(stored: Any) -> TumorTable:
    return TumorTable(**{name: stored[name] for name in TABLE_NAMES})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Arrays of a file; unlike `np.load` of a path, it closes the file also when that is no archive."""
    with open(path, "rb") as handle, np.load(handle) as stored:
        yield stored


def _is_readable(path: Path) -> bool:
    """Whether every array of a file can be read; the archive checks its own CRCs."""
    try:
        with _opened(path) as stored:
            for name in stored.files:
                stored[name]
    except Exception:  # NumPy and zipfile raise many types for damaged files
        return False
    return True


def _read_settings(building: Path) -> dict[str, Any] | None:
    """Settings of an unfinished build; None where there is none, or it was killed while being started or removed."""
    try:
        settings = json.loads((building / _SETTINGS_NAME).read_text(encoding="utf-8"))
        is_whole = isinstance(settings["header"], dict) and all(
            type(settings[n]) is int for n in ("first", "num_tumors")
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return cast(dict[str, Any], settings) if is_whole else None


def _placing_order(name: str) -> tuple[int, str]:
    """Shards, then tables, then the metadata of arrays, then that of the group."""
    if layout.shard_of_name(name) is not None:
        return 0, name
    if not name.endswith(layout.METADATA_NAME):
        return 1, name
    return (3 if name == layout.METADATA_NAME else 2), name
