"""Embeddings of tumor masks by networks, and the indexes that search them; needs PyTorch (extra ``learn``)."""

from gliofield_papers.indexes.embedding.checkpoint import EmbeddingHeader, read_embedding_header
from gliofield_papers.indexes.embedding.settings import (
    EMBEDDING_KINDS,
    RECONSTRUCTION_LOSSES,
    EmbeddingSettings,
    NetworkSettings,
)
from gliofield_papers.indexes.embedding.training import train_embedding

__all__ = [
    "EMBEDDING_KINDS",
    "RECONSTRUCTION_LOSSES",
    "EmbeddingHeader",
    "EmbeddingSettings",
    "NetworkSettings",
    "read_embedding_header",
    "train_embedding",
]
