"""Build a simulation database, or continue or grow one.

The tumors are the same whatever the number of workers, the order in which they finish and how often the build was
killed: a build that is run again after any interruption ends with the very files it would have had. One process
builds a folder at a time; workers are processes of their own that hold one batch of tumors each, so a kill costs at
most that.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path

from gliomap import __version__
from gliomap.anatomy.growth_domain import Anatomy
from gliomap.database.design import Design
from gliomap.database.lock import LOCK_NAME, build_lock
from gliomap.database.manifest import MANIFEST_NAME
from gliomap.database.schema import DatabaseHeader, describe_settings
from gliomap.database.simulate import BatchSimulator, load_anatomy, save_anatomy
from gliomap.database.staging import ANATOMY_NAME, Staging, put_in_place, write_part
from gliomap.database.store import BUILDING_NAME, SimulationDatabase
from gliomap.errors import DatabaseError, GliomapError, OutputError, ParameterError
from gliomap.growth import FisherKolmogorovParameters, GrowthModel
from gliomap.imaging.visibility import VisibilityThresholds
from gliomap.output import atomic_file
from gliomap.progress import ProgressEvent, Reporter, ignore_progress

TASK_NAME = "build database"
_DEFAULT_THRESHOLDS = VisibilityThresholds()


def build_database(
    path: str | os.PathLike[str],
    *,
    num_tumors: int,
    design: Design,
    anatomy: Anatomy,
    atlas_name: str,
    atlas_hash: str,
    model: GrowthModel[FisherKolmogorovParameters],
    seed: int = 0,
    num_workers: int = 1,
    thresholds: VisibilityThresholds = _DEFAULT_THRESHOLDS,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """Database of `num_tumors` tumors; a finished one of the same settings is grown, an unfinished one continued.

    Parameters
    ----------
    path : path
        Folder of the database; missing parents are made.
    num_tumors : int
        Tumors wanted in the end, ≥ 1.
    design, model : Design, GrowthModel
        What is drawn and how it grows. With workers both are sent to other processes, so their classes must be
        importable there.
    anatomy : Anatomy
        Where the tumors grow.
    atlas_name, atlas_hash : str
        Name and content hash of the atlas behind the anatomy, for the record.
    seed : int
        Root of all random numbers, ≥ 0.
    num_workers : int
        Worker processes; with 0 or 1 everything happens in this process.
    thresholds : VisibilityThresholds
        Densities above which the stored volumes count.
    report : Reporter
        Receives the number of finished tumors and of rejected draws.

    Raises
    ------
    ParameterError
        If a number is out of range or a setting cannot be recorded.
    DatabaseError
        If the folder holds something else, a database or unfinished build of other settings, more tumors, or is being
        built by another process; or if a tumor cannot be simulated.
    OutputError
        If the folder cannot be written, e.g. the disk is full. What was finished is kept.
    """
    _require_counts(num_tumors, num_workers)
    header = DatabaseHeader(
        atlas_name=atlas_name,
        atlas_hash=atlas_hash,
        grid=anatomy.grid,
        domain_rule=anatomy.domain_rule,
        anatomy_hash=anatomy.content_hash,
        model=describe_settings(model),
        design=describe_settings(design),
        root_seed=int(seed),
        snapshots_per_run=int(design.snapshots_per_run),
        thresholds=thresholds,
        gliomap_version=__version__,
    )
    simulator = BatchSimulator(anatomy=anatomy, model=model, design=design, header=header)
    folder = Path(path)
    with _resumable_output_errors(folder):
        _require_own_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with build_lock(folder):
            put_in_place(folder)
            existing = _existing_database(folder, header, num_tumors)
            if existing is None or existing.num_tumors < num_tumors:
                staging = Staging(database_folder=folder, header=header, existing=existing, num_tumors=num_tumors)
                staging.begin_or_resume()
                _build(staging, simulator, num_workers, report)
                put_in_place(folder)
    return SimulationDatabase.open(folder)


def _build(staging: Staging, simulator: BatchSimulator, num_workers: int, report: Reporter) -> None:
    """Simulate what is missing, assemble each shard once its last batch is there, and write the tables."""
    missing = {shard: set(staging.missing_batches(shard)) for shard in staging.shards()}
    for shard, batches in missing.items():
        if not batches and not staging.is_finished(shard):
            staging.finish_shard(shard)
    todo = [(shard, batch) for shard, batches in missing.items() for batch in sorted(batches)]
    completed = staging.num_tumors - sum(stop - start for _, (start, stop) in todo)
    rejected = 0
    report(ProgressEvent(task=TASK_NAME, completed=completed, total=staging.num_tumors))
    shard_of_batch = {batch: shard for shard, batch in todo}
    with closing(_simulated(staging, simulator, list(shard_of_batch), num_workers)) as results:
        for batch, num_rejected in results:
            shard = shard_of_batch[batch]
            missing[shard].remove(batch)
            if not missing[shard]:
                staging.finish_shard(shard)
            completed += batch[1] - batch[0]
            rejected += num_rejected
            message = f"{rejected} draws rejected"
            report(ProgressEvent(task=TASK_NAME, completed=completed, total=staging.num_tumors, message=message))
    staging.complete()


def _simulated(
    staging: Staging, simulator: BatchSimulator, batches: list[tuple[int, int]], num_workers: int
) -> Generator[tuple[tuple[int, int], int], None, None]:
    """Batches whose parts have been written, as they finish, each with its number of rejected draws."""
    if num_workers <= 1 or len(batches) <= 1:
        for batch in batches:
            yield batch, _run_batch(simulator, staging.folder, *batch)
        return
    with atomic_file(staging.folder / ANATOMY_NAME) as partial:
        save_anatomy(partial, simulator.anatomy)
    _require_picklable(simulator)
    context = multiprocessing.get_context("spawn")
    worker_end, lifeline = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        max_workers=min(num_workers, len(batches)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(worker_end, staging.folder, simulator.model, simulator.design, simulator.header),
    )
    try:
        futures = {executor.submit(_run_batch_in_worker, *batch): batch for batch in batches}
        for future in as_completed(futures):
            yield futures[future], future.result()
        executor.shutdown(wait=True)
    except BrokenProcessPool as error:
        raise DatabaseError(
            f"a worker process of the build in {staging.database_folder} died: it was killed, ran out of memory, or "
            'the script that builds has no `if __name__ == "__main__":` around the call. '
            "What was finished is kept: run the same build again to continue."
        ) from error
    finally:
        # Workers leave when the lifeline is cut, so after an error nobody waits for their current batches.
        lifeline.close()
        worker_end.close()
        executor.shutdown(wait=True, cancel_futures=True)


def _run_batch(simulator: BatchSimulator, building: Path, start: int, stop: int) -> int:
    """Simulate one batch and keep it; returns the number of rejected draws.

    Every failure of design or model leaves as a `DatabaseError` whose text says which tumors failed, since exceptions
    of arbitrary classes do not survive the way between processes.
    """
    try:
        tumors = simulator.simulate(start, stop)
    except GliomapError as error:
        raise DatabaseError(f"tumors {start} to {stop - 1} could not be made: {error}") from error
    except Exception as error:
        raise DatabaseError(
            f"tumors {start} to {stop - 1} could not be made: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        ) from error
    write_part(building, tumors)
    snapshots = simulator.header.snapshots_per_run
    runs = {(start + row) // snapshots: int(attempt) for row, attempt in enumerate(tumors.table.attempt)}
    return sum(runs.values())


# What a worker process holds between batches; set once by its initializer, unused in the parent.
_worker: dict[str, tuple[BatchSimulator, Path]] = {}


def _start_worker(
    lifeline: Connection,
    building: Path,
    model: GrowthModel[FisherKolmogorovParameters],
    design: Design,
    header: DatabaseHeader,
) -> None:
    import numba

    # Interrupts go to the parent, which ends the pool in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    threading.Thread(target=_exit_with_lifeline, args=(lifeline,), daemon=True).start()
    anatomy = load_anatomy(building / ANATOMY_NAME)
    _worker["state"] = (BatchSimulator(anatomy=anatomy, model=model, design=design, header=header), building)


def _run_batch_in_worker(start: int, stop: int) -> int:
    return _run_batch(*_worker["state"], start, stop)


def _exit_with_lifeline(lifeline: Connection) -> None:
    """Leave when the parent closes its end or is gone: a killed parent cannot end its pool, and workers would stay."""
    wait([lifeline])
    os._exit(1)


def _require_picklable(simulator: BatchSimulator) -> None:
    for thing in (simulator.model, simulator.design):
        try:
            pickle.dumps(thing)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ParameterError(
                f"{type(thing).__name__} cannot be sent to worker processes ({error}): define its class in an "
                "importable module and keep functions out of its settings, or build with num_workers=1."
            ) from error


def _require_counts(num_tumors: int, num_workers: int) -> None:
    if num_tumors < 1:
        raise ParameterError(f"num_tumors must be at least 1, got {num_tumors}.")
    if num_workers < 0:
        raise ParameterError(f"num_workers must be 0 or more, got {num_workers}.")


def _require_own_folder(folder: Path) -> None:
    """Raise `DatabaseError` if the folder holds anything that no build has put there."""
    if folder.is_dir() and any(folder.iterdir()):
        if any((folder / name).exists() for name in (MANIFEST_NAME, BUILDING_NAME, LOCK_NAME)):
            return
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


@contextmanager
def _resumable_output_errors(folder: Path) -> Iterator[None]:
    advice = "What was finished before is kept: run the same build again to continue."
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error} {advice}") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}. {advice}") from error
