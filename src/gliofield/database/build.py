"""Build a simulation database, or continue or grow one.

The tumors are the same whoever makes them (`workforce`), in whatever order they finish and however often the build was
killed: a build that is run again after any interruption ends with the very files it would have had. One process
builds a folder at a time; a kill costs at most the batches that were under way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gliofield import __version__
from gliofield.anatomy.atlas import DEFAULT_ATLAS, Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.anatomy.growth_domain import DEFAULT_DOMAIN_RULE
from gliofield.database import layout
from gliofield.database.design import Design
from gliofield.database.designs import DEFAULT_DESIGN, resolve_design
from gliofield.database.local_workers import resolve_workers
from gliofield.database.lock import LOCK_NAME, build_lock
from gliofield.database.manifest import MANIFEST_NAME, Manifest, require_unchanged
from gliofield.database.models import DEFAULT_MODEL, resolve_model
from gliofield.database.schema import ARRAY_NAMES, DatabaseHeader, describe_model, describe_settings
from gliofield.database.simulate import BatchSimulator
from gliofield.database.staging import Staging, put_in_place, remove_finished_build, require_own_build
from gliofield.database.store import BUILDING_NAME, SimulationDatabase
from gliofield.database.tumor_table import Rejections
from gliofield.database.workforce import Workforce
from gliofield.errors import DatabaseError, OutputError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import GrowthModel, needs_of
from gliofield.growth.parameters import PUSH_NAME
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.leftovers import is_temporary, sweep_leftovers
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

TASK_NAME = "build database"
_DEFAULT_THRESHOLDS = VisibilityThresholds()


def build_database(
    path: str | os.PathLike[str],
    num_tumors: int,
    *,
    atlas: Atlas | str | os.PathLike[str] = DEFAULT_ATLAS,
    design: Design | str = DEFAULT_DESIGN,
    model: GrowthModel[Any] | str = DEFAULT_MODEL,
    grid: Grid | None = None,
    domain_rule: str = DEFAULT_DOMAIN_RULE,
    seed: int = 0,
    first_tumor: int = 0,
    workers: Workforce | int = 1,
    thresholds: VisibilityThresholds = _DEFAULT_THRESHOLDS,
    wait: bool = False,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """Database of `num_tumors` tumors; a finished one of the same settings is grown, an unfinished one continued.

    Parameters
    ----------
    path : path
        Folder of the database; missing parents are made.
    num_tumors : int
        Tumors wanted in the end, ≥ 1.
    atlas : Atlas, or what `load_atlas` takes
        Brain the tumors grow in.
    design : Design, or one of `design_names`
        What is drawn; by name it draws a push where the model has mass effect.
    model : GrowthModel, "fk" or "mass-effect"
        How it grows: with mass effect it needs a design with a range of `push_pa`, without one a design without.
    grid : Grid or None
        Where they grow; None: the atlas's `simulation_grid()`.
    domain_rule : str
        Which tissue they grow in, one of `DOMAIN_RULES`.
    seed : int
        Root of all random numbers, ≥ 0.
    first_tumor : int
        Number of the first tumor of a part (`part_of_database`, `merge_databases`); a multiple of a shard's tumors.
    workers : Workforce or int
        Who simulates: so many processes of this machine, or `LocalWorkers`, `DaskWorkers`, or a device.
    thresholds : VisibilityThresholds
        Densities above which the stored volumes count.
    wait : bool
        Wait for another process that builds there.
    report : Reporter
        Receives the number of finished tumors and of rejected draws.

    Raises
    ------
    ParameterError
        If an argument is of another type or out of range, or design and model do not fit.
    DatabaseError
        If the folder holds something else, other settings or more tumors, is being built, or a tumor cannot be made.
    DeviceError, OutputError
        If the workers' device is not there; if the folder cannot be written. What was finished is kept.
    """
    _require_numbers(num_tumors=num_tumors, seed=seed, first_tumor=first_tumor)
    crew = resolve_workers(workers)
    grown_by = resolve_model(model)
    drawn_by = resolve_design(design, mass_effect=PUSH_NAME in needs_of(grown_by))
    _require_fitting(drawn_by, grown_by)
    _require_shard_start(first_tumor, drawn_by.snapshots_per_run)
    brain = resolve_atlas(atlas, report=report)
    anatomy = brain.anatomy(grid, domain_rule=domain_rule)
    header = DatabaseHeader(
        atlas_name=brain.name,
        atlas_hash=brain.content_hash,
        grid=anatomy.grid,
        domain_rule=anatomy.domain_rule,
        anatomy_hash=anatomy.content_hash,
        model=describe_model(grown_by, backend=crew.backend),
        design=describe_settings(drawn_by),
        root_seed=int(seed),
        snapshots_per_run=int(drawn_by.snapshots_per_run),
        thresholds=thresholds,
        gliofield_version=__version__,
        first_tumor=int(first_tumor),
    )
    simulator = BatchSimulator(anatomy=anatomy, model=grown_by, design=drawn_by, header=header)
    return _build_in(Path(path), simulator, num_tumors, crew, report, wait=wait)


def _build_in(
    folder: Path, simulator: BatchSimulator, num_tumors: int, workers: Workforce, report: Reporter, *, wait: bool
) -> SimulationDatabase:
    """The database that a simulator's header describes: opened if it is there, else begun, continued or grown."""
    header = simulator.header
    with _resumable_output_errors(folder):
        _require_own_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with build_lock(folder, wait=report if wait else None):
            put_in_place(folder)
            existing = _existing_database(folder, header, num_tumors)
            sweep_leftovers(folder)
            if existing is None or existing.num_tumors < num_tumors:
                if existing is not None:
                    _require_unchanged(existing)
                staging = Staging(database_folder=folder, header=header, existing=existing, num_tumors=num_tumors)
                staging.begin_or_resume()
                _build(staging, simulator, workers, report)
                put_in_place(folder)
            else:
                remove_finished_build(folder, existing.num_tumors)
    return SimulationDatabase.open(folder)


def part_of_database(num_tumors: int, part: int, num_parts: int, *, snapshots_per_run: int = 1) -> range:
    """Numbers of the tumors of one part of a database, in whole shards: `first_tumor` is where it starts.

    Parameters
    ----------
    num_tumors : int
        Tumors of the whole database.
    part, num_parts : int
        Which part of how many, 1 … num_parts.
    snapshots_per_run : int
        Of the design.

    Raises
    ------
    ParameterError
        If there is no such part, or fewer shards than parts.

    Examples
    --------
    >>> part_of_database(50_000, 1, 4), part_of_database(50_000, 4, 4)
    (range(0, 12416), range(37504, 50000))
    """
    if num_tumors < 1:
        raise ParameterError(f"num_tumors must be at least 1, got {num_tumors}.")
    if not 1 <= part <= num_parts:
        raise ParameterError(f"expected a part from 1 to the number of parts, got part {part} of {num_parts}.")
    size = layout.tumors_per_shard(snapshots_per_run)
    num_shards = -(-num_tumors // size)
    if num_parts > num_shards:
        raise ParameterError(
            f"{num_tumors} tumors are {num_shards} shards of {size} and cannot be built in {num_parts} parts: ask for "
            f"at most {num_shards}."
        )
    first, last = (num_shards * edge // num_parts * size for edge in (part - 1, part))
    return range(first, min(last, num_tumors))


def _build(staging: Staging, simulator: BatchSimulator, workers: Workforce, report: Reporter) -> None:
    """Simulate what is missing, assemble each shard once its last batch is there, and write the tables."""
    missing = {shard: set(staging.missing_batches(shard)) for shard in staging.shards()}
    for shard, batches in missing.items():
        if not batches and not staging.is_finished(shard):
            staging.finish_shard(shard)
    shard_of_batch = {batch: shard for shard, batches in missing.items() for batch in sorted(batches)}
    completed = staging.num_tumors - sum(stop - start for start, stop in shard_of_batch)
    rejections = Rejections()
    report(ProgressEvent(task=TASK_NAME, completed=completed, total=staging.num_tumors))
    with closing(workers.finished_batches(staging, simulator, list(shard_of_batch))) as finished_batches:
        for finished in finished_batches:
            batch = (finished.start, finished.stop)
            shard = shard_of_batch[batch]
            missing[shard].remove(batch)
            if not missing[shard]:
                staging.finish_shard(shard)
            completed += finished.stop - finished.start
            rejections += finished.rejections
            event = ProgressEvent(
                task=TASK_NAME, completed=completed, total=staging.num_tumors, message=str(rejections)
            )
            report(event)
    staging.complete()


def _require_numbers(**numbers: int) -> None:
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)):
            raise ParameterError(f"{name} must be an integer, got {value!r}.")
    if numbers["num_tumors"] < 1:
        raise ParameterError(f"num_tumors must be at least 1, got {numbers['num_tumors']}.")


def _require_fitting(design: Design, model: GrowthModel[Any]) -> None:
    """Raise `ParameterError` unless the design draws a push for a model that has one, and only then."""
    draws_push, needs_push = design.push_pa is not None, PUSH_NAME in needs_of(model)
    if needs_push and not draws_push:
        raise ParameterError(
            f"the model {model.name!r} needs a push: give the design {design.name!r} a range of it, for example "
            "named_design(name, mass_effect=True), or give its name instead of the design."
        )
    if draws_push and not needs_push:
        raise ParameterError(
            f"the design {design.name!r} draws a push, which the model {model.name!r} does not have. Use the model "
            "MassEffect(), or push_pa=None."
        )


def _require_shard_start(first_tumor: int, snapshots_per_run: int) -> None:
    size = layout.tumors_per_shard(snapshots_per_run)
    if first_tumor < 0 or first_tumor % size:
        raise ParameterError(
            f"first_tumor must be a multiple of {size}, the tumors of one shard, and not negative: got {first_tumor}. "
            "part_of_database(...) gives fitting parts."
        )


def _require_own_folder(folder: Path) -> None:
    """Raise `DatabaseError` if a new database would lie among other files, or a folder only looks like a build."""
    if not folder.is_dir():
        return
    building = folder / BUILDING_NAME
    if os.path.lexists(building):
        require_own_build(building)
    if (folder / MANIFEST_NAME).is_file():
        return
    own = {BUILDING_NAME, LOCK_NAME}
    if (building / MANIFEST_NAME).is_file():  # killed while it was put in place
        own |= {layout.METADATA_NAME, *ARRAY_NAMES}
    if any(name not in own and not is_temporary(name) for name in os.listdir(folder)):
        raise DatabaseError(f"{folder} is not empty and holds no simulation database. Choose an empty or new folder.")


def _existing_database(folder: Path, header: DatabaseHeader, num_tumors: int) -> SimulationDatabase | None:
    if not (folder / MANIFEST_NAME).is_file():
        return None
    existing = SimulationDatabase.open(folder)
    existing.header.require_same_as(header, source=str(folder))
    if existing.num_tumors > num_tumors:
        raise DatabaseError(
            f"{folder} holds {existing.num_tumors} tumors already, {num_tumors} were asked for. "
            "A database can be grown, not shrunk: ask for at least as many, or build into another folder."
        )
    return existing


def _require_unchanged(existing: SimulationDatabase) -> None:
    """Raise `DatabaseError` if what a growing database writes again is damaged: its tables and its last shard."""
    last_shard = (existing.num_tumors - 1) // existing.tumors_per_shard
    entries = Manifest.read(existing.path / MANIFEST_NAME).files
    require_unchanged(existing.path, [e for e in entries if layout.shard_of_name(e.path) in (None, last_shard)])


@contextmanager
def _resumable_output_errors(folder: Path) -> Iterator[None]:
    advice = "What was finished before is kept: run the same build again to continue."
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error} {advice}") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}. {advice}") from error
