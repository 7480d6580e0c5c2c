"""Indexes over encodings: what they answer, what they keep, what they refuse."""

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from small_embeddings import train_tiny

from gliofield.database import SimulationDatabase
from gliofield.errors import CheckpointError, DatabaseError, ParameterError
from gliofield.imaging import VisibilityThresholds
from gliofield.imaging.observation import Observation
from gliofield.retrieval import ExhaustiveIndex, open_index
from gliofield_papers.indexes.embedding import EMBEDDING_KINDS, read_embedding_header

torch = pytest.importorskip("torch")

from gliofield_papers.indexes.embedding.index import EmbeddingIndex  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Databases and checkpoints of this module."""
    return tmp_path_factory.mktemp("embedding")


@pytest.fixture(scope="module")
def database(folder):
    """20 balls on 16³ voxels."""
    return build_balls(folder / "db", num_tumors=20, anatomy=ball_anatomy(16, 1.5))


@pytest.fixture(scope="module")
def checkpoints(database, folder):
    """A network of each kind, cropped and pooled in the case of the VAE."""
    small = {"vae": {"pooling": 2, "is_cropped": True}}
    return {
        kind: train_tiny(database, kind, folder / f"{kind}.safetensors", **small.get(kind, {}))
        for kind in EMBEDDING_KINDS
    }


def _query_of(database, tumor):
    levels = database.density_levels(tumor)
    return Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)


def _largest(database):
    return int(database.volume_ml[:, 1].argmax())


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_a_tumor_of_the_database_finds_itself(database, checkpoints, tmp_path, kind):
    """Nothing is nearer; a hash may hold others at distance 0 with a lower number."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints[kind], folder=tmp_path)
    tumor = _largest(database)
    hits = {hit.index: hit for hit in index.search(_query_of(database, tumor), 20).hits}
    assert hits[tumor].distance == pytest.approx(min(hit.distance for hit in hits.values()), abs=1e-4)
    assert (hits[tumor].dice_t1gd, hits[tumor].dice_flair) == (1.0, 1.0)
    assert index.name == kind


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_hits_are_sorted_by_the_distance_of_the_encodings(database, checkpoints, tmp_path, kind):
    """The sum of both Euclidean distances, measured here from the latent vectors themselves."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints[kind], folder=tmp_path, num_threads=1)
    query = _query_of(database, 3)
    latents = np.stack([index.latent(_query_of(database, tumor)) for tumor in range(20)])
    gaps = np.linalg.norm(latents - index.latent(query), axis=-1)
    hits = index.search(query, 20).hits
    distances = np.array([hit.distance for hit in hits])
    assert distances == pytest.approx(gaps.sum(axis=1)[[hit.index for hit in hits]], rel=1e-4, abs=1e-3)
    assert np.all(np.diff(distances) >= 0)
    assert {hit.index for hit in hits} == set(range(20))


def test_a_query_without_core_is_compared_in_flair_alone(database, checkpoints, tmp_path):
    """Its T1Gd encoding does not count."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path)
    whole = _query_of(database, 3).whole_tumor
    query = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=database.header.grid)
    hits = index.search(query, 20).hits
    assert all(hit.dice_t1gd is None for hit in hits)
    flair = index.latent(query)[0]
    expected = np.linalg.norm(
        np.stack([index.latent(_query_of(database, hit.index))[0] for hit in hits]) - flair, axis=1
    )
    assert [hit.distance for hit in hits] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_hits_carry_their_full_dice(database, checkpoints, tmp_path):
    """Those of the exact search."""
    query = _query_of(database, 3)
    exact = {hit.index: hit for hit in ExhaustiveIndex(database).search(query, 20).hits}
    hits = EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path).search(query, 5).hits
    assert [(hit.dice_t1gd, hit.dice_flair) for hit in hits] == [
        (exact[hit.index].dice_t1gd, exact[hit.index].dice_flair) for hit in hits
    ]


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_more_hits_than_tumors_are_all_tumors(database, checkpoints, tmp_path, kind):
    """No error, no repetition."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints[kind], folder=tmp_path)
    hits = index.search(_query_of(database, 3), 1000).hits
    assert sorted(hit.index for hit in hits) == list(range(20))


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_a_reconstruction_lies_on_the_grid_of_the_query(database, checkpoints, tmp_path, kind):
    """Two masks, of the network's making."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints[kind], folder=tmp_path)
    core, whole = index.reconstruct(_query_of(database, _largest(database)))
    assert core.shape == whole.shape == database.header.grid.shape
    assert core.dtype == whole.dtype == bool


def test_a_trained_network_reconstructs_what_it_was_trained_on(database, tmp_path):
    """Dice above 0.7 for a large ball, after 60 epochs."""
    checkpoint = train_tiny(database, "ae", tmp_path / "net.safetensors", num_epochs=60, num_tumors=(16, 4))
    index = EmbeddingIndex.open(database, checkpoint=checkpoint, folder=tmp_path)
    query = _query_of(database, _largest(database))
    _, whole = index.reconstruct(query)
    assert 2 * np.sum(whole & query.whole_tumor) / (whole.sum() + query.whole_tumor.sum()) > 0.7


def test_encodings_are_kept_and_completed_when_the_database_grows(folder, checkpoints, tmp_path):
    """Only the new tumors are read."""
    anatomy = ball_anatomy(16, 1.5)
    database = build_balls(tmp_path / "db", num_tumors=12, anatomy=anatomy)
    settings = {"checkpoint": checkpoints["hash"], "folder": tmp_path / "index"}
    assert EmbeddingIndex.open(database, **settings).prepared.num_tumors_read == 12
    assert EmbeddingIndex.open(database, **settings).prepared.num_tumors_read == 0
    grown = build_balls(tmp_path / "db", num_tumors=20, anatomy=anatomy)
    index = EmbeddingIndex.open(grown, **settings)
    assert index.prepared.num_tumors_read == 8
    assert {hit.index for hit in index.search(_query_of(grown, 15), 20).hits} == set(range(20))


def test_another_checkpoint_has_encodings_of_its_own(database, checkpoints, tmp_path):
    """Also if it was trained with the same settings but another seed."""
    other = train_tiny(database, "ae", tmp_path / "other.safetensors", seed=1)
    for checkpoint in (checkpoints["ae"], other):
        opened = EmbeddingIndex.open(database, checkpoint=checkpoint, folder=tmp_path / "index")
        assert opened.prepared.num_tumors_read == 20
    assert EmbeddingIndex.open(database, checkpoint=other, folder=tmp_path / "index").prepared.num_tumors_read == 0


def test_damaged_encodings_are_made_again_and_said(database, checkpoints, tmp_path):
    """One flipped byte."""
    settings = {"checkpoint": checkpoints["ae"], "folder": tmp_path}
    first = EmbeddingIndex.open(database, **settings)
    (file,) = first.prepared.folder.glob("*.index")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    again = EmbeddingIndex.open(database, **settings)
    assert again.prepared.num_tumors_read == 20
    assert "is made again" in again.notices[0]
    assert not any("is made again" in notice for notice in first.notices)
    query = _query_of(database, 3)
    assert again.search(query, 5).hits == first.search(query, 5).hits


def test_networks_of_another_atlas_grid_or_threshold_are_refused(database, checkpoints, folder, tmp_path):
    """Each with what differs."""
    grid = build_balls(tmp_path / "grid", num_tumors=3, anatomy=ball_anatomy(12, 2.0))
    with pytest.raises(DatabaseError, match="was trained on another grid"):
        EmbeddingIndex.open(grid, checkpoint=checkpoints["ae"], folder=tmp_path)
    thresholds = VisibilityThresholds(flair_threshold=0.3)
    with pytest.raises(DatabaseError, match=r"above the densities FLAIR 0\.2000, T1Gd 0\.6000; the search asks"):
        EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path, thresholds=thresholds)


def test_networks_of_another_atlas_are_refused(database, checkpoints, tmp_path, monkeypatch):
    """By its content hash."""
    from dataclasses import replace

    other = replace(database, header=replace(database.header, atlas_hash="f" * 64, atlas_name="mni152"))
    with pytest.raises(DatabaseError, match=r"was trained on tumors of the atlas .*holds tumors of 'mni152'"):
        EmbeddingIndex.open(other, checkpoint=checkpoints["ae"], folder=tmp_path)


def test_a_checkpoint_of_another_version_is_refused(database, checkpoints, tmp_path, monkeypatch):
    """Written by a gliofield to come."""
    with monkeypatch.context() as patch:
        for module in ("gliofield.learning.checkpoint", "gliofield_training.checkpoint_files"):
            patch.setattr(f"{module}.CHECKPOINT_VERSION", 99)
        newer = train_tiny(database, "ae", tmp_path / "newer.safetensors", num_epochs=1)
    with pytest.raises(CheckpointError, match="checkpoint version 99"):
        EmbeddingIndex.open(database, checkpoint=newer, folder=tmp_path)


def test_indexes_by_name_need_their_checkpoint_and_no_other(database, checkpoints):
    """Missing, superfluous, of another kind."""
    thresholds = VisibilityThresholds()
    with pytest.raises(ParameterError, match=r"index 'vae' needs a trained network.*gliofield papers train vae"):
        open_index("vae", database, thresholds=thresholds)
    with pytest.raises(ParameterError, match="index 'exact' uses no network"):
        open_index("exact", database, thresholds=thresholds, checkpoint=checkpoints["ae"])
    with pytest.raises(ParameterError, match=r"is a checkpoint for index 'ae', not 'vae'\. Search with --index ae"):
        open_index("vae", database, thresholds=thresholds, checkpoint=checkpoints["ae"])
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        open_index("vae", database, thresholds=thresholds, checkpoint="missing.safetensors")


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_a_named_index_opens_with_its_checkpoint(database, checkpoints, kind):
    """And keeps its name."""
    index = open_index(kind, database, thresholds=VisibilityThresholds(), checkpoint=checkpoints[kind], device="cpu")
    assert index.name == kind
    assert index.notices == (
        f"the answer is that of {index.header.label}, a network trained with less than the papers' setting.",
    )
    assert isinstance(index.database, SimulationDatabase)
    assert read_embedding_header(checkpoints[kind]).kind == kind


def test_thresholds_asked_for_are_rounded_to_those_of_the_training_and_said(database, checkpoints, tmp_path):
    """0.601 is level 153 as well."""
    settings = {"checkpoint": checkpoints["ae"], "folder": tmp_path}
    index = EmbeddingIndex.open(database, thresholds=VisibilityThresholds(t1gd_threshold=0.601), **settings)
    assert index.is_rounded
    assert index.effective_thresholds == VisibilityThresholds()
    assert not EmbeddingIndex.open(database, **settings).is_rounded


def test_provenance_names_the_weights(database, checkpoints, tmp_path):
    """Another network under the same name would show."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path)
    other = train_tiny(database, "ae", tmp_path / "ae.safetensors", seed=1)
    others = EmbeddingIndex.open(database, checkpoint=other, folder=tmp_path)
    assert index.provenance["label"] == "AE 8 0.012K (small)"
    assert index.provenance["trained_on"]["num_tumors"] == 20
    assert index.provenance["weights"] != others.provenance["weights"]


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_the_nearest_are_the_hits_without_their_dice(database, checkpoints, tmp_path, kind):
    """Same numbers and distances."""
    index = EmbeddingIndex.open(database, checkpoint=checkpoints[kind], folder=tmp_path)
    tumors, distances = index.nearest(_query_of(database, 3), 7)
    hits = index.search(_query_of(database, 3), 7).hits
    assert tumors.tolist() == [hit.index for hit in hits]
    assert distances.tolist() == [hit.distance for hit in hits]


def test_batches_bound_the_memory_and_change_nothing_that_matters(database, checkpoints, tmp_path, monkeypatch):
    """One tumor at a time gives the codes of many at a time, to rounding."""
    at_once = EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path / "many")
    monkeypatch.setattr("gliofield_papers.indexes.embedding.index._VOXELS_AT_ONCE", 1)
    one_by_one = EmbeddingIndex.open(database, checkpoint=checkpoints["ae"], folder=tmp_path / "one")
    for many, one in zip(at_once.prepared.segments, one_by_one.prepared.segments, strict=True):
        assert one["flair"] == pytest.approx(many["flair"], abs=1e-5)


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_a_smaller_database_that_begins_alike_uses_the_same_codes(database, checkpoints, tmp_path, kind):
    """Twelve of twenty tumors: none beyond them is found."""
    settings = {"checkpoint": checkpoints[kind], "folder": tmp_path / "index"}
    EmbeddingIndex.open(database, **settings)
    smaller = build_balls(tmp_path / "db", num_tumors=12, anatomy=ball_anatomy(16, 1.5))
    index = EmbeddingIndex.open(smaller, **settings)
    assert index.prepared.num_tumors_read == 0
    assert {hit.index for hit in index.search(_query_of(smaller, 3), 20).hits} == set(range(12))
