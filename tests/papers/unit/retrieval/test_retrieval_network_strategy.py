"""A trained network as a strategy of the comparison; needs PyTorch."""

import dataclasses

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from retrieval_fakes import queries_of

from gliofield.errors import CheckpointError, DatabaseError
from gliofield_papers.indexes.ranking_index import RankingIndex
from gliofield_papers.retrieval.evaluation import RetrievalEvaluationSettings, evaluate_retrieval
from gliofield_papers.retrieval.networks import learning_curves, network_rows
from gliofield_papers.retrieval.strategies import (
    ReconstructingIndex,
    named_strategy,
    network_strategies,
    network_strategy,
)
from gliofield_papers.retrieval.tables import gains

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twenty balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=20)


@pytest.fixture(scope="module")
def checkpoint(database, tmp_path_factory):
    """A VAE of four numbers, two epochs old."""
    from gliofield.learning import TrainingSettings
    from gliofield_papers.indexes.embedding import EmbeddingSettings, NetworkSettings, train_embedding

    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    network = dataclasses.replace(NetworkSettings.small("vae"), latent_size=4, channels=(2, 2), loss="bce")
    training = TrainingSettings(num_epochs=2, batch_size=4, learning_rate=1e-3, num_threads=1, device="cpu")
    settings = EmbeddingSettings(network=network, training=training, num_training_tumors=8, num_validation_tumors=4)
    train_embedding(database, settings, path)
    return path


def test_a_checkpoint_says_what_tables_need(checkpoint):
    """Kind, latent size, loss, training set, and that it is small."""
    network = network_strategy(checkpoint).network

    assert (network.kind, network.latent_size, network.loss, network.num_training_tumors) == ("vae", 4, "bce", 8)
    assert network.is_small
    assert network.device == (torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")


def test_a_network_of_another_grid_is_refused_before_it_is_opened(checkpoint, database, tmp_path):
    """By a check that reads its header alone; its own database passes."""
    strategy = network_strategy(checkpoint)
    fine = build_balls(tmp_path / "fine", num_tumors=2, anatomy=ball_anatomy(num_voxels=16, spacing_mm=1.5))

    strategy.check(database)
    with pytest.raises(DatabaseError, match="another grid"):
        strategy.check(fine)


def test_a_network_is_timed_by_its_ranking(checkpoint, database):
    """Which finds what the search finds."""
    strategy = network_strategy(checkpoint)
    index = strategy.open(database, thresholds=database.header.thresholds, num_threads=1, report=lambda event: None)
    query = queries_of(database, ("real",)).packed.query(0)

    assert isinstance(index, RankingIndex)
    assert index.nearest(query, 5)[0].tolist() == [hit.index for hit in index.search(query, 5).hits]


def test_a_network_is_asked_shown_and_drawn_like_any_strategy(checkpoint, database):
    """Its index answers and reconstructs; its histories become curves; every label says small."""
    strategy = network_strategy(checkpoint)
    queries = queries_of(database, ("real", "synthetic", "synthetic"))

    evaluation = evaluate_retrieval(
        database, queries, [strategy], settings=RetrievalEvaluationSettings(num_threads=1, num_reconstructed=1)
    )

    result = evaluation.strategies[0]
    opened = strategy.open(database, thresholds=database.header.thresholds, num_threads=1, report=lambda event: None)
    assert isinstance(opened, ReconstructingIndex)
    assert result.label.endswith("(small)")
    assert np.all((result.ranked.rank >= 1.0) & (result.ranked.rank <= 20.0))
    assert np.isfinite(result.answers.reconstruction_dice[0, 0])
    assert {curve.part for curve in learning_curves(evaluation.strategies)} >= {"loss", "kl"}
    assert [row.num_epochs for row in network_rows(evaluation)] == [2, 2]


def test_networks_come_with_controls(checkpoint, database):
    """Itself untrained, once for networks that began alike, and no published figure beside it."""
    strategies = network_strategies([checkpoint, checkpoint])

    assert [strategy.network.is_trained for strategy in strategies] == [True, True, False]
    assert strategies[2].label == f"{strategies[0].label}, untrained"
    assert strategies[2].published is None
    assert strategies[2].is_control_of(strategies[0])
    assert not strategies[0].is_control_of(strategies[2])
    assert not named_strategy("ds32").is_control_of(strategies[0])


def test_an_untrained_network_is_that_which_the_training_began_with(checkpoint, database):
    """Another one than the trained, the same at every opening."""
    trained, untrained = network_strategies([checkpoint])
    query = queries_of(database, ("real",)).packed.query(0)

    def latent(strategy):
        return strategy.open(
            database, thresholds=database.header.thresholds, num_threads=1, report=lambda event: None
        ).latent(query)

    assert np.array_equal(latent(untrained), latent(untrained))
    assert not np.allclose(latent(untrained), latent(trained))


def test_what_training_buys_is_measured_on_the_same_queries(checkpoint, database):
    """Against both controls, with differences of the shares; the table holds them in points."""
    strategies = [named_strategy("random-projection"), *network_strategies([checkpoint])]
    queries = queries_of(database, ("real", "synthetic", "synthetic", "synthetic"))

    evaluation = evaluate_retrieval(
        database, queries, strategies, settings=RetrievalEvaluationSettings(num_threads=1, num_reconstructed=0)
    )

    found = {(gain.group, gain.control): gain for gain in evaluation.gains()}
    scores = {(score.group, score.label): score for score in evaluation.scores()}
    label = evaluation.strategies[1].label
    assert set(found) == {(group, control) for group in ("real", "synthetic") for control in
                          ("random projection", f"{label}, untrained")}  # fmt: skip
    for (group, control), gain in found.items():
        assert gain.top5.mean == pytest.approx(scores[group, label].top5 - scores[group, control].top5)
        assert gain.dice_lost.number == scores[group, label].num_queries
    assert ["real", label, "random projection"] in [list(row[:3]) for row in gains(evaluation).cells()]


def test_what_is_no_checkpoint_is_refused(tmp_path):
    """With its name."""
    path = tmp_path / "notes.txt"
    path.write_text("no network")
    with pytest.raises(CheckpointError, match=r"notes\.txt"):
        network_strategy(path)
