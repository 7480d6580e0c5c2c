"""Indexes ``ae``, ``vae``, ``hash``: tumors whose masks have similar encodings, as in the papers.

Every mask becomes a latent vector (`networks`), T1Gd and FLAIR by a network each; the nearest tumor is that with the
smallest sum of the two Euclidean distances (FLAIR's alone for a query without core). The search among the vectors is
exact (`latent_tables`), what they keep of similarity is not: hits differ from those of index ``exact``, which is also
faster once it is prepared.

References
----------
.. [1] Ezhov et al. (2022), Casting the inverse problem as a database query, section 2.3, "Autoencoders" and
   "Unsupervised hashing".
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gliofield.cores import require_threads
from gliofield.database.quantization import levels_of
from gliofield.database.store import SimulationDatabase
from gliofield.imaging.observation import Observation
from gliofield.imaging.visibility import USUAL_THRESHOLDS, VisibilityThresholds
from gliofield.learning import read_checkpoint, resolve_device
from gliofield.progress import Reporter, ignore_progress
from gliofield.records import to_record
from gliofield.retrieval.index_cache import Piece, PreparedSegments, Segment, open_segments
from gliofield.retrieval.index_file import Arrays
from gliofield.retrieval.query import on_database_grid, require_count
from gliofield_papers.indexes.embedding.checkpoint import (
    CHECKPOINT_KIND,
    EmbeddingHeader,
    read_embedding_header,
    require_fit,
)
from gliofield_papers.indexes.embedding.latent_tables import BitTable, LatentTable, NearestLatents, pack_bits
from gliofield_papers.indexes.embedding.networks import (
    MaskDecoder,
    MaskEncoder,
    first_network,
    latent_of,
    make_decoder,
    make_encoder,
)
from gliofield_papers.indexes.embedding.settings import MODALITIES
from gliofield_papers.indexes.embedding.volumes import TumorVolumes, VolumeLayout
from gliofield_papers.indexes.ranking_index import RankingIndex

# Some 130 MB of the first layer's output at the papers' 16 channels.
_VOXELS_AT_ONCE = 1 << 24


class EmbeddingIndex(RankingIndex):
    """Index of a trained embedding; made by `open`.

    Parameters
    ----------
    database : SimulationDatabase
        What is searched.
    prepared : PreparedSegments
        Latent vectors of its tumors.
    header : EmbeddingHeader
        What the checkpoint says of its networks.
    thresholds : VisibilityThresholds
        Those asked for; rounded to levels they are those of the training.
    encoding : MaskEncoding
        The networks.
    checkpoint : Path
        Where decoders are read when they are wanted.
    """

    def __init__(
        self,
        database: SimulationDatabase,
        prepared: PreparedSegments,
        *,
        header: EmbeddingHeader,
        thresholds: VisibilityThresholds,
        encoding: MaskEncoding,
        checkpoint: Path,
    ) -> None:
        self.database = database
        self.prepared = prepared
        self.notices = (*prepared.notices, *_remarks(header))
        self.header = header
        self.checkpoint = checkpoint
        self.thresholds = thresholds
        self._encoding = encoding
        self._decoders: list[MaskDecoder] = []
        self._table = _table_of(header, prepared)

    @classmethod
    def open(
        cls,
        database: SimulationDatabase,
        *,
        checkpoint: str | os.PathLike[str],
        thresholds: VisibilityThresholds = USUAL_THRESHOLDS,
        is_trained: bool = True,
        device: str = "auto",
        num_threads: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        report: Reporter = ignore_progress,
    ) -> EmbeddingIndex:
        """Index of a database, from the cache where it is there and true; made or completed where it is not.

        Parameters
        ----------
        database : SimulationDatabase
            What is searched; of the atlas and grid the networks were trained on.
        checkpoint : path
            Networks, as `train_embedding` writes them.
        thresholds : VisibilityThresholds
            Cell densities above which a tumor shows; those of the training.
        is_trained : bool
            Whether networks have the weights of the checkpoint; otherwise those that its training began with, as a
            control of what was learned.
        device : str
            ``auto``, ``cpu`` or ``cuda``: where masks are encoded.
        num_threads : int or None
            Threads that read and encode tumors; None: all cores this process may use.
        folder : path or None
            Where indexes are kept; None: in the user's cache.
        report : Reporter
            Receives the tumors encoded, and what was found damaged or outdated.

        Raises
        ------
        CheckpointError
            If the checkpoint is missing, damaged, of another version, or holds something else.
        DatabaseError
            If it was trained on another atlas or grid, or with other thresholds, or a tumor cannot be read.
        ParameterError
            If a setting is out of range.
        """
        header = read_embedding_header(checkpoint)
        require_fit(checkpoint, header, database, levels=levels_of(thresholds))
        threads = require_threads(num_threads)
        encoding = MaskEncoding(checkpoint, header, is_trained=is_trained, device=resolve_device(device))
        prepared = open_segments(
            database,
            encoding,
            parent=None if folder is None else Path(folder),
            num_threads=threads,
            report=report,
        )
        return cls(
            database,
            prepared,
            header=header,
            thresholds=thresholds,
            encoding=encoding,
            checkpoint=Path(checkpoint),
        )

    @property
    def name(self) -> str:
        """``ae``, ``vae`` or ``hash``."""
        return self.header.kind

    def nearest(self, query: Observation, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Numbers and distances of the k tumors with the nearest encodings, ties by lower index; errors as `search`."""
        require_count(k)
        on_grid = on_database_grid(query, self.database.header.grid)
        return self._table.nearest(self.latent(on_grid)[: on_grid.num_modalities], k)

    @property
    def provenance(self) -> dict[str, Any]:
        """Which networks answer, and what they were trained on; JSON-ready."""
        return {
            "checkpoint": str(self.checkpoint),
            "label": self.header.label,
            "weights": self._encoding.settings["weights"],
            "trained_on": dict(self.header.trained_on),
        }

    def latent(self, query: Observation) -> NDArray[np.float32]:
        """Latent vectors of a query's masks, (2, L); FLAIR, T1Gd."""
        masks = _masks(on_database_grid(query, self.database.header.grid))
        volumes = np.stack([self._encoding.layout.volume(mask) for mask in masks])
        return self._encoding.encode(volumes[None])[0]

    def reconstruct(self, query: Observation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Core and whole tumor (X, Y, Z) that the decoders make of a query's latent vectors.

        Raises
        ------
        CheckpointError
            If the decoders cannot be read.
        """
        if not self._decoders:
            self._decoders = [self._encoding.read_decoder(name) for name in MODALITIES]
        whole, core = (
            self._encoding.layout.mask(self._encoding.decode(decoder, latent))
            for decoder, latent in zip(self._decoders, self.latent(query), strict=True)
        )
        return core, whole


class MaskEncoding:
    """Encoders of a checkpoint, and what the index keeps of each tumor: its latent vectors.

    Parameters
    ----------
    checkpoint : path
        Networks.
    header : EmbeddingHeader
        What it says of them.
    is_trained : bool
        Whether their weights are those of the checkpoint, or those that its training began with.
    device : torch.device
        Where masks are encoded.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike[str],
        header: EmbeddingHeader,
        *,
        is_trained: bool = True,
        device: torch.device,
    ) -> None:
        self.header = header
        self._checkpoint = checkpoint
        self._is_trained = is_trained
        self.layout = VolumeLayout(header.settings.network, header.grid.shape, header.box)
        self._settings = header.settings.network
        self._device = device
        # One batch at a time: memory, and PyTorch uses all cores or the GPU by itself.
        self._lock = threading.Lock()
        self._encoders: list[MaskEncoder] = []
        self._digests: list[str] = []
        for name in MODALITIES:
            weights, digest = self._weights(name, "encoder")
            self._encoders.append(make_encoder(self._settings, self.layout.shape, weights).to(device))
            self._digests.append(digest)

    @property
    def name(self) -> str:
        """The kind of network."""
        return self.header.kind

    @property
    def settings(self) -> dict[str, Any]:
        """What latent vectors depend on beside the tumors."""
        return {
            "kind": f"embedding-{self.header.kind}",
            "version": 1,
            "weights": self._digests,
            # Devices round differently.
            "device": self._device.type,
            "flair_level": self.header.levels[0],
            "t1gd_level": self.header.levels[1],
        }

    def encode(self, volumes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latent vectors (n, 2, L) of volumes (n, 2, X, Y, Z); FLAIR, T1Gd."""
        parts = [self._encoded(encoder, volumes[:, column]) for column, encoder in enumerate(self._encoders)]
        return np.stack(parts, axis=1)

    def _encoded(self, encoder: MaskEncoder, volumes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latent vectors (n, L) of volumes (n, X, Y, Z) of one modality."""
        with self._lock, torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(volumes[:, None])).to(self._device)
            return latent_of(encoder, self._settings, batch).cpu().numpy()

    def read_decoder(self, modality: str) -> MaskDecoder:
        """Decoder of a modality, where the encoders are."""
        weights, _ = self._weights(modality, "decoder")
        return make_decoder(self._settings, self.layout.shape, weights).to(self._device)

    def _weights(self, modality: str, part: str) -> tuple[Mapping[str, torch.Tensor], str]:
        """Weights of a part of a modality's network by their names in it, and what tells them from others."""
        if self._is_trained:
            found = read_checkpoint(self._checkpoint, kind=CHECKPOINT_KIND, prefix=f"{modality}.{part}.")
            return found.tensors, found.digest
        seed = self.header.settings.training.seed
        network = first_network(self._settings, self.layout.shape, seed=seed)
        return getattr(network, part).state_dict(), f"untrained, seed {seed}, {to_record(self._settings)}"

    def decode(self, decoder: MaskDecoder, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """Share of tumor in each voxel of the volume (X, Y, Z) that a latent vector (L,) stands for."""
        with self._lock, torch.inference_mode():
            logits = decoder(torch.from_numpy(latent[None]).to(self._device))
            return torch.sigmoid(logits)[0, 0].cpu().numpy()

    def piece(self, database: SimulationDatabase, tumors: range) -> Piece:
        """``flair`` and ``t1gd``: vectors (n, L) float32, or bits (n, W) uint64."""
        volumes = TumorVolumes(database, self.layout, self.header.levels)
        num_at_once = max(1, _VOXELS_AT_ONCE // math.prod(self.layout.shape))
        latents = np.concatenate(
            [
                self.encode(volumes.read(tumors[first : first + num_at_once]))
                for first in range(0, len(tumors), num_at_once)
            ]
        )
        keep = pack_bits if self.header.kind == "hash" else np.ascontiguousarray
        return {name: keep(latents[:, column]) for column, name in enumerate(MODALITIES)}

    def segment(self, piece: Piece) -> Arrays:
        """The piece as it is."""
        return piece

    def piece_of(self, segment: Segment) -> Piece:
        """The segment as it is."""
        return segment


def _table_of(header: EmbeddingHeader, prepared: PreparedSegments) -> NearestLatents:
    segments = [
        dict(zip(MODALITIES, rows, strict=True))
        for rows in zip(*(prepared.rows(name) for name in MODALITIES), strict=True)
    ]
    return BitTable(segments) if header.kind == "hash" else LatentTable(segments)


def _masks(query: Observation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """In the order of `MODALITIES`."""
    return query.whole_tumor, query.tumor_core


def _remarks(header: EmbeddingHeader) -> tuple[str, ...]:
    """What the reader of an answer should know."""
    if not header.is_small:
        return ()
    return (f"the answer is that of {header.label}, a network trained with less than the papers' setting.",)
