"""The search that every exact index is held equal to: one plain loop over decoded densities."""

from gliofield.database import SimulationDatabase
from gliofield.imaging import Observation, VisibilityThresholds
from gliofield.metrics.overlap import dice
from gliofield.retrieval import Hit
from gliofield.retrieval.query import on_database_grid


def nearest_by_reference(
    database: SimulationDatabase, query: Observation, k: int, *, thresholds: VisibilityThresholds
) -> tuple[Hit, ...]:
    """The k hits of smallest distance, ties by lower index."""
    on_grid = on_database_grid(query, database.header.grid)
    hits = []
    for index in range(database.num_tumors):
        cell_density = database.cell_density(index)
        core, whole = thresholds.tumor_core(cell_density), thresholds.whole_tumor(cell_density)
        dice_flair = dice(whole, on_grid.whole_tumor, if_both_empty=0.0)
        dice_t1gd = dice(core, on_grid.tumor_core, if_both_empty=0.0) if on_grid.has_core else None
        distance = 1.0 - dice_flair if dice_t1gd is None else 2.0 - (dice_t1gd + dice_flair)
        hits.append(
            Hit(
                index=index,
                distance=distance,
                dice_t1gd=dice_t1gd,
                dice_flair=dice_flair,
                parameters=database.parameters_of(index),
            )
        )
    return tuple(sorted(hits, key=lambda hit: (hit.distance, hit.index))[:k])
