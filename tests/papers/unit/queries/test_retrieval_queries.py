"""The queries of the comparison: held-out tumors of a database's design, patients in folders, other grids."""

import dataclasses

import numpy as np
import pytest
from growing_ball import build_balls
from phantom_brain import phantom_atlas, write_phantom_patient
from retrieval_fakes import queries_of

from gliofield.database import ClinicalDesign, build_database, named_model
from gliofield.database.schema import describe_settings
from gliofield.errors import DatabaseError, ParameterError
from gliofield.growth import FisherKolmogorov
from gliofield.pipeline import PersonalizationSettings, find_patients
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.queries.papers_design import PapersDesign
from gliofield_papers.queries.retrieval_queries import (
    design_of,
    held_out_tumors,
    is_drawn_from,
    model_of,
    on_grid_of,
    register_patients,
    require_distinct_names,
    require_drawable,
    require_held_out,
    with_synthetic_renamed,
)
from gliofield_papers.retrieval.pipeline import measure_way_back

SPACING_MM = 6.0


@pytest.fixture(scope="module")
def atlas():
    """The phantom."""
    return phantom_atlas()


@pytest.fixture(scope="module")
def database(atlas, tmp_path_factory):
    """Four clinical tumors in the phantom, two snapshots per run."""
    return build_database(
        tmp_path_factory.mktemp("phantom") / "db",
        num_tumors=4,
        design=ClinicalDesign(snapshots_per_run=2, reach_mm=(8.0, 20.0, 40.0)),
        atlas=atlas,
        grid=atlas.simulation_grid(spacing_mm=SPACING_MM),
        model=FisherKolmogorov(),
        seed=0,
    )


@pytest.fixture(scope="module")
def held_out(database, atlas):
    """Three held-out tumors."""
    return held_out_tumors(database, atlas, num_tumors=3, seed=20_000)


def test_held_out_tumors_come_from_the_design_of_the_database(held_out, database):
    """On its grid, in a group of their own, with its sizes and another seed."""
    assert held_out.groups == ("synthetic",) * 3
    assert held_out.packed.grid.is_same_as(database.header.grid)
    assert held_out.settings["synthetic"]["seed"] == 20_000
    assert held_out.settings["synthetic"]["design"] == database.header.design
    whole_ml = held_out.packed.sizes[:, 0] * SPACING_MM**3 / 1000
    assert np.all((whole_ml >= 3.0) & (whole_ml <= 250.0))


def test_one_seed_makes_one_set_and_no_tumor_of_the_database(held_out, database, atlas):
    """The same masks again, others with another seed, and none that the database holds."""
    again = held_out_tumors(database, atlas, num_tumors=3, seed=20_000)
    other = held_out_tumors(database, atlas, num_tumors=3, seed=20_001)

    np.testing.assert_array_equal(again.packed.words, held_out.packed.words)
    assert not np.array_equal(other.packed.sizes, held_out.packed.sizes)
    own = {tuple(row) for row in queries_of(database, ("x",) * 4).packed.sizes.tolist()}
    assert own.isdisjoint(tuple(row) for row in held_out.packed.sizes.tolist())


def test_the_seed_of_the_database_is_refused(database, atlas):
    """Its tumors would find themselves."""
    with pytest.raises(ParameterError, match="seed 0 is the root seed of the database"):
        held_out_tumors(database, atlas, num_tumors=1, seed=0)


def test_another_atlas_is_refused(database, atlas):
    """Tumors of another brain are not those of the database."""
    elsewhere = dataclasses.replace(database, header=dataclasses.replace(database.header, atlas_hash="f" * 64))
    with pytest.raises(DatabaseError, match="built in another atlas"):
        held_out_tumors(elsewhere, atlas, num_tumors=1)


@pytest.mark.parametrize("design", [ClinicalDesign(), PapersDesign(), ClinicalDesign(push_pa=(0.0, 500.0))])
def test_a_design_is_made_again_from_its_record(database, design):
    """As it was, after a way through JSON."""
    header = dataclasses.replace(database.header, design=describe_settings(design))

    assert design_of(header) == design


def test_snapshots_of_one_run_are_no_independent_queries(database):
    """The database takes two per run, queries one."""
    assert database.header.design["settings"]["snapshots_per_run"] == 2
    assert design_of(database.header).snapshots_per_run == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"design": {"name": "balls", "settings": {}}}, "design 'balls' is none of"),
        ({"design": {"name": "papers", "settings": {"reach_mm": 1.0}}}, "settings of its design 'papers' do not fit"),
        ({"model": {"name": "growing-ball", "settings": {}}}, "growth model 'growing-ball' is none of"),
        ({"model": {"name": "fisher-kolmogorov", "settings": {"scheme": "published"}}}, "other settings .*scheme"),
    ],
)
def test_what_cannot_be_drawn_again_is_said(database, change, message):
    """With what to do instead."""
    header = dataclasses.replace(database.header, **change)
    with pytest.raises(ParameterError, match=f"{message}.*--synthetic 0"):
        (design_of if "design" in change else model_of)(header)


def test_a_back_end_is_no_other_model(database):
    """A database from a GPU gets queries from the CPU."""
    record = describe_settings(named_model("fk"))
    on_gpu = {**record, "settings": {**record["settings"], "backend": "cuda"}}

    assert model_of(dataclasses.replace(database.header, model=on_gpu)).name == "fisher-kolmogorov"


def test_queries_are_brought_to_the_grid_of_the_database(held_out, atlas, tmp_path):
    """By the mask rule; on that grid already they stay as they are."""
    fine = build_balls(
        tmp_path / "db", num_tumors=1, anatomy=atlas.anatomy(atlas.simulation_grid(spacing_mm=SPACING_MM / 2))
    )

    moved = on_grid_of(fine, held_out)

    assert moved.packed.grid.is_same_as(fine.header.grid)
    volumes = moved.packed.sizes[:, 0] / 8.0
    np.testing.assert_allclose(volumes, held_out.packed.sizes[:, 0], rtol=0.15)
    assert on_grid_of(fine, moved) is moved


def test_queries_drawn_as_the_database_was_are_refused(held_out, database):
    """Same design, same seed."""
    own = dataclasses.replace(held_out, settings={"synthetic": {"design": dict(database.header.design), "seed": 0}})
    named = dataclasses.replace(held_out, settings={"clinical": {"seed": 0}})

    require_held_out(database, held_out)
    for queries in (own, named):
        with pytest.raises(ParameterError, match="not held out"):
            require_held_out(database, queries)


def test_synthetic_queries_of_another_database_have_a_name_of_their_own(held_out, database):
    """They are told by design and model; their names and settings go with them, other groups stay."""
    other = dataclasses.replace(database.header, design={"name": "papers", "settings": {}})
    renamed = with_synthetic_renamed(held_out, "old")

    assert is_drawn_from(held_out, database.header)
    assert not is_drawn_from(held_out, other)
    assert set(renamed.groups) == set(renamed.settings) == {"clinical, fisher-kolmogorov, old"}
    assert renamed.names[0] == "clinical, fisher-kolmogorov, old: synthetic-0"
    assert with_synthetic_renamed(renamed, "old") is renamed


def test_a_query_given_twice_is_refused(held_out):
    """It would count twice."""
    require_distinct_names(held_out.names)
    with pytest.raises(ParameterError, match="got a more than once"):
        require_distinct_names(["a", "b", "a"])


def test_patients_are_found_in_folders_and_folders_of_folders(tmp_path):
    """Those that are no patients are named with the reason."""
    write_phantom_patient(tmp_path / "cohort" / "one")
    write_phantom_patient(tmp_path / "alone")
    (tmp_path / "cohort" / "notes").mkdir()

    patients, left_out = find_patients([tmp_path / "cohort", tmp_path / "alone"])

    assert list(patients) == ["one", "alone"]
    assert list(left_out) == ["notes"]
    assert "is not a folder of one patient" in left_out["notes"]


def test_folders_without_patients_are_refused(tmp_path):
    """As are missing ones, and patients of one name."""
    write_phantom_patient(tmp_path / "a" / "one")
    write_phantom_patient(tmp_path / "b" / "one")
    (tmp_path / "empty" / "folder").mkdir(parents=True)

    with pytest.raises(ParameterError, match="holds no patient"):
        find_patients([tmp_path / "empty"])
    with pytest.raises(ParameterError, match="is no folder"):
        find_patients([tmp_path / "missing"])
    with pytest.raises(ParameterError, match="got one twice"):
        find_patients([tmp_path / "a", tmp_path / "b"])


def test_patients_are_registered_and_timed(database, atlas, tmp_path):
    """Both ways: masks to the atlas, a density back."""
    files, _ = find_patients([write_phantom_patient(tmp_path / "case")])

    queries, registered, left_out = register_patients(
        database, atlas, files, settings=PersonalizationSettings(registration="none")
    )
    pipeline = measure_way_back(database, registered[0], 0)

    assert not left_out
    assert (queries.names, queries.groups) == (("case",), ("real",))
    assert isinstance(queries.packed, PackedQueries)
    seconds = (pipeline.registration_s, pipeline.masks_s, pipeline.density_s)
    assert min(seconds) > 0.0
    assert pipeline.seconds_without_query == sum(seconds)


def test_a_patient_that_cannot_be_used_is_left_out_with_the_reason(database, atlas, tmp_path):
    """A damaged scan costs nobody else; with no patient left there are no queries."""
    for name in ("broken", "case"):
        write_phantom_patient(tmp_path / name)
    files, _ = find_patients([tmp_path])
    files["broken"].t1c.write_bytes(b"no image")
    settings = PersonalizationSettings(registration="none")

    queries, registered, left_out = register_patients(database, atlas, files, settings=settings)
    none, nobody, all_left_out = register_patients(database, atlas, {"broken": files["broken"]}, settings=settings)

    assert queries.names == ("case",)
    assert [patient.name for patient in registered] == ["case"]
    assert list(left_out) == ["broken"]
    assert files["broken"].t1c.name in left_out["broken"]
    assert (none, nobody, all_left_out) == (None, (), left_out)


def test_held_out_tumors_are_held_out_of_both_databases(database, atlas):
    """Their seed is compared with the second database's as well, before anything grows."""
    other = dataclasses.replace(database, header=dataclasses.replace(database.header, root_seed=5))

    require_drawable(database, atlas, seed=6, compare=other)
    with pytest.raises(ParameterError, match="root seed 5 of the database"):
        require_drawable(database, atlas, seed=5, compare=other)


def test_no_patient_is_an_error(database, atlas):
    """Rather than a set without queries."""
    with pytest.raises(ParameterError, match="at least one"):
        register_patients(database, atlas, {}, settings=PersonalizationSettings())
