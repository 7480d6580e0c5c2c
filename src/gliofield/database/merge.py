"""Parts of one database, built apart, become the database.

A part is a database whose first tumor is not number 0 (`part_of_database`); parts of the same settings that continue
each other are merged into the very files that one build would have made. Nothing is simulated: shards are copied as
they are. The merged database appears by rename once all of it stands and every copied byte has been checked.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from gliofield.database import layout
from gliofield.database.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    entry_of,
    files_below,
    require_unchanged,
)
from gliofield.database.store import SimulationDatabase
from gliofield.database.tumor_table import joined
from gliofield.errors import DatabaseError, ParameterError
from gliofield.output import atomic_folder, flush_to_disk
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

TASK_NAME = "merge databases"
_BLOCK_BYTES = 1 << 20


def merge_databases(
    path: str | os.PathLike[str], parts: Sequence[str | os.PathLike[str]], *, report: Reporter = ignore_progress
) -> SimulationDatabase:
    """Database of the tumors of all parts; the parts are only read.

    Parameters
    ----------
    path : path
        Folder of the new database; must not exist or be empty.
    parts : sequence of paths
        Databases of one design, seed, model and anatomy, in any order, that together hold a run of consecutive tumors,
        each once.
    report : Reporter
        Receives the number of shards copied.

    Raises
    ------
    ParameterError
        If no part is named.
    DatabaseError
        If a part is no complete database or damaged, their settings differ, or tumors are missing or in two parts.
    OutputError
        If `path` exists and is not empty, or cannot be written.
    """
    if not parts or isinstance(parts, str):
        raise ParameterError(f"parts must be a list of at least one database folder, got {parts!r}.")
    opened = sorted((SimulationDatabase.open(part) for part in parts), key=lambda part: part.header.first_tumor)
    _require_consecutive(opened)
    header, num_tumors = opened[0].header, sum(part.num_tumors for part in opened)
    first_shard = header.first_tumor // opened[0].tumors_per_shard
    files_of_part = [Manifest.read(part.path / MANIFEST_NAME).files for part in opened]
    for part, files in zip(opened, files_of_part, strict=True):
        require_unchanged(part.path, [entry for entry in files if layout.shard_of_name(entry.path) is None])
    with atomic_folder(path, replace=False) as partial:
        table = joined([part.table for part in opened])
        layout.write_tables(partial, header, opened[0].parameter_names, table)
        entries = [entry_of(partial, name) for name in files_below(partial)]
        shards = [
            (part, entry, shard + part.header.first_tumor // part.tumors_per_shard - first_shard)
            for part, files in zip(opened, files_of_part, strict=True)
            for entry in files
            if (shard := layout.shard_of_name(entry.path)) is not None
        ]
        for done, (part, entry, shard) in enumerate(shards):
            report(ProgressEvent(task=TASK_NAME, completed=done, total=len(shards)))
            entries.append(_copied(part.path / entry.path, entry, partial, layout.shard_name(shard)))
        report(ProgressEvent(task=TASK_NAME, completed=len(shards), total=len(shards)))
        flush_to_disk(partial)
        in_order = tuple(sorted(entries, key=lambda entry: entry.path))
        Manifest(num_tumors, in_order).write(partial / MANIFEST_NAME)
    return SimulationDatabase.open(path)


def _require_consecutive(parts: Sequence[SimulationDatabase]) -> None:
    """Raise `DatabaseError` unless the parts, sorted by first tumor, have one header and continue each other."""
    first = parts[0]
    for part in parts[1:]:
        as_first = dataclasses.replace(part.header, first_tumor=first.header.first_tumor)
        as_first.require_same_as(first.header, source=str(part.path))
    for part, following in pairwise(parts):
        stop, start = part.header.first_tumor + part.num_tumors, following.header.first_tumor
        if stop != start:
            what = f"tumors {stop} to {start - 1} are missing" if stop < start else f"both hold tumor {start}"
            raise DatabaseError(
                f"{part.path} (tumors {part.header.first_tumor} to {stop - 1}) and {following.path} (from {start}) "
                f"are not parts that continue each other: {what}. Databases with another seed or design cannot be "
                "merged; parts are built with first_tumor (on the command line --part)."
            )


def _copied(source: Path, entry: FileEntry, folder: Path, name: str) -> FileEntry:
    """Entry of the copy of a shard, every byte of which has been checked."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        original = open(source, "rb")
    except OSError as error:
        raise DatabaseError(f"{source} cannot be read: {error.strerror}.") from error
    with original, open(target, "wb") as handle:
        shutil.copyfileobj(original, handle, _BLOCK_BYTES)
    copy = entry_of(folder, name)
    if (copy.size, copy.sha256) != (entry.size, entry.sha256):
        raise DatabaseError(
            f"{source} is damaged: its content is not that of the manifest. Run `gliofield database verify` on that "
            "part, and build it again."
        )
    return copy
