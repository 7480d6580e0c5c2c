"""Embeddings of tumor masks by networks, and the indexes that search them; needs PyTorch (extra ``learn``)."""

from gliofield.retrieval.embedding.checkpoint import EmbeddingHeader, read_embedding_header
from gliofield.retrieval.embedding.settings import (
    EMBEDDING_KINDS,
    RECONSTRUCTION_LOSSES,
    EmbeddingSettings,
    NetworkSettings,
)
from gliofield.retrieval.embedding.training import train_embedding

__all__ = [
    "EMBEDDING_KINDS",
    "RECONSTRUCTION_LOSSES",
    "EmbeddingHeader",
    "EmbeddingSettings",
    "NetworkSettings",
    "read_embedding_header",
    "train_embedding",
]
