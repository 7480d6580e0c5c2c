"""All that a first use needs, fetched and made before: for machines without a network, and for shared caches.

The default method is rehearsed on a head that is the atlas's own, so whatever it fetches, builds or compiles is there
afterwards, and an installation that does not work shows it here. Nothing of the rehearsal is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.anatomy import DEFAULT_ATLAS, Atlas, Segmentation, load_atlas
from gliofield.cache import cache_folder, cache_sizes
from gliofield.cores import require_threads
from gliofield.grid import Grid
from gliofield.pipeline.case import Case
from gliofield.pipeline.default_database import DEFAULT_NUM_TUMORS, open_database
from gliofield.pipeline.method_options import DEFAULT_METHOD, Query, options_named
from gliofield.pipeline.run import personalize
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.retrieval.named_indexes import DEFAULT_INDEX, open_index
from gliofield.volume import Volume

#: Tumors that the default method needs: those of its database, or none.
NUM_TUMORS_NEEDED = DEFAULT_NUM_TUMORS if isinstance(options_named(DEFAULT_METHOD), Query) else None
_REHEARSAL_TASK = "rehearse"
# The head of the rehearsal: coarse, with a ball for a tumor.
_SPACING_MM, _CORE_RADIUS_MM, _WHOLE_RADIUS_MM = 3.0, 10.0, 18.0


@dataclass(frozen=True, kw_only=True)
class CacheContent:
    """What lies in the cache.

    Parameters
    ----------
    folder : Path
        The cache.
    bytes_of : mapping of str to int
        Size of what lies in it by name (``atlases``, ``databases``, ``indexes``) [bytes].
    num_tumors : int or None
        Tumors of the default database; None where it was not asked for.
    """

    folder: Path
    bytes_of: Mapping[str, int]
    num_tumors: int | None


def setup_everything(
    *,
    num_tumors: int | None = NUM_TUMORS_NEEDED,
    num_workers: int | None = None,
    report: Reporter = ignore_progress,
) -> CacheContent:
    """Fetch and build all that a first use needs: the atlas, compiled kernels, and the default database if wanted.

    Parameters
    ----------
    num_tumors : int or None
        Tumors of the default database, for the methods that query one; a larger one that is there is used as it is.
        None: no database.
    num_workers : int or None
        Processes and threads; None: all cores available.
    report : Reporter
        Told about every step.

    Raises
    ------
    AtlasError, DatabaseError, OutputError
        If the atlas cannot be fetched, or the cache cannot be written.
    ParameterError
        If a number is below 1.
    """
    threads = require_threads(num_workers)
    atlas = load_atlas(DEFAULT_ATLAS, report=report)
    num_built = None
    if num_tumors is not None:
        database = open_database(atlas=atlas, num_tumors=num_tumors, num_workers=threads, report=report)
        num_built = database.num_tumors
        thresholds = database.header.thresholds
        open_index(DEFAULT_INDEX, database, thresholds=thresholds, num_threads=threads, report=report)
    report(ProgressEvent(task=_REHEARSAL_TASK, completed=0, total=1))
    is_ready = num_tumors is not None or NUM_TUMORS_NEEDED is None
    settings = PersonalizationSettings(registration="affine", num_threads=threads)
    personalize(_head_of(atlas), method=DEFAULT_METHOD if is_ready else "margin", atlas=atlas, settings=settings)
    report(ProgressEvent(task=_REHEARSAL_TASK, completed=1, total=1))
    return CacheContent(folder=cache_folder(), bytes_of=cache_sizes(), num_tumors=num_built)


def _head_of(atlas: Atlas) -> Case:
    """The atlas as a patient, in coarse voxels, with a ball in its white matter for a tumor."""
    t1 = atlas.t1.to_ras()
    step = max(1, round(_SPACING_MM / min(t1.grid.spacing_mm)))
    places = (slice(None, None, step),) * 3
    scaled = t1.grid.world_from_voxel @ np.diag([step, step, step, 1.0])
    image = Volume(np.ascontiguousarray(t1.data[places]), Grid(t1.data[places].shape, scaled))
    brain = image.data != 0
    white = Volume(atlas.tissue_maps.white_matter, atlas.grid).to_ras().data[places]
    world_mm = image.grid.world_of(np.moveaxis(np.indices(image.grid.shape), 0, -1))
    middle_mm = world_mm[brain].mean(axis=0)
    # In the white matter to the right of the middle, where there is room for a ball.
    center_mm = world_mm[(white > 0.5) & (world_mm[..., 0] > middle_mm[0])].mean(axis=0)
    distance_mm = np.linalg.norm(world_mm - center_mm, axis=-1)
    outlines = Segmentation(
        tumor_core=brain & (distance_mm < _CORE_RADIUS_MM),
        whole_tumor=brain & (distance_mm < _WHOLE_RADIUS_MM),
        grid=image.grid,
    )
    return Case(images={"t1": image}, segmentation=outlines, brain=brain, stored_grid=image.grid, file_hashes={})
