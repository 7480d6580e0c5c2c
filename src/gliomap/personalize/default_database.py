"""The database `personalize` uses when none is named: built once per atlas, kept in the user's cache.

Its size is a first-use budget: 2,000 tumors take a few minutes on two cores. A larger one is made with
``gliomap database build`` and named with ``--database``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gliomap import __version__
from gliomap.anatomy import Atlas
from gliomap.cache import cache_folder
from gliomap.cores import available_cores
from gliomap.database import DEFAULT_DESIGN, SimulationDatabase, build_database, named_design
from gliomap.database.manifest import MANIFEST_NAME
from gliomap.errors import DatabaseError
from gliomap.growth import FisherKolmogorov
from gliomap.progress import Reporter, ignore_progress

DEFAULT_NUM_TUMORS = 2000


def open_or_build_database(
    path: str | os.PathLike[str] | None,
    atlas: Atlas,
    *,
    num_tumors: int = DEFAULT_NUM_TUMORS,
    num_workers: int | None = None,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """The database at `path`, or the default one of the atlas, built on first use.

    Parameters
    ----------
    path : path or None
        An existing database; None for the default one.
    atlas : Atlas
        Atlas it must belong to.
    num_tumors : int
        Size of the default database.
    num_workers : int or None
        Processes of a build; None: all cores available.
    report : Reporter
        Told about the build.

    Raises
    ------
    DatabaseError
        If there is no database at `path`, it cannot be used, or it belongs to another atlas.
    """
    if path is None:
        return _default_database(atlas, num_tumors, num_workers, report)
    database = SimulationDatabase.open(path)
    if database.header.atlas_hash != atlas.content_hash:
        raise DatabaseError(
            f"{path} was simulated in the atlas {database.header.atlas_name!r} (content hash "
            f"{database.header.atlas_hash[:12]}…), not in {atlas.name!r} ({atlas.content_hash[:12]}…). "
            "Name its atlas with --atlas, or build a database for this one."
        )
    return database


def default_database_path(atlas: Atlas, *, num_tumors: int = DEFAULT_NUM_TUMORS) -> Path:
    """Where the default database of an atlas is kept."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", atlas.name)
    return cache_folder("databases", f"{name}-{atlas.content_hash[:8]}-{DEFAULT_DESIGN}-{num_tumors}-v{__version__}")


def _default_database(atlas: Atlas, num_tumors: int, num_workers: int | None, report: Reporter) -> SimulationDatabase:
    path = default_database_path(atlas, num_tumors=num_tumors)
    if (path / MANIFEST_NAME).is_file():
        # Opening takes no lock, so a finished database also serves from a read-only cache.
        return SimulationDatabase.open(path)
    return build_database(
        path,
        num_tumors=num_tumors,
        design=named_design(DEFAULT_DESIGN),
        anatomy=atlas.anatomy(),
        atlas_name=atlas.name,
        atlas_hash=atlas.content_hash,
        model=FisherKolmogorov(),
        num_workers=available_cores() if num_workers is None else num_workers,
        report=report,
    )
