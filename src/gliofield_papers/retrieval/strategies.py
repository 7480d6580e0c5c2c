"""The ways to search a database that an evaluation compares: a label and how to open the index.

`named_strategy` makes one of an index name, `network_strategy` of a checkpoint. Anything else that can be opened for a
database and answers queries (`retrieval.Index`) can stand beside them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gliofield.database import SimulationDatabase
from gliofield.database.quantization import levels_of
from gliofield.errors import ParameterError, unknown_name
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.learning import require_torch, resolve_device
from gliofield.progress import Reporter
from gliofield.retrieval import Index, open_index
from gliofield_papers.indexes.random_projection import RandomProjectionIndex
from gliofield_papers.indexes.shape_features import require_scikit_image

if TYPE_CHECKING:
    from gliofield_papers.indexes.embedding import EmbeddingHeader

NETWORK_KINDS = ("ae", "vae", "hash")
DIRECT_NAME = "direct"
PROJECTION_NAME = "random-projection"
# Networks run where `resolve_device` finds it best.
_DEVICE = "auto"
_LABELS = {
    "exact": "exact index",
    DIRECT_NAME: "direct query",
    "ds64": "DS64",
    "ds32": "DS32",
    "radiomics": "radiomics",
    PROJECTION_NAME: "random projection",
}
#: Strategies that need no training, in the order of the papers' Table 1.
CLASSICAL_NAMES = tuple(_LABELS)
_PUBLISHED = {"exact": "direct", DIRECT_NAME: "direct", "ds64": "ds64", "ds32": "ds32", "radiomics": "radiomics"}
# What networks of the papers and the thesis were trained with; one of another loss, or of more tumors than theirs, is
# another network.
_PUBLISHED_LOSS = "dice"
_PUBLISHED_NUM_TRAINING = 1_500
_PUBLISHED_NETWORKS = {("ae", 1024): "ae", ("vae", 1024): "vae-1024", ("vae", 8): "vae-8", ("hash", 1024): "hash"}
_PUBLISHED_LARGER_TRAINING = {("vae", 8, 20_000): "vae-8-20k"}


class IndexOpener(Protocol):
    """Opens an index of a database."""

    def __call__(
        self,
        database: SimulationDatabase,
        *,
        thresholds: VisibilityThresholds,
        num_threads: int | None,
        report: Reporter,
    ) -> Index:
        """The index, everything it needs loaded."""


class DatabaseCheck(Protocol):
    """Tells before anything is computed whether a strategy can search a database."""

    def __call__(self, database: SimulationDatabase) -> None:
        """Raise a `GliofieldError` that says why, if it cannot."""


@runtime_checkable
class ReconstructingIndex(Protocol):
    """An index that can show what is left of a query after compression."""

    def reconstruct(self, query: Observation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tumor core and whole tumor on the database's grid."""


class EpochLike(Protocol):
    """One epoch of a training."""

    @property
    def epoch(self) -> int:
        """Its number."""

    @property
    def training(self) -> Mapping[str, float]:
        """Mean of every part of the loss over the training set, ``loss`` among them."""

    @property
    def validation(self) -> Mapping[str, float]:
        """The same over the validation set."""


class HistoryLike(Protocol):
    """What a training recorded."""

    @property
    def epochs(self) -> Sequence[EpochLike]:
        """Epochs in order."""


@dataclass(frozen=True, kw_only=True)
class NetworkDescription:
    """What tables say about a network.

    Parameters
    ----------
    kind : str
        ``ae``, ``vae`` or ``hash``.
    latent_size : int
        Numbers, or bits, per mask.
    loss : str
        Reconstruction loss it was trained with.
    num_training_tumors : int
        Tumors of its training set.
    is_small : bool
        Whether its setting is smaller than the papers'.
    is_trained : bool
        Whether its weights are those of the checkpoint; otherwise those that the training began with.
    start : object
        What its first weights depend on; equal for networks that began alike.
    device : str
        Where it runs: ``cpu``, or the name of the CUDA device.
    history : mapping of str to HistoryLike
        Training per modality, ``flair`` and ``t1gd``.
    """

    kind: str
    latent_size: int
    loss: str
    num_training_tumors: int
    is_small: bool
    is_trained: bool = True
    start: object = field(default=None, hash=False)
    device: str
    history: Mapping[str, HistoryLike] = field(hash=False, compare=False)


def _searches_anything(database: SimulationDatabase) -> None:
    """Of strategies that need no more than a database."""


@dataclass(frozen=True, kw_only=True)
class RetrievalStrategy:
    """One way to search.

    Parameters
    ----------
    label : str
        What it is called in tables.
    open : IndexOpener
        Opens its index.
    published : str or None
        Its key in `retrieval_published.PUBLISHED_STRATEGIES`; None if nothing was published.
    network : NetworkDescription or None
        For learned strategies.
    is_exhaustive : bool
        Whether each query reads the whole database; it is then asked a few queries only.
    check : DatabaseCheck
        Raises beforehand what opening its index would raise after hours.
    """

    label: str
    open: IndexOpener
    published: str | None = None
    network: NetworkDescription | None = None
    is_exhaustive: bool = False
    check: DatabaseCheck = _searches_anything

    def is_control_of(self, other: RetrievalStrategy) -> bool:
        """Whether this one learned nothing and the other is a trained network like it; any like a random projection."""
        if other.network is None or not other.network.is_trained:
            return False
        if self.network is None:
            return self.label == _LABELS[PROJECTION_NAME]
        return not self.network.is_trained and self.network.start == other.network.start


def named_strategy(name: str) -> RetrievalStrategy:
    """Strategy of an index that needs no training.

    Raises
    ------
    ParameterError
        If the name is that of a network, which needs a checkpoint, or unknown.
    """
    if name in NETWORK_KINDS:
        raise ParameterError(f"index {name!r} is a network: give its file by --checkpoint instead of its name.")
    if name not in _LABELS:
        raise ParameterError(unknown_name("index", name, _LABELS))
    return RetrievalStrategy(
        label=_LABELS[name],
        open=RandomProjectionIndex.open if name == PROJECTION_NAME else partial(open_index, name),
        published=_PUBLISHED.get(name),
        is_exhaustive=name == DIRECT_NAME,
        check=_has_scikit_image if name.startswith("radiomics") else _searches_anything,
    )


def network_strategies(checkpoints: Sequence[str | os.PathLike[str]]) -> list[RetrievalStrategy]:
    """Each network and its control, the same network untrained; one control for networks that began alike."""
    trained = [network_strategy(path) for path in checkpoints]
    controls: list[RetrievalStrategy] = []
    for path, strategy in zip(checkpoints, trained, strict=True):
        if not any(control.is_control_of(strategy) for control in controls):
            controls.append(network_strategy(path, is_trained=False))
    return [*trained, *controls]


def network_strategy(checkpoint: str | os.PathLike[str], *, is_trained: bool = True) -> RetrievalStrategy:
    """Strategy of a network, trained or as its training began; the file holds both modalities.

    Raises
    ------
    CheckpointError
        If the file is no checkpoint of such a network.
    ParameterError
        If PyTorch is not installed.
    """
    path, header = Path(checkpoint), _header_of(checkpoint)
    network = NetworkDescription(
        kind=header.kind,
        latent_size=header.latent_size,
        loss=header.settings.network.loss,
        num_training_tumors=header.num_training_tumors if is_trained else 0,
        is_small=header.is_small,
        is_trained=is_trained,
        start=_start_of(header),
        device=_network_device(),
        history=header.history if is_trained else {},
    )
    return RetrievalStrategy(
        label=header.label if is_trained else f"{header.label}, untrained",
        open=partial(_open_network, path, is_trained),
        published=published_key(network) if is_trained else None,
        network=network,
        check=partial(_fits, path),
    )


def _open_network(checkpoint: Path, is_trained: bool, database: SimulationDatabase, **settings: Any) -> Index:
    from gliofield_papers.indexes.embedding.index import EmbeddingIndex

    return EmbeddingIndex.open(database, checkpoint=checkpoint, is_trained=is_trained, device=_DEVICE, **settings)


def _start_of(header: EmbeddingHeader) -> object:
    """What first weights depend on: the shape of the network, and the seed; losses are of the training alone."""
    network = dataclasses.replace(header.settings.network, loss="dice", kl_weight=0.0, quantization_weight=0.0)
    return network, header.box, header.settings.training.seed


def _header_of(checkpoint: str | os.PathLike[str]) -> EmbeddingHeader:
    require_torch()
    from gliofield_papers.indexes.embedding import read_embedding_header

    return read_embedding_header(checkpoint)


def published_key(network: NetworkDescription) -> str | None:
    """Published strategy that a network may stand beside: of its kind, latent size and loss.

    A network trained on fewer tumors than the published one may, as it is labelled small; one trained on more may only
    if a network with that many was published. None if nothing was.

    Examples
    --------
    >>> vae = NetworkDescription(
    ...     kind="vae", latent_size=8, loss="dice", num_training_tumors=20_000, is_small=False, device="cpu", history={}
    ... )
    >>> published_key(vae)
    'vae-8-20k'
    """
    if network.loss != _PUBLISHED_LOSS:
        return None
    if network.num_training_tumors > _PUBLISHED_NUM_TRAINING:
        return _PUBLISHED_LARGER_TRAINING.get((network.kind, network.latent_size, network.num_training_tumors))
    return _PUBLISHED_NETWORKS.get((network.kind, network.latent_size))


def distinct_labels(strategies: Sequence[RetrievalStrategy]) -> tuple[str, ...]:
    """Label of each strategy for tables: the small setting is named, and equal labels are numbered.

    Examples
    --------
    >>> both = [named_strategy("ds64"), named_strategy("ds64")]
    >>> distinct_labels(both)
    ('DS64', 'DS64 #2')
    """
    seen: dict[str, int] = {}
    labels = []
    for strategy in strategies:
        label = strategy.label
        if strategy.network is not None and strategy.network.is_small and "small" not in label.lower():
            label = f"{label} (small)"
        seen[label] = seen.get(label, 0) + 1
        labels.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return tuple(labels)


def _has_scikit_image(database: SimulationDatabase) -> None:
    require_scikit_image()


def _fits(checkpoint: Path, database: SimulationDatabase) -> None:
    """Raise `DatabaseError` unless a network was trained for the atlas, the grid and the thresholds of a database."""
    from gliofield_papers.indexes.embedding.checkpoint import read_embedding_header, require_fit

    header = read_embedding_header(checkpoint)
    require_fit(checkpoint, header, database, levels=levels_of(database.header.thresholds))


def _network_device() -> str:
    import torch

    device = resolve_device(_DEVICE)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
