"""A trained surrogate: one file with the network and everything it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gliofield.learning import TrainingHistory
from gliofield.learning.checkpoint import read_header_as
from gliofield.records import from_record, to_record
from gliofield_papers.surrogate.config import SurrogateSettings

#: Name in a checkpoint of what it holds.
CHECKPOINT_KIND = "growth surrogate"


@dataclass(frozen=True, kw_only=True)
class SurrogateHeader:
    """What a checkpoint says of its network.

    Parameters
    ----------
    settings : SurrogateSettings
        Network, ranges, training.
    spacing_mm : float
        Spacing of the grids it was trained on [mm].
    trained_on, validated_on : mapping
        What the samples depend on, JSON-ready.
    history : TrainingHistory
        Losses over the epochs.
    domain_rule : str or None
        Rule of the simulation domain in all its anatomies, on which hangs what CSF is; None in checkpoints that do not
        say.
    atlas_name, atlas_hash : str or None
        The atlas whose brain was moved; None where that is not known.
    """

    settings: SurrogateSettings
    spacing_mm: float
    trained_on: Mapping[str, Any]
    validated_on: Mapping[str, Any]
    history: TrainingHistory
    domain_rule: str | None = None
    atlas_name: str | None = None
    atlas_hash: str | None = None

    @property
    def is_small(self) -> bool:
        """Whether less was done than in the paper, an early stop included."""
        return self.settings.is_small or len(self.history.epochs) < SurrogateSettings.papers().training.num_epochs

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        record: dict[str, Any] = to_record(self)
        return record


def read_surrogate_header(path: str | os.PathLike[str]) -> SurrogateHeader:
    """What a checkpoint says of its network, without reading it; does not need PyTorch.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another version, or holds something else.
    """
    return read_header_as(path, partial(from_record, SurrogateHeader), kind=CHECKPOINT_KIND)
