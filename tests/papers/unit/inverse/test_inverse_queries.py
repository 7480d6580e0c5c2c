"""Method ``infer`` next to method ``query`` on masks in the atlas."""

import dataclasses

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.database import ClinicalDesign, LocalWorkers, build_database, named_model
from gliofield.errors import DatabaseError, GridMismatchError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield_papers.indexes.full_scan import PackedQueries
from gliofield_papers.inverse.comparison import compare_with_query
from gliofield_papers.inverse.tables import methods_report
from gliofield_papers.queries.matching_queries import MatchingQueries
from gliofield_training.inverse import DatabaseTumors, SimulatedTumors, train_inverse

pytest.importorskip("torch")

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """26 tumors in the phantom."""
    return build_database(
        tmp_path_factory.mktemp("queries") / "db",
        num_tumors=26,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        atlas=ATLAS,
        grid=GRID,
        model=named_model("fk"),
        workers=LocalWorkers(1),
    )


@pytest.fixture(scope="module")
def checkpoint(database, tmp_path_factory):
    """A network that has hardly learned."""
    path = tmp_path_factory.mktemp("networks") / "poor.safetensors"
    train_inverse(DatabaseTumors(database, num_threads=1), tiny_inverse(num_epochs=1), path)
    return path


def queries_of(database, grid=GRID, *, with_core=(True, True, False)):
    """The masks of tumors 3, 4, … of the database, some without their core."""
    found = []
    for number, has_core in enumerate(with_core, start=3):
        levels = database.density_levels(number)
        found.append(Observation(tumor_core=(levels > 153) & has_core, whole_tumor=levels > 51, grid=grid))
    return MatchingQueries(
        names=tuple(f"tumor {number}" for number in range(len(found))),
        groups=("real",) * len(found),
        packed=PackedQueries.pack(found, grid),
        settings={},
    )


def test_each_method_answers_each_query_with_a_core(database, checkpoint):
    """A tumor of the database is its own best match; the network's Dice is what it is; seconds are there."""
    answers = compare_with_query(database, ATLAS, [checkpoint], queries_of(database), num_threads=1, device="cpu")

    assert [(answer.query, answer.method) for answer in answers] == [
        ("tumor 0", "query"), ("tumor 0", "poor.safetensors"), ("tumor 1", "query"), ("tumor 1", "poor.safetensors"),
    ]  # fmt: skip
    for answer in answers:
        assert answer.seconds > 0.0
        assert answer.agreement is not None
        if answer.method == "query":
            assert answer.agreement.combined == pytest.approx(2.0)
        else:
            assert 0.0 <= answer.agreement.combined < 2.0


def test_slices_are_kept_of_the_first_queries_alone(database, checkpoint):
    """Through the center of the core, of masks and density of each method; without being asked for, none."""
    queries = queries_of(database)
    options = {"num_threads": 1, "device": "cpu"}
    answers = compare_with_query(database, ATLAS, [checkpoint], queries, num_slices=1, **options)
    core = queries.packed.query(0).tumor_core
    index = round(float(np.nonzero(core)[2].mean()))

    for answer in answers[:2]:
        assert answer.axial_slice.index == index
        np.testing.assert_array_equal(answer.axial_slice.tumor_core[..., 0], core[..., index])
        assert answer.axial_slice.whole_tumor.shape == answer.axial_slice.cell_density.shape == (28, 34, 1)
    np.testing.assert_array_equal(answers[0].axial_slice.cell_density[..., 0] > 0.6, core[..., index])
    assert [answer.axial_slice for answer in answers[2:]] == [None, None]
    assert answers[0].axial_slice.cell_density.base is None, "a view would keep the whole density in memory"
    unasked = compare_with_query(database, ATLAS, [checkpoint], queries, **options)
    assert [answer.axial_slice for answer in unasked] == [None] * 4


def test_a_network_of_another_grid_and_growth_model_is_asked_as_well(database, checkpoint, tmp_path):
    """It sees the masks on its own grid; its density is compared on that of the queries."""
    other = ATLAS.simulation_grid(spacing_mm=4.5, shape=(32, 38, 30))
    source = SimulatedTumors(
        atlas=ATLAS,
        grid=other,
        design=dataclasses.replace(ClinicalDesign(whole_volume_ml=(3.0, 900.0)), push_pa=(0.0, 100.0)),
        model=named_model("mass-effect"),
        num_training_tumors=2,
        num_validation_tumors=0,
        num_threads=1,
    )
    train_inverse(source, tiny_inverse(num_epochs=1), tmp_path / "pushing.safetensors")
    answers = compare_with_query(
        database,
        ATLAS,
        [checkpoint, tmp_path / "pushing.safetensors"],
        queries_of(database, with_core=(True,)),
        num_threads=1,
        device="cpu",
        num_slices=1,
    )

    assert [answer.failure for answer in answers] == ["", "", ""]
    assert answers[2].method == "pushing.safetensors"
    assert answers[2].axial_slice.cell_density.shape == (28, 34, 1)
    assert 0.0 <= answers[2].agreement.dice_flair <= 1.0


def test_the_report_has_a_line_per_method_and_query(database, checkpoint):
    """Means first, then each query."""
    answers = compare_with_query(database, ATLAS, [checkpoint], queries_of(database), num_threads=1, device="cpu")
    text = methods_report(answers)

    assert "| query " in text
    assert "| poor.safetensors " in text
    assert "1.00 + 1.00" in text
    assert "Failed" not in text


def test_a_failure_is_a_line_and_not_the_end(database, checkpoint, monkeypatch):
    """Other queries are answered all the same."""
    from gliofield.pipeline.infer_method import InferMethod

    def fail(self, observation, *, report):
        raise ParameterError("no tumor like this")

    monkeypatch.setattr(InferMethod, "estimate", fail)
    answers = compare_with_query(
        database, ATLAS, [checkpoint], queries_of(database), num_threads=1, device="cpu", num_slices=2
    )

    assert [answer.failure for answer in answers] == ["", "no tumor like this"] * 2
    assert [answer.axial_slice.cell_density is None for answer in answers] == [False, True] * 2
    assert "tumor 1, poor.safetensors: no tumor like this" in methods_report(answers)


def test_what_cannot_be_compared_is_refused(database, checkpoint, tmp_path):
    """A negative number of slices, no core anywhere, another grid, a network of another atlas."""
    with pytest.raises(ParameterError, match="num_slices must not be negative"):
        compare_with_query(database, ATLAS, [checkpoint], queries_of(database), device="cpu", num_slices=-1)
    with pytest.raises(ParameterError, match="none of the queries has a tumor core"):
        compare_with_query(database, ATLAS, [checkpoint], queries_of(database, with_core=(False,)), device="cpu")
    moved = Grid(GRID.shape, GRID.world_from_voxel + _shift())
    with pytest.raises(GridMismatchError, match="grid of the queries"):
        compare_with_query(database, ATLAS, [checkpoint], queries_of(database, moved), device="cpu")
    train_inverse(FewBalls(4), tiny_inverse(num_epochs=1), tmp_path / "balls.safetensors")
    with pytest.raises(DatabaseError, match="trained in the atlas 'cube'"):
        compare_with_query(database, ATLAS, [tmp_path / "balls.safetensors"], queries_of(database), device="cpu")


def _shift():
    shift = np.zeros((4, 4))
    shift[0, 3] = 7.0
    return shift
