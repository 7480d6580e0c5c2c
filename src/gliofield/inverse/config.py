"""Settings of the inverse network: what it predicts, what it sees, how it is trained.

``papers`` holds the values of Learn-Morph-Infer [1]_ [2]_, for a GPU; ``small`` is a setting that runs through on two
cores. Log-scaled targets, flips, perturbed masks and ensembles go beyond the paper: each is off in ``papers``, so that
it can be measured against the faithful network.

References
----------
.. [1] Ezhov et al. (2023), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor modeling,
   Medical Image Analysis 83, 102672, doi 10.1016/j.media.2022.102672, sections 2.0.3, 2.0.4 and 3.
.. [2] He et al. (2016), Deep residual learning for image recognition, CVPR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gliofield.errors import ParameterError, unknown_name
from gliofield.learning import Cosine, ExponentialPerBatch, TrainingSettings

#: What describes growth: (μ1, μ2), which masks determine, or (D_w, ρ, T), which they do not.
GROWTH_TARGETS = ("invariants", "rates")
#: How growth targets become numbers in [-1, 1].
TARGET_SCALES = ("linear", "log")

_PAPERS_CHANNELS = 64
_PAPERS_NUM_TRAINING = 80_000
_PAPERS_NUM_EPOCHS = 100


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """What is predicted.

    Parameters
    ----------
    growth : str
        ``invariants``: μ1 = √(D_w T), μ2 = √(ρ T). ``rates``: D_w, ρ, T, for the paper's ablation; pointless with a
        design that draws them at one front speed, such as ``clinical``.
    scale : str
        ``linear`` as in the paper, or ``log``: growth targets by their logarithms. Seeds are always linear.
    is_joint : bool
        One network for growth and seed, or one for each.
    has_push : bool
        Whether the push of tumors with mass effect is predicted too, which the paper keeps constant.

    Raises
    ------
    ParameterError
        If a name is unknown.
    """

    growth: str = "invariants"
    scale: str = "linear"
    is_joint: bool = True
    has_push: bool = False

    def __post_init__(self) -> None:
        if self.growth not in GROWTH_TARGETS:
            raise ParameterError(unknown_name("growth target", self.growth, GROWTH_TARGETS))
        if self.scale not in TARGET_SCALES:
            raise ParameterError(unknown_name("target scale", self.scale, TARGET_SCALES))


@dataclass(frozen=True, kw_only=True)
class MaskPerturbation:
    """Errors of registration and annotation, imitated on the masks of simulated tumors.

    Parameters
    ----------
    displacement_mm : float
        Standard deviation, per axis, of a smooth displacement of both masks [mm], ≥ 0.
    outline_mm : float
        Standard deviation of a smooth shift of each outline along its normal [mm], ≥ 0.
    smoothness_mm : float
        Distance over which both change [mm], > 0.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    displacement_mm: float = 2.0
    outline_mm: float = 1.0
    smoothness_mm: float = 20.0

    def __post_init__(self) -> None:
        for name in ("displacement_mm", "outline_mm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise ParameterError(f"{name} must be finite and not negative [mm], got {getattr(self, name)}.")
        if not (math.isfinite(self.smoothness_mm) and self.smoothness_mm > 0.0):
            raise ParameterError(f"smoothness_mm must be finite and > 0 [mm], got {self.smoothness_mm}.")


@dataclass(frozen=True, kw_only=True)
class ObservationSettings:
    """How tumors become masks in training.

    Parameters
    ----------
    t1gd_thresholds, flair_thresholds : (low, high)
        Each sample shows the densities above two thresholds drawn uniformly from these ranges in (0, 1), rounded to
        multiples of 1/255. FLAIR's range may not reach beyond the start of T1Gd's.
    flips : bool
        Mirror half of the samples, left to right, with their seeds. The atlas is not symmetric: an approximation.
    perturbation : MaskPerturbation or None
        Errors of the masks, in training alone.

    Raises
    ------
    ParameterError
        If a range is out of (0, 1), empty, or the two overlap.
    """

    t1gd_thresholds: tuple[float, float] = (0.5, 0.85)
    flair_thresholds: tuple[float, float] = (0.05, 0.5)
    flips: bool = False
    perturbation: MaskPerturbation | None = None

    def __post_init__(self) -> None:
        for name in ("t1gd_thresholds", "flair_thresholds"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or not 0.0 < bounds[0] <= bounds[1] < 1.0:
                raise ParameterError(f"{name} must be (low, high) with 0 < low <= high < 1 (density), got {bounds}.")
        if self.flair_thresholds[1] > self.t1gd_thresholds[0]:
            raise ParameterError(
                f"flair_thresholds {self.flair_thresholds} must not reach beyond the start of t1gd_thresholds "
                f"{self.t1gd_thresholds}: the core lies inside the whole tumor."
            )


@dataclass(frozen=True, kw_only=True)
class InverseNetworkSettings:
    """A network that maps two masks to numbers.

    Parameters
    ----------
    channels : int
        Channels of every layer, ≥ 1.
    pooling : int
        Voxels per axis that are averaged before the network sees them, ≥ 1; 1 as in the paper.
    is_cropped : bool
        Whether it sees only the box of the grid in which its tumors grow.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    channels: int = _PAPERS_CHANNELS
    pooling: int = 1
    is_cropped: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "pooling"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class InverseSettings:
    """Everything chosen about an inverse network.

    Parameters
    ----------
    targets : TargetSettings
        What is predicted.
    observation : ObservationSettings
        What is shown in training.
    network : InverseNetworkSettings
        The network.
    training : TrainingSettings
        Optimizer, rates, epochs, device.
    num_members : int
        Networks trained from different first weights; their spread is an estimate of uncertainty. ≥ 1.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    targets: TargetSettings = TargetSettings()
    observation: ObservationSettings = ObservationSettings()
    network: InverseNetworkSettings = InverseNetworkSettings()
    training: TrainingSettings
    num_members: int = 1

    def __post_init__(self) -> None:
        if self.num_members < 1:
            raise ParameterError(f"num_members must be at least 1, got {self.num_members}.")

    @classmethod
    def papers(cls) -> InverseSettings:
        """The paper's setting: AdamW at 6e-5 with decay 0.05, batches of 32, 100 epochs (authors' code); for a GPU."""
        return cls(
            training=TrainingSettings(
                num_epochs=_PAPERS_NUM_EPOCHS,
                batch_size=32,
                learning_rate=6e-5,
                optimizer="adamw",
                weight_decay=0.05,
                schedule=ExponentialPerBatch(factor=0.999997),
            )
        )

    @classmethod
    def small(cls) -> InverseSettings:
        """A setting for two cores: half the resolution, cropped, a quarter of the channels, larger steps."""
        return cls(
            network=InverseNetworkSettings(channels=16, pooling=2, is_cropped=True),
            training=TrainingSettings(
                num_epochs=20,
                batch_size=16,
                learning_rate=1e-3,
                optimizer="adamw",
                weight_decay=0.05,
                schedule=Cosine(final_learning_rate=1e-5),
            ),
        )

    def is_small(self, num_training_tumors: int) -> bool:
        """Whether less is done than in the paper: resolution, channels, tumors per epoch or epochs."""
        return (
            self.network.pooling > 1
            or self.network.is_cropped
            or self.network.channels < _PAPERS_CHANNELS
            or num_training_tumors < _PAPERS_NUM_TRAINING
            or self.training.num_epochs < _PAPERS_NUM_EPOCHS
        )
