"""Networks small enough to train in a test: 16³ volumes, one halving or two, a few tumors.

Run as a program it trains one in a process of its own, which may be joined by others:
    python small_embeddings.py DATABASE CHECKPOINT
"""

import sys

import pytest

from gliofield.database import SimulationDatabase
from gliofield.learning import TrainingSettings
from gliofield_papers.indexes.embedding import EmbeddingSettings, NetworkSettings, train_embedding

pytest.importorskip("torch", reason="networks need PyTorch, extra 'learn'")


def tiny_settings(kind, *, num_epochs=2, latent_size=8, pooling=1, is_cropped=False, num_tumors=(12, 4), **training):
    """Settings that train within a second."""
    return EmbeddingSettings(
        network=NetworkSettings(
            kind=kind, latent_size=latent_size, channels=(2, 4), pooling=pooling, is_cropped=is_cropped
        ),
        training=TrainingSettings(
            **{"batch_size": 4, "learning_rate": 1e-2, "num_threads": 1, "device": "cpu"} | training,
            num_epochs=num_epochs,
        ),
        num_training_tumors=num_tumors[0],
        num_validation_tumors=num_tumors[1],
    )


def train_tiny(database, kind, path, **settings):
    """Checkpoint of a network trained for a moment."""
    train_embedding(database, tiny_settings(kind, **settings), path)
    return path


if __name__ == "__main__":
    train_embedding(SimulationDatabase.open(sys.argv[1]), tiny_settings("ae"), sys.argv[2])
