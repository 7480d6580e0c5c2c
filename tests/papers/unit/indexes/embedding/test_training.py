"""Training an embedding: both modalities in one file, the choice of tumors, interruptions."""

import dataclasses
import os
import socket
import subprocess
import sys

import pytest
import small_embeddings
from growing_ball import ball_anatomy, build_balls
from small_embeddings import tiny_settings

from gliofield.errors import CheckpointError, DatabaseError, OutputError, ParameterError
from gliofield.learning import read_checkpoint
from gliofield_papers.indexes.embedding import (
    EMBEDDING_KINDS,
    EmbeddingSettings,
    read_embedding_header,
    train_embedding,
)
from gliofield_papers.indexes.embedding.index import EmbeddingIndex
from gliofield_papers.indexes.embedding.volumes import TumorVolumes
from gliofield_training import write_checkpoint
from gliofield_training.members import train_members

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """20 balls on 16³ voxels."""
    return build_balls(tmp_path_factory.mktemp("training") / "db", num_tumors=20, anatomy=ball_anatomy(16, 1.5))


@pytest.mark.parametrize("kind", EMBEDDING_KINDS)
def test_one_file_holds_both_modalities_and_what_they_came_from(database, tmp_path, kind):
    """Weights that differ, settings, losses, database."""
    made = train_embedding(database, tiny_settings(kind), tmp_path / "net.safetensors")
    header = read_embedding_header(tmp_path / "net.safetensors")
    assert header.to_dict() == made.to_dict()
    assert (header.kind, header.latent_size, header.num_training_tumors, header.is_small) == (kind, 8, 12, True)
    assert header.grid == database.header.grid
    assert header.trained_on["num_tumors"] == 20
    parts = {"loss", "reconstruction", "dice"} | {"ae": set(), "vae": {"kl"}, "hash": {"quantization"}}[kind]
    for history in header.history.values():
        assert [record.epoch for record in history.epochs] == [1, 2]
        assert set(history.best.validation) == parts
    flair, t1gd = (
        read_checkpoint(tmp_path / "net.safetensors", prefix=f"{name}.encoder.") for name in ("flair", "t1gd")
    )
    assert flair.tensors.keys() == t1gd.tensors.keys()
    assert flair.digest != t1gd.digest


def test_one_modality_may_be_trained_alone_and_searches_nothing(database, tmp_path):
    """As the thesis tuned; the index says why it refuses."""
    settings = dataclasses.replace(tiny_settings("ae"), modalities=("t1gd",))
    header = train_embedding(database, settings, tmp_path / "net.safetensors")

    assert list(header.history) == ["t1gd"]
    with pytest.raises(CheckpointError, match="no tensors named flair"):
        read_checkpoint(tmp_path / "net.safetensors", prefix="flair.")
    with pytest.raises(DatabaseError, match="of t1gd alone, for tuning"):
        EmbeddingIndex.open(database, checkpoint=tmp_path / "net.safetensors", folder=tmp_path)
    with pytest.raises(ParameterError, match="modalities must be among flair, t1gd"):
        dataclasses.replace(settings, modalities=("t2",))


@pytest.mark.parametrize(("kind", "kept"), [("ae", "best"), ("hash", "best"), ("vae", "last")])
def test_a_vae_keeps_its_last_epoch_and_autoencoders_their_best(database, tmp_path, monkeypatch, kind, kept):
    """As the thesis: for both modalities."""
    asked = []

    def watched(members, **options):
        members = list(members)
        asked.extend(member.keep for member in members)
        return train_members(members, **options)

    monkeypatch.setattr("gliofield_papers.indexes.embedding.training.train_members", watched)
    train_embedding(database, tiny_settings(kind, num_epochs=1), tmp_path / "net.safetensors")

    assert asked == [kept, kept]


def test_the_loss_falls(database, tmp_path):
    """To less than half in FLAIR within 60 epochs; in T1Gd, where half of the balls have no core, by a tenth."""
    header = train_embedding(database, tiny_settings("ae", num_epochs=60), tmp_path / "net.safetensors")
    for name, factor in (("flair", 0.5), ("t1gd", 0.9)):
        epochs = header.history[name].epochs
        assert epochs[-1].training["loss"] < factor * epochs[0].training["loss"]


def test_training_and_validation_share_no_tumor(database, tmp_path, monkeypatch):
    """Twelve tumors are learned from, four others checked with; another seed takes others."""
    read = []
    monkeypatch.setattr(TumorVolumes, "read", _recording(TumorVolumes.read, lambda tumors: read.append(tuple(tumors))))
    chosen = []
    for seed in (0, 1):
        read.clear()
        train_embedding(database, tiny_settings("ae", num_epochs=1, seed=seed), tmp_path / f"{seed}.safetensors")
        flair = read[: len(read) // 2]
        training, validation = (set().union(*flair[:3]), set().union(*flair[3:]))
        assert (len(training), len(validation), len(training & validation)) == (12, 4, 0)
        chosen.append(training)
    assert chosen[0] != chosen[1]


def _recording(function, note):
    def recorded(self, tumors, **settings):
        note(tumors)
        return function(self, tumors, **settings)

    return recorded


def test_an_interrupted_training_ends_with_the_same_weights(database, tmp_path, monkeypatch):
    """Stopped while T1Gd was trained; FLAIR is not trained again."""
    whole = tmp_path / "whole.safetensors"
    train_embedding(database, tiny_settings("vae"), whole)

    modalities_read = []
    original = TumorVolumes.read

    def failing(self, tumors, *, modalities=(0, 1)):
        modalities_read.append(modalities)
        if modalities_read.count((1,)) == 4:
            raise RuntimeError("the machine went down")
        return original(self, tumors, modalities=modalities)

    resumed = tmp_path / "resumed.safetensors"
    monkeypatch.setattr(TumorVolumes, "read", failing)
    with pytest.raises(RuntimeError, match="the machine went down"):
        train_embedding(database, tiny_settings("vae"), resumed)
    assert not resumed.exists()
    assert (tmp_path / "resumed.safetensors.training").is_dir()
    # The count goes on, so nothing fails any more.
    num_before = len(modalities_read)
    train_embedding(database, tiny_settings("vae"), resumed)
    assert set(modalities_read[num_before:]) == {(1,)}

    expected, found = (read_checkpoint(path).tensors for path in (whole, resumed))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_other_settings_do_not_go_on_with_an_interrupted_training(database, tmp_path, monkeypatch):
    """They are refused, with the difference."""
    monkeypatch.setattr("gliofield_training.training_frame.write_checkpoint", _fail)
    with pytest.raises(RuntimeError, match="full disk"):
        train_embedding(database, tiny_settings("ae"), tmp_path / "net.safetensors")
    with pytest.raises(ParameterError, match="latent_size"):
        train_embedding(database, tiny_settings("ae", latent_size=4), tmp_path / "net.safetensors")


def _fail(*args, **settings):
    raise RuntimeError("full disk")


def test_the_running_state_goes_when_the_checkpoint_stands(database, tmp_path):
    """What is left of it are the TensorBoard files."""
    train_embedding(database, tiny_settings("ae", num_epochs=1), tmp_path / "net.safetensors")
    left = {path.name for path in (tmp_path / "net.safetensors.training").glob("*/*")}
    assert left <= {"tensorboard"}


def test_too_few_tumors_are_said(database, tmp_path):
    """With the numbers."""
    with pytest.raises(ParameterError, match="holds 20 tumors, training takes 18 and validation 4"):
        train_embedding(database, tiny_settings("ae", num_tumors=(18, 4)), tmp_path / "net.safetensors")


def test_an_older_checkpoint_stays_unless_it_may_be_replaced(database, tmp_path):
    """Checked before the training begins."""
    path = tmp_path / "net.safetensors"
    path.write_text("older")
    with pytest.raises(OutputError, match="exists"):
        train_embedding(database, tiny_settings("ae", num_epochs=1), path)
    assert path.read_text() == "older"
    train_embedding(database, tiny_settings("ae", num_epochs=1), path, replace=True)
    assert read_embedding_header(path).kind == "ae"


def test_a_checkpoint_has_the_suffix_of_its_format(database, tmp_path):
    """No other is written."""
    with pytest.raises(ParameterError, match=r"net\.pt must end in \.safetensors"):
        train_embedding(database, tiny_settings("ae"), tmp_path / "net.pt")


def test_a_header_that_says_something_else_is_refused(tmp_path):
    """A checkpoint of the right kind without what belongs to it."""
    write_checkpoint(tmp_path / "net.safetensors", kind="embedding", header={"network": {}}, tensors={})
    with pytest.raises(CheckpointError, match="does not understand .*Train it again"):
        read_embedding_header(tmp_path / "net.safetensors")


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    """By name."""
    write_checkpoint(tmp_path / "net.safetensors", kind="surrogate", header={}, tensors={})
    with pytest.raises(CheckpointError, match="expected 'embedding', got 'surrogate'"):
        read_embedding_header(tmp_path / "net.safetensors")


def test_a_restart_begins_anew_with_other_settings(database, tmp_path, monkeypatch):
    """What an interrupted training left is replaced."""
    path = tmp_path / "net.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("gliofield_training.training_frame.write_checkpoint", _fail)
        with pytest.raises(RuntimeError, match="full disk"):
            train_embedding(database, tiny_settings("ae"), path)
    header = train_embedding(database, tiny_settings("ae", latent_size=4), path, restart=True)
    assert header.latent_size == 4


@pytest.mark.parametrize("sizes", [{"batch_size": 1}, {"batch_size": 4, "num_tumors": (13, 4)}])
def test_a_hash_is_not_trained_on_single_tumors(database, tmp_path, sizes):
    """A batch of one, or a last one of one, has nothing to balance."""
    with pytest.raises(ParameterError, match="a hash needs at least two tumors in every batch"):
        train_embedding(database, tiny_settings("hash", **sizes), tmp_path / "net.safetensors")


def test_an_early_stop_makes_a_network_small(database, tmp_path):
    """Whatever its settings promised."""
    made = train_embedding(database, tiny_settings("ae"), tmp_path / "net.safetensors")
    promising = dataclasses.replace(made, settings=EmbeddingSettings.papers("ae"))
    assert not promising.settings.is_small
    assert promising.is_small
    assert promising.label.endswith("(small)")


@pytest.mark.slow
def test_two_processes_train_both_modalities_and_one_writes(database, tmp_path):
    """As torchrun starts them; the weights are those of one process up to rounding."""
    alone, together = tmp_path / "alone.safetensors", tmp_path / "together.safetensors"
    train_embedding(database, tiny_settings("ae"), alone)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, small_embeddings.__file__, str(database.path), str(together)]
    processes = [
        subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait(timeout=150) for process in processes] == [0, 0]
    expected, found = (read_checkpoint(path).tensors for path in (alone, together))
    assert all(torch.allclose(expected[name], found[name], atol=1e-3) for name in expected)
