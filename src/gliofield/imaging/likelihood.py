"""How well a cell density explains a patient's T1Gd mask, FLAIR mask and FET-PET.

`Observation` holds what was seen, `ImagingParameters` the six numbers of the imaging model, `ImagingLikelihood`
compares a simulated density with the observation: modalities and voxels are independent given the density (Ezhov et al.
2021, "Learnable surrogate", Eq. 4), and a modality that is missing says nothing. The equations are in
`visibility_probability` and `pet`.

Voxels are compared where cells may live, in a region if one is given, and every stride-th along each axis; those of PET
where it was measured, which a value of exactly 0 says it was not.
Independence of voxels is the paper's assumption and a known weakness: residuals are smooth. `LikelihoodOptions`
therefore has a weight per kind of image; `correlation` computes one from a correlation length.

What this module does not do: run a growth model, or know of priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import GridMismatchError, ImageError, NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.imaging.observation import Observation
from gliofield.imaging.pet import blurred_density, pet_log_likelihood, require_pet_parameters
from gliofield.imaging.visibility_probability import FORMULAS, Formula, mask_log_likelihood, require_visibility
from gliofield.volume import Volume

# Solvers overshoot by rounding; anything more is another quantity or a failed run.
_DENSITY_TOLERANCE = 1e-3
#: What a likelihood can compare.
MODALITIES = ("t1gd", "flair", "pet")


@dataclass(frozen=True, kw_only=True)
class ImagingParameters:
    """Parameters of the imaging model: five of the paper's eleven, and the background of PET.

    Parameters
    ----------
    t1gd_threshold, flair_threshold : float
        Cell density u_c above which the modality shows tumor, in (0, 1).
    visibility_width : float
        σ_α, how blurred both thresholds are, in units of cell density; published values 0.05-0.08.
    pet_scale : float or None
        b, PET value of a fully occupied voxel less the background, > 0; None without PET.
    pet_noise_std : float or None
        σ, standard deviation of the PET noise, > 0; None without PET.
    pet_background : float
        a, PET value of healthy tissue, ≥ 0; 0 is the paper's model.

    Raises
    ------
    ParameterError
        If a value lies outside its range.
    """

    t1gd_threshold: float
    flair_threshold: float
    visibility_width: float
    pet_scale: float | None = None
    pet_noise_std: float | None = None
    pet_background: float = 0.0

    def __post_init__(self) -> None:
        for threshold in (self.t1gd_threshold, self.flair_threshold):
            require_visibility(threshold, self.visibility_width, "paper")
        if (self.pet_scale is None) != (self.pet_noise_std is None):
            raise ParameterError(
                f"pet_scale and pet_noise_std belong together: expected both or none, got {self.pet_scale} and "
                f"{self.pet_noise_std}."
            )
        if self.pet_scale is not None and self.pet_noise_std is not None:
            require_pet_parameters(self.pet_scale, self.pet_noise_std, self.pet_background)


@dataclass(frozen=True, kw_only=True)
class LikelihoodOptions:
    """How densities and images are compared; the defaults are the paper's equations over all voxels.

    Parameters
    ----------
    formula : str
        ``"paper"`` or ``"published-code"``; what differs is written in `visibility_probability` and `pet`.
    mask_stride, pet_stride : int
        Every how many voxels along each axis masks and PET are compared, ≥ 1; the published code takes 1 and 3.
    modalities : tuple of str
        Which images are compared: ``t1gd``, ``flair`` and ``pet``, where it was taken.
    pet_fwhm_mm : float
        Resolution of PET, to which densities are blurred before they are compared with it [mm], ≥ 0; 0 is the paper's.
    mask_weight, pet_weight : float
        What a voxel's log-likelihood is multiplied by, in (0, 1]: the share of voxels worth an independent one, see
        `independent_voxel_fraction`. A weight below 1 widens the posterior; it is no likelihood any more then, and its
        evidence has no meaning beside that of another weight.

    Raises
    ------
    ParameterError
        If a value lies outside its range, or the formula is unknown.
    """

    formula: Formula = "paper"
    modalities: tuple[str, ...] = MODALITIES
    mask_stride: int = 1
    pet_stride: int = 1
    pet_fwhm_mm: float = 0.0
    mask_weight: float = 1.0
    pet_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.formula not in FORMULAS:
            raise ParameterError(unknown_name("formula", self.formula, FORMULAS))
        for name in self.modalities:
            if name not in MODALITIES:
                raise ParameterError(unknown_name("modality", name, MODALITIES))
        for name in ("mask_stride", "pet_stride"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1 voxel, got {getattr(self, name)}.")
        if not (math.isfinite(self.pet_fwhm_mm) and self.pet_fwhm_mm >= 0.0):
            raise ParameterError(f"pet_fwhm_mm must be finite and ≥ 0 [mm], got {self.pet_fwhm_mm}.")
        for name in ("mask_weight", "pet_weight"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ParameterError(f"{name} must lie in (0, 1], got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class LogLikelihoodTerms:
    """Log-likelihood of each modality [nats], weighted; None where it was not observed."""

    t1gd: float | None
    flair: float | None
    pet: float | None

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(term for term in (self.t1gd, self.flair, self.pet) if term is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedVoxels:
    """A density and the images where they are compared; None for a modality that was not observed.

    Parameters
    ----------
    mask_density : (V,) float array
        Density in the voxels of the masks.
    tumor_core, whole_tumor : (V,) bool arrays or None
        Masks there.
    pet_density : (W,) float array or None
        Density in the voxels of the PET, blurred to its resolution.
    pet : (W,) float64 array or None
        PET there.
    """

    mask_density: NDArray[np.floating]
    tumor_core: NDArray[np.bool_] | None
    whole_tumor: NDArray[np.bool_] | None
    pet_density: NDArray[np.floating] | None
    pet: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagingLikelihood:
    """Log-likelihood of one patient's images as a function of the cell density and the imaging parameters.

    Parameters
    ----------
    observation : Observation
        What was seen.
    domain : (X, Y, Z) bool array
        Where cells may live. Voxels outside are not compared: no parameter changes them.
    region : (X, Y, Z) bool array or None
        Compare only there, e.g. `EqualVolumeSphere.region`; None: in the whole domain.
    options : LikelihoodOptions
        Formula, strides and weights.

    Raises
    ------
    GridMismatchError
        If domain or region have another shape than the observation's grid.
    ImageError
        If a stride leaves no voxel, or the whole of a mask lies outside the voxels compared.
    """

    observation: Observation
    domain: NDArray[np.bool_]
    region: NDArray[np.bool_] | None = None
    options: LikelihoodOptions = LikelihoodOptions()

    def __post_init__(self) -> None:
        _require_shape("domain", self.domain.shape, self.observation.grid)
        if self.region is not None:
            _require_shape("region", self.region.shape, self.observation.grid)
        for name, share in self.mask_share_outside.items():
            if share == 1.0:
                raise ImageError(
                    f"{name} lies entirely outside the voxels that are compared (tissue domain and region): no tumor "
                    "of the model can explain it. Check the registration, or that mask and anatomy share a grid."
                )
        for kind, voxels in (("mask", self._mask_voxels), ("pet", self._pet_voxels)):
            if voxels.size == 0:
                raise ImageError(
                    f"no voxel is left to compare: domain and region share none at {kind}_stride "
                    f"{getattr(self.options, f'{kind}_stride')}. Use a smaller stride or another region."
                    + ("" if kind == "mask" else " PET of 0 is taken for not measured, and is not compared.")
                )

    @property
    def compared_core(self) -> NDArray[np.bool_] | None:
        """The T1Gd mask (X, Y, Z); None where it is not compared."""
        return self.observation.tumor_core if "t1gd" in self.options.modalities else None

    @property
    def compared_whole(self) -> NDArray[np.bool_] | None:
        """The FLAIR mask (X, Y, Z); None where it is not compared."""
        return self.observation.whole_tumor if "flair" in self.options.modalities else None

    @property
    def compared_pet(self) -> Volume | None:
        """The PET; None where it was not taken or is not compared."""
        return self.observation.pet if "pet" in self.options.modalities else None

    @cached_property
    def mask_share_outside(self) -> dict[str, float]:
        """Share of each non-empty mask that lies where nothing is compared: a cap on what any tumor can explain."""
        compared = self._compared
        masks = {"tumor_core": self.compared_core, "whole_tumor": self.compared_whole}
        return {
            name: float(np.count_nonzero(mask & ~compared) / np.count_nonzero(mask))
            for name, mask in masks.items()
            if mask is not None and mask.any()
        }

    @property
    def num_mask_voxels(self) -> int:
        """Voxels compared in each mask."""
        return self._mask_voxels.size

    def log_likelihood(self, cell_density: NDArray[np.floating], parameters: ImagingParameters) -> LogLikelihoodTerms:
        """Log-likelihood of the observation [nats], per modality.

        Parameters
        ----------
        cell_density : (X, Y, Z) array
            Density in [0, 1] on the observation's grid.
        parameters : ImagingParameters
            Thresholds and width; scale and noise of the PET where it was observed.

        Raises
        ------
        GridMismatchError
            If the density has another shape.
        NumericalError
            If a density is NaN or outside [0, 1] by more than 0.001.
        ParameterError
            If PET was observed and its parameters are missing.
        """
        voxels = self.compared(cell_density)
        width, formula, weight = parameters.visibility_width, self.options.formula, self.options.mask_weight

        def mask_term(mask: NDArray[np.bool_] | None, threshold: float) -> float | None:
            if mask is None:
                return None
            return weight * mask_log_likelihood(
                mask, voxels.mask_density, threshold=threshold, visibility_width=width, formula=formula
            )

        return LogLikelihoodTerms(
            t1gd=mask_term(voxels.tumor_core, parameters.t1gd_threshold),
            flair=mask_term(voxels.whole_tumor, parameters.flair_threshold),
            pet=self._pet_term(voxels, parameters),
        )

    def compared(self, cell_density: NDArray[np.floating]) -> ComparedVoxels:
        """A density (X, Y, Z) and the images, in the voxels that are compared.

        Raises
        ------
        GridMismatchError
            If the density has another shape.
        NumericalError
            If a density is NaN or outside [0, 1] by more than 0.001.
        """
        _require_shape("cell_density", cell_density.shape, self.observation.grid)
        flat = cell_density.reshape(-1)
        voxels = ComparedVoxels(
            mask_density=flat[self._mask_voxels],
            tumor_core=self._core_values,
            whole_tumor=self._whole_values,
            pet_density=None if self._pet_values is None else self._as_in_pet(cell_density)[self._pet_voxels],
            pet=self._pet_values,
        )
        _require_density(voxels.mask_density)
        if voxels.pet_density is not None:
            _require_density(voxels.pet_density)
        return voxels

    def _as_in_pet(self, cell_density: NDArray[np.floating]) -> NDArray[np.floating]:
        """A density at the resolution of PET, flat."""
        spacing_mm = self.observation.grid.spacing_mm
        return blurred_density(cell_density, spacing_mm, self.options.pet_fwhm_mm).reshape(-1)

    def _pet_term(self, voxels: ComparedVoxels, parameters: ImagingParameters) -> float | None:
        if voxels.pet is None or voxels.pet_density is None:
            return None
        if parameters.pet_scale is None or parameters.pet_noise_std is None:
            raise ParameterError("PET was observed: ImagingParameters need pet_scale and pet_noise_std.")
        return self.options.pet_weight * pet_log_likelihood(
            voxels.pet,
            voxels.pet_density,
            pet_scale=parameters.pet_scale,
            pet_noise_std=parameters.pet_noise_std,
            pet_background=parameters.pet_background,
            formula=self.options.formula,
        )

    @cached_property
    def _compared(self) -> NDArray[np.bool_]:
        return self.domain if self.region is None else self.domain & self.region

    @cached_property
    def _mask_voxels(self) -> NDArray[np.int64]:
        return _strided_voxels(self._compared, self.options.mask_stride)

    @cached_property
    def _pet_voxels(self) -> NDArray[np.int64]:
        pet = self.compared_pet
        measured = self._compared if pet is None else self._compared & (pet.data != 0.0)
        return _strided_voxels(measured, self.options.pet_stride)

    @cached_property
    def _core_values(self) -> NDArray[np.bool_] | None:
        mask = self.compared_core
        return None if mask is None else mask.reshape(-1)[self._mask_voxels]

    @cached_property
    def _whole_values(self) -> NDArray[np.bool_] | None:
        mask = self.compared_whole
        return None if mask is None else mask.reshape(-1)[self._mask_voxels]

    @cached_property
    def _pet_values(self) -> NDArray[np.float64] | None:
        pet = self.compared_pet
        return None if pet is None else pet.data.reshape(-1)[self._pet_voxels].astype(np.float64)


def _strided_voxels(compared: NDArray[np.bool_], stride: int) -> NDArray[np.int64]:
    """Flat indices of the voxels of a mask whose three indices are multiples of the stride."""
    kept = np.zeros_like(compared)
    every = slice(None, None, stride)
    kept[every, every, every] = compared[every, every, every]
    return np.flatnonzero(kept)


def _require_shape(name: str, shape: tuple[int, ...], grid: Grid) -> None:
    if tuple(shape) != grid.shape:
        raise GridMismatchError(
            f"{name} must lie on the observation's grid ({grid.describe()}), got shape {tuple(shape)}. "
            "Resample it onto that grid first."
        )


def _require_density(density: NDArray[np.floating]) -> None:
    lowest, highest = float(density.min()), float(density.max())
    if math.isnan(lowest) or not (-_DENSITY_TOLERANCE <= lowest and highest <= 1.0 + _DENSITY_TOLERANCE):
        raise NumericalError(
            f"cell_density must be finite and lie in [0, 1], got values from {lowest:.4g} to {highest:.4g}. "
            "The simulation failed, or the array holds another quantity."
        )
