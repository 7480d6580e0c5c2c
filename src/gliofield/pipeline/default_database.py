"""The database `personalize` uses when none is named: built once per atlas, kept in the user's cache.

Its size is a first-use budget: 5,000 tumors take a few minutes on two cores. ``gliofield database build --number N``,
without a folder, grows it to any size; `personalize` uses all it holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from gliofield import __version__
from gliofield.anatomy import DEFAULT_ATLAS, Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.cache import cache_folder
from gliofield.cores import available_cores
from gliofield.database import (
    DEFAULT_DESIGN,
    LocalWorkers,
    SimulationDatabase,
    build_database,
    named_design,
    named_model,
)
from gliofield.database.manifest import MANIFEST_NAME
from gliofield.database.schema import FORMAT_VERSION, describe_settings
from gliofield.errors import DatabaseError
from gliofield.progress import Reporter, ignore_progress

#: *Chosen*: at most five minutes of two cores (docs/database.md).
DEFAULT_NUM_TUMORS = 5000
_DEFAULT_MODEL = "fk"


def open_database(
    path: str | os.PathLike[str] | None = None,
    *,
    atlas: Atlas | str | os.PathLike[str] | None = None,
    num_tumors: int = DEFAULT_NUM_TUMORS,
    num_workers: int | None = None,
    report: Reporter = ignore_progress,
) -> SimulationDatabase:
    """The database at `path`, or the default one of the atlas, built on first use.

    Parameters
    ----------
    path : path or None
        An existing database; None for the default one.
    atlas : Atlas, name or folder, or None
        Atlas it must belong to; None: any for a path, else the default atlas.
    num_tumors : int
        Size of the default database where it is not there yet; one that is there is used as it is.
    num_workers : int or None
        Processes of a build; None: all cores available.
    report : Reporter
        Told about the build, or that another process is waited for which makes it.

    Raises
    ------
    DatabaseError
        If there is no database at `path`, it cannot be used, or it belongs to another atlas.
    """
    if path is None:
        loaded = resolve_atlas(DEFAULT_ATLAS if atlas is None else atlas, report=report)
        default = default_database_path(loaded)
        if (default / MANIFEST_NAME).is_file():
            # Opening takes no lock, so a finished database also serves from a read-only cache.
            return SimulationDatabase.open(default)
        try:
            return build_database(
                default,
                num_tumors=num_tumors,
                design=named_design(DEFAULT_DESIGN),
                atlas=loaded,
                model=named_model(_DEFAULT_MODEL),
                workers=LocalWorkers(available_cores() if num_workers is None else num_workers),
                wait=True,
                report=report,
            )
        except DatabaseError:
            if not (default / MANIFEST_NAME).is_file():
                raise
            return SimulationDatabase.open(default)  # the process that was waited for has built a larger one
    database = SimulationDatabase.open(path)
    if atlas is None:
        return database
    loaded = resolve_atlas(atlas, report=report)
    if database.header.atlas_hash != loaded.content_hash:
        raise DatabaseError(
            f"{path} was simulated in the atlas {database.header.atlas_name!r} (content hash "
            f"{database.header.atlas_hash[:12]}…), not in {loaded.name!r} ({loaded.content_hash[:12]}…). "
            "Name its atlas with --atlas, or build a database for this one."
        )
    return database


def default_database_path(atlas: Atlas) -> Path:
    """Where the default database of an atlas is kept: another folder for whatever would make other tumors."""
    settings = [
        FORMAT_VERSION,
        __version__,
        atlas.content_hash,
        describe_settings(named_design(DEFAULT_DESIGN)),
        describe_settings(named_model(_DEFAULT_MODEL)),
    ]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]", "_", atlas.name)
    return cache_folder("databases", f"{name}-{DEFAULT_DESIGN}-{digest[:12]}")
