"""The search by stored features equals a plain loop over decoded tumors."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls

from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval.query import on_database_grid
from gliofield_papers.indexes.radiomics_index import FEATURE_NAMES, RadiomicsIndex
from gliofield_papers.indexes.shape_features import shape_features

NUM_TUMORS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("radiomics")


@pytest.fixture(scope="module")
def database(folder):
    """30 balls on 20³ voxels, some of them cut by the edge of the domain."""
    return build_balls(folder / "db", num_tumors=NUM_TUMORS, anatomy=ball_anatomy(20, 1.2))


def _features(mask, grid):
    if not mask.any():
        return np.zeros(len(FEATURE_NAMES))
    features = shape_features(mask, grid.spacing_mm)
    return np.array([getattr(features, name) for name in FEATURE_NAMES])


def _loop(database, query, k, *, num_preselected):
    """Ezhov et al. 2022, section 2.3: nearest by center of mass, then Σ_i ‖f_q^i − f_d^i‖₂."""
    grid, thresholds = database.header.grid, VisibilityThresholds()
    center_mm = grid.world_of(np.argwhere(query.whole_tumor)).mean(axis=0)
    masks = [
        (thresholds.whole_tumor(density), thresholds.tumor_core(density))
        for density in map(database.cell_density, range(database.num_tumors))
    ]
    features = np.array([[_features(mask, grid) for mask in pair] for pair in masks])
    gaps_mm = [
        np.linalg.norm(grid.world_of(np.argwhere(whole)).mean(axis=0) - center_mm) if whole.any() else np.inf
        for whole, _ in masks
    ]
    near = sorted(range(len(masks)), key=lambda tumor: (gaps_mm[tumor], tumor))[:num_preselected]
    wanted = np.array([_features(mask, grid) for mask in (query.whole_tumor, query.tumor_core)])
    distances = []
    for tumor in near:
        difference = (features[tumor] - wanted)[: query.num_modalities]
        distances.append((sum(float(np.linalg.norm(column)) for column in difference.T), tumor))
    return sorted(distances)[:k]


def _queries(database, *, with_core=True):
    for tumor in (0, 7, 19):
        levels = np.roll(database.density_levels(tumor), (1, -2), axis=(0, 2))
        yield Observation(
            tumor_core=levels > (153 if with_core else 255), whole_tumor=levels > 51, grid=database.header.grid
        )


@pytest.mark.parametrize("with_core", [True, False])
@pytest.mark.parametrize("num_preselected", [8, 1000])
def test_hits_equal_those_of_the_loop(folder, database, with_core, num_preselected):
    """Same tumors in the same order, distances to rounding."""
    index = RadiomicsIndex.open(database, num_preselected=num_preselected, folder=folder)
    for query in _queries(database, with_core=with_core):
        expected = _loop(database, query, 8, num_preselected=num_preselected)
        hits = index.search(query, 8).hits
        assert [hit.index for hit in hits] == [tumor for _, tumor in expected]
        np.testing.assert_allclose([hit.distance for hit in hits], [distance for distance, _ in expected], rtol=1e-9)
        assert all((hit.dice_t1gd is None) != with_core for hit in hits)


def test_a_query_on_another_grid_goes_through_the_grid_of_the_database(folder, database):
    """Features depend on voxel sizes, so both sides have the database's."""
    grid = database.header.grid
    fine = Grid.axis_aligned((40, 40, 40), 0.6, grid.world_of([0, 0, 0]) - 0.3)
    whole = np.linalg.norm(np.moveaxis(np.indices(fine.shape), 0, -1) - (20, 18, 23), axis=-1) <= 8
    query = Observation(tumor_core=whole & (np.indices(fine.shape)[0] < 20), whole_tumor=whole, grid=fine)
    index = RadiomicsIndex.open(database, folder=folder)
    assert index.search(query, 10).hits == index.search(on_database_grid(query, grid), 10).hits
