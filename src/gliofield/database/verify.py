"""Does a database still hold the bytes it was built with?

Every file is compared with its SHA-256 in the manifest, every tumor with its checksum over the decoded levels, and
files the manifest does not know are named. Together they find any flipped byte, missing or foreign file, and tell
which tumors it concerns; all others can still be used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.cores import map_blocks
from gliofield.database.layout import METADATA_NAME, shard_of_name
from gliofield.database.lock import LOCK_NAME
from gliofield.database.manifest import MANIFEST_NAME, FileEntry, Manifest, entry_of, files_below
from gliofield.database.store import BUILDING_NAME, SimulationDatabase, load, read_header, tumors_of_file
from gliofield.errors import DatabaseError, ParameterError
from gliofield.leftovers import is_temporary
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

TASK_NAME = "verify database"
_BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is not as it was built: the file, what is wrong, and the tumors affected (ascending)."""

    path: str
    description: str
    tumors: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VerificationReport:
    """Outcome of `verify_database`.

    Parameters
    ----------
    num_tumors, num_files : int
        As the manifest lists them; 0 when it cannot be read.
    problems : tuple of Problem
        What was found; empty for an intact database.
    """

    num_tumors: int
    num_files: int
    problems: tuple[Problem, ...]

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    @property
    def damaged_tumors(self) -> tuple[int, ...]:
        """All tumors affected, ascending."""
        return tuple(sorted({tumor for problem in self.problems for tumor in problem.tumors}))


def verify_database(
    path: str | os.PathLike[str], *, num_threads: int = 1, report: Reporter = ignore_progress
) -> VerificationReport:
    """Compare every byte of a database with what was built.

    Parameters
    ----------
    path : path
        Database folder. It is only read.
    num_threads : int
        Threads that decode and check tumors, ≥ 1.
    report : Reporter
        Receives the number of files and tumors checked.

    Raises
    ------
    DatabaseError
        If the folder is no simulation database, an unfinished build, or of another format version.
    ParameterError
        If `num_threads` is below 1.
    """
    if num_threads < 1:
        raise ParameterError(f"num_threads must be at least 1, got {num_threads}.")
    folder = Path(path)
    _require_database(folder)
    try:
        manifest = Manifest.read(folder / MANIFEST_NAME)
    except DatabaseError as error:
        problem = Problem(path=MANIFEST_NAME, description=str(error))
        return VerificationReport(num_tumors=0, num_files=0, problems=(problem,))
    problems = {problem.path: problem for problem in _file_problems(folder, manifest, report)}
    problems.update({problem.path: problem for problem in _foreign_files(folder, manifest)})
    problems = _with_tumors(problems, manifest, _loaded(folder, manifest, problems), num_threads, report)
    return VerificationReport(
        num_tumors=manifest.num_tumors,
        num_files=len(manifest.files),
        problems=tuple(problems[name] for name in sorted(problems)),
    )


def _require_database(folder: Path) -> None:
    """Raise `DatabaseError` where there is nothing to verify. A damaged header is a finding, not an error."""
    if (folder / BUILDING_NAME / MANIFEST_NAME).is_file():
        raise DatabaseError(
            f"{folder} is being put in place by a build. Run that build again to finish it, then verify."
        )
    if not (folder / MANIFEST_NAME).is_file():
        read_header(folder)
        raise DatabaseError(f"{folder} has no {MANIFEST_NAME}, so there is nothing to verify against. Build it again.")
    if _is_intact(folder, METADATA_NAME):
        read_header(folder)


def _is_intact(folder: Path, name: str) -> bool:
    try:
        entry = Manifest.read(folder / MANIFEST_NAME).by_path[name]
        return entry_of(folder, name) == entry
    except (DatabaseError, KeyError, OSError):
        return False


def _file_problems(folder: Path, manifest: Manifest, report: Reporter) -> Iterator[Problem]:
    for number, entry in enumerate(manifest.files):
        description = _difference(folder, entry)
        if description:
            yield Problem(path=entry.path, description=description)
        report(ProgressEvent(task=TASK_NAME, completed=number + 1, total=len(manifest.files), message="files"))


def _difference(folder: Path, entry: FileEntry) -> str:
    """What is wrong with a file; empty if nothing."""
    try:
        found = entry_of(folder, entry.path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found.size != entry.size:
        return f"has {found.size} bytes: expected {entry.size}"
    return "" if found.sha256 == entry.sha256 else "content changed: its SHA-256 is not that of the manifest"


def _foreign_files(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    known = set(manifest.by_path) | {MANIFEST_NAME, LOCK_NAME}
    for name in files_below(folder):
        if name not in known and not name.startswith(f"{BUILDING_NAME}/") and not is_temporary(name.split("/")[0]):
            yield Problem(path=name, description="does not belong to the database: the manifest does not list it")


def _loaded(folder: Path, manifest: Manifest, problems: dict[str, Problem]) -> SimulationDatabase | None:
    """The database, if all but its shards is intact, so that tumors can be checked one by one."""
    is_needed = {entry.path for entry in manifest.files if shard_of_name(entry.path) is None}
    return None if is_needed & set(problems) else load(folder, read_header(folder), manifest.num_tumors)


def _damaged_tumors(database: SimulationDatabase, num_threads: int, report: Reporter) -> set[int]:
    found = map_blocks(
        lambda tumors: _damaged_in(database, tumors),
        database.num_tumors,
        block=_BLOCK,
        num_threads=num_threads,
        task=TASK_NAME,
        report=report,
        message="tumors",
    )
    return set().union(*found)


def _damaged_in(database: SimulationDatabase, block: range) -> set[int]:
    levels = np.empty(database.header.grid.shape, dtype=np.uint8)
    damaged = set()
    for tumor in block:
        try:
            database.density_levels(tumor, out=levels)
        except DatabaseError:
            damaged.add(tumor)
    return damaged


def _with_tumors(
    problems: dict[str, Problem],
    manifest: Manifest,
    database: SimulationDatabase | None,
    num_threads: int,
    report: Reporter,
) -> dict[str, Problem]:
    """The problems with the damaged tumors of each shard.

    Without its tables a database cannot tell the tumors of a damaged shard apart, and none are named. A shard whose
    tumors do not match their checksums is a problem even if its bytes are those of the manifest.
    """
    if database is None:
        return problems
    damaged = _damaged_tumors(database, num_threads, report)
    result = dict(problems)
    for entry in manifest.files:
        tumors = tumors_of_file(entry.path, manifest.num_tumors, database.tumors_per_shard)
        affected = tuple(tumor for tumor in tumors if tumor in damaged)
        if affected:
            found = problems.get(entry.path)
            description = found.description if found else "holds tumors that do not match their checksums"
            result[entry.path] = Problem(path=entry.path, description=description, tumors=affected)
    return result
