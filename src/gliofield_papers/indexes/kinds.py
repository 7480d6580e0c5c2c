"""The papers' indexes by name, as entry points of the group ``gliofield.indexes`` offer them.

========================== =============================================================================================
``ds64``, ``ds32``         Dice on 64³ or 32³ samples, as the papers (`DownsampledIndex`)
``radiomics``              shape features among the 1,000 tumors nearest by center (`RadiomicsIndex`)
``ae``, ``vae``, ``hash``  encodings by a trained network (`embedding`); each needs its checkpoint
========================== =============================================================================================
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.learning import require_torch
from gliofield.retrieval import Index, IndexKind
from gliofield_papers.indexes.downsampled_index import DownsampledIndex
from gliofield_papers.indexes.radiomics_index import RadiomicsIndex

_DATABASE_QUERY = (
    "Ezhov et al. (2022), Casting the inverse problem as a database query. "
    "The case of personalized tumor growth modeling"
)
_BI_HALF = "Li, van Gemert (2021), Deep unsupervised image hashing by maximizing bit entropy"


def _downsampled(size: int) -> IndexKind:
    return IndexKind(open=partial(DownsampledIndex.open, size=size), references=(_DATABASE_QUERY,))


def _embedded(name: str, *further: str) -> IndexKind:
    return IndexKind(
        open=partial(_open_embedding, name),
        references=(_DATABASE_QUERY, *further),
        needs_checkpoint=True,
        training=f"gliofield papers train {name}",
    )


def _open_embedding(
    name: str, database: SimulationDatabase, *, checkpoint: str | os.PathLike[str], **settings: Any
) -> Index:
    require_torch()
    from gliofield_papers.indexes.embedding.checkpoint import read_embedding_header
    from gliofield_papers.indexes.embedding.index import EmbeddingIndex

    kind = read_embedding_header(checkpoint).kind
    if kind != name:
        raise ParameterError(
            f"{checkpoint} is a checkpoint for index {kind!r}, not {name!r}. Search with --index {kind}."
        )
    return EmbeddingIndex.open(database, checkpoint=checkpoint, **settings)


DS64, DS32 = _downsampled(64), _downsampled(32)
RADIOMICS = IndexKind(open=RadiomicsIndex.open, references=(_DATABASE_QUERY,))
AE, VAE, HASH = _embedded("ae"), _embedded("vae"), _embedded("hash", _BI_HALF)
