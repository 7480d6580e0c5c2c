"""The search over packed bits at low resolution equals a plain loop over zoomed masks, to the last bit."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from scipy import ndimage

from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.metrics.overlap import dice
from gliofield.retrieval import ExhaustiveIndex
from gliofield.retrieval.query import on_database_grid
from gliofield_papers.indexes.downsampled_index import DownsampledIndex


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A database of 16 balls on 40³ voxels, and room for indexes."""
    folder = tmp_path_factory.mktemp("downsampled")
    build_balls(folder / "db", num_tumors=16, anatomy=ball_anatomy(40, 0.8))
    return folder


@pytest.fixture(scope="module")
def database(folder):
    from gliofield.database import SimulationDatabase

    return SimulationDatabase.open(folder / "db")


def _zoomed(mask, size):
    return ndimage.zoom(mask.astype(np.uint8), [size / length for length in mask.shape], order=0) > 0


def _loop(database, query, k, downsample):
    """Ezhov et al. 2022, section 2.3: every tumor, thresholded, downsampled, compared."""
    found = []
    whole, core = downsample(query.whole_tumor), downsample(query.tumor_core)
    for index in range(database.num_tumors):
        cell_density = database.cell_density(index)
        dice_flair = dice(downsample(cell_density > 0.2), whole, if_both_empty=0.0)
        dice_t1gd = dice(downsample(cell_density > 0.6), core, if_both_empty=0.0) if query.has_core else None
        distance = 1.0 - dice_flair if dice_t1gd is None else 2.0 - (dice_t1gd + dice_flair)
        found.append((distance, index, dice_t1gd, dice_flair))
    return sorted(found)[:k]


def _found(index, query, k):
    return [(hit.distance, hit.index, hit.dice_t1gd, hit.dice_flair) for hit in index.search(query, k).hits]


def _queries(database, *, with_core=True):
    for tumor in (4, 11):
        levels = np.roll(database.density_levels(tumor), (1, -2), axis=(0, 2))
        whole = levels > 51
        yield Observation(tumor_core=levels > (153 if with_core else 255), whole_tumor=whole, grid=database.header.grid)


@pytest.mark.parametrize("size", [16, 48])
@pytest.mark.parametrize("with_core", [True, False])
def test_order_0_equals_the_loop(folder, database, size, with_core):
    """Fewer voxels or more, with core and without: equal hits in equal order."""
    index = DownsampledIndex.open(database, size=size, folder=folder)
    for query in _queries(database, with_core=with_core):
        assert _found(index, query, 30) == _loop(database, query, 30, lambda mask: _zoomed(mask, size))


def test_threads_and_parts_change_nothing(folder, database, monkeypatch):
    """One thread, or three over parts of four tumors."""
    from gliofield_papers.indexes import downsampled_index

    monkeypatch.setattr(downsampled_index, "_BLOCK", 4)
    one = DownsampledIndex.open(database, size=32, num_threads=1, folder=folder)
    three = DownsampledIndex.open(database, size=32, num_threads=3, folder=folder)
    for query in _queries(database):
        assert _found(one, query, 30) == _found(three, query, 30)


def test_at_full_size_it_is_the_exact_search(folder, database):
    """40³ brought to 40³."""
    index = DownsampledIndex.open(database, size=40, folder=folder)
    for query in _queries(database):
        assert index.search(query, 30).hits == ExhaustiveIndex(database).search(query, 30).hits


def test_a_query_on_another_grid_goes_through_the_grid_of_the_database(folder, database):
    """The mask rule first, then the samples."""
    grid = database.header.grid
    fine = Grid.axis_aligned((80, 80, 80), 0.4, grid.world_of([0, 0, 0]) - 0.2)
    whole = np.linalg.norm(np.moveaxis(np.indices(fine.shape), 0, -1) - (40, 38, 45), axis=-1) <= 15
    query = Observation(tumor_core=whole & (np.indices(fine.shape)[0] < 40), whole_tumor=whole, grid=fine)
    index = DownsampledIndex.open(database, size=32, folder=folder)
    assert index.search(query, 10).hits == index.search(on_database_grid(query, grid), 10).hits
