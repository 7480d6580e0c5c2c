"""A trained embedding: one file with the networks of both modalities and everything they came from.

Tensors are named ``flair.encoder.…``, ``flair.decoder.…``, ``t1gd.…``; a search reads the encoders alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gliofield.box import Box, make_box
from gliofield.database.quantization import NUM_LEVELS
from gliofield.database.schema import DatabaseHeader
from gliofield.database.store import SimulationDatabase
from gliofield.errors import DatabaseError
from gliofield.grid import Grid
from gliofield.learning import TrainingHistory
from gliofield.learning.checkpoint import read_header_as
from gliofield.records import from_record, to_record
from gliofield_papers.indexes.embedding.settings import MODALITIES, EmbeddingSettings, label_of

#: Name in a checkpoint of what it holds.
CHECKPOINT_KIND = "embedding"


@dataclass(frozen=True, kw_only=True)
class EmbeddingHeader:
    """What a checkpoint says of its networks.

    Parameters
    ----------
    settings : EmbeddingSettings
        Networks and training.
    grid : Grid
        Grid of the tumors.
    atlas_name, atlas_hash : str
        Name and content hash of their atlas.
    box : Box
        The part of the grid the networks see.
    levels : (int, int)
        Stored levels above which a tumor shows in FLAIR and in T1Gd.
    trained_on : mapping
        The database, JSON-ready: its header and number of tumors.
    history : mapping of str to TrainingHistory
        Losses over the epochs of ``flair`` and ``t1gd``.
    """

    settings: EmbeddingSettings
    grid: Grid
    atlas_name: str
    atlas_hash: str
    box: Box
    levels: tuple[int, int]
    trained_on: Mapping[str, Any]
    history: Mapping[str, TrainingHistory]

    @property
    def kind(self) -> str:
        """``ae``, ``vae`` or ``hash``."""
        return self.settings.network.kind

    @property
    def latent_size(self) -> int:
        """Numbers, or bits, per mask."""
        return self.settings.network.latent_size

    @property
    def num_training_tumors(self) -> int:
        """Tumors it was trained on."""
        return self.settings.num_training_tumors

    @property
    def is_small(self) -> bool:
        """Whether less was done than in the papers, an early stop included."""
        papers = EmbeddingSettings.papers(self.kind).training.num_epochs
        return self.settings.is_small or any(len(one.epochs) < papers for one in self.history.values())

    @property
    def label(self) -> str:
        """Name in tables."""
        return label_of(self.settings, is_small=self.is_small)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; settings and atlas stand beside the rest."""
        return {
            **to_record(self.settings),
            "grid": to_record(self.grid),
            "atlas": {"name": self.atlas_name, "content_hash": self.atlas_hash},
            "box": to_record(self.box),
            "levels": list(self.levels),
            "trained_on": dict(self.trained_on),
            "history": to_record(self.history),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> EmbeddingHeader:
        """The header `to_dict` described."""
        flair_level, t1gd_level = content["levels"]
        settings = {field.name: content[field.name] for field in fields(EmbeddingSettings) if field.name in content}
        return cls(
            settings=from_record(EmbeddingSettings, settings),
            grid=from_record(Grid, content["grid"]),
            atlas_name=content["atlas"]["name"],
            atlas_hash=content["atlas"]["content_hash"],
            box=make_box(content["box"]),
            levels=(flair_level, t1gd_level),
            trained_on=content["trained_on"],
            history={name: from_record(TrainingHistory, stored) for name, stored in content["history"].items()},
        )


def read_embedding_header(path: str | os.PathLike[str]) -> EmbeddingHeader:
    """What a checkpoint says of its networks, without reading them.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another version, or holds something else.
    """
    return read_header_as(path, EmbeddingHeader.from_dict, kind=CHECKPOINT_KIND)


def require_fit(
    path: str | os.PathLike[str], header: EmbeddingHeader, database: SimulationDatabase, *, levels: tuple[int, int]
) -> None:
    """Refuse networks trained in another atlas, on another grid or with other thresholds than what is to be searched.

    Raises
    ------
    DatabaseError
        If they do not fit.
    """
    wanted: DatabaseHeader = database.header
    if set(header.settings.modalities) != set(MODALITIES):
        raise DatabaseError(
            f"{path} holds a network of {', '.join(header.settings.modalities)} alone, for tuning: a search needs "
            "both modalities. Train it without --modality."
        )
    if header.atlas_hash != wanted.atlas_hash:
        raise DatabaseError(
            f"{path} was trained on tumors of the atlas {header.atlas_name!r} (content hash "
            f"{header.atlas_hash[:12]}…), {database.path} holds tumors of {wanted.atlas_name!r} "
            f"({wanted.atlas_hash[:12]}…). Train a network on this database: "
            f"`gliofield papers train {header.kind}`."
        )
    if not header.grid.is_same_as(wanted.grid):
        raise DatabaseError(
            f"{path} was trained on another grid than that of {database.path}:\n  checkpoint  {header.grid.describe()}"
            f"\n  database    {wanted.grid.describe()}\nTrain a network on this database with "
            f"`gliofield papers train {header.kind}`."
        )
    if header.levels != levels:
        raise DatabaseError(
            f"{path} was trained on masks above the densities {_named(header.levels)}; the search asks for "
            f"{_named(levels)}. Search with the thresholds of the training, or train a network with these."
        )


def _named(levels: tuple[int, int]) -> str:
    return ", ".join(f"{name} {level / NUM_LEVELS:.4f}" for name, level in zip(("FLAIR", "T1Gd"), levels, strict=True))
