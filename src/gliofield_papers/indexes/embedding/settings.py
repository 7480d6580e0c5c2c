"""Settings of the embedding networks: what they are, how they are trained, and on which tumors.

``papers`` holds the values of the papers [1]_ [2]_, for a GPU; ``small`` is a setting that runs through on two cores.
What is trained with less than the papers' setting is called small wherever its results are shown, what is trained
otherwise, such as with another learning rate, is said to have a setting of its own.

What the papers do not print is chosen here: 16, 32, 64 channels (with 64 at 16³, a latent size of 4096 just fits the
48 GB they name as their limit, and twice as many do not), ReLU after each convolution, and the weight of the
quantization error in the Bi-half layer.

References
----------
.. [1] Ezhov et al. (2022), Casting the inverse problem as a database query, sections 2.3 and 2.4.
.. [2] Rosier (2022), Image retrieval based brain tumor modeling, sections 3.4.2 and 3.4.3.
.. [3] Li, van Gemert (2021), Deep unsupervised image hashing by maximizing bit entropy, AAAI.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from gliofield.errors import ParameterError, unknown_name
from gliofield.learning import TrainingSettings

#: Kinds of networks, by their names on the command line.
EMBEDDING_KINDS: tuple[str, ...] = ("ae", "vae", "hash")
#: What a reconstruction is compared by.
RECONSTRUCTION_LOSSES = ("dice", "dice-squared", "jaccard", "bce", "mse")

#: In the order of a database's levels and volumes.
MODALITIES = ("flair", "t1gd")

_PAPERS_LATENT_SIZE = 1024
_PAPERS_CHANNELS = (16, 32, 64)
_PAPERS_NUM_EPOCHS = 120
_PAPERS_NUM_TRAINING, _PAPERS_NUM_VALIDATION = 1500, 150
_SMALL_NUM_TRAINING = 400


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """An autoencoder of masks.

    Parameters
    ----------
    kind : str
        ``ae``, ``vae``, or ``hash`` (an autoencoder with a Bi-half layer).
    latent_size : int
        Numbers, or bits, that a mask becomes.
    channels : tuple of int
        Channels after each halving of the resolution.
    pooling : int
        Voxels per axis that are averaged before the network sees them; 1 as in the papers.
    is_cropped : bool
        Whether the network sees only the box that holds the tumors of its database, some third of the grid; the
        papers' sees the whole.
    loss : str
        ``dice`` as in the papers, or another of `RECONSTRUCTION_LOSSES`, between a mask and its reconstruction.
    kl_weight : float
        β, weight of the Kullback-Leibler divergence in a VAE's loss.
    quantization_weight : float
        γ, weight with which a Bi-half layer draws its input toward its bits [3]_.

    Raises
    ------
    ParameterError
        If a name is unknown or a number out of range.
    """

    kind: str
    latent_size: int = _PAPERS_LATENT_SIZE
    channels: tuple[int, ...] = _PAPERS_CHANNELS
    pooling: int = 1
    is_cropped: bool = False
    loss: str = "dice"
    kl_weight: float = 0.001
    quantization_weight: float = 6.0

    def __post_init__(self) -> None:
        if self.kind not in EMBEDDING_KINDS:
            raise ParameterError(unknown_name("kind of embedding", self.kind, EMBEDDING_KINDS))
        if self.loss not in RECONSTRUCTION_LOSSES:
            raise ParameterError(unknown_name("loss", self.loss, RECONSTRUCTION_LOSSES))
        for name, value in (("latent_size", self.latent_size), ("pooling", self.pooling)):
            if value < 1:
                raise ParameterError(f"{name} must be at least 1, got {value}.")
        if not self.channels or min(self.channels) < 1:
            raise ParameterError(f"channels must be one or more positive numbers, got {self.channels}.")
        for name, weight in (("kl_weight", self.kl_weight), ("quantization_weight", self.quantization_weight)):
            if not (math.isfinite(weight) and weight >= 0.0):
                raise ParameterError(f"{name} must be finite and not negative, got {weight}.")

    @classmethod
    def small(cls, kind: str) -> NetworkSettings:
        """A network two cores can train: half the resolution, cropped, an eighth of the channels."""
        return cls(kind=kind, pooling=2, is_cropped=True, channels=(4, 8))

    def volume_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape of the volumes the network sees: pooled, and padded so that every halving comes out even.

        Examples
        --------
        >>> NetworkSettings(kind="ae").volume_shape((128, 128, 90))
        (128, 128, 96)
        >>> NetworkSettings.small("ae").volume_shape((78, 94, 77))
        (40, 48, 40)
        """
        multiple = 2 ** len(self.channels)
        x, y, z = (multiple * math.ceil(length / (self.pooling * multiple)) for length in shape)
        return x, y, z


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings:
    """A network, how it is trained, and on how many tumors of a database.

    Parameters
    ----------
    network : NetworkSettings
        The network; one is trained for FLAIR and one for T1Gd.
    training : TrainingSettings
        Optimizer, rates, epochs, device.
    num_training_tumors, num_validation_tumors : int
        Tumors drawn from the database, different ones, ≥ 1 each.
    modalities : tuple of str
        Which networks are trained; the thesis tuned with ``t1gd`` alone, which searches nothing.

    Raises
    ------
    ParameterError
        If there are too few tumors, or a modality is unknown.
    """

    network: NetworkSettings
    training: TrainingSettings
    num_training_tumors: int = _PAPERS_NUM_TRAINING
    num_validation_tumors: int = _PAPERS_NUM_VALIDATION
    modalities: tuple[str, ...] = MODALITIES

    def __post_init__(self) -> None:
        for name in ("num_training_tumors", "num_validation_tumors"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.modalities or not set(self.modalities) <= set(MODALITIES):
            raise ParameterError(f"modalities must be among {', '.join(MODALITIES)}, got {self.modalities}.")

    @classmethod
    def papers(cls, kind: str) -> EmbeddingSettings:
        """The papers' setting: 1,500 tumors, 120 epochs, batches of 2, Adam at 1e-5 (VAE: 3e-5); for a GPU."""
        return cls(
            network=NetworkSettings(kind=kind),
            training=TrainingSettings(
                num_epochs=_PAPERS_NUM_EPOCHS, batch_size=2, learning_rate=3e-5 if kind == "vae" else 1e-5
            ),
        )

    @classmethod
    def small(cls, kind: str) -> EmbeddingSettings:
        """A setting for two cores: fewer tumors and epochs, larger batches and steps."""
        return cls(
            network=NetworkSettings.small(kind),
            training=TrainingSettings(num_epochs=20, batch_size=4, learning_rate=1e-3),
            num_training_tumors=_SMALL_NUM_TRAINING,
            num_validation_tumors=50,
        )

    @property
    def is_small(self) -> bool:
        """Whether less is done than in the papers: resolution, channels, tumors or epochs."""
        return (
            self.network.pooling > 1
            or self.network.is_cropped
            or self.network.channels != _PAPERS_CHANNELS
            or self.num_training_tumors < _PAPERS_NUM_TRAINING
            or self.training.num_epochs < _PAPERS_NUM_EPOCHS
        )

    @property
    def is_published(self) -> bool:
        """Whether it is the papers' but for latent size, loss, seed, and more tumors or epochs."""
        papers = EmbeddingSettings.papers(self.network.kind)
        network = dataclasses.replace(self.network, latent_size=papers.network.latent_size, loss=papers.network.loss)
        free = ("num_epochs", "seed", "device", "num_threads", "save_every_s")
        training = dataclasses.replace(papers.training, **{name: getattr(self.training, name) for name in free})
        return not self.is_small and network == papers.network and training == self.training


_LABELS = {"ae": "AE", "vae": "VAE", "hash": "BF-HASH"}


def label_of(settings: EmbeddingSettings, *, is_small: bool | None = None) -> str:
    """Name of a network in tables, as the papers write it: kind, latent size, thousands of tumors if not the usual.

    `is_small` is that of the settings, unless less was done than they say.

    Examples
    --------
    >>> label_of(EmbeddingSettings.papers("vae")), label_of(EmbeddingSettings.small("hash"))
    ('VAE 1024', 'BF-HASH 1024 (small)')
    """
    network, small = settings.network, settings.is_small if is_small is None else is_small
    label = f"{_LABELS[network.kind]} {network.latent_size}"
    if settings.num_training_tumors != (_SMALL_NUM_TRAINING if settings.is_small else _PAPERS_NUM_TRAINING):
        label += f" {settings.num_training_tumors / 1000:g}K"
    if network.loss != "dice":
        label += f" {network.loss.upper()}"
    if small:
        return f"{label} (small)"
    return label if settings.is_published else f"{label} (own setting)"
