"""Settings of the learned forward model: network, parameter ranges, loss, training.

``papers`` holds the values of the surrogate paper [1]_, for a GPU; ``small`` is a setting that runs through on two
cores. The two ablations of the paper are options: CSF as the only tissue, and a plain L1 loss.

References
----------
.. [1] Ezhov et al. (2021), Real-time Bayesian personalization via a learnable brain tumor growth model,
   arXiv:2009.04240, sections II.2, II.4 and III.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gliofield.errors import ParameterError, unknown_name
from gliofield.growth.parameters import DEFAULT_DIFFUSIVITY_RATIO
from gliofield.learning import Cosine, TrainingSettings

#: What the network may know of an anatomy.
TISSUES = ("white_matter", "gray_matter", "csf")
#: ``tumor-and-csf``: mean error inside the tumor plus mean error in CSF (the paper); ``whole-volume``: mean error (its
#: ablation); ``all-regions``: that of the paper plus the mean error in healthy tissue (beyond the paper);
#: ``per-tumor``: error relative to the mass and soft Dice, of each tumor (beyond the paper).
SURROGATE_LOSSES = ("tumor-and-csf", "whole-volume", "all-regions", "per-tumor")

_PAPERS_CROP, _PAPERS_CHANNELS, _PAPERS_NUM_HALVINGS = 64, 128, 3
_PAPERS_NUM_TRAINING, _PAPERS_NUM_VALIDATION, _PAPERS_NUM_EPOCHS = 20_000, 2_000, 30


@dataclass(frozen=True, kw_only=True)
class ParameterRanges:
    """Growth parameters that a surrogate is trained on; uniform between the ends.

    Parameters
    ----------
    white_matter_diffusivity_mm2_per_day, proliferation_rate_per_day : (low, high)
        D_w [mm²/day] and ρ [1/day].
    growth_time_days : (low, high)
        T [days], in whole steps of `time_step_days` from low on.
    time_step_days : float
        Step of the times [days].
    diffusivity_ratio : float
        D_w/D_g, the same for all.

    Raises
    ------
    ParameterError
        If a range is empty or not positive.
    """

    white_matter_diffusivity_mm2_per_day: tuple[float, float] = (0.001, 0.08)
    proliferation_rate_per_day: tuple[float, float] = (0.001, 0.03)
    growth_time_days: tuple[float, float] = (50.0, 1000.0)
    time_step_days: float = 50.0
    diffusivity_ratio: float = DEFAULT_DIFFUSIVITY_RATIO

    def __post_init__(self) -> None:
        for name, (low, high) in self.by_name().items():
            if not (0.0 < low < high and math.isfinite(high)):
                raise ParameterError(f"{name} must be (low, high) with 0 < low < high, got {(low, high)}.")
        for name in ("time_step_days", "diffusivity_ratio"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise ParameterError(f"{name} must be finite and > 0, got {getattr(self, name)}.")

    def by_name(self) -> dict[str, tuple[float, float]]:
        """The three ranges, in the order of the network's inputs."""
        return {
            "white_matter_diffusivity_mm2_per_day": self.white_matter_diffusivity_mm2_per_day,
            "proliferation_rate_per_day": self.proliferation_rate_per_day,
            "growth_time_days": self.growth_time_days,
        }

    @property
    def num_times(self) -> int:
        """Number of different growth times."""
        low, high = self.growth_time_days
        return int((high - low) / self.time_step_days + 1e-9) + 1


@dataclass(frozen=True, kw_only=True)
class SurrogateNetworkSettings:
    """The network.

    Parameters
    ----------
    crop_size : int
        Voxels per axis of the cube around the seed; a multiple of 2^num_halvings.
    channels : int
        Filters of every convolution, > 3.
    num_halvings : int
        How often the encoder halves the resolution, ≥ 1.
    block_length : int
        Convolutions per block, ≥ 1.
    tissues : tuple of str
        What the network knows of the anatomy, of `TISSUES`; ``("csf",)`` for the paper's ablation.
    corrects_guess : bool
        Whether it corrects the physical guess of `guess.guess_logits` instead of answering on its own (beyond the
        paper).

    Raises
    ------
    ParameterError
        If a number is out of range or a tissue unknown.
    """

    crop_size: int = _PAPERS_CROP
    channels: int = _PAPERS_CHANNELS
    num_halvings: int = _PAPERS_NUM_HALVINGS
    block_length: int = 4
    tissues: tuple[str, ...] = TISSUES
    corrects_guess: bool = False

    def __post_init__(self) -> None:
        for name, least in (("channels", 4), ("num_halvings", 1), ("block_length", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if self.crop_size < 2**self.num_halvings or self.crop_size % 2**self.num_halvings:
            raise ParameterError(
                f"crop_size must be a multiple of {2**self.num_halvings}, since the network halves it "
                f"{self.num_halvings} times, got {self.crop_size}."
            )
        for tissue in self.tissues:
            if tissue not in TISSUES:
                raise ParameterError(unknown_name("tissue", tissue, TISSUES))
        if not self.tissues or len(set(self.tissues)) < len(self.tissues):
            raise ParameterError(f"tissues must be one or more different names, got {self.tissues}.")

    @property
    def bottom_size(self) -> int:
        """Voxels per axis where the network is coarsest."""
        return self.crop_size // 2**self.num_halvings


@dataclass(frozen=True, kw_only=True)
class SurrogateSettings:
    """Everything chosen about a surrogate.

    Parameters
    ----------
    network : SurrogateNetworkSettings
        The network.
    ranges : ParameterRanges
        Growth parameters it learns.
    loss : str
        One of `SURROGATE_LOSSES`.
    training : TrainingSettings
        Optimizer, rates, epochs, device.
    num_training_samples, num_validation_samples : int
        Simulated tumors, in anatomies of their own each, ≥ 1.

    Raises
    ------
    ParameterError
        If the loss is unknown or a number out of range.
    """

    network: SurrogateNetworkSettings = SurrogateNetworkSettings()
    ranges: ParameterRanges = ParameterRanges()
    loss: str = "tumor-and-csf"
    training: TrainingSettings
    num_training_samples: int = _PAPERS_NUM_TRAINING
    num_validation_samples: int = _PAPERS_NUM_VALIDATION

    def __post_init__(self) -> None:
        if self.loss not in SURROGATE_LOSSES:
            raise ParameterError(unknown_name("loss", self.loss, SURROGATE_LOSSES))
        for name in ("num_training_samples", "num_validation_samples"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")

    @classmethod
    def papers(cls) -> SurrogateSettings:
        """The paper's setting: Adam (0.5, 0.999), cosine from 1e-4 to 1e-6, batches of 16, 30 epochs; for a GPU."""
        return cls(
            training=TrainingSettings(
                num_epochs=_PAPERS_NUM_EPOCHS,
                batch_size=16,
                learning_rate=1e-4,
                betas=(0.5, 0.999),
                schedule=Cosine(final_learning_rate=1e-6),
            )
        )

    @classmethod
    def small(cls) -> SurrogateSettings:
        """A setting for two cores: crops of 32³, an eighth of the filters, fewer samples; for a coarser grid."""
        return cls(
            network=SurrogateNetworkSettings(crop_size=32, channels=16, num_halvings=2, block_length=2),
            training=TrainingSettings(
                num_epochs=10, batch_size=8, learning_rate=1e-3, schedule=Cosine(final_learning_rate=1e-5)
            ),
            num_training_samples=400,
            num_validation_samples=50,
        )

    @classmethod
    def correcting(cls) -> SurrogateSettings:
        """A small network that corrects a physical guess, for one core and a coarser grid (beyond the paper)."""
        return cls(
            network=SurrogateNetworkSettings(
                crop_size=32, channels=8, num_halvings=1, block_length=2, corrects_guess=True
            ),
            loss="per-tumor",
            training=TrainingSettings(
                num_epochs=3, batch_size=8, learning_rate=3e-3, schedule=Cosine(final_learning_rate=6e-5)
            ),
            num_training_samples=640,
            num_validation_samples=40,
        )

    @property
    def is_small(self) -> bool:
        """Whether less is done than in the paper: crop, filters, samples or epochs."""
        return (
            self.network.crop_size < _PAPERS_CROP
            or self.network.channels < _PAPERS_CHANNELS
            or self.num_training_samples < _PAPERS_NUM_TRAINING
            or self.training.num_epochs < _PAPERS_NUM_EPOCHS
        )
