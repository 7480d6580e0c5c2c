"""A new index: the tumors whose center, size and core size are nearest; five numbers describe each.

The distance is |x − x'| + |r − r'| + |r_core − r_core'| [mm], with the radius r of a ball of the same volume.
"""

import time

import numpy as np

import gliofield
from gliofield.anatomy import segmentation_from_masks
from gliofield.metrics import dice
from gliofield.retrieval.query import AtThresholds, Hit, Hits, on_database_grid, require_count


class CenterIndex(AtThresholds):
    """Keeps the protocol `Index`; `AtThresholds` rounds thresholds to what a database stores."""

    name = "center"

    def __init__(self, database, thresholds=None):
        self.database, self.thresholds = database, thresholds or gliofield.VisibilityThresholds()
        self.features = np.array([self.features_of(*self.masks_of(tumor)) for tumor in range(len(database))])

    def search(self, query, k, *, report=None):
        require_count(k)
        start, seen = time.perf_counter(), on_database_grid(query, self.database.header.grid)
        offset = self.features - self.features_of(seen.tumor_core, seen.whole_tumor)
        # Without a core T1Gd says nothing: the last of the five has no weight.
        distance_mm = np.linalg.norm(offset[:, :3], axis=1) + np.abs(offset[:, 3:]) @ (1.0, seen.has_core)
        best = np.argsort(distance_mm, kind="stable")[:k].tolist()  # stable: ties by the lower index
        hits = tuple(self.hit(tumor, float(distance_mm[tumor]), seen) for tumor in best)
        return Hits(hits=hits, num_candidates_evaluated=len(hits), seconds=time.perf_counter() - start)

    def hit(self, tumor, distance_mm, seen):
        core, whole = self.masks_of(tumor)
        return Hit(
            index=tumor,
            distance=distance_mm,
            dice_t1gd=dice(core, seen.tumor_core, if_both_empty=0.0) if seen.has_core else None,
            dice_flair=dice(whole, seen.whole_tumor, if_both_empty=0.0),
            parameters=self.database.parameters_of(tumor),
        )

    def masks_of(self, tumor):
        density, shown = self.database.cell_density(tumor), self.effective_thresholds
        return shown.tumor_core(density), shown.whole_tumor(density)

    def features_of(self, core, whole):
        grid = self.database.header.grid
        radii_mm = [np.cbrt(750.0 / np.pi * mask.sum() * grid.voxel_volume_ml) for mask in (whole, core)]
        center_mm = grid.world_of(np.argwhere(whole)).mean(axis=0) if whole.any() else np.full(3, 1e6)
        return [*center_mm, *radii_mm]


if __name__ == "__main__":
    index = CenterIndex(gliofield.open_database("tumors"))
    core, whole = gliofield.read_volume("CORE.nii.gz"), gliofield.read_volume("WHOLE.nii.gz")
    print(index.search(gliofield.Observation.of(segmentation_from_masks(core, whole)), k=5))
