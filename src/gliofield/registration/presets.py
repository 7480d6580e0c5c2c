"""Named settings of a registration.

========== ==================================================================================================
preset     what it does
========== ==================================================================================================
``fast``   affine, then SyN at 8 and 4 mm with a smoothed total field, so that it cannot pull at the tumor
``papers`` the published command: `ANTS 3 -m CC[patient, atlas, 1, 4] -i 50x20x0 -t SyN[0.25] -r Gauss[3,0] -x
           mask` at 1 mm, the mask leaving out the FLAIR lesion, masks moved by nearest neighbor
``affine`` the affine stage of ``fast`` alone
``none``   the identity: the patient is in atlas space already
========== ==================================================================================================

A preset is data; `image_pair` reads its resolution and lesion margin, `ants_backend` the rest. Voxel units below
are those of the level at work, as ANTs counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gliofield.errors import ParameterError, unknown_name
from gliofield.resample import Interpolation

Metric = Literal["cross-correlation", "mutual-information"]


def _require(owner: str, name: str, value: float, is_valid: bool, expected: str) -> None:
    if not is_valid:
        raise ParameterError(f"{owner}: {name} must be {expected}, got {value}.")


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Resolution levels of one stage, coarse to fine; the tuples have one entry per level.

    Parameters
    ----------
    iterations : tuple of int
        Upper limit per level; 0 skips the level.
    shrink_factors : tuple of int
        Subsampling, ≥ 1.
    smoothing_voxels : tuple of float
        Gaussian standard deviation before subsampling [voxels of the full resolution], ≥ 0.

    Raises
    ------
    ParameterError
        If the lengths differ or a value is out of range.
    """

    iterations: tuple[int, ...]
    shrink_factors: tuple[int, ...]
    smoothing_voxels: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.iterations), len(self.shrink_factors), len(self.smoothing_voxels)}
        if len(lengths) != 1 or lengths == {0}:
            raise ParameterError(
                "Levels: iterations, shrink_factors and smoothing_voxels must have one entry per level, got "
                f"{self.iterations}, {self.shrink_factors} and {self.smoothing_voxels}."
            )
        if min(self.iterations) < 0 or min(self.shrink_factors) < 1 or min(self.smoothing_voxels) < 0:
            raise ParameterError(
                "Levels: expected iterations ≥ 0, shrink_factors ≥ 1 and smoothing_voxels ≥ 0, got "
                f"{self.iterations}, {self.shrink_factors} and {self.smoothing_voxels}."
            )


@dataclass(frozen=True, kw_only=True)
class AffineSettings:
    """Rigid, then affine alignment by mutual information.

    Parameters
    ----------
    levels : Levels
        Resolution levels, the same for both parts.
    num_bins : int
        Histogram bins of the mutual information, ≥ 4.
    sampling_fraction : float
        Part of the voxels the metric sees, on a regular lattice, in (0, 1].
    gradient_step : float
        Optimizer step, > 0.
    is_rigid : bool
        Stop after the rigid part: two scans of one head.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    levels: Levels
    num_bins: int = 32
    sampling_fraction: float = 0.25
    gradient_step: float = 0.1
    is_rigid: bool = False

    def __post_init__(self) -> None:
        _require("AffineSettings", "num_bins", self.num_bins, self.num_bins >= 4, "≥ 4")
        _require(
            "AffineSettings", "sampling_fraction", self.sampling_fraction, 0 < self.sampling_fraction <= 1, "in (0, 1]"
        )
        _require("AffineSettings", "gradient_step", self.gradient_step, self.gradient_step > 0, "> 0")


@dataclass(frozen=True, kw_only=True)
class SynSettings:
    """Symmetric diffeomorphic normalization (SyN).

    Parameters
    ----------
    metric : {"cross-correlation", "mutual-information"}
        Similarity of the images.
    metric_parameter : int
        Radius of the correlation window [voxels], or number of histogram bins; ≥ 1.
    levels : Levels
        Resolution levels.
    gradient_step : float
        Largest displacement per iteration [voxels], > 0.
    update_variance_voxels2, total_variance_voxels2 : float
        Variance of the Gaussian that smooths each update, and the total field [voxels²], ≥ 0.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    metric: Metric
    metric_parameter: int
    levels: Levels
    gradient_step: float = 0.2
    update_variance_voxels2: float = 3.0
    total_variance_voxels2: float = 0.0

    def __post_init__(self) -> None:
        if self.metric not in ("cross-correlation", "mutual-information"):
            raise ParameterError(unknown_name("metric", self.metric, ("cross-correlation", "mutual-information")))
        _require("SynSettings", "metric_parameter", self.metric_parameter, self.metric_parameter >= 1, "≥ 1")
        _require("SynSettings", "gradient_step", self.gradient_step, self.gradient_step > 0, "> 0")
        for name in ("update_variance_voxels2", "total_variance_voxels2"):
            _require("SynSettings", name, getattr(self, name), getattr(self, name) >= 0, "≥ 0")


@dataclass(frozen=True, kw_only=True)
class RegistrationPreset:
    """One complete recipe.

    Parameters
    ----------
    name : str
        Name shown in results.
    spacing_mm : float
        Resolution both images are brought to [mm], > 0; images within 1 % of it are not resampled.
    mask_interpolation : {"linear", "nearest"}
        How masks are to be moved with the resulting transform.
    affine : AffineSettings or None
        None: start and stay at the identity.
    deformable : SynSettings or None
        None: no displacement field. Needs an affine stage before it.
    lesion_margin_mm : float
        The lesion left out of the metric is widened by this much [mm], ≥ 0.
    clip_percentile : float or None
        Intensities in the brain are clipped at this percentile and its complement; None: not at all.
    reference : str
        Publication behind the settings, if any.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    name: str
    spacing_mm: float
    mask_interpolation: Interpolation
    affine: AffineSettings | None
    deformable: SynSettings | None
    lesion_margin_mm: float = 0.0
    clip_percentile: float | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        _require("RegistrationPreset", "spacing_mm", self.spacing_mm, self.spacing_mm > 0, "> 0 mm")
        _require("RegistrationPreset", "lesion_margin_mm", self.lesion_margin_mm, self.lesion_margin_mm >= 0, "≥ 0 mm")
        if self.clip_percentile is not None:
            inside = 50 < self.clip_percentile <= 100
            _require("RegistrationPreset", "clip_percentile", self.clip_percentile, inside, "in (50, 100]")
        if self.mask_interpolation not in ("linear", "nearest"):
            raise ParameterError(unknown_name("mask interpolation", self.mask_interpolation, ("linear", "nearest")))
        if self.deformable is not None and self.affine is None:
            raise ParameterError(
                "RegistrationPreset: a deformable stage needs an affine stage before it, got affine None. "
                "Give AffineSettings."
            )


# A tenth of the voxels finds the affine that half of them finds, in a third of the time. A third level at full
# resolution takes four times as long and gains up to 0.007 in brain overlap before SyN, nothing after it. Between seeds
# ANTs scatters by 0.4 mm on average on the hardest of four patients.
_FAST_AFFINE = AffineSettings(
    levels=Levels(iterations=(500, 250), shrink_factors=(4, 2), smoothing_voxels=(2.0, 1.0)), sampling_fraction=0.1
)

_PRESETS = (
    # Chosen by what it does to four real and four virtual patients: to the place of tumor and ventricles, to brain and
    # tissue, and to the volumes of core and whole tumor beside the brain's own (docs/registration.md). Local
    # cross-correlation lays tissue better and shrinks the tumors.
    RegistrationPreset(
        name="fast",
        spacing_mm=2.0,
        mask_interpolation="linear",
        affine=_FAST_AFFINE,
        deformable=SynSettings(
            metric="mutual-information",
            metric_parameter=32,
            levels=Levels(iterations=(20, 10), shrink_factors=(4, 2), smoothing_voxels=(2.0, 1.0)),
            total_variance_voxels2=0.5,
        ),
        lesion_margin_mm=4.0,
        clip_percentile=99.5,
    ),
    RegistrationPreset(
        # The published program's own affine defaults belong to a retired optimizer; these are the levels of ANTs' quick
        # script, antsRegistrationSyNQuick.sh.
        name="papers",
        spacing_mm=1.0,
        mask_interpolation="nearest",
        affine=AffineSettings(
            levels=Levels(
                iterations=(1000, 500, 250, 0), shrink_factors=(8, 4, 2, 1), smoothing_voxels=(3.0, 2.0, 1.0, 0.0)
            )
        ),
        deformable=SynSettings(
            metric="cross-correlation",
            metric_parameter=4,
            levels=Levels(iterations=(50, 20, 0), shrink_factors=(4, 2, 1), smoothing_voxels=(2.0, 1.0, 0.0)),
            gradient_step=0.25,
        ),
        reference="Ezhov et al. (2021), Learn-Morph-Infer: a new way of solving the inverse problem for brain tumor "
        "modeling, arXiv:2111.04090",
    ),
    RegistrationPreset(
        name="affine",
        spacing_mm=2.0,
        mask_interpolation="linear",
        affine=_FAST_AFFINE,
        deformable=None,
        clip_percentile=99.5,
        lesion_margin_mm=4.0,
    ),
    RegistrationPreset(name="none", spacing_mm=1.0, mask_interpolation="linear", affine=None, deformable=None),
)

REGISTRATION_PRESETS: dict[str, RegistrationPreset] = {preset.name: preset for preset in _PRESETS}
DEFAULT_PRESET = "fast"


def registration_preset(preset: str | RegistrationPreset) -> RegistrationPreset:
    """Preset of a name; a preset passes through.

    Raises
    ------
    ParameterError
        If the name is unknown; the message lists the valid ones and the closest match.

    Examples
    --------
    >>> registration_preset("papers").mask_interpolation
    'nearest'
    """
    if isinstance(preset, RegistrationPreset):
        return preset
    if preset not in REGISTRATION_PRESETS:
        raise ParameterError(unknown_name("registration preset", preset, REGISTRATION_PRESETS))
    return REGISTRATION_PRESETS[preset]
