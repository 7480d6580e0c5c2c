"""The priors of the surrogate paper and of the code it builds on, and what is believed of the background of PET.

`surrogate_paper_prior`: uniform over the ranges of Table I's caption (Ezhov et al. 2021, "Learnable surrogate"), the
seed uniform over the tissue. `patient_specific_prior`: as the published sampler's preparation makes it (pi4u_lite in
GliomaSolver), log-uniform ranges, some from the size and place of the patient's tumor. Their differences, and what was
decided where the sources are silent, are in docs/design/0008-bayes-decisions.md.

The papers know no uptake of healthy brain. By default it is a parameter, in units of the highest uptake, as b and σ
are: tumor takes up two to four times as much as normal brain (Law et al. 2019, doi:10.1007/s00259-018-4207-9), so the
background is a quarter to a half, 0 to 0.6 a priori, and b what is left above it.
"""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy
from gliofield.bayes.prior import PRODUCT_NAME, BoxPrior, GrowthTimePrior, ParameterRange, Scale
from gliofield.errors import ParameterError, unknown_name
from gliofield.growth.parameters import DIFFUSIVITY_NAME, RATE_NAME, SEED_NAMES, TIME_NAME
from gliofield.imaging import PetModel, equal_volume_sphere

#: What a prior needs where PET was observed, and what it has beside where there is a background.
PET_NAMES = ("pet_scale", "pet_noise_std")
BACKGROUND_NAME = "pet_background"
# The published generic prior: D_w [mm²/day] (the source has cm²/day), ρ [1/day].
_DIFFUSIVITY_RANGE = (0.02, 1.3)
_RATE_RANGE = (0.0027, 0.19)
# b as published, where there is no background, and above a background; the background. *Chosen*: a ratio of tumor to
# brain of 1.7 and more, of the hottest voxel.
_PUBLISHED_SCALE, _SCALE_ABOVE_BACKGROUND, _BACKGROUND = (0.6, 1.02), (0.2, 1.02), (0.0, 0.6)


def surrogate_paper_prior(anatomy: Anatomy, *, has_pet: bool = True, pet_model: PetModel = "background") -> BoxPrior:
    """Uniform prior of Table I's caption and of the background: twelve parameters, nine without PET.

    D_w 0.001-0.09 mm²/day, ρ 0.001-0.03 1/day, T 30-1000 days, seed in tissue, thresholds 0.6-0.8 (T1Gd) and 0.05-0.6
    (FLAIR), σ_α 0.05-0.08, b 0.2-1.02, background 0-0.6, σ 0.01-0.25. With the paper's PET model there are eleven: no
    background, b 0.6-1.02.

    Parameters
    ----------
    anatomy : Anatomy
        Where the seed may be: the paper states no box, so all of its tissue.
    has_pet : bool
        Whether PET was observed.
    pet_model : {"background", "paper"}
        Whether healthy tissue takes up tracer.

    Raises
    ------
    ParameterError
        If the PET model is unknown.
    """
    growth = [
        ParameterRange(name=DIFFUSIVITY_NAME, unit="mm²/day", low=0.001, high=0.09),
        ParameterRange(name=RATE_NAME, unit="1/day", low=0.001, high=0.03),
        ParameterRange(name=TIME_NAME, unit="day", low=30.0, high=1000.0),
    ]
    low, high = _tissue_box(anatomy)
    imaging = [
        ParameterRange(name="t1gd_threshold", unit="1", low=0.6, high=0.8),
        ParameterRange(name="flair_threshold", unit="1", low=0.05, high=0.6),
        ParameterRange(name="visibility_width", unit="1", low=0.05, high=0.08),
    ]
    pet = _pet_ranges(pet_model, "uniform", least_noise=0.01) if has_pet else []
    return BoxPrior(ranges=[*growth, *_seed_ranges(low, high), *imaging, *pet], seed_anatomy=anatomy)


def patient_specific_prior(
    anatomy: Anatomy,
    *,
    tumor_core: NDArray[np.bool_],
    whole_tumor: NDArray[np.bool_],
    has_pet: bool = True,
    pet_model: PetModel = "background",
) -> GrowthTimePrior:
    """Log-uniform prior of the published sampler, its ranges of seed and growth time from the patient's masks.

    D_w 0.02-1.3 mm²/day, ρ 0.0027-0.19 1/day; the seed in tissue within 1.25 radii of the core's center along each axis
    (uniform, for a logarithm of a position depends on where the origin is); with R = 1.25 radii of the whole tumor and
    v = 2 √(D_w ρ) between its smallest and largest value, T_min = max(30 d, R/v_max),
    T_max = min(1800 d, (R + 20 mm)/v_min + 300 d), and c = ρ T² between T_min² ρ_max and T_max² ρ_min. Radii are those
    of spheres of the masks' volumes. σ_α² 0.05-0.08; thresholds and PET as in the paper, but log-uniform, and σ from
    0.018; the background uniform.

    Parameters
    ----------
    anatomy : Anatomy
        Where the seed may be; its grid is the masks'.
    tumor_core, whole_tumor : (X, Y, Z) bool arrays
        The T1Gd and FLAIR masks. An empty core leaves the center to the whole tumor.
    has_pet : bool
        Whether PET was observed.
    pet_model : {"background", "paper"}
        Whether healthy tissue takes up tracer.

    Raises
    ------
    GridMismatchError
        If a mask has another shape than the anatomy's grid.
    ImageError
        If the whole tumor is empty.
    ParameterError
        If the box of the seed holds no tissue, the range of c is empty, or the PET model is unknown.
    """
    whole = equal_volume_sphere(whole_tumor, anatomy.grid)
    core = equal_volume_sphere(tumor_core, anatomy.grid) if tumor_core.any() else whole
    reach = 1.25 * core.radius_mm
    low, high = np.array(core.center_mm) - reach, np.array(core.center_mm) + reach
    ranges = [
        _log_range(DIFFUSIVITY_NAME, "mm²/day", *_DIFFUSIVITY_RANGE),
        _log_range(RATE_NAME, "1/day", *_RATE_RANGE),
        _log_range(PRODUCT_NAME, "day", *_product_range(1.25 * whole.radius_mm)),
        *_seed_ranges(low, high),
        _log_range("t1gd_threshold", "1", 0.6, 0.8),
        _log_range("flair_threshold", "1", 0.05, 0.6),
        # Log-uniform in σ_α² is log-uniform in σ_α.
        _log_range("visibility_width", "1", math.sqrt(0.05), math.sqrt(0.08)),
        *(_pet_ranges(pet_model, "log-uniform", least_noise=0.018) if has_pet else []),
    ]
    return GrowthTimePrior(box=BoxPrior(ranges=ranges, seed_anatomy=anatomy))


def _pet_ranges(pet_model: PetModel, scale: Scale, *, least_noise: float) -> list[ParameterRange]:
    """b, the background where there is one, and σ."""
    if pet_model not in get_args(PetModel):
        raise ParameterError(unknown_name("pet_model", pet_model, get_args(PetModel)))
    has_background = pet_model == "background"
    low, high = _SCALE_ABOVE_BACKGROUND if has_background else _PUBLISHED_SCALE
    background = ParameterRange(name=BACKGROUND_NAME, unit="1", low=_BACKGROUND[0], high=_BACKGROUND[1])
    return [
        ParameterRange(name="pet_scale", unit="1", low=low, high=high, scale=scale),
        *([background] if has_background else []),
        ParameterRange(name="pet_noise_std", unit="1", low=least_noise, high=0.25, scale=scale),
    ]


def _product_range(reach_mm: float) -> tuple[float, float]:
    """Range of c = ρ T² [days] for a tumor that reaches so far [mm]."""
    slowest, fastest = (
        2.0 * math.sqrt(diffusivity * rate) for diffusivity, rate in zip(_DIFFUSIVITY_RANGE, _RATE_RANGE, strict=True)
    )
    shortest = max(30.0, reach_mm / fastest)
    longest = min(1800.0, (reach_mm + 20.0) / slowest + 300.0)
    low, high = shortest**2 * _RATE_RANGE[1], longest**2 * _RATE_RANGE[0]
    if low >= high:
        raise ParameterError(
            f"patient-specific prior has no mass: ρ T² would range from {low:.4g} to {high:.4g} days for a tumor that "
            f"reaches {reach_mm:.0f} mm. Use surrogate_paper_prior, or ranges of your own in a BoxPrior."
        )
    return low, high


def _log_range(name: str, unit: str, low: float, high: float) -> ParameterRange:
    return ParameterRange(name=name, unit=unit, low=low, high=high, scale="log-uniform")


def _seed_ranges(low_mm: NDArray[np.float64], high_mm: NDArray[np.float64]) -> list[ParameterRange]:
    return [
        ParameterRange(name=name, unit="mm", low=float(low), high=float(high))
        for name, low, high in zip(SEED_NAMES, low_mm, high_mm, strict=True)
    ]


def _tissue_box(anatomy: Anatomy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounding box of all tissue voxels [mm], their edges included."""
    centers = anatomy.grid.world_of(np.argwhere(anatomy.domain))
    half = 0.5 * np.abs(anatomy.grid.world_from_voxel[:3, :3]).sum(axis=1)
    return centers.min(axis=0) - half, centers.max(axis=0) + half
