"""The experiment on what a database design buys: its queries, its means, and what it refuses."""

import math

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from phantom_brain import phantom_atlas, write_phantom_patient
from scipy.stats import kstest, triang

from gliofield.database import ClinicalDesign
from gliofield.database.design import AttemptRng
from gliofield.database.schema import describe_settings
from gliofield.errors import ParameterError
from gliofield.imaging import Observation
from gliofield.pipeline import PersonalizationSettings, find_case_files
from gliofield_papers.databases.matching import MatchingCurve, compare, match_database, matching_curve, sizes_within
from gliofield_papers.indexes.full_scan import DiceTable, PackedQueries
from gliofield_papers.queries.matching_queries import (
    IndependentDraws,
    MatchingQueries,
    held_out_queries,
    patient_queries,
)
from gliofield_papers.queries.prior_design import PriorDesign

SPACING_MM = 5.0


@pytest.fixture(scope="module")
def held_out():
    """Four queries in the phantom, which is its own other brain."""
    return _held_out()


def _held_out(seed=10_000):
    atlas = phantom_atlas()
    return held_out_queries(
        atlas,
        atlas,
        num_queries=4,
        seed=seed,
        spacing_mm=SPACING_MM,
        designs=[ClinicalDesign()],
        registration="none",
    )


def _curve(name="a", best=None, groups=("real", "clinical", "clinical"), sizes=(2, 4)):
    """Three queries, two sizes: two blocks of 2 tumors, one of 4."""
    blocks = (np.array([[1.0, 0.8], [0.4, 0.6], [0.6, 1.0]]), np.array([[1.0], [0.6], [1.0]]))
    return MatchingCurve(
        name=name,
        sizes=sizes,
        query_names=tuple(f"q{number}" for number in range(len(groups))),
        query_groups=groups,
        best=blocks if best is None else best,
        settings={},
    )


def test_the_synthetic_queries_come_from_every_kind_in_equal_parts(held_out):
    """Half from the one design given, half virtual patients, and the settings say how each was made."""
    assert held_out.groups == ("clinical", "clinical", "virtual", "virtual")
    assert held_out.settings["clinical"]["seed"] == 10_000
    assert held_out.settings["virtual"]["seed"] == 10_001
    assert held_out.settings["virtual"]["registration"] == "none"
    assert held_out.settings["virtual"]["design"]["name"] == "prior"


def test_virtual_patients_have_the_sizes_of_patients(held_out):
    """Core 0.5-190 ml, whole tumor 10-250 ml, ratio at most 40."""
    sizes_ml = held_out.packed.sizes[2:] * SPACING_MM**3 / 1000
    assert np.all((sizes_ml[:, 0] >= 10.0) & (sizes_ml[:, 0] <= 250.0))
    assert np.all((sizes_ml[:, 1] >= 0.5) & (sizes_ml[:, 1] <= 190.0))
    assert np.all(sizes_ml[:, 0] <= 40.0 * sizes_ml[:, 1])


def test_queries_of_a_design_are_independent_of_its_databases():
    """Databases fill the design's space evenly; queries that did the same would all be equally far from a tumor."""
    anatomy, design = ball_anatomy(), ClinicalDesign()
    queries = IndependentDraws(design)
    lengths_mm = [
        [made.draw(AttemptRng(1, run, 0), anatomy).parameters.infiltration_length_mm for run in range(300)]
        for made in (design, queries)
    ]
    low, mode, high = np.log(design.infiltration_length_mm)
    expected = triang(c=(mode - low) / (high - low), loc=low, scale=high - low).cdf
    evenly, by_chance = (kstest(np.log(each), expected).statistic for each in lengths_mm)
    assert evenly < 0.02 < by_chance
    assert queries.draw(AttemptRng(1, 5, 0), anatomy) == queries.draw(AttemptRng(1, 5, 0), anatomy)
    assert (queries.name, queries.snapshots_per_run, queries.push_pa) == ("clinical", 1, None)
    assert describe_settings(queries)["settings"]["design"]["reach_mm"] == list(design.reach_mm)


def test_one_seed_makes_one_set(held_out):
    """The same masks again; others with another seed."""
    np.testing.assert_array_equal(_held_out().packed.words, held_out.packed.words)
    assert not np.array_equal(_held_out(seed=20_000).packed.boxes, held_out.packed.boxes)


def test_a_set_is_read_as_it_was_written(held_out, tmp_path):
    """Names, groups, masks and settings."""
    held_out.write(tmp_path / "queries.npz")
    read = MatchingQueries.read(tmp_path / "queries.npz")

    assert (read.names, read.groups, read.settings) == (held_out.names, held_out.groups, held_out.settings)
    np.testing.assert_array_equal(read.packed.words, held_out.packed.words)


def test_packed_queries_without_names_are_not_read_as_a_set(held_out, tmp_path):
    """The groups would be anybody's guess."""
    held_out.packed.write(tmp_path / "queries.npz")

    with pytest.raises(ParameterError, match="cannot be read as queries with names"):
        MatchingQueries.read(tmp_path / "queries.npz")


def test_fewer_queries_than_kinds_are_refused():
    """A kind without a query would have no mean."""
    atlas = phantom_atlas()
    with pytest.raises(ParameterError, match="at least 3, one of each kind, got 2"):
        held_out_queries(atlas, atlas, num_queries=2)


def test_names_and_queries_must_agree(held_out):
    """One name and one group each."""
    with pytest.raises(ParameterError, match="3 names and 4 groups for 4 queries"):
        MatchingQueries(names=("a", "b", "c"), groups=held_out.groups, packed=held_out.packed, settings={})


def test_real_patients_are_observed_in_the_atlas(tmp_path):
    """The phantom's own tumor without registration: its volume within a voxel's width of its surface."""
    folder = write_phantom_patient(tmp_path / "case")
    queries = patient_queries(
        phantom_atlas(),
        {"case": find_case_files(folder)},
        spacing_mm=4.0,
        settings=PersonalizationSettings(registration="none"),
    )

    assert (queries.names, queries.groups) == (("case",), ("real",))
    whole_ml = queries.packed.sizes[0, 0] * 4.0**3 / 1000
    assert 4 / 3 * math.pi * 1.9**3 < whole_ml < 4 / 3 * math.pi * 2.5**3


def test_no_patient_is_an_error():
    """Rather than a set without queries."""
    with pytest.raises(ParameterError, match="at least one patient"):
        patient_queries(phantom_atlas(), {})


def test_the_prior_needs_white_matter():
    """An anatomy of gray matter alone has no place for a seed."""
    anatomy = phantom_atlas().anatomy(phantom_atlas().simulation_grid(spacing_mm=8.0))
    gray = type(anatomy)(
        white_matter=np.zeros_like(anatomy.white_matter),
        gray_matter=anatomy.domain.astype(np.float32),
        domain=anatomy.domain,
        grid=anatomy.grid,
        domain_rule="gray",
    )
    with pytest.raises(ParameterError, match="no place for a seed"):
        PriorDesign().draw(np.random.default_rng(0), gray)


def test_the_best_of_each_block_is_found(rng):
    """Against a plain loop over blocks; the first is the first N tumors, a remainder is left out."""
    sizes = rng.integers(5, 20, (11, 2)).astype(np.int32)
    table = DiceTable(
        shared=rng.integers(0, 5, (3, 11, 2)).astype(np.int32), tumor_sizes=sizes, query_sizes=np.full((3, 2), 9)
    )

    blocks_of_3, all_of_11 = matching_curve(table, [3, 11])

    assert blocks_of_3.shape == (3, 3)
    for query in range(3):
        combined = table.combined_dice(query)
        assert blocks_of_3[query].tolist() == [combined[3 * block : 3 * block + 3].max() for block in range(3)]
        assert all_of_11[query, 0] == combined.max()


def test_more_tumors_than_there_are_have_no_best():
    """The curve ends at the size of the database."""
    table = DiceTable(
        shared=np.zeros((1, 4, 2), np.int32), tumor_sizes=np.ones((4, 2), np.int32), query_sizes=np.ones((1, 2), int)
    )
    with pytest.raises(ParameterError, match="between 1 and the table's 4 tumors, got 5"):
        matching_curve(table, [5])


def test_the_sizes_end_with_the_database():
    """Larger ones are left out, its own is there once."""
    assert sizes_within((500, 1000, 5000), 1000) == (500, 1000)
    assert sizes_within((500,), 20) == (20,)
    with pytest.raises(ParameterError, match="at least 1"):
        sizes_within((0, 500), 1000)


def test_the_means_of_a_group_are_those_of_its_queries():
    """By hand: two synthetic queries, best 0.4 and 0.6 of the first block, 0.6 and 1.0 of the second."""
    point = _curve().point("synthetic", 2)

    assert (point.num_queries, point.num_blocks) == (2, 2)
    assert point.mean == pytest.approx(0.65)
    assert point.standard_error == pytest.approx(0.15)
    assert point.block_spread == pytest.approx(math.sqrt(2 * 0.15**2))
    assert point.mean_of_first == pytest.approx(0.5)


def test_what_one_value_cannot_tell_is_not_a_number():
    """One real patient has no standard error, one block no spread."""
    point = _curve().point("real", 4)

    assert math.isnan(point.standard_error)
    assert math.isnan(point.block_spread)


def test_groups_are_real_all_synthetic_and_each_kind():
    """In that order; without real patients the synthetic ones stand alone."""
    assert _curve().groups == ("real", "synthetic", "clinical")
    assert _curve(groups=("papers", "clinical", "papers")).groups == ("synthetic", "papers", "clinical")
    assert _curve(groups=("real",) * 3).groups == ("real",)


def test_unknown_groups_and_sizes_are_named():
    """With those there are."""
    with pytest.raises(ParameterError, match=r"\['real', 'synthetic', 'clinical'\].*'papers' and 2"):
        _curve().point("papers", 2)


def test_a_difference_is_taken_query_by_query():
    """Queries that differ much from each other do not hide a gain that all of them have."""
    better = tuple(blocks + 0.1 for blocks in _curve().best)
    gain = compare(_curve("b", best=better), _curve())[2]

    assert (gain.group, gain.num_tumors) == ("synthetic", 2)
    assert gain.mean == pytest.approx(0.1)
    assert gain.standard_error == pytest.approx(0.0, abs=1e-12)


def test_curves_of_different_queries_are_not_compared():
    """Their difference would be that of the queries."""
    with pytest.raises(ParameterError, match="different queries"):
        compare(_curve(), _curve(groups=("real", "papers", "clinical")))


def _ball_queries(database, settings):
    levels = database.density_levels(5)
    query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)
    packed = PackedQueries.pack([query], database.header.grid)
    return MatchingQueries(names=("five",), groups=("balls",), packed=packed, settings=settings)


def test_a_database_matches_its_own_tumor_from_where_it_stands(tmp_path):
    """The best combined Dice rises to 2 once the tumor is among the first N."""
    database = build_balls(tmp_path / "db", num_tumors=12)

    curve = match_database("balls", database, _ball_queries(database, {}), sizes=(2, 6, 100))

    assert curve.sizes == (2, 6, 12)
    assert curve.point("synthetic", 2).mean_of_first < 2.0
    assert curve.point("synthetic", 6).mean_of_first == curve.point("synthetic", 12).mean == 2.0
    assert curve.point("synthetic", 6).mean < 2.0
    assert curve.settings["num_tumors"] == 12


def test_queries_drawn_with_the_seed_of_the_database_are_refused(tmp_path):
    """They would be tumors of the database."""
    database = build_balls(tmp_path / "db", num_tumors=12, seed=7)

    with pytest.raises(ParameterError, match="not held out"):
        match_database("balls", database, _ball_queries(database, {"balls": {"seed": 7}}))
