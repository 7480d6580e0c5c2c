"""Settings, limits and bookkeeping of the search by shape; its rankings are in tests/equivalence."""

import importlib.util

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from level_database import database_of_levels

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.retrieval import ExhaustiveIndex
from gliofield_papers.indexes.radiomics_index import RadiomicsIndex


def _build(path, num_tumors):
    return build_balls(path, num_tumors=num_tumors, anatomy=ball_anatomy(20, 1.2))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls on 20³ voxels."""
    return _build(tmp_path_factory.mktemp("radiomics") / "db", 20)


def _query_of(database, tumor):
    levels = database.density_levels(tumor)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _with_core(database):
    return int(np.flatnonzero(database.volume_ml[:, 1] > 0.05)[2])


def _indexes(answer):
    return [hit.index for hit in answer.hits]


def test_features_are_read_once(database, tmp_path):
    """The second opening finds them in the cache."""
    first, second = (RadiomicsIndex.open(database, folder=tmp_path) for _ in range(2))
    assert (first.name, first.prepared.num_tumors_read, second.prepared.num_tumors_read) == ("radiomics", 20, 0)


def test_a_tumor_of_the_database_finds_itself(database, tmp_path):
    """At distance exactly 0, with Dice 1 in both modalities."""
    tumor = _with_core(database)
    index = RadiomicsIndex.open(database, folder=tmp_path)
    best = index.search(_query_of(database, tumor), 1).hits[0]
    assert (best.index, best.distance, best.dice_t1gd, best.dice_flair) == (tumor, 0.0, 1.0, 1.0)
    assert best.parameters == database.parameters_of(tumor)


def test_hits_carry_their_full_dice(database, tmp_path):
    """Those of the exact search, for the hits alone."""
    query = _query_of(database, _with_core(database))
    answer = RadiomicsIndex.open(database, folder=tmp_path).search(query, 4)
    exact = {hit.index: hit for hit in ExhaustiveIndex(database).search(query, 20).hits}
    assert [(hit.dice_t1gd, hit.dice_flair) for hit in answer.hits] == [
        (exact[hit.index].dice_t1gd, exact[hit.index].dice_flair) for hit in answer.hits
    ]
    assert answer.num_candidates_evaluated == 4


def test_only_the_nearest_by_place_are_compared(database, tmp_path):
    """With a preselection of 3, the hits are the 3 tumors nearest by center of mass."""
    query = _query_of(database, _with_core(database))
    index = RadiomicsIndex.open(database, num_preselected=3, folder=tmp_path)
    center_mm = database.header.grid.world_of(np.argwhere(query.whole_tumor)).mean(axis=0)
    gaps_mm = np.full(20, np.inf)
    for tumor in range(20):
        whole = database.density_levels(tumor) > 51
        if whole.any():
            gaps_mm[tumor] = np.linalg.norm(database.header.grid.world_of(np.argwhere(whole)).mean(axis=0) - center_mm)
    assert set(_indexes(index.search(query, 3))) == set(np.argsort(gaps_mm)[:3])
    assert _indexes(index.search(query, 1))[0] in np.argsort(gaps_mm)[:3]


def _bars(lengths):
    """Database of bars along x of so many voxels, 2 × 2 across: the first in one corner, the others in the opposite."""
    grid = Grid.axis_aligned((24, 8, 8), 2.0, (-10.0, 20.0, 0.0))
    levels = [np.zeros(grid.shape, dtype=np.uint8) for _ in lengths]
    for number, (tumor, length) in enumerate(zip(levels, lengths, strict=True)):
        start = 1 if number == 0 else 22 - length
        tumor[start : start + length, 3:5, 3:5] = 255
    return database_of_levels(levels, grid)


@pytest.mark.parametrize(("num_nearer", "winner"), [(999, 0), (1000, 1)])
def test_the_thousand_tumors_nearest_by_place_are_compared_by_shape(tmp_path, num_nearer, winner):
    """The paper selects "1000 samples … which have the closest center of mass" (section 2.3): the 1,000th can win.

    The query lies among many short bars and is as long as one far away. With 999 short bars nearer, that one is the
    last to be compared, and has the very shape; with 1,000 it is left out, and a short one is found.
    """
    bars = _bars([8, *[3] * num_nearer])
    longer = _bars([8, 8])

    answer = RadiomicsIndex.open(bars, folder=tmp_path).search(_query_of(longer, 1), 1)

    assert _indexes(answer) == [winner]
    assert (answer.hits[0].distance == 0.0) == (winner == 0)


def test_as_many_hits_as_asked_for_come_back(database, tmp_path):
    """More than are preselected, and all of them where the database holds fewer than k."""
    index = RadiomicsIndex.open(database, num_preselected=3, folder=tmp_path)
    query = _query_of(database, _with_core(database))
    assert len(index.search(query, 7).hits) == 7
    assert sorted(_indexes(index.search(query, 99))) == list(range(20))


def test_tumors_that_do_not_show_come_last(database, tmp_path):
    """Without a visible voxel there is no center of mass: all others are nearer."""
    shown = [bool((database.density_levels(tumor) > 204).any()) for tumor in range(20)]
    assert 0 < sum(shown) < 20
    index = RadiomicsIndex.open(
        database,
        thresholds=VisibilityThresholds(flair_threshold=0.8, t1gd_threshold=0.9),
        num_preselected=1,
        folder=tmp_path,
    )
    query = _query_of(database, _with_core(database))
    assert set(_indexes(index.search(query, sum(shown)))) == set(np.flatnonzero(shown))
    answer = index.search(query, 20)
    assert sorted(_indexes(answer)) == list(range(20))
    assert all(np.isfinite(hit.distance) for hit in answer.hits)


def test_a_grown_database_extends_the_index(tmp_path):
    """Only new tumors are described, and the answer is that of an index made at once."""
    RadiomicsIndex.open(_build(tmp_path / "db", 12), folder=tmp_path)
    grown = _build(tmp_path / "db", 20)
    extended = RadiomicsIndex.open(grown, folder=tmp_path)
    anew = RadiomicsIndex.open(grown, folder=tmp_path / "other")
    assert (extended.prepared.num_tumors_read, extended.prepared.notices) == (8, ())
    query = _query_of(grown, _with_core(grown))
    assert extended.search(query, 20).hits == anew.search(query, 20).hits


def test_a_damaged_index_is_made_again(database, tmp_path):
    """A flipped byte is noticed, said, and does no harm."""
    first = RadiomicsIndex.open(database, folder=tmp_path)
    file = next(first.prepared.folder.iterdir())
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(bytes(content))
    again = RadiomicsIndex.open(database, folder=tmp_path)
    assert again.prepared.num_tumors_read == 20
    assert "made again" in again.prepared.notices[0]
    query = _query_of(database, _with_core(database))
    assert again.search(query, 20).hits == first.search(query, 20).hits


def test_rounded_thresholds_say_so(database, tmp_path):
    """0.25 becomes 64/255."""
    index = RadiomicsIndex.open(database, thresholds=VisibilityThresholds(flair_threshold=0.25), folder=tmp_path)
    assert index.effective_thresholds.flair_threshold == 64 / 255
    assert index.is_rounded
    assert not RadiomicsIndex.open(database, folder=tmp_path).is_rounded


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_preselected": 0}, "num_preselected must be at least 1"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(database, tmp_path, settings, message):
    """The message names the setting."""
    with pytest.raises(ParameterError, match=message):
        RadiomicsIndex.open(database, folder=tmp_path, **settings)


def test_no_hits_cannot_be_asked_for(database, tmp_path):
    """At least one."""
    with pytest.raises(ParameterError, match="k must be at least 1"):
        RadiomicsIndex.open(database, folder=tmp_path).search(_query_of(database, 0), 0)


def test_missing_scikit_image_is_named(database, tmp_path, monkeypatch):
    """Before any tumor is read."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"scikit-image: pip install \"gliofield\[search\]\""):
        RadiomicsIndex.open(database, folder=tmp_path)
    assert not list(tmp_path.iterdir())
